//! For every scheme that can be written: what was signed passes, one bit away from it does not, and
//! nothing that arrives can make the verifier panic.

use bytes::Bytes;
use data_encoding::BASE64;
use hookyard_verify::{
    Algorithm, Construction, Encoding, KeyForm, KeySource, Keyring, Layout, Location, Piece,
    Received, Request, Scheme, Secret, Settings, SignatureAlgorithm, Template, TemplateScheme,
    TimestampFormat, TimestampPlace, TimestampRule, UnixTime, Verifier, Version, profile, profiles,
    sign,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use proptest::sample::{Index, select};

const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXI="];
const ID: &str = "x-id";

/// Now is far from both ends of what a timestamp can say.
fn now() -> impl Strategy<Value = UnixTime> {
    (1_000_000_000_000i64..4_000_000_000_000).prop_map(UnixTime::from_millis)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![prop::collection::vec(any::<u8>(), 0..300), "[ -~]{0,80}".prop_map(String::into)]
}

/// A body that has at least one bit to flip.
fn some_body() -> impl Strategy<Value = Vec<u8>> {
    body().prop_map(|mut body| {
        body.push(b'\n');
        body
    })
}

fn header_text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,30}"
}

/// HMACs and key pairs.
fn construction() -> impl Strategy<Value = Construction> {
    use SignatureAlgorithm as Pair;
    let hashes = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512].map(Construction::Hmac);
    let pairs = [
        Pair::Ed25519,
        Pair::EcdsaSha256,
        Pair::EcdsaSha256Fixed,
        Pair::EcdsaSha1,
        Pair::RsaSha1,
        Pair::RsaSha256,
        Pair::RsaSha256Twice,
        Pair::RsaSha384,
        Pair::RsaSha512,
        Pair::RsaPssSha512,
    ];
    prop_oneof![3 => select(hashes.to_vec()), 2 => select(pairs.map(Construction::KeyPair).to_vec())]
}

/// Schemes as users could write them, all parts of the machinery among them.
fn template_scheme() -> impl Strategy<Value = TemplateScheme> {
    let encoding = select(vec![
        Encoding::Hex,
        Encoding::HexUpper,
        Encoding::Base64,
        Encoding::Base64Url,
        Encoding::HexBase64,
    ]);
    let prefix = select(vec!["", "sha256=", "v0:"]);
    let layout = select(vec![
        None,
        Some(Layout::Entries { between: ',', joint: '=', version: "v1".into() }),
        Some(Layout::Entries { between: ' ', joint: ',', version: "v1".into() }),
        Some(Layout::Entries { between: ';', joint: ':', version: "v1".into() }),
        Some(Layout::Groups { apart: ' ', between: ',', joint: '=', version: "v1".into() }),
        Some(Layout::Positional { between: ',' }),
    ]);
    let timestamp = select(vec![None, Some(false), Some(true)]);
    let format = select(vec![
        TimestampFormat::Seconds,
        TimestampFormat::Millis,
        TimestampFormat::Rfc3339,
        TimestampFormat::SecondsOrMillis,
    ]);
    let extra = select(vec![
        "",
        "{method}",
        "{path}:",
        "{url}",
        "{{x}}",
        "{decoded-url}",
        "{body-sha256}",
        "{query:x}",
    ]);
    (construction(), encoding, prefix, layout, timestamp, format, extra, any::<(bool, bool)>())
        .prop_map(
            |(construction, encoding, prefix, layout, timestamp, format, extra, (id, nonce))| {
                let mut scheme = match construction {
                    Construction::KeyPair(algorithm) => {
                        TemplateScheme::key_pair(algorithm, "X-Signature")
                    }
                    _ => TemplateScheme::new(Algorithm::Sha256, "X-Signature"),
                };
                scheme.construction = construction;
                scheme.key_id_header = (id && nonce).then_some("X-Key-Id".into());
                scheme.encoding = encoding;
                scheme.prefix = prefix.into();
                let mut template = String::from(extra);
                let positional = matches!(layout, Some(Layout::Positional { .. }));
                let listed = layout.is_some();
                scheme.layout = layout.unwrap_or(scheme.layout);
                if timestamp.is_some() || positional {
                    let rule = if positional {
                        TimestampRule { at: TimestampPlace::First, ..TimestampRule::entry("t") }
                    } else if timestamp == Some(true) && listed {
                        TimestampRule::entry("t")
                    } else {
                        TimestampRule::header("X-Timestamp")
                    };
                    scheme.timestamp = Some(TimestampRule { format, ..rule });
                    template.push_str("{timestamp}.");
                }
                if id {
                    scheme.id_header = Some(ID.into());
                    template.push_str("{id}.");
                }
                if nonce {
                    template.push_str("{header:x-nonce}.");
                }
                template.push_str("{body}");
                scheme.signed = template.parse().expect("a template");
                scheme
            },
        )
}

