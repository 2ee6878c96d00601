//! Senders with a way of signing that no other has.

use std::time::Duration;

use http::Method;

use super::Profile;
use super::table::{UNTOLD, in_form, in_json, in_query};
use crate::braintree_check::{CHALLENGE, PUBLIC_KEY};
use crate::handshake::{Body, Condition, HandshakeRule, Hash, Proof, Value};
use crate::mandrill_check::REGISTERED_URL;
use crate::scheme::{Encoding, Scheme};
use crate::settings::Setting;

pub(super) const BRAINTREE: Profile = Profile {
    name: "braintree",
    title: "Braintree",
    scheme: &Scheme::Braintree,
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    settings: &[Setting::required(
        PUBLIC_KEY,
        "the public half of the API keys, beside the private key in the control panel",
    )],
    handshakes: &[HandshakeRule {
        name: "bt_challenge",
        // What is asked for is signed as payloads are: nothing longer or other than a challenge.
        when: &[
            Condition::Method(Method::GET),
            Condition::Shaped(in_query("bt_challenge"), CHALLENGE),
        ],
        proof: Proof::Nothing,
        body: Body::Text(&[
            Value::Setting(PUBLIC_KEY),
            Value::Text("|"),
            Value::Hash {
                how: Hash::HmacOfSha1,
                of: &[Value::Echo(in_query("bt_challenge"))],
                encoding: Encoding::Hex,
            },
        ]),
        ..HandshakeRule::DEFAULTS
    }],
    summary: "The secret is the API's private key, and the setting `public_key` is the public one, \
              which names the signature that counts. A delivery is a form with the event as XML in \
              base64, in which kind and id are out of reach; there is no timestamp.",
    ..Profile::DEFAULTS
};

pub(super) const EXACT_ONLINE: Profile = Profile {
    name: "exact-online",
    title: "Exact Online",
    scheme: &Scheme::ExactOnline,
    kind: &[in_json("/Content/Topic")],
    delivery_id: &[],
    retry_span: UNTOLD,
    handshakes: &[HandshakeRule {
        name: "validation",
        when: &[Condition::Method(Method::POST), Condition::EmptyBody],
        proof: Proof::Nothing,
        ..HandshakeRule::DEFAULTS
    }],
    summary: "The secret is the app's webhook secret, which is not its client secret. The body is an \
              object of the content and a hash of it; there is no timestamp, and the key in it is \
              that of the record, so that there is no id. An empty request, with which the URL is \
              tried out, is answered.",
    ..Profile::DEFAULTS
};

pub(super) const MANDRILL: Profile = Profile {
    name: "mandrill",
    title: "Mandrill (Mailchimp Transactional)",
    scheme: &Scheme::Mandrill,
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    handshakes: &[
        HandshakeRule {
            name: "probe",
            when: &[Condition::Method(Method::HEAD)],
            proof: Proof::Nothing,
            ..HandshakeRule::DEFAULTS
        },
        HandshakeRule {
            name: "test",
            when: &[
                Condition::Method(Method::POST),
                Condition::Is(in_form("mandrill_events"), "[]"),
            ],
            proof: Proof::Nothing,
            ..HandshakeRule::DEFAULTS
        },
    ],
    settings: &[Setting::optional(
        REGISTERED_URL,
        "the whole URL as the webhook has it, where that has a user name and a password, which are \
         signed as well",
    )
    .secret()],
    summary: "The secret is the webhook's own key, which there is only after it was made: the \
              requests that try the URL out are answered without it. The URL is signed: the public \
              URL has to be configured exactly as the webhook has it. A delivery is a form with a \
              batch of events; there is no timestamp.",
    ..Profile::DEFAULTS
};

pub(super) const UNISENDER_GO: Profile = Profile {
    name: "unisender-go",
    title: "Unisender Go",
    scheme: &Scheme::UnisenderGo,
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the API key of the project or account that has the webhook. Body and key \
              are hashed with a plain MD5, and there is no timestamp. A delivery is a batch of \
              events.",
    ..Profile::DEFAULTS
};

pub(super) const WECHAT: Profile = Profile {
    name: "wechat",
    title: "WeChat Official Accounts",
    scheme: &Scheme::WeChat { tolerance: Duration::from_secs(300) },
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    handshakes: &[HandshakeRule {
        name: "echostr",
        when: &[Condition::Method(Method::GET), Condition::Has(in_query("echostr"))],
        body: Body::Text(&[Value::Echo(in_query("echostr"))]),
        ..HandshakeRule::DEFAULTS
    }],
    summary: "The secret is the server configuration's token. Timestamp and nonce in the query are \
              signed, and the body is not: a signature is good for one body. In safe mode it is for \
              the handler to check `msg_signature` and to decrypt. The body is XML, in which kind \
              and id are out of reach.",
    ..Profile::DEFAULTS
};
