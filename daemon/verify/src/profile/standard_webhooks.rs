//! The Standard Webhooks specification, and Svix, from which it came.

use std::borrow::Cow;
use std::time::Duration;

use super::Profile;
use super::table::{DOT, in_header, in_json, sha256};
use crate::scheme::{
    Construction, DEFAULT_TOLERANCE, KeyForm, Scheme, SignatureAlgorithm, TemplateScheme,
    TimestampFormat, Version,
};
use crate::template::Piece;

/// Any sender that follows the specification, with a shared secret (`v1`) or a key pair (`v1a`).
pub(super) const STANDARD_WEBHOOKS: Profile = Profile {
    name: "standard-webhooks",
    title: "Standard Webhooks",
    scheme: &list("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC)
        .versions(V1A)
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: RETRY_SPAN,
    success_status: 202,
    summary: "Signs id, timestamp and body with a `whsec_` secret or a key pair, of which the \
              public key is `whpk_` and base64; secrets of both kinds can stand side by side. The \
              id stays the same when a delivery is tried again; the timestamp is of the try.",
    ..Profile::DEFAULTS
};

/// Senders that use Svix under its own header names.
pub(super) const SVIX: Profile = Profile {
    name: "svix",
    title: "Svix",
    scheme: &list("svix-id", "svix-timestamp", "svix-signature", WHSEC).versions(V1A).scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("svix-id")],
    retry_span: RETRY_SPAN,
    success_status: 202,
    summary: "Standard Webhooks under the header names `svix-id`, `svix-timestamp` and \
              `svix-signature`.",
    ..Profile::DEFAULTS
};

/// The specification's own schedule of retries ends after some three days; a day on top for queues.
const RETRY_SPAN: Duration = Duration::from_secs(4 * 86_400);

/// The usual secret: base64 after `whsec_`, which may be missing.
pub(super) const WHSEC: KeyForm = KeyForm::Base64 { prefix: Cow::Borrowed("whsec_") };

/// `v1`: HMAC-SHA256 over `{id}.{timestamp}.{body}`, in a list such as `v1,BASE64 v1,BASE64`.
pub(super) const fn v1(
    id: &'static str,
    timestamp: &'static str,
    signature: &'static str,
    key: KeyForm,
) -> Scheme {
    list(id, timestamp, signature, key).scheme()
}

const fn list(
    id: &'static str,
    timestamp: &'static str,
    signature: &'static str,
    key: KeyForm,
) -> TemplateScheme {
    sha256(signature)
        .base64()
        .listed(' ', ',', "v1")
        .signs(&[Piece::Id, DOT, Piece::Timestamp, DOT, Piece::Body])
        .header_time(timestamp, TimestampFormat::Seconds, DEFAULT_TOLERANCE.as_secs())
        .id(id)
        .key(key)
}

/// `v1a`: Ed25519 over the same bytes, in the same list.
const V1A: &[Version] = &[Version {
    name: Cow::Borrowed("v1a"),
    construction: Construction::KeyPair(SignatureAlgorithm::Ed25519),
    key: KeyForm::PublicKey { tag: Cow::Borrowed("whpk_") },
}];
