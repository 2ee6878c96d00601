//! The Standard Webhooks specification, and Svix, from which it came.

use std::borrow::Cow;
use std::time::Duration;

use super::Profile;
use crate::location::Location;
use crate::scheme::{
    Algorithm, DEFAULT_TOLERANCE, Encoding, HmacScheme, KeyForm, Layout, Scheme, TimestampFormat,
    TimestampPlace, TimestampRule,
};
use crate::template::{Piece, Template};

/// Any sender that follows the specification with a shared secret (`v1`).
pub(super) const STANDARD_WEBHOOKS: Profile = Profile {
    name: "standard-webhooks",
    title: "Standard Webhooks",
    scheme: v1("webhook-id", "webhook-timestamp", "webhook-signature"),
    kind: &[Location::Json(Cow::Borrowed("/type"))],
    delivery_id: &[Location::Header(Cow::Borrowed("webhook-id"))],
    retry_span: RETRY_SPAN,
    success_status: 202,
    summary: "Signs id, timestamp and body with a `whsec_` secret. The id stays the same when a \
              delivery is tried again; the timestamp is of the try.",
};

/// Senders that use Svix under its own header names.
pub(super) const SVIX: Profile = Profile {
    name: "svix",
    title: "Svix",
    scheme: v1("svix-id", "svix-timestamp", "svix-signature"),
    kind: &[Location::Json(Cow::Borrowed("/type"))],
    delivery_id: &[Location::Header(Cow::Borrowed("svix-id"))],
    retry_span: RETRY_SPAN,
    success_status: 202,
    summary: "Standard Webhooks under the header names `svix-id`, `svix-timestamp` and \
              `svix-signature`.",
};

/// The specification's own schedule of retries ends after some three days; a day on top for queues.
const RETRY_SPAN: Duration = Duration::from_secs(4 * 86_400);

/// `v1`: HMAC-SHA256 over `{id}.{timestamp}.{body}`, in a list such as `v1,BASE64 v1,BASE64`.
const fn v1(id: &'static str, timestamp: &'static str, signature: &'static str) -> Scheme {
    Scheme::Hmac(HmacScheme {
        algorithm: Algorithm::Sha256,
        header: Cow::Borrowed(signature),
        encoding: Encoding::Base64,
        prefix: Cow::Borrowed(""),
        layout: Layout::Entries { between: ' ', joint: ',', version: Cow::Borrowed("v1") },
        signed: Template::of(&[
            Piece::Id,
            Piece::Text(Cow::Borrowed(".")),
            Piece::Timestamp,
            Piece::Text(Cow::Borrowed(".")),
            Piece::Body,
        ]),
        timestamp: Some(TimestampRule {
            at: TimestampPlace::Header(Cow::Borrowed(timestamp)),
            format: TimestampFormat::Seconds,
            tolerance: DEFAULT_TOLERANCE,
        }),
        id_header: Some(Cow::Borrowed(id)),
        key: KeyForm::Base64 { prefix: Cow::Borrowed("whsec_") },
    })
}
