//! Senders that sign the body alone and write the signature in base64.

use std::borrow::Cow;

use super::table::{UNTOLD, days, hours, in_header, in_json, sha256};
use super::{Profile, SuccessBody};
use crate::scheme::KeyForm;

macro_rules! numbered {
    ($stem:literal: $($number:literal)+) => { [$(Cow::Borrowed(concat!($stem, $number))),+] };
}

pub(super) const COMMERCELAYER: Profile = Profile {
    name: "commercelayer",
    title: "Commerce Layer",
    scheme: &sha256("x-commercelayer-signature").base64().scheme(),
    kind: &[in_header("x-commercelayer-topic")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "Signs the body with the webhook's shared secret. The topic is in a header that \
              is not signed. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const DOCUSIGN: Profile = Profile {
    name: "docusign",
    title: "DocuSign Connect",
    scheme: &sha256("x-docusign-signature-1").base64().also(&DOCUSIGN_MORE).scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[],
    retry_span: days(15),
    summary: "Signs the body once for each active HMAC key, in headers numbered from 1 to \
              100; any may match. Keys have to be turned on in the Connect configuration: \
              without them there is no signature. The body has no id of the delivery.",
    ..Profile::DEFAULTS
};

pub(super) const HEROKU: Profile = Profile {
    name: "heroku",
    title: "Heroku",
    scheme: &sha256("heroku-webhook-hmac-sha256").base64().scheme(),
    kind: &[in_json("/resource")],
    delivery_id: &[in_json("/id")],
    retry_span: days(3),
    summary: "The secret is the one that was given or shown once when the webhook was made.",
    ..Profile::DEFAULTS
};

pub(super) const HOOKDECK: Profile = Profile {
    name: "hookdeck",
    title: "Hookdeck",
    scheme: &sha256("x-hookdeck-signature")
        .base64()
        .also(&[Cow::Borrowed("x-hookdeck-signature-2")])
        .scheme(),
    kind: &[],
    delivery_id: &[in_header("x-hookdeck-eventid")],
    retry_span: days(7),
    summary: "Signs the body with the project's signing secret; while it is being replaced a \
              second header has the other signature. The id is in a header that is not \
              signed.",
    ..Profile::DEFAULTS
};

pub(super) const LINE: Profile = Profile {
    name: "line",
    title: "LINE",
    scheme: &sha256("x-line-signature").base64().scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the channel secret. A delivery is a batch of events, empty when \
              the console tests the URL; each event has its own id, `webhookEventId`.",
    ..Profile::DEFAULTS
};

pub(super) const MS_TEAMS_OUTGOING: Profile = Profile {
    name: "ms-teams-outgoing",
    title: "Microsoft Teams outgoing webhook",
    scheme: &sha256("authorization")
        .base64()
        .prefixed("HMAC ")
        .key(KeyForm::Base64 { prefix: Cow::Borrowed("") })
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[],
    retry_span: hours(1),
    success_body: SuccessBody::Empty,
    summary: "The secret is the security token as Teams showed it: it is decoded. Teams \
              shows what the reply says to the person who asked; this reply says nothing. There is \
              no id: that the body's `id` is one delivery's is said nowhere.",
    ..Profile::DEFAULTS
};

pub(super) const QUICKBOOKS: Profile = Profile {
    name: "quickbooks",
    title: "QuickBooks",
    scheme: &sha256("intuit-signature").base64().scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the app's verifier token. A delivery holds changes of several \
              companies, so that there is neither a kind nor an id.",
    ..Profile::DEFAULTS
};

pub(super) const TALLY: Profile = Profile {
    name: "tally",
    title: "Tally",
    scheme: &sha256("tally-signature").base64().scheme(),
    kind: &[in_json("/eventType")],
    delivery_id: &[in_json("/eventId")],
    retry_span: days(2),
    summary: "Signs the body with the webhook's signing secret; without one there is no \
              signature.",
    ..Profile::DEFAULTS
};

pub(super) const TYPEFORM: Profile = Profile {
    name: "typeform",
    title: "Typeform",
    scheme: &sha256("typeform-signature").base64().prefixed("sha256=").scheme(),
    kind: &[in_json("/event_type")],
    delivery_id: &[in_json("/event_id")],
    retry_span: UNTOLD,
    summary: "Signs the body with the webhook's secret; base64 follows `sha256=`, not \
              hexadecimal.",
    ..Profile::DEFAULTS
};

pub(super) const XERO: Profile = Profile {
    name: "xero",
    title: "Xero",
    scheme: &sha256("x-xero-signature").base64().scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: days(1),
    success_body: SuccessBody::Empty,
    summary: "The secret is the webhook's signing key. To set up a webhook Xero sends good \
              and bad signatures and wants 200 and 401. A delivery is a batch of events.",
    ..Profile::DEFAULTS
};

/// The numbered headers after the first.
const DOCUSIGN_MORE: [Cow<'static, str>; 99] = numbered![
    "x-docusign-signature-":
    2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34
    35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64
    65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94
    95 96 97 98 99 100
];
