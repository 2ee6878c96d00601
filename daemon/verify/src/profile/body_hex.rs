//! Senders that sign the body alone and write the signature in hexadecimal.

use std::borrow::Cow;

use super::Profile;
use super::table::{HEAD_PROBE, UNTOLD, days, in_header, in_json, sha1, sha256, sha512};
use crate::scheme::{Encoding, KeyForm, TimestampFormat, TimestampPlace};
use crate::template::Piece;

pub(super) const AIRTABLE: Profile = Profile {
    name: "airtable",
    title: "Airtable",
    scheme: &sha256("x-airtable-content-mac")
        .prefixed("hmac-sha256=")
        .key(KeyForm::Base64 { prefix: Cow::Borrowed("") })
        .scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: days(2),
    success_status: 204,
    summary: "The secret is the `macSecretBase64` that was shown when the webhook was made, \
              as it was shown: it is decoded. Deliveries only say that there is something to \
              fetch, and have neither a kind nor an id. Airtable wants an answer without a body: \
              204.",
    ..Profile::DEFAULTS
};

pub(super) const ALCHEMY: Profile = Profile {
    name: "alchemy",
    title: "Alchemy",
    scheme: &sha256("x-alchemy-signature").scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "The secret is the signing key of the webhook, which its page in the dashboard \
              shows; each webhook has its own. There is no timestamp.",
    ..Profile::DEFAULTS
};

pub(super) const ATTIO: Profile = Profile {
    name: "attio",
    title: "Attio",
    scheme: &sha256("attio-signature").scheme(),
    kind: &[],
    delivery_id: &[in_header("idempotency-key")],
    retry_span: UNTOLD,
    summary: "Signs the body with the webhook's secret. Deliveries can hold several events, \
              so that there is no kind; the id is in a header that is not signed.",
    ..Profile::DEFAULTS
};

pub(super) const AUTHORIZE_NET: Profile = Profile {
    name: "authorize-net",
    title: "Authorize.Net",
    scheme: &sha512("x-anet-signature")
        .prefixed("sha512=")
        .encoded(Encoding::HexUpper)
        .key(KeyForm::Hex)
        .scheme(),
    kind: &[in_json("/eventType")],
    delivery_id: &[in_json("/notificationId")],
    retry_span: UNTOLD,
    summary: "The secret is the signature key as the merchant interface shows it, 128 \
              hexadecimal digits: it is decoded, not used as text. The signature comes in \
              capitals.",
    ..Profile::DEFAULTS
};

pub(super) const BITBUCKET: Profile = Profile {
    name: "bitbucket",
    title: "Bitbucket Cloud",
    scheme: &sha256("x-hub-signature").prefixed("sha256=").scheme(),
    kind: &[in_header("x-event-key")],
    delivery_id: &[in_header("x-request-uuid")],
    retry_span: UNTOLD,
    summary: "The header that carries SHA-1 elsewhere carries SHA-256 here. Without a secret \
              in the webhook's settings Bitbucket sends no signature, and everything is \
              refused. The kind and the id are in headers that are not signed.",
    ..Profile::DEFAULTS
};

