//! Senders that follow Standard Webhooks, each with its own kind of secret.

use std::borrow::Cow;

use super::Profile;
use super::standard_webhooks::{WHSEC, v1};
use super::table::{days, in_header, in_json};
use crate::scheme::KeyForm;

pub(super) const ANTHROPIC: Profile = Profile {
    name: "anthropic",
    title: "Anthropic",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` \
              and base64.",
    ..Profile::DEFAULTS
};

pub(super) const BIGCOMMERCE: Profile = Profile {
    name: "bigcommerce",
    title: "BigCommerce",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_json("/scope")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is the app's \
              client secret encoded in base64, not the client secret itself. A delivery names \
              what changed and has no more of it.",
    ..Profile::DEFAULTS
};

pub(super) const BREX: Profile = Profile {
    name: "brex",
    title: "Brex",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` \
              and base64.",
    ..Profile::DEFAULTS
};

pub(super) const CLERK: Profile = Profile {
    name: "clerk",
    title: "Clerk",
    scheme: &v1("svix-id", "svix-timestamp", "svix-signature", WHSEC),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("svix-id")],
    retry_span: days(4),
    summary: "Standard Webhooks under the `svix-` names alone; the secret is `whsec_` and \
              base64, of the endpoint.",
    ..Profile::DEFAULTS
};

pub(super) const ETSY: Profile = Profile {
    name: "etsy",
    title: "Etsy",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_json("/event_type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` and \
              base64. A delivery has the URL of what it is about and no more of it.",
    ..Profile::DEFAULTS
};

pub(super) const FINCH: Profile = Profile {
    name: "finch",
    title: "Finch",
    scheme: &v1(
        "finch-event-id",
        "finch-timestamp",
        "finch-signature",
        KeyForm::Base64 { prefix: Cow::Borrowed("") },
    ),
    kind: &[in_json("/event_type")],
    delivery_id: &[in_header("finch-event-id")],
    retry_span: days(4),
    summary: "Standard Webhooks under Finch's own header names. The secret is bare base64.",
    ..Profile::DEFAULTS
};

pub(super) const GEMINI: Profile = Profile {
    name: "gemini",
    title: "Gemini API",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` \
              and base64. For static webhooks; dynamic ones are signed otherwise and are \
              refused.",
    ..Profile::DEFAULTS
};

pub(super) const GRANOLA: Profile = Profile {
    name: "granola",
    title: "Granola",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_json("/event_type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` and \
              base64. A delivery has the note's id and not the note.",
    ..Profile::DEFAULTS
};

pub(super) const INCIDENT_IO: Profile = Profile {
    name: "incident-io",
    title: "incident.io",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_json("/event_type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` and \
              base64.",
    ..Profile::DEFAULTS
};

pub(super) const INCREASE: Profile = Profile {
    name: "increase",
    title: "Increase",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", KeyForm::Text),
    kind: &[in_json("/category")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks, but the secret is used as the text it is and never decoded.",
    ..Profile::DEFAULTS
};

pub(super) const LITHIC: Profile = Profile {
    name: "lithic",
    title: "Lithic",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` \
              and base64.",
    ..Profile::DEFAULTS
};

pub(super) const LIVEBLOCKS: Profile = Profile {
    name: "liveblocks",
    title: "Liveblocks",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` \
              and base64.",
    ..Profile::DEFAULTS
};

pub(super) const LOOPS: Profile = Profile {
    name: "loops",
    title: "Loops",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_json("/eventName")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` and \
              base64.",
    ..Profile::DEFAULTS
};

pub(super) const OPENAI: Profile = Profile {
    name: "openai",
    title: "OpenAI",
    scheme: &v1(
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        KeyForm::TaggedBase64 { tag: Cow::Borrowed("whsec_"), or_text: true },
    ),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` \
              and base64. A secret without `whsec_` is used as text, as OpenAI's own \
              libraries do. A signature without `v1,` in front of it is refused, which they take.",
    ..Profile::DEFAULTS
};

pub(super) const POLAR: Profile = Profile {
    name: "polar",
    title: "Polar",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", KeyForm::Text),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks, but the secret, `polar_whs_…`, is used as the text it is \
              and never decoded.",
    ..Profile::DEFAULTS
};

pub(super) const RENDER: Profile = Profile {
    name: "render",
    title: "Render",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` and \
              base64. Each webhook of the workspace has its own.",
    ..Profile::DEFAULTS
};

pub(super) const REPLICATE: Profile = Profile {
    name: "replicate",
    title: "Replicate",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_json("/status"), in_json("/type")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` \
              and base64. The body is the prediction, whose status is the kind; of a body without one \
              it is the `type`.",
    ..Profile::DEFAULTS
};

pub(super) const RESEND: Profile = Profile {
    name: "resend",
    title: "Resend",
    scheme: &v1("svix-id", "svix-timestamp", "svix-signature", WHSEC),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("svix-id")],
    retry_span: days(4),
    summary: "Standard Webhooks under the `svix-` names; the secret is `whsec_` and base64, \
              of the endpoint.",
    ..Profile::DEFAULTS
};

pub(super) const SHIPBOB: Profile = Profile {
    name: "shipbob",
    title: "ShipBob",
    scheme: &v1("webhook-id", "webhook-timestamp", "webhook-signature", WHSEC),
    kind: &[in_header("x-webhook-topic")],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `whsec_` and \
              base64. The topic is in a header that is not signed.",
    ..Profile::DEFAULTS
};

pub(super) const STYTCH: Profile = Profile {
    name: "stytch",
    title: "Stytch",
    scheme: &v1("svix-id", "svix-timestamp", "svix-signature", WHSEC),
    kind: &[],
    delivery_id: &[in_header("svix-id")],
    retry_span: days(4),
    summary: "Standard Webhooks under the `svix-` names; the secret is `whsec_` and base64, of \
              the endpoint. What happened is in three fields, `source`, `object_type` and \
              `action`, so that there is no kind.",
    ..Profile::DEFAULTS
};

pub(super) const SUPABASE: Profile = Profile {
    name: "supabase",
    title: "Supabase Auth hooks",
    scheme: &v1(
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        KeyForm::Base64 { prefix: Cow::Borrowed("v1,whsec_") },
    ),
    kind: &[],
    delivery_id: &[in_header("webhook-id")],
    retry_span: days(4),
    summary: "Standard Webhooks: id, timestamp and body are signed. The secret is `v1,whsec_` \
              and base64, as the dashboard shows it for the hook. Database webhooks are not \
              signed and are refused. Hooks wait for an answer and have no kind: give each its \
              own route.",
    ..Profile::DEFAULTS
};

pub(super) const VANTA: Profile = Profile {
    name: "vanta",
    title: "Vanta",
    scheme: &v1("svix-id", "svix-timestamp", "svix-signature", WHSEC),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("svix-id")],
    retry_span: days(4),
    summary: "Standard Webhooks under the `svix-` names; the secret is `whsec_` and base64, of \
              the endpoint.",
    ..Profile::DEFAULTS
};
