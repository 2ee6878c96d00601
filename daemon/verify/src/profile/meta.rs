//! The products of Meta, which sign alike and try a URL out alike.

use super::Profile;
use super::table::{days, hours, in_json, in_query, sha256};
use crate::handshake::{Body, Condition, HandshakeRule, Proof, Value};
use crate::scheme::Scheme;
use crate::settings::Setting;
use http::Method;

pub(super) const INSTAGRAM: Profile = Profile {
    name: "instagram",
    title: "Instagram",
    scheme: &SIGNED,
    kind: &[in_json("/object")],
    delivery_id: &[],
    retry_span: hours(36),
    refusal_status: 403,
    summary: "The secret is the app secret of the app's dashboard. A delivery is a batch about \
              the object that is its kind; what changed is in each entry, and there is no id.",
    settings: &[VERIFY_TOKEN],
    handshakes: &[SUBSCRIBE],
    ..Profile::DEFAULTS
};

pub(super) const META: Profile = Profile {
    name: "meta",
    title: "Meta (Graph API, Messenger)",
    scheme: &SIGNED,
    kind: &[in_json("/object")],
    delivery_id: &[],
    retry_span: hours(36),
    refusal_status: 403,
    summary: "The secret is the app secret of the app's dashboard. A delivery is a batch about \
              the object that is its kind, such as `page`; what changed is in each entry, and \
              there is no id. The body comes with its letters escaped and is signed so.",
    settings: &[VERIFY_TOKEN],
    handshakes: &[SUBSCRIBE],
    ..Profile::DEFAULTS
};

pub(super) const WHATSAPP: Profile = Profile {
    name: "whatsapp",
    title: "WhatsApp",
    scheme: &SIGNED,
    kind: &[in_json("/object")],
    delivery_id: &[],
    retry_span: days(7),
    refusal_status: 403,
    summary: "The secret is the app secret of the app's dashboard. A delivery is a batch, always \
              of the same kind; each message in it has its own id.",
    settings: &[VERIFY_TOKEN],
    handshakes: &[SUBSCRIBE],
    ..Profile::DEFAULTS
};

/// The SHA-1 signature that Meta sends beside this one is never looked at.
const SIGNED: Scheme = sha256("x-hub-signature-256").prefixed("sha256=").scheme();

const VERIFY_TOKEN: Setting = Setting::optional(
    "verify_token",
    "the verify token that was made up for the subscription; without it, a secret of the route",
)
.secret();

const SUBSCRIBE: HandshakeRule = HandshakeRule {
    name: "subscribe",
    when: &[
        Condition::Method(Method::GET),
        Condition::Is(in_query("hub.mode"), "subscribe"),
        Condition::Has(in_query("hub.challenge")),
    ],
    proof: Proof::Shows(in_query("hub.verify_token"), "verify_token"),
    body: Body::Text(&[Value::Echo(in_query("hub.challenge"))]),
    ..HandshakeRule::DEFAULTS
};