pub(super) const CAL_COM: Profile = Profile {
    name: "cal-com",
    title: "Cal.com",
    scheme: &sha256("x-cal-signature-256").scheme(),
    kind: &[in_json("/triggerEvent")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "Signs the body with the webhook's secret. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const CHECKOUT_COM: Profile = Profile {
    name: "checkout-com",
    title: "Checkout.com",
    scheme: &sha256("cko-signature").scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "Signs the body with the signature key of the workflow's webhook, not with an \
              API key.",
    ..Profile::DEFAULTS
};

pub(super) const CIRCLECI: Profile = Profile {
    name: "circleci",
    title: "CircleCI",
    scheme: &sha256("circleci-signature").entries("v1").scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "Signs the body; of the versions in the header only `v1` is looked at. The kind is \
              that of the body; the header with it is not signed and not looked at.",
    ..Profile::DEFAULTS
};

pub(super) const COINBASE_COMMERCE: Profile = Profile {
    name: "coinbase-commerce",
    title: "Coinbase Commerce",
    scheme: &sha256("x-cc-webhook-signature").scheme(),
    kind: &[in_json("/event/type")],
    delivery_id: &[in_json("/event/id")],
    retry_span: days(4),
    summary: "The secret is the webhook's shared secret. The event is nested in the body; \
              the outer id is that of the try.",
    ..Profile::DEFAULTS
};

pub(super) const EASYPOST: Profile = Profile {
    name: "easypost",
    title: "EasyPost",
    scheme: &sha256("x-hmac-signature").prefixed("hmac-sha256-hex=").key(KeyForm::Nfkd).scheme(),
    kind: &[in_json("/description")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "Signs the raw body; the secret is brought into Unicode's normalization form KD \
              first, as EasyPost does.",
    ..Profile::DEFAULTS
};

pub(super) const GITEA: Profile = Profile {
    name: "gitea",
    title: "Gitea, Forgejo and Gogs",
    scheme: &sha256("x-gitea-signature")
        .also(&[Cow::Borrowed("x-gogs-signature")])
        .signs(&[Piece::BodyOrField(Cow::Borrowed("payload"))])
        .scheme(),
    kind: &[in_header("x-gitea-event"), in_header("x-gogs-event")],
    delivery_id: &[in_header("x-gitea-delivery"), in_header("x-gogs-delivery")],
    retry_span: UNTOLD,
    summary: "Signs the JSON. When the webhook is set to send forms, that is the decoded \
              field `payload`, not the form as sent; choose JSON. The headers in GitHub's \
              style are not looked at. Without a secret the signature header comes empty, \
              and is refused.",
    ..Profile::DEFAULTS
};

pub(super) const GOCARDLESS: Profile = Profile {
    name: "gocardless",
    title: "GoCardless",
    scheme: &sha256("webhook-signature").scheme(),
    kind: &[],
    delivery_id: &[in_json("/meta/webhook_id")],
    retry_span: UNTOLD,
    summary: "Signs the body with the endpoint's secret. A delivery is a batch of events of \
              several kinds, each with its own id.",
    ..Profile::DEFAULTS
};

pub(super) const INTERCOM: Profile = Profile {
    name: "intercom",
    title: "Intercom",
    scheme: &sha1("x-hub-signature").prefixed("sha1=").scheme(),
    kind: &[in_json("/topic")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "Signs the body by HMAC-SHA1; the secret is the app's client secret. The URL is tried \
              with `HEAD`, which is answered.",
    handshakes: &[HEAD_PROBE],
    ..Profile::DEFAULTS
};

pub(super) const JIRA: Profile = Profile {
    name: "jira",
    title: "Jira Cloud",
    scheme: &sha256("x-hub-signature").prefixed("sha256=").scheme(),
    kind: &[in_json("/webhookEvent")],
    delivery_id: &[in_header("x-atlassian-webhook-identifier")],
    retry_span: UNTOLD,
    summary: "The header that carries SHA-1 elsewhere carries SHA-256 here. A webhook \
              without a secret has no signature, and everything is refused. The id stays the \
              same when a delivery is tried again, and is in a header that is not signed.",
    ..Profile::DEFAULTS
};

pub(super) const LAUNCHDARKLY: Profile = Profile {
    name: "launchdarkly",
    title: "LaunchDarkly",
    scheme: &sha256("x-ld-signature").scheme(),
    kind: &[in_json("/kind")],
    delivery_id: &[in_json("/_id")],
    retry_span: UNTOLD,
    summary: "Signs the body with the webhook's secret. A webhook that is not set to be \
              signed has no signature, and everything is refused.",
    ..Profile::DEFAULTS
};

pub(super) const LEMONSQUEEZY: Profile = Profile {
    name: "lemonsqueezy",
    title: "Lemon Squeezy",
    scheme: &sha256("x-signature").scheme(),
    kind: &[in_json("/meta/event_name")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "Signs the body with the webhook's secret. The kind is that of the body; the header \
              with it is not signed and not looked at. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const LINEAR: Profile = Profile {
    name: "linear",
    title: "Linear",
    scheme: &sha256("linear-signature")
        .timed(
            TimestampPlace::Body(Cow::Borrowed("/webhookTimestamp")),
            TimestampFormat::Millis,
            60,
        )
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_header("linear-delivery")],
    retry_span: UNTOLD,
    summary: "The timestamp is `webhookTimestamp` in the signed body and may be a minute \
              away; headers with a timestamp and with the kind are not signed and not looked at. \
              Neither is signed the header with the id.",
    ..Profile::DEFAULTS
};

pub(super) const MAILERSEND: Profile = Profile {
    name: "mailersend",
    title: "MailerSend",
    scheme: &sha256("signature").scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "Signs the body with the webhook's signing secret. The body has no id of the \
              delivery.",
    ..Profile::DEFAULTS
};

pub(super) const MODERN_TREASURY: Profile = Profile {
    name: "modern-treasury",
    title: "Modern Treasury",
    scheme: &sha256("x-signature").scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "Signs the body with the webhook key. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const MOLLIE: Profile = Profile {
    name: "mollie",
    title: "Mollie",
    scheme: &sha256("x-mollie-signature").prefixed("sha256=").prefix_optional().scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "For the next generation of Mollie's webhooks, with the signing secret that was \
              shown once; with or without `sha256=` before the signature. Classic webhooks, \
              a form with an id, are not signed and are refused.",
    ..Profile::DEFAULTS
};

pub(super) const PAGERDUTY: Profile = Profile {
    name: "pagerduty",
    title: "PagerDuty",
    scheme: &sha256("x-pagerduty-signature").entries("v1").scheme(),
    kind: &[in_json("/event/event_type")],
    delivery_id: &[in_json("/event/id")],
    retry_span: UNTOLD,
    summary: "For webhooks of version 3. While a secret is being replaced the header has one \
              signature for each.",
    ..Profile::DEFAULTS
};

pub(super) const PAYSTACK: Profile = Profile {
    name: "paystack",
    title: "Paystack",
    scheme: &sha512("x-paystack-signature").scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[],
    retry_span: days(4),
    summary: "Signs the body by HMAC-SHA512; the secret is the secret API key, of live or of \
              test mode. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const PLAIN: Profile = Profile {
    name: "plain",
    title: "Plain",
    scheme: &sha256("plain-request-signature").scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "The secret is the workspace's request signing secret, one for all its webhooks. \
              There is no timestamp that is checked.",
    ..Profile::DEFAULTS
};

pub(super) const PLANETSCALE: Profile = Profile {
    name: "planetscale",
    title: "PlanetScale",
    scheme: &sha256("x-planetscale-signature").scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the webhook's own, which its menu shows. The body has no id of the \
              delivery, and there is no timestamp that is checked.",
    ..Profile::DEFAULTS
};

pub(super) const PUSHER: Profile = Profile {
    name: "pusher",
    title: "Pusher Channels",
    scheme: &sha256("x-pusher-signature").scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the app's secret, of the key that `X-Pusher-Key` names; that \
              header is not signed, so that every secret of the route is tried. A delivery is \
              a batch of events without ids.",
    ..Profile::DEFAULTS
};

pub(super) const RAZORPAY: Profile = Profile {
    name: "razorpay",
    title: "Razorpay",
    scheme: &sha256("x-razorpay-signature").scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[in_header("x-razorpay-event-id")],
    retry_span: days(2),
    summary: "The secret is the webhook's own, not the API key's. The id is in a header that \
              is not signed.",
    ..Profile::DEFAULTS
};

pub(super) const SEGMENT: Profile = Profile {
    name: "segment",
    title: "Segment",
    scheme: &sha1("x-signature").scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "Signs the body by HMAC-SHA1 with the destination's shared secret. There is \
              no id: that the body's `messageId` is one delivery's is said nowhere.",
    ..Profile::DEFAULTS
};

pub(super) const SENTRY: Profile = Profile {
    name: "sentry",
    title: "Sentry",
    scheme: &sha256("sentry-hook-signature").scheme(),
    kind: &[in_header("sentry-hook-resource")],
    delivery_id: &[in_header("request-id")],
    retry_span: UNTOLD,
    summary: "The secret is the integration's client secret. The resource, the id and the \
              timestamp are in headers that are not signed. Legacy webhooks of projects have \
              no signature.",
    ..Profile::DEFAULTS
};

pub(super) const TERRAFORM_CLOUD: Profile = Profile {
    name: "terraform-cloud",
    title: "Terraform Cloud and Enterprise",
    scheme: &sha512("x-tfe-notification-signature").scheme(),
    kind: &[in_json("/notifications/0/trigger")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "Signs the body by HMAC-SHA512 with the notification's token. Without a token \
              there is no signature, and everything is refused. The body has no id of the \
              delivery.",
    ..Profile::DEFAULTS
};

pub(super) const UBER: Profile = Profile {
    name: "uber",
    title: "Uber",
    scheme: &sha256("x-uber-signature").scheme(),
    kind: &[in_json("/event_type")],
    delivery_id: &[in_json("/event_id")],
    retry_span: UNTOLD,
    summary: "The secret is the app's client secret.",
    ..Profile::DEFAULTS
};

pub(super) const VERCEL: Profile = Profile {
    name: "vercel",
    title: "Vercel",
    scheme: &sha1("x-vercel-signature").scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "Signs the body by HMAC-SHA1; the secret is the webhook's, or an integration's \
              client secret. Log drains, whose set-up has to be answered, are not covered.",
    ..Profile::DEFAULTS
};
