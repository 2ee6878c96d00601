//! Senders that sign hashes, settings, nonces or single values besides the body or in its place.

use std::borrow::Cow;

use super::Profile;
use super::table::{
    DOT, NEW_LINE, UNTOLD, days, in_header, in_json, in_query, sha1, sha256, sha512,
};
use crate::handshake::{Alphabet, Body, Condition, HandshakeRule, Hash, Proof, Shape, Value};
use crate::location::Location;
use crate::scheme::{Algorithm, Encoding, TimestampFormat};
use crate::sealed::Seal;
use crate::settings::Setting;
use crate::template::Piece;

pub(super) const FAVRO: Profile = Profile {
    name: "favro",
    title: "Favro",
    scheme: &sha1("x-favro-webhook")
        .base64()
        .signs(FAVRO_SIGNS)
        .one_time(in_json("/payloadId"))
        .scheme(),
    kind: &[in_json("/action")],
    delivery_id: &[in_json("/payloadId")],
    retry_span: UNTOLD,
    summary: "The secret is the one that was given when the webhook was made. The payload's id and \
              the URL are signed, and nothing else of the body: an id is good for one body. The \
              public URL has to be configured exactly as the webhook has it. There is no timestamp.",
    ..Profile::DEFAULTS
};

const FAVRO_SIGNS: &[Piece] = &[Piece::At(in_json("/payloadId")), Piece::Url];

pub(super) const KLAVIYO: Profile = Profile {
    name: "klaviyo",
    title: "Klaviyo",
    scheme: &sha256("klaviyo-signature")
        .signs(&[Piece::Body, Piece::Header(Cow::Borrowed("klaviyo-timestamp"))])
        .scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the system webhook's secret key; a flow's webhook action is not signed. \
              A timestamp is signed after the body, and its age is not looked at, since its form is \
              not settled. A delivery is a batch of events.",
    ..Profile::DEFAULTS
};