/// The schemes of all profiles, alternatives and versions also each for itself, and random ones.
fn any_scheme() -> impl Strategy<Value = Scheme> {
    let known: Vec<Scheme> = profiles()
        .iter()
        // These need settings, or keys that are fetched: `key_properties` has them.
        .filter(|profile| {
            !matches!(profile.scheme, Scheme::None | Scheme::Jwt(_) | Scheme::Paypal | Scheme::Sns)
        })
        .flat_map(|profile| match profile.scheme {
            Scheme::FirstOf(ways) => {
                ways.iter().chain([profile.scheme]).cloned().collect::<Vec<_>>()
            }
            Scheme::Template(template) => {
                let versions = template.versions.iter().map(|version| of(template, version));
                versions.chain([profile.scheme.clone()]).collect()
            }
            // Its keys are fetched; it has tests of its own.
            Scheme::Ebay => Vec::new(),
            scheme => vec![scheme.clone()],
        })
        .filter(takes_any_body)
        .collect();
    prop_oneof![select(known), template_scheme().prop_map(Scheme::Template)]
}

/// The scheme with one of its further versions alone.
fn of(scheme: &TemplateScheme, version: &Version) -> Scheme {
    let mut scheme = scheme.clone();
    if let Layout::Entries { version: name, .. } | Layout::Groups { version: name, .. } =
        &mut scheme.layout
    {
        *name = version.name.clone();
    }
    scheme.construction = version.construction;
    scheme.key = version.key.clone();
    scheme.versions = (&[]).into();
    Scheme::Template(scheme)
}

/// Whether any body can be signed by this scheme alone. For those whose signature is about values in
/// the body, and those that need settings, `in_body.rs` says the same.
fn takes_any_body(scheme: &Scheme) -> bool {
    match scheme {
        Scheme::Template(template) => !template.signed.pieces().iter().any(|piece| {
            matches!(piece, Piece::At(_) | Piece::Optional { .. } | Piece::Setting(_))
        }),
        Scheme::FirstOf(ways) => ways.first().is_some_and(takes_any_body),
        Scheme::Token { .. } | Scheme::Bearer | Scheme::Basic { .. } | Scheme::BasicPair => true,
        Scheme::Twilio | Scheme::None => true,
        _ => false,
    }
}

/// Those that protect a body.
fn scheme() -> impl Strategy<Value = Scheme> {
    any_scheme().prop_filter("the body is signed", |scheme| template(scheme).is_some())
}

/// What signs, which for alternatives is the first of them.
fn template(scheme: &Scheme) -> Option<&TemplateScheme> {
    match scheme {
        Scheme::Template(scheme) => Some(scheme),
        Scheme::FirstOf(ways) => ways.first().and_then(template),
        _ => None,
    }
}

