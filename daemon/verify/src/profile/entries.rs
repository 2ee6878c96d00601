//! Senders with the timestamp and the signatures as entries of one header, as Stripe has them.

use std::borrow::Cow;

use super::Profile;
use super::table::{COLON, DOT, UNTOLD, days, in_header, in_json, sha256, token};
use crate::scheme::{Encoding, Layout, Scheme, TimestampFormat, TimestampPlace};
use crate::template::Piece;

pub(super) const BUILDKITE: Profile = Profile {
    name: "buildkite",
    title: "Buildkite",
    scheme: &Scheme::FirstOf(Cow::Borrowed(&[
        sha256("x-buildkite-signature")
            .entries("signature")
            .signs(&[Piece::Timestamp, DOT, Piece::Body])
            .entry_time("timestamp", TimestampFormat::Seconds, 300)
            .scheme(),
        token("x-buildkite-token"),
    ])),
    kind: &[in_json("/event")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "Both kinds of notification service work: one signs timestamp and body, the \
              other sends the token and protects no content; choose the signature. The kind is \
              that of the body; the header with it is not signed and not looked at. The body has no \
              id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const CALENDLY: Profile = Profile {
    name: "calendly",
    title: "Calendly",
    scheme: &sha256("calendly-webhook-signature")
        .entries("v1")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Seconds, 180)
        .scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[],
    retry_span: days(1),
    summary: "The secret is the signing key of the webhook subscription. The timestamp may \
              be three minutes away. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const CLOUDFLARE_STREAM: Profile = Profile {
    name: "cloudflare-stream",
    title: "Cloudflare Stream",
    scheme: &sha256("webhook-signature")
        .entries("sig1")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("time", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[in_json("/status/state")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the one that was shown when the webhook was made. The body has \
              no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const ELEVENLABS: Profile = Profile {
    name: "elevenlabs",
    title: "ElevenLabs",
    scheme: &sha256("elevenlabs-signature")
        .entries("v0")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Seconds, 1800)
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "Not Standard Webhooks. The timestamp may be half an hour away. The body has no \
              id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const INFISICAL: Profile = Profile {
    name: "infisical",
    title: "Infisical",
    scheme: &sha256("x-infisical-signature")
        .laid_out(Layout::Beside { label: Cow::Borrowed("t="), between: ';' })
        .timed(TimestampPlace::Body(Cow::Borrowed("/timestamp")), TimestampFormat::Millis, 300)
        .scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the webhook's secret key; without one Infisical signs nothing, and \
              everything is refused. Only the body is signed: its own timestamp counts, and \
              the header's has to be the same. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const KNOCK: Profile = Profile {
    name: "knock",
    title: "Knock",
    scheme: &sha256("x-knock-signature")
        .base64()
        .entries("s")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Millis, 300)
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "Signs the timestamp in milliseconds and the body; the signature is base64.",
    ..Profile::DEFAULTS
};

pub(super) const MUX: Profile = Profile {
    name: "mux",
    title: "Mux",
    scheme: &sha256("mux-signature")
        .entries("v1")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: days(1),
    summary: "The secret is the webhook's signing secret, one for each webhook.",
    ..Profile::DEFAULTS
};

pub(super) const PADDLE: Profile = Profile {
    name: "paddle",
    title: "Paddle Billing",
    scheme: &sha256("paddle-signature")
        .listed(';', '=', "h1")
        .signs(&[Piece::Timestamp, COLON, Piece::Body])
        .entry_time("ts", TimestampFormat::Seconds, 30)
        .scheme(),
    kind: &[in_json("/event_type")],
    delivery_id: &[in_json("/notification_id"), in_json("/event_id")],
    retry_span: days(3),
    summary: "The secret, `pdl_ntfset_…`, is used whole. The timestamp may be half a minute \
              away, where Paddle's own libraries allow five seconds: the clock has to be \
              right. Paddle Classic signs otherwise and is refused.",
    ..Profile::DEFAULTS
};

pub(super) const PERSONA: Profile = Profile {
    name: "persona",
    title: "Persona",
    scheme: &sha256("persona-signature")
        .laid_out(Layout::Groups {
            apart: ' ',
            between: ',',
            joint: '=',
            version: Cow::Borrowed("v1"),
        })
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[in_json("/data/attributes/name")],
    delivery_id: &[in_json("/data/id")],
    retry_span: UNTOLD,
    summary: "While a secret is being replaced the header has a timestamp and a signature \
              for each.",
    ..Profile::DEFAULTS
};

pub(super) const RECURLY: Profile = Profile {
    name: "recurly",
    title: "Recurly",
    scheme: &sha256("recurly-signature")
        .laid_out(Layout::Positional { between: ',' })
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .timed(TimestampPlace::First, TimestampFormat::SecondsOrMillis, 300)
        .scheme(),
    kind: &[in_json("/event_type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "For JSON webhooks, with the endpoint's secret; the timestamp, in seconds or in \
              milliseconds, and the signatures have no names. The kind is what happened and not to \
              what, which the body's `object_type` says; the body's `id` is the object's, so that \
              there is no id of the delivery. Classic XML notifications have basic authentication \
              at most.",
    ..Profile::DEFAULTS
};

pub(super) const RETELL: Profile = Profile {
    name: "retell",
    title: "Retell AI",
    scheme: &sha256("x-retell-signature")
        .entries("d")
        .signs(&[Piece::Body, Piece::Timestamp])
        .entry_time("v", TimestampFormat::Millis, 300)
        .scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the API key that has the webhook badge. The timestamp follows \
              the body without a separator. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const SANITY: Profile = Profile {
    name: "sanity",
    title: "Sanity",
    scheme: &sha256("sanity-webhook-signature")
        .encoded(Encoding::Base64Url)
        .entries("v1")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Millis, 300)
        .scheme(),
    kind: &[],
    delivery_id: &[in_header("idempotency-key")],
    retry_span: UNTOLD,
    summary: "The timestamp may be five minutes away; Sanity's own library has no limit. \
              What the body holds is up to the webhook's projection, so that there is no \
              kind. The id is in a header that is not signed.",
    ..Profile::DEFAULTS
};

pub(super) const SHIPPO: Profile = Profile {
    name: "shippo",
    title: "Shippo",
    scheme: &sha256("shippo-auth-signature")
        .entries("v1")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the HMAC secret that Shippo sets up on request; accounts without \
              one are not signed, and everything is refused. The body has no id of the \
              delivery.",
    ..Profile::DEFAULTS
};

pub(super) const STRIPE: Profile = Profile {
    name: "stripe",
    title: "Stripe",
    scheme: &sha256("stripe-signature")
        .entries("v1")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: days(4),
    summary: "The secret is used whole, `whsec_` included, and never decoded. Each endpoint \
              has its own, and so has each `stripe listen`. While it is being rolled there \
              is one signature for each; only `v1` counts. The timestamp may be five minutes away, \
              also in the future, where Stripe's own libraries have no limit.",
    ..Profile::DEFAULTS
};

pub(super) const TAILSCALE: Profile = Profile {
    name: "tailscale",
    title: "Tailscale",
    scheme: &sha256("tailscale-webhook-signature")
        .entries("v1")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret, `tskey-webhook-…`, is used whole. A delivery is a batch of events, \
              with neither a kind nor an id of its own.",
    ..Profile::DEFAULTS
};

pub(super) const TIKTOK: Profile = Profile {
    name: "tiktok",
    title: "TikTok",
    scheme: &sha256("tiktok-signature")
        .entries("s")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the app's client secret. TikTok Shop signs otherwise and is \
              refused. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const WORKOS: Profile = Profile {
    name: "workos",
    title: "WorkOS",
    scheme: &sha256("workos-signature")
        .entries("v1")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Millis, 180)
        .scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[in_json("/id")],
    retry_span: days(3),
    summary: "Signs the timestamp in milliseconds and the body. The timestamp may be three \
              minutes away.",
    ..Profile::DEFAULTS
};
