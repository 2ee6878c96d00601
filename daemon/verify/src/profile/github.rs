//! GitHub, and GitHub Enterprise.

use std::borrow::Cow;
use std::time::Duration;

use super::Profile;
use crate::location::Location;
use crate::scheme::{Algorithm, Encoding, HmacScheme, KeyForm, Layout, Scheme};
use crate::template::Template;

/// The SHA-1 signature that GitHub sends beside this one is never looked at.
pub(super) const GITHUB: Profile = Profile {
    name: "github",
    title: "GitHub",
    scheme: Scheme::Hmac(HmacScheme {
        algorithm: Algorithm::Sha256,
        header: Cow::Borrowed("x-hub-signature-256"),
        encoding: Encoding::Hex,
        prefix: Cow::Borrowed("sha256="),
        layout: Layout::Single,
        signed: Template::body(),
        timestamp: None,
        id_header: None,
        key: KeyForm::Text,
    }),
    kind: &[Location::Header(Cow::Borrowed("x-github-event"))],
    delivery_id: &[Location::Header(Cow::Borrowed("x-github-delivery"))],
    // GitHub does not retry by itself; people redeliver by hand, up to three days back.
    retry_span: Duration::from_secs(3 * 86_400),
    success_status: 202,
    summary: "Signs the body with the webhook's secret. The event type and the delivery id are in \
              headers that the signature does not cover, and there is no timestamp. A `ping` \
              arrives when the webhook is made.",
};
