//! eBay, whose keys its Notification API gives out.

use std::borrow::Cow;

use http::Method;

use super::Profile;
use super::table::in_json;
use crate::ebay_check::ENVIRONMENT;
use crate::handshake::{Body, Condition, HandshakeRule, Hash, Proof, Value};
use crate::location::Location;
use crate::scheme::{Encoding, Scheme};
use crate::settings::Setting;

/// The setting with which the challenge is answered.
const TOKEN: &str = "verification_token";

/// The setting that says what the URL is for eBay.
const ENDPOINT: &str = "endpoint";

pub(super) const EBAY: Profile = Profile {
    name: "ebay",
    title: "eBay",
    scheme: &Scheme::Ebay,
    kind: &[in_json("/metadata/topic")],
    delivery_id: &[in_json("/notification/notificationId")],
    success_status: 204,
    summary: "There is no secret: eBay signs with keys of its own, which are fetched by the id in \
              `x-ebay-signature` with the application's credentials. The URL and the verification \
              token are what was given to eBay; it tries them with a challenge first. The signature \
              is made with SHA-1, and there is no timestamp.",
    settings: &[
        Setting::optional(
            TOKEN,
            "the verification token that was given to eBay with the URL, 32 to 80 characters; \
             without it the challenge is refused",
        )
        .secret(),
        Setting::optional(
            ENDPOINT,
            "the URL exactly as it was given to eBay, where it is not the public URL without its \
             query",
        ),
        Setting::optional(ENVIRONMENT, "`production`, unless set, or `sandbox`"),
        Setting::optional(
            "client_id",
            "the application's client id (App ID), with which keys are fetched",
        ),
        Setting::optional(
            "client_secret",
            "the application's client secret (Cert ID), with which keys are fetched",
        )
        .secret(),
    ],
    handshakes: &[HandshakeRule {
        name: "endpoint validation",
        when: &[Condition::Method(Method::GET), Condition::Has(CODE)],
        proof: Proof::Nothing,
        status: 200,
        headers: &[("content-type", Value::Text("application/json"))],
        body: Body::Json(&[(
            "challengeResponse",
            Value::Hash {
                how: Hash::Sha256,
                of: &[
                    Value::Echo(CODE),
                    Value::Needed(TOKEN),
                    Value::SettingOr(ENDPOINT, &Value::Url),
                ],
                encoding: Encoding::Hex,
            },
        )]),
        confirm: None,
    }],
    ..Profile::DEFAULTS
};

const CODE: Location = Location::Query(Cow::Borrowed("challenge_code"));
