//! Senders that put the secret itself into the body.

use std::borrow::Cow;

use super::Profile;
use super::table::{UNTOLD, hours, in_json, in_query};
use crate::handshake::{Body, Condition, HandshakeRule, Proof, Value};
use crate::scheme::Scheme;
use crate::values::BodyValues;

pub(super) const CLOUDPRINTER: Profile = Profile {
    name: "cloudprinter",
    title: "Cloudprinter",
    scheme: &secret_at("", "apikey"),
    kind: &[in_json("/type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the API key of the webhook, which is in the body as it is; nothing is \
              signed, and what is kept of an event has the key in it. The body has no id of the \
              delivery.",
    ..Profile::DEFAULTS
};

pub(super) const FIGMA: Profile = Profile {
    name: "figma",
    title: "Figma",
    scheme: &secret_at("", "passcode"),
    kind: &[in_json("/event_type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    refusal_status: 400,
    summary: "The secret is the webhook's passcode, which is in the body as it is; nothing is \
              signed, and what is kept of an event has the passcode in it. A wrong one is answered \
              with 400, which stops the webhook. The webhook's id is that of all its events, so \
              that there is no id.",
    ..Profile::DEFAULTS
};

pub(super) const MERAKI: Profile = Profile {
    name: "meraki",
    title: "Cisco Meraki",
    scheme: &secret_at("", "sharedSecret"),
    kind: &[in_json("/alertTypeId"), in_json("/alertType")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the receiver's shared secret, which is in the body as it is; nothing is \
              signed, and what is kept of an event has the secret in it. A payload template has to \
              leave `sharedSecret` where it is. There is no id: that the body's `alertId` is one \
              delivery's is said nowhere.",
    ..Profile::DEFAULTS
};

pub(super) const MICROSOFT_GRAPH: Profile = Profile {
    name: "microsoft-graph",
    title: "Microsoft Graph",
    scheme: &secret_at("/value/*", "clientState"),
    kind: &[],
    delivery_id: &[],
    retry_span: hours(4),
    handshakes: &[VALIDATION],
    summary: "The secret is the subscription's `clientState`, which has to be in every notification \
              of a delivery; nothing is signed, and what is kept of an event has it in it. The tokens \
              of notifications with resource data are left to the handler. Validation requests are \
              answered. A delivery is a batch of notifications.",
    ..Profile::DEFAULTS
};

pub(super) const SHAREPOINT: Profile = Profile {
    name: "sharepoint",
    title: "SharePoint",
    scheme: &secret_at("/value/*", "clientState"),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    handshakes: &[SHAREPOINT_VALIDATION],
    summary: "The secret is the subscription's `clientState`, which has to be in every notification \
              of a delivery; nothing is signed, and what is kept of an event has it in it. Validation \
              requests are answered. A delivery is a batch of notifications.",
    ..Profile::DEFAULTS
};

const fn secret_at(at: &'static str, name: &'static str) -> Scheme {
    let values = BodyValues::Json(Cow::Borrowed(at));
    Scheme::BodySecret { values, name: Cow::Borrowed(name) }
}

/// A request without a body that asks for its parameter, decoded.
const VALIDATION: HandshakeRule = HandshakeRule {
    name: "validation",
    when: &[Condition::EmptyBody, Condition::Has(in_query("validationToken"))],
    proof: Proof::Nothing,
    body: Body::Text(&[Value::Echo(in_query("validationToken"))]),
    ..HandshakeRule::DEFAULTS
};

/// The same in SharePoint's spelling.
const SHAREPOINT_VALIDATION: HandshakeRule = HandshakeRule {
    name: "validation",
    when: &[Condition::EmptyBody, Condition::Has(in_query("validationtoken"))],
    proof: Proof::Nothing,
    body: Body::Text(&[Value::Echo(in_query("validationtoken"))]),
    ..HandshakeRule::DEFAULTS
};