/// The private and the public half of a key pair; `other` makes it another one.
fn key_pair(algorithm: SignatureAlgorithm, other: bool) -> (&'static str, &'static str) {
    macro_rules! pair {
        ($name:literal) => {
            (
                include_str!(concat!("keys/", $name, ".pem")),
                include_str!(concat!("keys/", $name, ".pub")),
            )
        };
    }
    match (algorithm.as_str().split('-').next(), other) {
        (Some("ed25519"), false) => pair!("ed25519"),
        (Some("ed25519"), true) => pair!("ed25519-other"),
        (Some("ecdsa"), false) => pair!("p256"),
        (Some("ecdsa"), true) => pair!("p256-other"),
        (_, false) => pair!("rsa"),
        (_, true) => pair!("rsa-other"),
    }
}

/// What the sender signs with: the secret, or the private half of its key pair.
fn signing(scheme: &Scheme) -> Secret {
    let Some(template) = template(scheme) else { return secret(scheme, false) };
    let Construction::KeyPair(algorithm) = template.construction else {
        return secret(scheme, false);
    };
    let (private, _) = key_pair(algorithm, false);
    Secret::from(format!("{}{private}", name(template)))
}

/// What stands before a key that has a name.
fn name(template: &TemplateScheme) -> &'static str {
    if template.key_id_header.is_some() { "key-1:" } else { "" }
}

/// A secret of the form that the scheme takes; `other` makes it another one.
fn secret(scheme: &Scheme, other: bool) -> Secret {
    if let Some(template) = template(scheme)
        && let Construction::KeyPair(algorithm) = template.construction
    {
        let KeyForm::PublicKey { tag } = &template.key else { panic!("{:?}", template.key) };
        let (_, public) = key_pair(algorithm, other);
        return Secret::from(format!("{}{tag}{public}", name(template)));
    }
    let named = template(scheme).map_or("", name);
    let hex = template(scheme).is_some_and(|template| template.key == KeyForm::Hex);
    // Without a prefix, or with another than the usual secrets'.
    let bare = template(scheme).is_some_and(
        |template| matches!(&template.key, KeyForm::Base64 { prefix } if prefix != "whsec_"),
    );
    let [usual, second] = SECRETS;
    let text = match (scheme, other) {
        (Scheme::BasicPair, false) => "user:pass:word",
        (Scheme::BasicPair, true) => "user:password",
        _ if hex && other => "00ff",
        _ if hex => "a1B2c3",
        _ if bare && other => second.trim_start_matches("whsec_"),
        _ if bare => usual.trim_start_matches("whsec_"),
        (_, true) => second,
        (_, false) => usual,
    };
    Secret::from(format!("{named}{text}"))
}

/// The names of the headers that `scheme` protects or reads.
fn headers_of(scheme: &TemplateScheme) -> Vec<HeaderName> {
    let mut names = vec![scheme.header.to_string()];
    names.extend(scheme.id_header.as_ref().map(ToString::to_string));
    names.extend(scheme.key_id_header.as_ref().map(ToString::to_string));
    names.extend(scheme.fixed.iter().map(|(name, _)| name.to_string()));
    for piece in scheme.signed.pieces() {
        if let Piece::ListedHeaders(name) = piece {
            names.push(name.to_string());
        }
    }
    names.extend(signed_headers(scheme));
    if let Some(rule) = &scheme.timestamp
        && let TimestampPlace::Header(name) = &rule.at
    {
        names.push(name.to_string());
    }
    names.iter().map(|name| name.parse().expect("a name")).collect()
}

/// The headers whose values are in the template.
fn signed_headers(scheme: &TemplateScheme) -> impl Iterator<Item = String> {
    scheme.signed.pieces().iter().filter_map(|piece| match piece {
        Piece::Header(name) => Some(name.to_string()),
        _ => None,
    })
}

/// Whether only JSON counts: after the secret in a plain hash, and where the same key signs values.
fn takes_json_alone(scheme: &Scheme) -> bool {
    let extensible = |template: &TemplateScheme| {
        let pieces = template.signed.pieces();
        let secret = pieces.iter().position(|piece| *piece == Piece::Secret);
        secret.is_some_and(|secret| pieces.iter().skip(secret).any(|piece| *piece == Piece::Body))
    };
    match scheme {
        Scheme::FirstOf(ways) => {
            ways.first().is_some_and(takes_json_alone)
                || ways.iter().any(|way| matches!(way, Scheme::BodyHmac(_)))
        }
        scheme => template(scheme).is_some_and(extensible),
    }
}

