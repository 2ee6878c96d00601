//! Senders that sign with a key pair: the public key takes the place of the secret.

use std::borrow::Cow;

use http::Method;

use super::Profile;
use super::table::{DOT, NEW_LINE, days, in_header, in_json, key_pair};
use crate::handshake::{Body, Condition, HandshakeRule, Proof, Value};
use crate::scheme::{Encoding, Scheme, SignatureAlgorithm, TimestampFormat};
use crate::template::Piece;

pub(super) const BRIDGE: Profile = Profile {
    name: "bridge",
    title: "Bridge",
    scheme: &key_pair(SignatureAlgorithm::RsaSha256Twice, "x-webhook-signature")
        .entries("v0")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Millis, 600)
        .scheme(),
    kind: &[in_json("/event_type")],
    delivery_id: &[in_json("/event_id")],
    summary: "Bridge of bridge.xyz. The public key is that of the webhook, in PEM, which the API \
              shows when the webhook is made. Bridge signs the hash of timestamp and \
              body, not these themselves, and signs each try anew; it may be ten minutes old.",
    ..Profile::DEFAULTS
};

pub(super) const CIRCLE: Profile = Profile {
    name: "circle",
    title: "Circle",
    scheme: &key_pair(SignatureAlgorithm::EcdsaSha256, "x-circle-signature")
        .key_id("x-circle-key-id")
        .scheme(),
    kind: &[in_json("/notificationType")],
    delivery_id: &[in_json("/notificationId")],
    summary: "The public key is its id, a colon and the key in base64, as Circle's API gives it for \
              the id that is in `x-circle-key-id`: `879dc113-…:MFkwEwYH…`. Give each key that may \
              sign: one of another id is refused. There is no timestamp. Circle \
              tries the URL with a HEAD request first.",
    handshakes: &[HandshakeRule {
        name: "URL validation",
        when: &[Condition::Method(Method::HEAD)],
        proof: Proof::Nothing,
        status: 200,
        headers: &[],
        body: Body::Empty,
        confirm: None,
    }],
    ..Profile::DEFAULTS
};

