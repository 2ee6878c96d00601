//! Senders whose handshake comes as their deliveries do, by `POST`.

use std::borrow::Cow;

use http::Method;

use super::table::{COLON, UNTOLD, hours, in_form, in_header, in_json, sha256, token};
use super::{Profile, SuccessBody};
use crate::handshake::{Alphabet, Body, Condition, HandshakeRule, Hash, Proof, Shape, Value};
use crate::scheme::{Algorithm, Encoding, KeyForm, TimestampFormat};
use crate::template::Piece;

pub(super) const FRONT: Profile = Profile {
    name: "front",
    title: "Front",
    scheme: &sha256("x-front-signature")
        .base64()
        .signs(&[Piece::Timestamp, COLON, Piece::Body])
        .header_time("x-front-request-timestamp", TimestampFormat::Millis, 300)
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "For application webhooks; the secret is the app's signing key. Rule webhooks are \
              signed otherwise and are refused. The body has no id of the delivery.",
    handshakes: &[HandshakeRule {
        name: "sync",
        // By the body, which is signed; the challenge is in a header, which is not.
        when: &[Condition::Method(Method::POST), Condition::Is(in_json("/type"), "sync")],
        proof: Proof::Signature,
        body: Body::Text(&[Value::Echo(in_header("x-front-challenge"))]),
        ..HandshakeRule::DEFAULTS
    }],
    ..Profile::DEFAULTS
};

pub(super) const RINGCENTRAL: Profile = Profile {
    name: "ringcentral",
    title: "RingCentral",
    scheme: &token("verification-token"),
    kind: &[in_json("/event")],
    delivery_id: &[in_json("/uuid")],
    retry_span: UNTOLD,
    summary: "The secret is the `verificationToken` that was given with the subscription, which \
              RingCentral sends as it is; a subscription without one is refused. Nothing is \
              signed. The kind is the event's filter, a path.",
    handshakes: &[HandshakeRule {
        name: "validation",
        when: &[Condition::Method(Method::POST), Condition::Has(in_header("validation-token"))],
        proof: Proof::MaybeSigned,
        headers: &[("validation-token", Value::Echo(in_header("validation-token")))],
        ..HandshakeRule::DEFAULTS
    }],
    ..Profile::DEFAULTS
};

pub(super) const SLACK: Profile = Profile {
    name: "slack",
    title: "Slack",
    scheme: &sha256("x-slack-signature")
        .prefixed("v0=")
        .signs(&[Piece::Text(Cow::Borrowed("v0:")), Piece::Timestamp, COLON, Piece::Body])
        .header_time("x-slack-request-timestamp", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[in_json("/event/type"), in_json("/type"), in_form("command")],
    delivery_id: &[in_json("/event_id"), in_form("trigger_id")],
    retry_span: hours(1),
    success_body: SuccessBody::Empty,
    summary: "The secret is the app's signing secret, which looks like hexadecimal and is used as \
              the text it is. Events, slash commands and interactions are signed alike; the kind \
              is the event's type or the command. Of an interaction it is inside the form's \
              `payload`, for which there is no location. Slack waits three seconds.",
    handshakes: &[
        HandshakeRule {
            name: "url_verification",
            when: &[
                Condition::Method(Method::POST),
                Condition::Is(in_json("/type"), "url_verification"),
            ],
            proof: Proof::Signature,
            body: Body::Text(&[Value::Echo(in_json("/challenge"))]),
            ..HandshakeRule::DEFAULTS
        },
        HandshakeRule {
            name: "ssl_check",
            when: &[Condition::Method(Method::POST), Condition::Is(in_form("ssl_check"), "1")],
            proof: Proof::MaybeSigned,
            ..HandshakeRule::DEFAULTS
        },
    ],
    ..Profile::DEFAULTS
};

pub(super) const TWITCH: Profile = Profile {
    name: "twitch",
    title: "Twitch EventSub",
    scheme: &sha256("twitch-eventsub-message-signature")
        .prefixed("sha256=")
        .signs(&[Piece::Id, Piece::Timestamp, Piece::Body])
        .header_time("twitch-eventsub-message-timestamp", TimestampFormat::Rfc3339, 600)
        .id("twitch-eventsub-message-id")
        .key(KeyForm::Sized { shortest: 10, longest: 100 })
        .scheme(),
    kind: &[in_json("/subscription/type")],
    delivery_id: &[in_header("twitch-eventsub-message-id")],
    retry_span: UNTOLD,
    summary: "The secret, 10 to 100 characters, was made up for the subscription. Id, timestamp \
              and body are signed; the timestamp may be ten minutes away. The kind is the \
              subscription's, also when Twitch revokes it: then there is no `event`, and \
              `subscription.status` says why.",
    handshakes: &[HandshakeRule {
        name: "webhook_callback_verification",
        // By the body, which is signed; the message's type is in a header, which is not.
        when: &[Condition::Method(Method::POST), Condition::Has(in_json("/challenge"))],
        proof: Proof::Signature,
        body: Body::Text(&[Value::Echo(in_json("/challenge"))]),
        ..HandshakeRule::DEFAULTS
    }],
    ..Profile::DEFAULTS
};

pub(super) const WOOCOMMERCE: Profile = Profile {
    name: "woocommerce",
    title: "WooCommerce",
    scheme: &sha256("x-wc-webhook-signature").base64().scheme(),
    kind: &[in_header("x-wc-webhook-topic")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is that of the webhook's settings. The topic is in a header that is not \
              signed. There is no id: `X-WC-Webhook-Delivery-ID` is made of the webhook and the \
              second, so that different events of one second have the same. A new webhook is tried \
              with a form that is not signed, which is answered and is no event. After more than \
              five failures in a row WooCommerce turns the webhook off.",
    handshakes: &[HandshakeRule {
        name: "ping",
        when: &[
            Condition::Method(Method::POST),
            Condition::Shaped(
                in_form("webhook_id"),
                Shape { of: Alphabet::Digits, at_least: 1, at_most: 20 },
            ),
        ],
        proof: Proof::Nothing,
        ..HandshakeRule::DEFAULTS
    }],
    ..Profile::DEFAULTS
};

pub(super) const ZOOM: Profile = Profile {
    name: "zoom",
    title: "Zoom",
    scheme: &sha256("x-zm-signature")
        .prefixed("v0=")
        .signs(&[Piece::Text(Cow::Borrowed("v0:")), Piece::Timestamp, COLON, Piece::Body])
        .header_time("x-zm-request-timestamp", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the app's secret token, not its old verification token. Zoom tries \
              the URL out every three days and waits three seconds. The body has no id of the \
              delivery.",
    handshakes: &[HandshakeRule {
        name: "endpoint.url_validation",
        when: &[
            Condition::Method(Method::POST),
            Condition::Is(in_json("/event"), "endpoint.url_validation"),
        ],
        proof: Proof::Signature,
        body: Body::Json(&[
            ("plainToken", Value::Echo(in_json("/payload/plainToken"))),
            (
                "encryptedToken",
                Value::Hash {
                    how: Hash::Hmac(Algorithm::Sha256),
                    of: &[Value::Echo(in_json("/payload/plainToken"))],
                    encoding: Encoding::Hex,
                },
            ),
        ]),
        ..HandshakeRule::DEFAULTS
    }],
    ..Profile::DEFAULTS
};