/// A body that has the timestamp, where that is its place.
fn dated(scheme: &Scheme, body: Vec<u8>, now: UnixTime) -> Vec<u8> {
    if takes_json_alone(scheme) {
        return format!("{{\"x\":{body:?}}}").into_bytes();
    }
    match template(scheme).and_then(|template| template.timestamp.as_ref()).map(|rule| &rule.at) {
        Some(TimestampPlace::Body(pointer)) => {
            let key = pointer.trim_start_matches('/');
            format!("{{\"x\":{body:?},\"{key}\":{}}}", now.as_millis()).into_bytes()
        }
        _ => body,
    }
}

fn signed(scheme: &Scheme, body: Vec<u8>, header: &str, now: UnixTime) -> Request {
    let mut request = Request {
        method: Method::POST,
        url: "https://hooks.example.com/in?x=1%3A2".to_owned(),
        path: "/in".to_owned(),
        query: Some("x=1%3A2".to_owned()),
        params: Vec::new(),
        headers: HeaderMap::new(),
        body: Bytes::from(dated(scheme, body, now)),
    };
    let id = template(scheme).and_then(|template| template.id_header.clone()).unwrap_or(ID.into());
    let signed = template(scheme).into_iter().flat_map(signed_headers);
    for name in signed.chain([id.to_string()]) {
        request.headers.insert(
            name.parse::<HeaderName>().expect("a name"),
            header.parse().expect("a header value"),
        );
    }
    if *scheme == Scheme::Twilio {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(http::header::CONTENT_TYPE, form);
    }
    sign(scheme, &signing(scheme), request, now, &Settings::default()).expect("signed")
}

/// Some seconds that are within the tolerance.
fn tolerated(scheme: &Scheme, late: i64) -> i64 {
    let rule = template(scheme).and_then(|template| template.timestamp.as_ref());
    let seconds = rule.map_or(300, |rule| i64::try_from(rule.tolerance.as_secs()).expect("short"));
    late % ((seconds - 1) * 1000)
}

fn verifier(scheme: &Scheme) -> Verifier {
    Verifier::new(scheme.clone(), [secret(scheme, true), secret(scheme, false)]).expect("a scheme")
}

fn flip(bytes: &mut [u8], at: Index) {
    let bit = at.index(bytes.len() * 8);
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
}

const EBAY: &str = "x-ebay-signature";

fn ebay(body: Vec<u8>) -> Request {
    let (private, _) = key_pair(SignatureAlgorithm::EcdsaSha1, false);
    let request = signed(&Scheme::None, body, "x", UnixTime::from_secs(1));
    let key = Secret::from(format!("key-1:{private}").trim_end());
    sign(&Scheme::Ebay, &key, request, UnixTime::from_secs(1), &Settings::default())
        .expect("signed")
}

fn ebay_key() -> KeySource {
    let url = "https://api.ebay.com/commerce/notification/v1/public_key/key-1".to_owned();
    KeySource::Ebay { url, key_id: "key-1".to_owned() }
}