pub(super) const LARK: Profile = Profile {
    name: "lark",
    title: "Lark and Feishu",
    scheme: &sha256("x-lark-signature")
        .digest()
        .signs(&[
            Piece::Timestamp,
            Piece::Header(Cow::Borrowed("x-lark-request-nonce")),
            Piece::Secret,
            Piece::Body,
        ])
        .header_time("x-lark-request-timestamp", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[in_json("/header/event_type")],
    delivery_id: &[in_json("/header/event_id")],
    retry_span: UNTOLD,
    settings: &[Setting::optional(
        "verification_token",
        "the app's verification token, which the request that tries the URL out has to show",
    )
    .secret()],
    handshakes: &[
        HandshakeRule {
            name: "url_verification",
            when: URL_VERIFICATION,
            proof: Proof::Sealed(Seal::Lark, in_json("/token"), "verification_token"),
            body: Body::Json(&[("challenge", Value::Echo(in_json("/challenge")))]),
            ..HandshakeRule::DEFAULTS
        },
        HandshakeRule {
            name: "url_verification",
            when: URL_VERIFICATION,
            proof: Proof::Shows(in_json("/token"), "verification_token"),
            body: Body::Json(&[("challenge", Value::Echo(in_json("/challenge")))]),
            ..HandshakeRule::DEFAULTS
        },
    ],
    summary: "The secret is the app's encrypt key, without which events are not signed. Bodies are \
              encrypted with it and handed on so: kind and id are in them, out of reach, unless they \
              came in the clear. The request that tries the URL out is opened and answered; one in \
              the clear has to show the setting `verification_token`. Card actions, which are signed \
              in another way, are refused.",
    ..Profile::DEFAULTS
};

/// What a challenge looks like, and no event does.
const CHALLENGE: Shape = Shape { of: Alphabet::Word, at_least: 1, at_most: 256 };

/// The request with which the URL is tried out.
const URL_VERIFICATION: &[Condition] = &[
    Condition::Is(in_json("/type"), "url_verification"),
    Condition::Shaped(in_json("/challenge"), CHALLENGE),
];

pub(super) const MERCADO_PAGO: Profile = Profile {
    name: "mercado-pago",
    title: "Mercado Pago",
    scheme: &sha256("x-signature")
        .entries("v1")
        .signs(MERCADO_PAGO_SIGNS)
        .entry_time("ts", TimestampFormat::SecondsOrMillis, 300)
        .one_time(in_header("x-request-id"))
        .scheme(),
    kind: &[in_json("/action"), in_query("type")],
    delivery_id: &[in_json("/id"), in_header("x-request-id")],
    retry_span: UNTOLD,
    summary: "The secret is the application's secret key for webhooks. The resource's id, the \
              request's id and the timestamp are signed, and nothing else of the body: fetch what it \
              is about by the id in the query. A request's id is good for one body. The timestamp \
              may be five minutes away.",
    ..Profile::DEFAULTS
};

/// Parts that are not there are left out.
const MERCADO_PAGO_SIGNS: &[Piece] = &[
    Piece::Optional {
        before: Cow::Borrowed("id:"),
        at: Cow::Borrowed(RESOURCE_ID),
        lower: true,
        after: SEMICOLON,
    },
    Piece::Optional {
        before: Cow::Borrowed("request-id:"),
        at: Cow::Borrowed(REQUEST_ID),
        lower: false,
        after: SEMICOLON,
    },
    Piece::Text(Cow::Borrowed("ts:")),
    Piece::Timestamp,
    Piece::Text(SEMICOLON),
];

const RESOURCE_ID: &[Location] = &[in_query("data.id"), in_json("/data/id")];
const REQUEST_ID: &[Location] = &[in_header("x-request-id")];
const SEMICOLON: Cow<'static, str> = Cow::Borrowed(";");

pub(super) const METRONOME: Profile = Profile {
    name: "metronome",
    title: "Metronome",
    scheme: &sha256("metronome-webhook-signature")
        .signs(&[Piece::Timestamp, NEW_LINE, Piece::Body])
        .header_time("x-metronome-date", TimestampFormat::HttpDate, 300)
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    summary: "The secret is the webhook's own. The date that is signed is that in the header \
              `X-Metronome-Date`, not in `Date`, which software on the way may write anew.",
    ..Profile::DEFAULTS
};

pub(super) const NMI: Profile = Profile {
    name: "nmi",
    title: "NMI",
    scheme: &sha256("webhook-signature")
        .entries("s")
        .signs(&[Piece::Entry(Cow::Borrowed("t")), DOT, Piece::Body])
        .scheme(),
    kind: &[in_json("/event_type")],
    delivery_id: &[in_json("/event_id")],
    retry_span: UNTOLD,
    summary: "The secret is the signing key of the control panel's webhooks. The entry `t` of the \
              signature is a nonce and not a time, so that there is no timestamp.",
    ..Profile::DEFAULTS
};

pub(super) const RECHARGE: Profile = Profile {
    name: "recharge",
    title: "Recharge",
    scheme: &sha256("x-recharge-webhook-signature")
        .entries("v1")
        .signs(&[Piece::Timestamp, DOT, Piece::Body])
        .entry_time("t", TimestampFormat::Seconds, 48 * 3600)
        .scheme(),
    kind: &[in_header("x-recharge-topic")],
    delivery_id: &[],
    retry_span: days(2),
    summary: "The secret is the API token's client secret. The timestamp may be two days away. The \
              older header `X-Recharge-Hmac-Sha256`, a plain hash without a timestamp, is not looked \
              at. The topic is in a header that is not signed, and the body has no id of the \
              delivery.",
    ..Profile::DEFAULTS
};

pub(super) const SMARTCAR: Profile = Profile {
    name: "smartcar",
    title: "Smartcar",
    scheme: &sha256("sc-signature").scheme(),
    kind: &[in_json("/eventType"), in_json("/eventName")],
    delivery_id: &[in_json("/eventId")],
    retry_span: UNTOLD,
    handshakes: &[
        HandshakeRule {
            name: "VERIFY",
            when: &[
                Condition::Is(in_json("/eventType"), "VERIFY"),
                Condition::Shaped(in_json("/data/challenge"), CHALLENGE),
            ],
            proof: Proof::MaybeSigned,
            body: Body::Json(&[("challenge", hashed(SMARTCAR_CHALLENGE))]),
            ..HandshakeRule::DEFAULTS
        },
        HandshakeRule {
            name: "verify",
            when: &[
                Condition::Is(in_json("/eventName"), "verify"),
                Condition::Shaped(in_json("/payload/challenge"), CHALLENGE),
            ],
            proof: Proof::MaybeSigned,
            body: Body::Json(&[("challenge", hashed(SMARTCAR_OLD_CHALLENGE))]),
            ..HandshakeRule::DEFAULTS
        },
    ],
    summary: "The secret is the application management token. The request that tries the URL out is \
              answered with a hash that is made as signatures are: only a challenge of letters, \
              digits, `-` and `_` gets one, since with another a stranger could have events signed. \
              There is no timestamp.",
    ..Profile::DEFAULTS
};

const SMARTCAR_CHALLENGE: &[Value] = &[Value::Echo(in_json("/data/challenge"))];
const SMARTCAR_OLD_CHALLENGE: &[Value] = &[Value::Echo(in_json("/payload/challenge"))];

/// What an event that has this body would be signed with.
const fn hashed(of: &'static [Value]) -> Value {
    Value::Hash { how: Hash::Hmac(Algorithm::Sha256), of, encoding: Encoding::Hex }
}

pub(super) const SOLIDGATE: Profile = Profile {
    name: "solidgate",
    title: "Solidgate",
    scheme: &sha512("signature")
        .encoded(Encoding::HexBase64)
        .signs(&[
            Piece::Setting(Cow::Borrowed("merchant")),
            Piece::Body,
            Piece::Setting(Cow::Borrowed("merchant")),
        ])
        .scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    settings: &[Setting::required(
        "merchant",
        "the public key of the webhook's pair, as in the header `merchant`",
    )],
    summary: "The secret is the webhook's secret key, and the setting `merchant` its public key, \
              which is signed before and after the body. There is no timestamp.",
    ..Profile::DEFAULTS
};

pub(super) const TEBEX: Profile = Profile {
    name: "tebex",
    title: "Tebex",
    scheme: &sha256("x-signature").signs(&[Piece::BodySha256]).scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/id")],
    retry_span: UNTOLD,
    handshakes: &[HandshakeRule {
        name: "validation.webhook",
        when: &[Condition::Is(in_json("/type"), "validation.webhook")],
        body: Body::Json(&[("id", Value::Echo(in_json("/id")))]),
        ..HandshakeRule::DEFAULTS
    }],
    summary: "The secret is the webhook's own. What is signed is the body's SHA-256, in hexadecimal. \
              The request that tries the URL out is signed as well, and answered. There is no \
              timestamp.",
    ..Profile::DEFAULTS
};

pub(super) const TIKTOK_SHOP: Profile = Profile {
    name: "tiktok-shop",
    title: "TikTok Shop",
    scheme: &sha256("authorization")
        .signs(&[Piece::Setting(Cow::Borrowed("app_key")), Piece::Body])
        .scheme(),
    kind: &[in_json("/type")],
    delivery_id: &[in_json("/tts_notification_id")],
    retry_span: UNTOLD,
    settings: &[Setting::required("app_key", "the app's key, beside its secret in Partner Center")],
    summary: "The secret is the app's secret, and the setting `app_key` its key, which is signed \
              before the body. The signature is in the header `Authorization`, as it is. There is no \
              timestamp.",
    ..Profile::DEFAULTS
};

pub(super) const WALMART: Profile = Profile {
    name: "walmart",
    title: "Walmart Marketplace",
    scheme: &sha256("wm_sec.signature")
        .base64()
        .signs(&[
            Piece::Method,
            NEW_LINE,
            Piece::PathAndQuery,
            NEW_LINE,
            Piece::Timestamp,
            NEW_LINE,
            Piece::BodySha256,
        ])
        .header_time("wm_sec.timestamp", TimestampFormat::Seconds, 300)
        .scheme(),
    kind: &[],
    delivery_id: &[],
    retry_span: UNTOLD,
    summary: "The secret is the one that was given for the performance webhooks. Method, path, query \
              and the body's SHA-256 are signed with the timestamp; the path has to be the one that \
              Walmart calls. The timestamp is of the event and not of the try: what comes more than \
              five minutes after it is refused.",
    ..Profile::DEFAULTS
};
