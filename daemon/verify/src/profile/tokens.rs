//! Senders that prove themselves with a JSON Web Token.

use std::borrow::Cow;
use std::time::Duration;

use http::Method;

use super::Profile;
use super::table::{days, hours, in_json, jwt};
use crate::handshake::{Body, Condition, HandshakeRule, Proof, Value};
use crate::jwt_scheme::{Claim, JwtScheme, TokenAlgorithm, TokenKeys, TokenPlace};
use crate::plaid;
use crate::scheme::Encoding;
use crate::settings::Setting;

pub(super) const FUSIONAUTH: Profile = Profile {
    name: "fusionauth",
    title: "FusionAuth",
    scheme: &jwt(
        "x-fusionauth-signature-jwt",
        TokenAlgorithm::Rs256,
        TokenKeys::JwksSetting(JWKS_URL),
    )
    .saying(&[Claim::BodyHash {
        claim: "request_body_sha256",
        encoding: Encoding::Base64,
        unless_empty: false,
    }])
    .scheme(),
    kind: &[in_json("/event/type")],
    delivery_id: &[in_json("/event/id")],
    settings: &[Setting::required(
        JWKS_URL,
        "the `https` URL of your FusionAuth's public keys, ending in `/.well-known/jwks.json`",
    )],
    summary: "There is no secret: the webhook has to be signed with an RSA key of Key Master, whose \
              public half FusionAuth serves. Signing is off until it is switched on for the \
              webhook. There is no timestamp.",
    ..Profile::DEFAULTS
};

pub(super) const GOOGLE_PUBSUB: Profile = Profile {
    name: "google-pubsub",
    title: "Google Cloud Pub/Sub (push)",
    scheme: &JwtScheme::with(
        TokenPlace::Bearer,
        TokenAlgorithm::Rs256,
        TokenKeys::Jwks(Cow::Borrowed("https://www.googleapis.com/oauth2/v3/certs")),
    )
    .saying(&[
        Claim::OneOf {
            claim: "iss",
            texts: &["https://accounts.google.com", "accounts.google.com"],
        },
        Claim::SettingOrUrl { claim: "aud", setting: "audience" },
        Claim::Setting { claim: "email", setting: "email" },
        Claim::True { claim: "email_verified" },
        Claim::Expires,
    ])
    .scheme(),
    delivery_id: &[in_json("/message/messageId")],
    retry_span: days(7),
    settings: &[
        Setting::optional(
            "audience",
            "the subscription's audience; without it, the route's public URL",
        ),
        Setting::required(
            "email",
            "the service account that the subscription authenticates as; anyone at Google can get \
             a token for your URL with another one",
        ),
    ],
    summary: "There is no secret: the subscription has to be set to authenticate as a service \
              account. The token says who sends and nothing of the body, and is the same for an \
              hour. The id is the message's, in its topic: two subscriptions must not share a route, \
              where one's delivery would count as the other's again.",
    ..Profile::DEFAULTS
};

pub(super) const LIVEKIT: Profile = Profile {
    name: "livekit",
    title: "LiveKit",
    scheme: &jwt("authorization", TokenAlgorithm::Hs256, TokenKeys::Configured)
        .saying(&[
            Claim::Setting { claim: "iss", setting: "api_key" },
            Claim::NotBefore,
            Claim::Expires,
            Claim::BodyHash { claim: "sha256", encoding: Encoding::Base64, unless_empty: false },
        ])
        .scheme(),
    kind: &[in_json("/event")],
    delivery_id: &[in_json("/id")],
    settings: &[Setting::required("api_key", "the API key that the webhook is signed with")],
    summary: "The secret is the API secret of the key that the webhook is signed with. The token \
              expires, and has the body's hash.",
    ..Profile::DEFAULTS
};

pub(super) const MESSAGEBIRD: Profile = Profile {
    name: "messagebird",
    title: "MessageBird",
    scheme: &jwt("messagebird-signature-jwt", TokenAlgorithm::Hs256, TokenKeys::Configured)
        .saying(&[
            Claim::OneOf { claim: "iss", texts: &["MessageBird"] },
            Claim::NotBefore,
            Claim::Expires,
            Claim::UrlHash { claim: "url_hash", encoding: Encoding::Hex },
            Claim::BodyHash { claim: "payload_hash", encoding: Encoding::Hex, unless_empty: true },
            Claim::Once { claim: "jti" },
        ])
        .leeway(1)
        .scheme(),
    summary: "The secret is the signing key of the account's developer settings. The token expires, \
              and has the hashes of the URL and of the body: the public URL has to be configured \
              exactly as MessageBird calls it. The clocks may be a second apart, no more.",
    ..Profile::DEFAULTS
};

