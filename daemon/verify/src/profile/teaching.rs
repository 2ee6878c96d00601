//! Senders that make the secret up and tell it themselves, in a handshake that nobody signed. The
//! route takes it only while an operator waits for it.

use http::Method;

use super::Profile;
use super::table::{UNTOLD, days, in_header, in_json, sha256};
use crate::handshake::{Condition, HandshakeRule, Proof, Value};

pub(super) const ASANA: Profile = Profile {
    name: "asana",
    title: "Asana",
    scheme: &sha256("x-hook-signature").scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: days(1),
    summary: "Asana makes the secret up, one for each webhook, and sends it while the webhook is \
              being made: start the route without one and arm it before. A delivery is a batch \
              of events without ids, empty every eight hours.",
    handshakes: &[HOOK_SECRET],
    ..Profile::DEFAULTS
};

pub(super) const CLIO: Profile = Profile {
    name: "clio",
    title: "Clio",
    scheme: &sha256("x-hook-signature").scheme(),
    kind: &[in_json("/meta/event")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "For webhooks of Clio Manage. Clio makes the secret up, one for each webhook, and \
              sends it when the webhook is made or gets another URL: start the route without one \
              and arm it before. The body has no id of the delivery.",
    handshakes: &[HOOK_SECRET],
    ..Profile::DEFAULTS
};

pub(super) const NOTION: Profile = Profile {
    name: "notion",
    title: "Notion",
    scheme: &sha256("x-notion-signature").prefixed("sha256=").scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "The secret is the verification token, which Notion sends when the subscription is \
              made: start the route without one and arm it before, then paste the token, which \
              `hookyard routes secret NAME` prints, into Notion. A token that is known already can \
              be configured.",
    handshakes: &[HandshakeRule {
        name: "verification_token",
        when: &[Condition::Method(Method::POST), Condition::Has(in_json("/verification_token"))],
        proof: Proof::Teaches(in_json("/verification_token")),
        ..HandshakeRule::DEFAULTS
    }],
    ..Profile::DEFAULTS
};

/// The secret comes in a header, and the answer has it in the same.
const HOOK_SECRET: HandshakeRule = HandshakeRule {
    name: "X-Hook-Secret",
    when: &[Condition::Method(Method::POST), Condition::Has(in_header("x-hook-secret"))],
    proof: Proof::Teaches(in_header("x-hook-secret")),
    headers: &[("x-hook-secret", Value::Echo(in_header("x-hook-secret")))],
    ..HandshakeRule::DEFAULTS
};
