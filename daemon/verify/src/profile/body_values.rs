//! Senders that sign some values of the body and put the signature beside them.

use std::borrow::Cow;
use std::time::Duration;

use super::Profile;
use super::table::{UNTOLD, days, in_form, in_json, sha256};
use crate::scheme::{
    Algorithm, BodyHmacScheme, BodyTimestamp, Encoding, KeyForm, Scheme, SignedValue,
    TimestampFormat,
};
use crate::values::BodyValues;

pub(super) const ADYEN: Profile = Profile {
    name: "adyen",
    title: "Adyen",
    scheme: &Scheme::FirstOf(Cow::Borrowed(&[
        sha256("hmacsignature").base64().key(KeyForm::Hex).scheme(),
        Scheme::BodyHmac(BodyHmacScheme {
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Base64,
            key: KeyForm::Hex,
            values: BodyValues::Json(Cow::Borrowed("/notificationItems/*/NotificationRequestItem")),
            signed: Cow::Borrowed(&[
                needed("pspReference"),
                value("originalReference"),
                value("merchantAccountCode"),
                free("merchantReference"),
                value("amount/value"),
                value("amount/currency"),
                needed("eventCode"),
                needed("success"),
            ]),
            between: Cow::Borrowed(":"),
            signatures: Cow::Borrowed(&[Cow::Borrowed("additionalData/hmacSignature")]),
            timestamp: None,
            one_time: None,
        }),
    ])),
    kind: &[in_json("/notificationItems/0/NotificationRequestItem/eventCode"), in_json("/type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    success_body: "[accepted]",
    summary: "The secret is the webhook's HMAC key, 64 hexadecimal digits. Platform and management \
              webhooks have a signature of the body in a header. Payment webhooks have one in each \
              item, which covers eight values of it and no more; every item is checked, and the \
              kind is that of the first. An item's reference is that of others about the same \
              payment, so that there is no id.",
    ..Profile::DEFAULTS
};

pub(super) const DROPBOX_SIGN: Profile = Profile {
    name: "dropbox-sign",
    title: "Dropbox Sign",
    scheme: &Scheme::BodyHmac(BodyHmacScheme {
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        key: KeyForm::Text,
        values: BodyValues::JsonInForm {
            field: Cow::Borrowed("json"),
            at: Cow::Borrowed("/event"),
        },
        signed: Cow::Borrowed(&[needed("event_time"), needed("event_type")]),
        between: Cow::Borrowed(""),
        signatures: Cow::Borrowed(&[Cow::Borrowed("event_hash")]),
        timestamp: Some(BodyTimestamp {
            name: Cow::Borrowed("event_time"),
            format: TimestampFormat::Seconds,
            tolerance: UNTOLD,
        }),
        one_time: None,
    }),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    success_body: "Hello API Event Received",
    summary: "The secret is the API key. Only the event's time and type are signed: whoever has seen \
              one event can send any other of that moment and type, so fetch what it is about. The \
              time is that of the event, not of the delivery, and may be three days away. The body \
              is a form with JSON in the field `json`, in which kind and id are out of reach.",
    ..Profile::DEFAULTS
};

pub(super) const MAILGUN: Profile = Profile {
    name: "mailgun",
    title: "Mailgun",
    scheme: &Scheme::BodyHmac(BodyHmacScheme {
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        key: KeyForm::Text,
        values: BodyValues::JsonOrForm(Cow::Borrowed("/signature")),
        signed: Cow::Borrowed(&[needed("timestamp"), needed("token")]),
        between: Cow::Borrowed(""),
        signatures: Cow::Borrowed(&[Cow::Borrowed("signature"), Cow::Borrowed("parent-signature")]),
        timestamp: Some(BodyTimestamp {
            name: Cow::Borrowed("timestamp"),
            format: TimestampFormat::Seconds,
            tolerance: Duration::from_secs(8 * 3600),
        }),
        one_time: Some(Cow::Borrowed("token")),
    }),
    kind: &[in_json("/event-data/event"), in_form("event")],
    delivery_id: &[in_json("/event-data/id"), in_json("/signature/token"), in_form("token")],
    retry_span: days(1),
    summary: "The secret is the HTTP webhook signing key; of a subaccount's events, the parent's \
              key counts too. Only a timestamp and a token are signed, and the event is not: a token \
              is good for one body. The timestamp may be eight hours away, for as long as Mailgun \
              tries again. JSON, forms and inbound mail in parts are read.",
    ..Profile::DEFAULTS
};

/// A value that may be missing.
const fn value(name: &'static str) -> SignedValue {
    SignedValue { name: Cow::Borrowed(name), needed: false, free: false }
}

/// A value that is always there.
const fn needed(name: &'static str) -> SignedValue {
    SignedValue { name: Cow::Borrowed(name), needed: true, free: false }
}

/// A value that others choose, so that it may have in it what stands between the values.
const fn free(name: &'static str) -> SignedValue {
    SignedValue { name: Cow::Borrowed(name), needed: false, free: true }
}
