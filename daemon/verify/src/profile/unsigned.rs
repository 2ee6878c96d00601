//! Senders of whose deliveries nothing can be checked. Whoever knows the URL is believed, and the
//! operator has to say that this is understood.

use http::Method;

use super::Profile;
use super::table::{UNTOLD, in_form, in_json, in_query};
use crate::handshake::{Body, Condition, HandshakeRule, Proof, Value};
use crate::scheme::Scheme;
use crate::settings::Setting;

pub(super) const MAILCHIMP: Profile = Profile {
    name: "mailchimp",
    title: "Mailchimp Marketing",
    scheme: &Scheme::None,
    kind: &[in_form("type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "Mailchimp signs nothing and sends no secret: anyone who knows the URL can send \
              anything. Give the route a path that nobody guesses, and fetch what an event is \
              about before acting on it. Mandrill is another sender, and signs.",
    settings: &[UNSIGNED],
    handshakes: &[HandshakeRule {
        name: "validation",
        when: &[Condition::Method(Method::GET)],
        proof: Proof::Nothing,
        ..HandshakeRule::DEFAULTS
    }],
    ..Profile::DEFAULTS
};

pub(super) const STRAVA: Profile = Profile {
    name: "strava",
    title: "Strava",
    scheme: &Scheme::None,
    kind: &[in_json("/object_type")],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "Strava signs nothing and sends no secret but in its handshake: anyone who knows the \
              URL can send anything. Give the route a path that nobody guesses, and fetch what \
              an event is about before acting on it. The body has no id of the delivery.",
    settings: &[
        UNSIGNED,
        Setting::required(
            "verify_token",
            "the verify token that was made up for the subscription; Strava shows it in its \
             handshake",
        )
        .secret(),
    ],
    handshakes: &[HandshakeRule {
        name: "subscribe",
        when: &[
            Condition::Method(Method::GET),
            Condition::Is(in_query("hub.mode"), "subscribe"),
            Condition::Has(in_query("hub.challenge")),
        ],
        proof: Proof::Shows(in_query("hub.verify_token"), "verify_token"),
        body: Body::Json(&[("hub.challenge", Value::Echo(in_query("hub.challenge")))]),
        ..HandshakeRule::DEFAULTS
    }],
    ..Profile::DEFAULTS
};

const UNSIGNED: Setting = Setting::agreed(
    "unsigned",
    "nothing of this sender's deliveries can be checked, and anyone who knows the URL can send \
     anything; say `true` to take them all the same",
);
