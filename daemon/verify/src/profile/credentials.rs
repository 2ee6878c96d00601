//! Senders that send the secret itself, or a password.

use super::Profile;
use super::table::{UNTOLD, days, in_header, in_json, token};
use crate::scheme::Scheme;

pub(super) const AUTH0: Profile = Profile {
    name: "auth0",
    title: "Auth0 log streams",
    scheme: &token("authorization"),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the whole value of the header `Authorization`, as the stream is \
              configured, `Bearer ` included. Nothing is signed. A delivery is a batch of \
              log entries.",
    ..Profile::DEFAULTS
};

pub(super) const CHARGEBEE: Profile = Profile {
    name: "chargebee",
    title: "Chargebee",
    scheme: &Scheme::BasicPair,
    kind: &[in_json("/event_type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "The secret is `USER:PASSWORD`, as in the webhook's settings. Nothing is signed.",
    ..Profile::DEFAULTS
};

pub(super) const CLOUDFLARE_NOTIFICATIONS: Profile = Profile {
    name: "cloudflare-notifications",
    title: "Cloudflare Notifications",
    scheme: &token("cf-webhook-auth"),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is sent as it is, and nothing is signed. There is neither a kind \
              nor an id.",
    ..Profile::DEFAULTS
};

pub(super) const GOOGLE_DRIVE: Profile = Profile {
    name: "google-drive",
    title: "Google Drive and Calendar",
    scheme: &token("x-goog-channel-token"),
    kind: &[in_header("x-goog-resource-state")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the channel's token, which is sent as it is; nothing is signed \
              and the body is empty. Message numbers count within a channel, so that there \
              is no id. The first message has the state `sync`.",
    ..Profile::DEFAULTS
};

pub(super) const HUGGING_FACE: Profile = Profile {
    name: "hugging-face",
    title: "Hugging Face",
    scheme: &token("x-webhook-secret"),
    kind: &[in_json("/event/scope")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is that of the webhook's settings, which is sent as it is; nothing is \
              signed. The kind is what the event is about, such as `repo.content`; what was \
              done is in `event.action`. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const PIPEDRIVE: Profile = Profile {
    name: "pipedrive",
    title: "Pipedrive",
    scheme: &Scheme::BasicPair,
    kind: &[in_json("/meta/entity")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is `USER:PASSWORD`, as the webhook was made with. Nothing is signed. \
              For webhooks of version 2; the kind is what the event is about, such as `deal`, \
              and what was done is in `meta.action`.",
    ..Profile::DEFAULTS
};

pub(super) const POSTMARK: Profile = Profile {
    name: "postmark",
    title: "Postmark",
    scheme: &Scheme::BasicPair,
    kind: &[in_json("/RecordType")],
    delivery_id: &[],
    retry_span: days(1),
    summary: "The secret is `USER:PASSWORD`, as in the webhook's URL or settings. Nothing is \
              signed. A message's id is that of all events about it, so that there is no id.",
    ..Profile::DEFAULTS
};

pub(super) const TELEGRAM: Profile = Profile {
    name: "telegram",
    title: "Telegram Bot API",
    scheme: &token("x-telegram-bot-api-secret-token"),
    kind: &[],
    delivery_id: &[in_json("/update_id")],
    retry_span: days(1),
    summary: "The secret is the `secret_token` given to `setWebhook`, which is sent as it \
              is; nothing is signed. The kind is the name of the update's other key, for \
              which there is no location. Each bot counts its updates by itself: give each a route \
              of its own, or one bot's update counts as another's again.",
    ..Profile::DEFAULTS
};