pub(super) const DISCORD: Profile = Profile {
    name: "discord",
    title: "Discord",
    scheme: &key_pair(SignatureAlgorithm::Ed25519, "x-signature-ed25519")
        .encoded(Encoding::Hex)
        .signs(&[Piece::Timestamp, Piece::Body])
        .header_time("x-signature-timestamp", TimestampFormat::Seconds, 900)
        .scheme(),
    kind: &[in_json("/event/type"), in_json("/type")],
    delivery_id: &[in_json("/id")],
    success_status: 204,
    summary: "The public key is the application's, 64 hexadecimal digits on its General \
              Information page. Discord sends bad signatures on purpose and removes the URL when \
              one is not refused with 401. An interaction has to be answered by its handler within \
              three seconds; a webhook event, which has no id, is tried again for ten minutes.",
    handshakes: &[
        HandshakeRule {
            name: "interactions ping",
            // Of webhook events, type 1 is every event.
            when: &[Condition::Is(in_json("/type"), "1"), Condition::Lacks(in_json("/event/type"))],
            proof: Proof::Signature,
            status: 200,
            headers: &[("content-type", Value::Text("application/json"))],
            body: Body::Text(&[Value::Text(r#"{"type":1}"#)]),
            confirm: None,
        },
        HandshakeRule {
            name: "webhook events ping",
            when: &[Condition::Is(in_json("/type"), "0")],
            proof: Proof::Signature,
            status: 204,
            headers: &[("content-type", Value::Text("application/json"))],
            body: Body::Empty,
            confirm: None,
        },
    ],
    ..Profile::DEFAULTS
};

pub(super) const FIREBLOCKS: Profile = Profile {
    name: "fireblocks",
    title: "Fireblocks",
    scheme: &key_pair(SignatureAlgorithm::RsaSha512, "fireblocks-signature").scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[],
    summary: "The public key is Fireblocks' in PEM, which its documentation shows for each \
              environment: those of the sandbox and of the European workspaces are others. This is \
              the signature in `fireblocks-signature`; that in `fireblocks-webhook-signature` is \
              not looked at. There is no timestamp.",
    ..Profile::DEFAULTS
};

pub(super) const POSTAL: Profile = Profile {
    name: "postal",
    title: "Postal",
    scheme: &Scheme::FirstOf(Cow::Borrowed(&[
        key_pair(SignatureAlgorithm::RsaSha256, "x-postal-signature-256").scheme(),
        key_pair(SignatureAlgorithm::RsaSha1, "x-postal-signature").scheme(),
    ])),
    kind: &[in_json("/event")],
    delivery_id: &[in_json("/uuid")],
    summary: "The public key is that of the installation's signing key, in base64: the \
              value of `p=` in the record that `postal default-dkim-record` shows. Postal makes \
              signing keys of 1024 bits, which are refused here; give it one of 2048. Older \
              versions sign with SHA-1 alone. There is no timestamp in what is signed apart from \
              the body.",
    ..Profile::DEFAULTS
};

pub(super) const SENDGRID: Profile = Profile {
    name: "sendgrid",
    title: "SendGrid",
    scheme: &key_pair(SignatureAlgorithm::EcdsaSha256, "x-twilio-email-event-webhook-signature")
        .signs(&[Piece::Timestamp, Piece::Body])
        .header_time("x-twilio-email-event-webhook-timestamp", TimestampFormat::Seconds, 600)
        .scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: days(2),
    summary: "The public key is the verification key of the signed event webhook, in base64 as Mail \
              Settings show it. A delivery is a batch of events, each with an `sg_event_id` of its \
              own. The line break at the end of the body is signed. The timestamp may be ten \
              minutes away, where SendGrid's own libraries have no limit.",
    ..Profile::DEFAULTS
};

pub(super) const TELNYX: Profile = Profile {
    name: "telnyx",
    title: "Telnyx",
    scheme: &key_pair(SignatureAlgorithm::Ed25519, "telnyx-signature-ed25519")
        .signs(&[Piece::Timestamp, PIPE, Piece::Body])
        .header_time("telnyx-timestamp", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[in_json("/data/event_type")],
    delivery_id: &[in_json("/data/id")],
    summary: "The public key is the account's, in base64, which the portal shows under \
              Keys & Credentials.",
    ..Profile::DEFAULTS
};

pub(super) const TOKEN_IO: Profile = Profile {
    name: "token-io",
    title: "Token.io",
    scheme: &key_pair(SignatureAlgorithm::Ed25519, "token-signature")
        .encoded(Encoding::Base64Url)
        .scheme(),
    kind: &[in_header("token-event")],
    delivery_id: &[],
    summary: "The public key is the member's for webhooks, in base64 of either alphabet. \
              The body alone is signed: the event's type is in a header that is not, and there is \
              no timestamp.",
    ..Profile::DEFAULTS
};

pub(super) const UTILA: Profile = Profile {
    name: "utila",
    title: "Utila",
    scheme: &key_pair(SignatureAlgorithm::RsaPssSha512, "x-utila-signature").scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    summary: "The public key is Utila's in PEM, which the console shows. There is no \
              timestamp.",
    ..Profile::DEFAULTS
};

pub(super) const WECHAT_PAY: Profile = Profile {
    name: "wechat-pay",
    title: "WeChat Pay",
    scheme: &key_pair(SignatureAlgorithm::RsaSha256, "wechatpay-signature")
        .signs(&[
            Piece::Timestamp,
            NEW_LINE,
            Piece::Header(Cow::Borrowed("wechatpay-nonce")),
            NEW_LINE,
            Piece::Body,
            NEW_LINE,
        ])
        .header_time("wechatpay-timestamp", TimestampFormat::Seconds, 300)
        .key_id("wechatpay-serial")
        .scheme(),
    kind: &[in_json("/event_type")],
    delivery_id: &[in_json("/id")],
    summary: "Version 3 of the API. The public key is a serial number, a colon and the key in PEM: \
              those of the platform certificate, or those of the WeChat Pay public key \
              (`PUB_KEY_ID_…:-----BEGIN PUBLIC KEY-----…`). Give each that may sign: one of another \
              serial number is refused. What \
              `resource` has in it stays encrypted.",
    ..Profile::DEFAULTS
};

const PIPE: Piece = Piece::Text(Cow::Borrowed("|"));