/// What is made of a request, with eBay's key at hand.
fn ebay_received(request: Request, now: UnixTime) -> Option<Received> {
    let (_, public) = key_pair(SignatureAlgorithm::EcdsaSha1, false);
    let answer = format!(r#"{{"key":"{public}","algorithm":"ECDSA","digest":"SHA1"}}"#);
    let keyring = Keyring::new().with(&ebay_key(), Bytes::from(answer));
    let verifier = Verifier::new(Scheme::Ebay, []).expect("no secret needed");
    verifier.receive(request, now, &keyring).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_was_signed_passes(
        scheme in any_scheme(), body in body(), header in header_text(), now in now(),
        late in any::<i64>(),
    ) {
        let request = signed(&scheme, body, &header, now);
        let body = request.body.clone();
        let later = UnixTime::from_millis(now.as_millis() + tolerated(&scheme, late));
        let verified = verifier(&scheme).verify(request, later).expect("genuine");
        prop_assert_eq!(verified.matched_secret(), Some(1));
        prop_assert_eq!(&verified.request().body[..], &body[..]);
    }

    #[test]
    fn a_flipped_bit_in_the_body_fails(
        scheme in scheme(), body in some_body(), header in header_text(), now in now(),
        at in any::<Index>(),
    ) {
        let mut request = signed(&scheme, body, &header, now);
        let mut changed = request.body.to_vec();
        flip(&mut changed, at);
        request.body = Bytes::from(changed);
        prop_assert!(verifier(&scheme).verify(request, now).is_err());
    }

    /// The signature, the timestamp, the id and every header that the template names: whichever
    /// bit is flipped, and as long as the result is a header value at all.
    #[test]
    fn a_flipped_bit_in_a_header_fails(
        scheme in scheme(), body in body(), header in header_text(), now in now(),
        which in any::<Index>(), at in any::<Index>(),
    ) {
        let mut request = signed(&scheme, body, &header, now);
        let names = headers_of(template(&scheme).expect("signed"));
        let name = &names[which.index(names.len())];
        let mut value = request.headers[name].as_bytes().to_vec();
        flip(&mut value, at);
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            request.headers.insert(name.clone(), value);
            prop_assert!(verifier(&scheme).verify(request, now).is_err());
        }
    }

    #[test]
    fn a_body_that_is_longer_or_shorter_fails(
        scheme in scheme(), body in some_body(), header in header_text(), now in now(),
        more in body(),
    ) {
        let request = signed(&scheme, body, &header, now);
        let body = request.body.to_vec();
        let verifier = verifier(&scheme);
        let mut shorter = request.clone();
        shorter.body = Bytes::copy_from_slice(&body[..body.len() - 1]);
        prop_assert!(verifier.verify(shorter, now).is_err());
        if !more.is_empty() {
            let mut longer = request;
            longer.body = Bytes::from([body, more].concat());
            prop_assert!(verifier.verify(longer, now).is_err());
        }
    }

    #[test]
    fn another_secret_fails(
        scheme in scheme(), body in body(), header in header_text(), now in now(),
    ) {
        let request = signed(&scheme, body, &header, now);
        let other = secret(&scheme, true);
        let verifier = Verifier::new(scheme, [other]).expect("a scheme");
        let refused = verifier.verify(request, now).expect_err("another secret");
        prop_assert_eq!(refused.reason.label(), "mismatch");
    }

    /// Random values under the very headers that are read, and random clocks and bodies.
    #[test]
    fn nothing_that_arrives_panics(
        scheme in any_scheme(), body in body(), now in any::<i64>(),
        values in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..80),
                "(t=[0-9]{0,20}|v1[=,:][a-zA-Z0-9+/=]{0,90}|[,;: =]){0,6}".prop_map(String::into),
                "[0-9]{0,22}".prop_map(String::into),
            ],
            5,
        ),
    ) {
        let mut request = signed(&scheme, body, "x", UnixTime::from_secs(1_750_000_000));
        let names = match (template(&scheme), &scheme) {
            (Some(template), _) => headers_of(template),
            (None, Scheme::Twilio) => vec![HeaderName::from_static("x-twilio-signature")],
            (None, Scheme::Token { header }) => vec![header.parse().expect("a name")],
            (None, _) => vec![http::header::AUTHORIZATION],
        };
        for (name, value) in names.into_iter().zip(values) {
            match HeaderValue::from_bytes(&value) {
                Ok(value) => drop(request.headers.insert(name, value)),
                Err(_) => drop(request.headers.remove(name)),
            }
        }
        let now = UnixTime::from_millis(now);
        prop_assert!(verifier(&scheme).verify(request, now).is_err());
    }

    /// The key is fetched by the id that the signature names.
    #[test]
    fn what_ebay_signed_passes_and_a_flipped_bit_fails(
        body in some_body(), now in now(), at in any::<Index>(), in_header in any::<bool>(),
    ) {
        let request = ebay(body);
        let received = ebay_received(request.clone(), now);
        prop_assert!(matches!(received, Some(Received::Event(_))), "{received:?}");
        let mut changed = request;
        if in_header {
            let mut value = changed.headers[EBAY].as_bytes().to_vec();
            flip(&mut value, at);
            let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            changed.headers.insert(EBAY, value);
        } else {
            let mut body = changed.body.to_vec();
            flip(&mut body, at);
            changed.body = Bytes::from(body);
        }
        prop_assert!(ebay_received(changed, now).is_none());
    }

    #[test]
    fn nothing_that_ebay_could_send_panics(
        value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            "[a-zA-Z0-9+/=]{0,90}".prop_map(String::into),
            r#"\{("(alg|kid|signature|digest)":("(ecdsa|SHA1|key-1|M[A-Za-z0-9]{0,90})"|1),?){0,6}\}"#
                .prop_map(|json| BASE64.encode(json.as_bytes()).into()),
        ],
        answer in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            r#"\{"key":"[A-Za-z0-9 -]{0,90}","algorithm":"ECDSA","digest":"SHA1"\}"#
                .prop_map(String::into),
        ],
    ) {
        let mut request = ebay(Vec::new());
        let keyring = Keyring::new().with(&ebay_key(), Bytes::from(answer));
        let verifier = Verifier::new(Scheme::Ebay, []).expect("no secret needed");
        prop_assert!(verifier.receive(request.clone(), UnixTime::from_secs(1), &keyring).is_err());
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        request.headers.insert(EBAY, value);
        prop_assert!(ebay_received(request, UnixTime::from_secs(1)).is_none());
    }

    #[test]
    fn credentials_never_panic_and_pass_only_when_right(
        value in prop::collection::vec(any::<u8>(), 0..60),
        name in select(vec!["Bearer ", "Basic ", "basic", ""]),
    ) {
        let value = [name.as_bytes(), &value].concat();
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        for scheme in [
            Scheme::Token { header: "authorization".into() },
            Scheme::Bearer,
            Scheme::Basic { user: "u".into() },
            Scheme::BasicPair,
        ] {
            let github = &profile("github").expect("known").scheme;
            let mut request = signed(github, Vec::new(), "x", UnixTime::from_secs(1));
            request.headers.insert("authorization", value.clone());
            prop_assert!(verifier(&scheme).verify(request, UnixTime::from_secs(1)).is_err());
        }
    }

    #[test]
    fn texts_parse_or_say_why(text in "[{}a-z:/~.é]{0,24}") {
        match text.parse::<Template>() {
            Ok(template) => prop_assert_eq!(template.to_string().parse::<Template>(), Ok(template)),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        match text.parse::<Location>() {
            Ok(location) => prop_assert_eq!(location.to_string().parse::<Location>(), Ok(location)),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    /// A body of any kind can be asked for its kind and its id.
    #[test]
    fn any_body_can_be_searched(body in body(), json in "[\\[\\]{}\":,a0-9.]{0,40}") {
        let verifier = Verifier::new(Scheme::None, []).expect("no secret needed");
        for body in [body, json.into_bytes()] {
            let verifier = verifier
                .clone()
                .with_kind(vec![Location::Json("/a/0".into()), Location::Json("/0/a".into())])
                .with_delivery_id(vec![Location::Form("a".into())]);
            let github = &profile("github").expect("known").scheme;
            let request = signed(github, body, "x", UnixTime::from_secs(1));
            let verified = verifier.verify(request, UnixTime::from_secs(1)).expect("anything");
            prop_assert!(verified.kind().is_none_or(|kind| !kind.is_empty()));
            prop_assert!(verified.delivery_id().is_none_or(|id| !id.is_empty()));
        }
    }
}
