//! GitHub, and GitHub Enterprise.

use super::Profile;
use super::table::{days, in_header, sha256};

/// The SHA-1 signature that GitHub sends beside this one is never looked at.
pub(super) const GITHUB: Profile = Profile {
    name: "github",
    title: "GitHub",
    scheme: &sha256("x-hub-signature-256").prefixed("sha256=").scheme(),
    kind: &[in_header("x-github-event")],
    delivery_id: &[in_header("x-github-delivery")],
    // GitHub does not retry by itself; people redeliver by hand, up to three days back.
    retry_span: days(3),
    success_status: 202,
    summary: "Signs the body with the webhook's secret. The event type and the delivery id are in \
              headers that the signature does not cover, and there is no timestamp. A `ping` \
              arrives when the webhook is made.",
    ..Profile::DEFAULTS
};
