//! Senders with the timestamp in a header of its own.

use std::borrow::Cow;

use super::Profile;
use super::table::{COLON, DOT, UNTOLD, days, in_header, in_json, sha1, sha256};
use crate::scheme::TimestampFormat;
use crate::template::Piece;

pub(super) const AIRWALLEX: Profile = Profile {
    name: "airwallex",
    title: "Airwallex",
    scheme: &sha256("x-signature")
        .signs(&[Piece::Timestamp, Piece::Body])
        .header_time("x-timestamp", TimestampFormat::Millis, 300)
        .scheme(),
    kind: &[in_json("/name")],
    delivery_id: &[in_json("/id")],
    retry_span: days(4),
    summary: "The secret is that of the webhook URL; each has its own. The timestamp, in \
              milliseconds, and the body are signed without a separator.",
    ..Profile::DEFAULTS
};

pub(super) const AKENEO: Profile = Profile {
    name: "akeneo",
    title: "Akeneo",
    scheme: &sha256("x-akeneo-request-signature")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .header_time("x-akeneo-request-timestamp", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "For the Events API; the secret is that of the connection. A delivery is a batch \
              of events, each with its own `action` and `event_id`.",
    ..Profile::DEFAULTS
};

pub(super) const BOX: Profile = Profile {
    name: "box",
    title: "Box",
    scheme: &sha256("box-signature-primary")
        .base64()
        .also(&[Cow::Borrowed("box-signature-secondary")])
        .fixed(&BOX_VERSION)
        .signs(&[Piece::Body, Piece::Timestamp])
        .header_time("box-delivery-timestamp", TimestampFormat::Rfc3339, 600)
        .scheme(),
    kind: &[in_json("/trigger")],
    delivery_id: &[in_header("box-delivery-id")],
    retry_span: UNTOLD,
    summary: "Box signs with two keys, primary and secondary; give one, or both as a list. \
              The timestamp follows the body without a separator and may be ten minutes \
              away. The id is in a header that is not signed.",
    ..Profile::DEFAULTS
};

pub(super) const CASHFREE: Profile = Profile {
    name: "cashfree",
    title: "Cashfree",
    scheme: &sha256("x-webhook-signature")
        .base64()
        .signs(&[Piece::Timestamp, Piece::Body])
        .header_time("x-webhook-timestamp", TimestampFormat::Millis, 300)
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the client secret. The timestamp and the body are signed without \
              a separator, as the payment gateway's newer pages say; a product that puts a \
              dot between them needs a written scheme. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const CLOUDINARY: Profile = Profile {
    name: "cloudinary",
    title: "Cloudinary",
    scheme: &sha1("x-cld-signature")
        .digest()
        .signs(&[Piece::Body, Piece::Timestamp, Piece::Secret])
        .header_time("x-cld-timestamp", TimestampFormat::Seconds, 7200)
        .scheme(),
    kind: &[in_json("/notification_type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the API secret. The signature is a plain SHA-1, Cloudinary's \
              default, over body, timestamp and secret; accounts switched to SHA-256 are \
              refused. The timestamp may be two hours away. The body has no id of the \
              delivery.",
    ..Profile::DEFAULTS
};

pub(super) const CUSTOMERIO: Profile = Profile {
    name: "customerio",
    title: "Customer.io",
    scheme: &sha256("x-cio-signature")
        .signs(&[Piece::Text(Cow::Borrowed("v0:")), Piece::Timestamp, COLON, Piece::Body])
        .header_time("x-cio-timestamp", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[in_json("/metric")],
    delivery_id: &[in_json("/event_id")],
    retry_span: UNTOLD,
    summary: "The secret is the reporting webhook's signing key. What an event is about is \
              in `object_type`, what happened in `metric`.",
    ..Profile::DEFAULTS
};

pub(super) const ORB: Profile = Profile {
    name: "orb",
    title: "Orb",
    scheme: &sha256("x-orb-signature")
        .listed(' ', '=', "v1")
        .signs(&[Piece::Text(Cow::Borrowed("v1:")), Piece::Timestamp, COLON, Piece::Body])
        .header_time("x-orb-timestamp", TimestampFormat::Rfc3339, 300)
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "Signs the timestamp, written as a date, and the body with the webhook's \
              secret.",
    ..Profile::DEFAULTS
};

pub(super) const REVOLUT: Profile = Profile {
    name: "revolut",
    title: "Revolut",
    scheme: &sha256("revolut-signature")
        .entries("v1")
        .signs(&[Piece::Text(Cow::Borrowed("v1.")), Piece::Timestamp, DOT, Piece::Body])
        .header_time("revolut-request-timestamp", TimestampFormat::Millis, 300)
        .scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "Signs the timestamp in milliseconds and the body. While a secret is being \
              replaced there is one signature for each. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const WEBFLOW: Profile = Profile {
    name: "webflow",
    title: "Webflow",
    scheme: &sha256("x-webflow-signature")
        .signs(&[Piece::Timestamp, COLON, Piece::Body])
        .header_time("x-webflow-timestamp", TimestampFormat::SecondsOrMillis, 300)
        .scheme(),
    kind: &[in_json("/triggerType")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the app's client secret, or the webhook's own when it was made \
              with a site token. The timestamp is in milliseconds or in seconds. The body has no id \
              of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const ZENDESK: Profile = Profile {
    name: "zendesk",
    title: "Zendesk",
    scheme: &sha256("x-zendesk-webhook-signature")
        .base64()
        .signs(&[Piece::Timestamp, Piece::Body])
        .header_time("x-zendesk-webhook-signature-timestamp", TimestampFormat::Rfc3339, 300)
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("x-zendesk-webhook-invocation-id")],
    retry_span: UNTOLD,
    summary: "The secret looks like base64 and is used as the text it is. The timestamp is a \
              date, with no separator before the body. The id is in a header that is not \
              signed.",
    ..Profile::DEFAULTS
};

/// The only version and algorithm that Box has.
const BOX_VERSION: [(Cow<'static, str>, Cow<'static, str>); 2] = [
    (Cow::Borrowed("box-signature-version"), Cow::Borrowed("1")),
    (Cow::Borrowed("box-signature-algorithm"), Cow::Borrowed("HmacSHA256")),
];
