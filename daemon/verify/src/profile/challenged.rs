//! Senders that try a URL out by another method than that of their deliveries.

use std::borrow::Cow;

use http::Method;

use super::Profile;
use super::table::{HEAD_PROBE, UNTOLD, hours, in_header, in_json, in_query, sha1, sha256, token};
use crate::handshake::{Alphabet, Body, Condition, HandshakeRule, Hash, Proof, Shape, Value};
use crate::scheme::{Algorithm, Encoding, TimestampFormat};
use crate::settings::Setting;
use crate::template::Piece;

pub(super) const DROPBOX: Profile = Profile {
    name: "dropbox",
    title: "Dropbox",
    scheme: &sha256("x-dropbox-signature").scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the app secret. A delivery says whose files changed and no more: it \
              has neither a kind nor an id, and what changed has to be fetched.",
    handshakes: &[CHALLENGE],
    ..Profile::DEFAULTS
};

pub(super) const LINKEDIN: Profile = Profile {
    name: "linkedin",
    title: "LinkedIn",
    scheme: &sha256("x-li-signature")
        .signs(&[Piece::Text(Cow::Borrowed("hmacsha256=")), Piece::Body])
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/notificationId")],
    retry_span: UNTOLD,
    summary: "The secret is the app's client secret; of several, the first answers LinkedIn's \
              challenge, which comes every two hours. `hmacsha256=` is signed before the body \
              and is not in the header.",
    handshakes: &[HandshakeRule {
        name: "challengeCode",
        when: &[
            Condition::Method(Method::GET),
            // A UUID. It cannot have the `=` that what is signed for an event begins with.
            Condition::Shaped(
                in_query("challengeCode"),
                Shape { of: Alphabet::Word, at_least: 1, at_most: 256 },
            ),
        ],
        proof: Proof::Nothing,
        body: Body::Json(&[
            ("challengeCode", Value::Echo(in_query("challengeCode"))),
            (
                "challengeResponse",
                Value::Hash {
                    how: Hash::Hmac(Algorithm::Sha256),
                    of: &[Value::Echo(in_query("challengeCode"))],
                    encoding: Encoding::Hex,
                },
            ),
        ]),
        ..HandshakeRule::DEFAULTS
    }],
    ..Profile::DEFAULTS
};

pub(super) const NYLAS: Profile = Profile {
    name: "nylas",
    title: "Nylas",
    scheme: &sha256("x-nylas-signature").scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "The secret is that of the webhook destination, which Nylas shows when it is made or \
              its secret is replaced. A compressed body is signed as it comes, and kept so: it \
              then has neither a kind nor an id.",
    handshakes: &[CHALLENGE],
    ..Profile::DEFAULTS
};

pub(super) const OKTA: Profile = Profile {
    name: "okta",
    title: "Okta event hooks",
    scheme: &token("authorization"),
    kind: &[in_json("/eventType")],
    delivery_id: &[in_json("/eventId")],
    retry_span: hours(1),
    summary: "The secret is the whole value of the header `Authorization`, as the hook is \
              configured. Nothing is signed. A delivery is a batch, always of the same kind; \
              what happened is in each of `data.events`.",
    handshakes: &[HandshakeRule {
        name: "verification",
        when: &[
            Condition::Method(Method::GET),
            Condition::Has(in_header("x-okta-verification-challenge")),
        ],
        proof: Proof::MaybeSigned,
        body: Body::Json(&[(
            "verification",
            Value::Echo(in_header("x-okta-verification-challenge")),
        )]),
        ..HandshakeRule::DEFAULTS
    }],
    ..Profile::DEFAULTS
};

pub(super) const OURA: Profile = Profile {
    name: "oura",
    title: "Oura",
    scheme: &sha256("x-oura-signature")
        .encoded(Encoding::HexUpper)
        .signs(&[Piece::Timestamp, Piece::Body])
        .header_time("x-oura-timestamp", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[in_json("/event_type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the app's client secret. The signature comes in capitals. The kind is \
              `create`, `update` or `delete`; what of is in `data_type`. The body has no id of \
              the delivery.",
    settings: &[Setting::optional(
        "verification_token",
        "the verification token that was given with the subscription; without it, a secret of the \
         route",
    )
    .secret()],
    handshakes: &[HandshakeRule {
        name: "verification",
        when: &[Condition::Method(Method::GET), Condition::Has(in_query("challenge"))],
        proof: Proof::Shows(in_query("verification_token"), "verification_token"),
        body: Body::Json(&[("challenge", Value::Echo(in_query("challenge")))]),
        ..HandshakeRule::DEFAULTS
    }],
    ..Profile::DEFAULTS
};

pub(super) const TRELLO: Profile = Profile {
    name: "trello",
    title: "Trello",
    scheme: &sha1("x-trello-webhook").base64().signs(&[Piece::Body, Piece::Url]).scheme(),
    kind: &[in_json("/action/type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the app's OAuth 1.0 secret, which the Power-Up's page shows. The URL \
              is signed after the body: the public URL has to be configured exactly as the \
              webhook was made with it. There is no id of a delivery: webhooks of several models \
              that share a route send the same action each, with the same `action.id`.",
    handshakes: &[HEAD_PROBE],
    ..Profile::DEFAULTS
};

pub(super) const X_TWITTER: Profile = Profile {
    name: "x-twitter",
    title: "X (Twitter)",
    scheme: &sha256("x-twitter-webhooks-signature").base64().prefixed("sha256=").scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the app's consumer secret; of several, the first answers X's \
              challenge, which comes about every hour. What happened is in the names of the \
              body's members, for which there is no location, and there is no id.",
    handshakes: &[HandshakeRule {
        name: "CRC",
        when: &[
            Condition::Method(Method::GET),
            // The answer is what an event with this body would be signed with, for anyone who asks.
            Condition::Shaped(
                in_query("crc_token"),
                Shape { of: Alphabet::Unquoted, at_least: 1, at_most: 1024 },
            ),
        ],
        proof: Proof::Nothing,
        body: Body::Json(&[(
            "response_token",
            Value::Joined(&[
                Value::Text("sha256="),
                Value::Hash {
                    how: Hash::Hmac(Algorithm::Sha256),
                    of: &[Value::Echo(in_query("crc_token"))],
                    encoding: Encoding::Base64,
                },
            ]),
        )]),
        ..HandshakeRule::DEFAULTS
    }],
    ..Profile::DEFAULTS
};

/// The parameter's text alone.
const CHALLENGE: HandshakeRule = HandshakeRule {
    name: "challenge",
    when: &[Condition::Method(Method::GET), Condition::Has(in_query("challenge"))],
    proof: Proof::Nothing,
    body: Body::Text(&[Value::Echo(in_query("challenge"))]),
    ..HandshakeRule::DEFAULTS
};