pub(super) const MONDAY: Profile = Profile {
    name: "monday",
    title: "monday.com",
    scheme: &jwt("authorization", TokenAlgorithm::Hs256, TokenKeys::Configured)
        .saying(&[Claim::SettingOrUrl { claim: "aud", setting: "audience" }, Claim::Expires])
        .scheme(),
    kind: &[in_json("/event/type")],
    delivery_id: &[],
    retry_span: hours(1),
    settings: &[Setting::optional(
        "audience",
        "the URL that monday.com has for the webhook; without it, the route's public URL",
    )],
    handshakes: &[HandshakeRule {
        name: "challenge",
        when: &[Condition::Method(Method::POST), Condition::Has(in_json("/challenge"))],
        proof: Proof::MaybeSigned,
        status: 200,
        headers: &[("content-type", Value::Text("application/json"))],
        body: Body::Json(&[("challenge", Value::Echo(in_json("/challenge")))]),
        confirm: None,
    }],
    summary: "The secret is the app's signing secret; of lifecycle events, the client secret. \
              Webhooks that belong to no app come without a token and are refused. The token says \
              who sends, to which URL, and nothing of the body. There is no id of a delivery.",
    ..Profile::DEFAULTS
};

pub(super) const NEON: Profile = Profile {
    name: "neon",
    title: "Neon Auth",
    scheme: &jwt("x-neon-signature", TokenAlgorithm::EdDsa, TokenKeys::JwksSetting(JWKS_URL))
        .detached("x-neon-timestamp", "x-neon-signature-kid")
        .scheme(),
    kind: &[in_json("/event_type")],
    delivery_id: &[in_json("/event_id")],
    settings: &[Setting::required(
        JWKS_URL,
        "the `https` URL of the project's public keys: its Auth URL with `/.well-known/jwks.json`",
    )],
    summary: "There is no secret: Neon signs with a key of the project, whose public half it \
              serves. Timestamp and body are signed.",
    ..Profile::DEFAULTS
};

pub(super) const PLAID: Profile = Profile {
    name: "plaid",
    title: "Plaid",
    scheme: &jwt("plaid-verification", TokenAlgorithm::Es256, TokenKeys::Plaid)
        .saying(&[
            Claim::Issued { within: Duration::from_secs(300) },
            Claim::BodyHash {
                claim: "request_body_sha256",
                encoding: Encoding::Hex,
                unless_empty: false,
            },
        ])
        .scheme(),
    kind: &[in_json("/webhook_code")],
    settings: &[
        Setting::required(plaid::CLIENT_ID, "the account's client id, to ask Plaid for its keys"),
        Setting::required(
            plaid::SECRET,
            "the secret of that environment, to ask Plaid for its keys",
        )
        .secret(),
        Setting::optional(
            plaid::ENVIRONMENT,
            "`production`, which it is when nothing is said, or `sandbox`",
        ),
    ],
    summary: "There is no secret that signs: Plaid's keys are asked for, one by one, with the \
              client id and secret of the account. The token has the body's hash and may be five \
              minutes old. A delivery has no id.",
    ..Profile::DEFAULTS
};

pub(super) const WIX: Profile = Profile {
    name: "wix",
    title: "Wix",
    scheme: &JwtScheme::with(
        TokenPlace::Body { content: Cow::Borrowed("data") },
        TokenAlgorithm::Rs256,
        TokenKeys::Configured,
    )
    .saying(&[Claim::Expires])
    .scheme(),
    summary: "The secret's place takes the app's public key, in PEM. The whole body is the token, \
              and the event is JSON in its claim `data`: a handler has to take the token apart, \
              and neither kind nor id can be told before.",
    ..Profile::DEFAULTS
};

/// The setting that has the URL of a key set.
const JWKS_URL: &str = "jwks_url";
