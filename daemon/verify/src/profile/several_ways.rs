//! Senders that sign in more than one way, and those that sign the URL.

use std::borrow::Cow;

use super::Profile;
use super::standard_webhooks::v1;
use super::table::{NEW_LINE, UNTOLD, days, in_form, in_header, in_json, sha256, token};
use crate::scheme::{KeyForm, Scheme, TimestampFormat};
use crate::template::Piece;

pub(super) const CONTENTFUL: Profile = Profile {
    name: "contentful",
    title: "Contentful",
    scheme: &sha256("x-contentful-signature")
        .signs(&[
            Piece::Method,
            NEW_LINE,
            Piece::PathAndQuery,
            NEW_LINE,
            Piece::ListedHeaders(Cow::Borrowed("x-contentful-signed-headers")),
            NEW_LINE,
            Piece::Body,
        ])
        .header_time("x-contentful-timestamp", TimestampFormat::Millis, 30)
        .scheme(),
    kind: &[in_header("x-contentful-topic")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the space's signing secret, 64 characters used as text. Method, \
              path, query and the headers that a header lists are signed with the body; the \
              path has to be the one that Contentful calls. The timestamp may be half a \
              minute away. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const GITLAB: Profile = Profile {
    name: "gitlab",
    title: "GitLab",
    scheme: &Scheme::FirstOf(Cow::Borrowed(&[
        v1(
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
            KeyForm::TaggedBase64 { tag: Cow::Borrowed("whsec_"), or_text: false },
        ),
        token("x-gitlab-token"),
    ])),
    kind: &[in_header("x-gitlab-event")],
    delivery_id: &[in_header("webhook-id"), in_header("idempotency-key")],
    retry_span: UNTOLD,
    summary: "A secret that starts with `whsec_` is a signing token, with which id, \
              timestamp and body are signed; any other is the legacy secret token, which \
              GitLab sends as it is and which protects no content. The event's name is in a \
              header that is not signed.",
    ..Profile::DEFAULTS
};

pub(super) const HUBSPOT: Profile = Profile {
    name: "hubspot",
    title: "HubSpot",
    scheme: &Scheme::FirstOf(Cow::Borrowed(&[
        sha256("x-hubspot-signature-v3")
            .base64()
            .signs(&[Piece::Method, Piece::DecodedUrl, Piece::Body, Piece::Timestamp])
            .header_time("x-hubspot-request-timestamp", TimestampFormat::Millis, 300)
            .scheme(),
        sha256("x-hubspot-signature")
            .digest()
            .signs(&[Piece::Secret, Piece::Method, Piece::Url, Piece::Body])
            .fixed(&HUBSPOT_V2)
            .scheme(),
        sha256("x-hubspot-signature")
            .digest()
            .signs(&[Piece::Secret, Piece::Body])
            .fixed(&HUBSPOT_V1)
            .scheme(),
    ])),
    kind: &[],
    delivery_id: &[],
    retry_span: days(1),
    summary: "The secret is the app's client secret. Version 3 of the signature decides \
              where it is sent, and has the public URL in it, which has to be configured \
              exactly. The older versions have no timestamp, and HubSpot signs by them beside \
              version 3: whoever has captured a request can leave out version 3 and send the \
              rest again at any time. A delivery is a batch of events.",
    ..Profile::DEFAULTS
};

pub(super) const SHOPIFY: Profile = Profile {
    name: "shopify",
    title: "Shopify",
    scheme: &Scheme::FirstOf(Cow::Borrowed(&[
        sha256("shopify-hmac-sha256").base64().scheme(),
        sha256("x-shopify-hmac-sha256").base64().scheme(),
    ])),
    kind: &[in_header("shopify-topic"), in_header("x-shopify-topic")],
    delivery_id: &[in_header("shopify-webhook-id"), in_header("x-shopify-webhook-id")],
    retry_span: days(1),
    summary: "The secret is the app's client secret, or the key that the admin shows for \
              webhooks made there. Topic, shop and id are in headers that are not signed, \
              and there is no timestamp.",
    ..Profile::DEFAULTS
};

pub(super) const SQUARE: Profile = Profile {
    name: "square",
    title: "Square",
    scheme: &sha256("x-square-hmacsha256-signature")
        .base64()
        .signs(&[Piece::Url, Piece::Body])
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/event_id")],
    retry_span: days(2),
    summary: "The secret is the subscription's signature key. The URL is signed before the \
              body: the public URL has to be configured exactly as the subscription has it.",
    ..Profile::DEFAULTS
};

pub(super) const TWILIO: Profile = Profile {
    name: "twilio",
    title: "Twilio",
    scheme: &Scheme::Twilio,
    kind: &[
        in_form("EventType"),
        in_form("MessageStatus"),
        in_form("CallStatus"),
        in_form("SmsStatus"),
    ],
    delivery_id: &[],
    retry_span: UNTOLD,
    success_status: 204,
    summary: "The secret is the account's auth token, or a shared key. The URL is signed: \
              the public URL has to be configured exactly as Twilio calls it; its port may \
              be left out or be there. A body that is not a form needs `bodySHA256` in the \
              URL. There is no timestamp, and a call's or message's id is that of all \
              requests about it, so that there is no id. What is taken is answered with 204 and \
              no TwiML: nothing more happens.",
    ..Profile::DEFAULTS
};

const HUBSPOT_V1: [(Cow<'static, str>, Cow<'static, str>); 1] =
    [(Cow::Borrowed("x-hubspot-signature-version"), Cow::Borrowed("v1"))];

const HUBSPOT_V2: [(Cow<'static, str>, Cow<'static, str>); 1] =
    [(Cow::Borrowed("x-hubspot-signature-version"), Cow::Borrowed("v2"))];
