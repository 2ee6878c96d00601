//! What a token must not get away with, and what follows from a scheme of tokens.

mod signers;

use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use hookyard_verify::{
    Claim, Encoding, JwtScheme, KeySource, Keyring, Part, Reason, Received, Request, Scheme,
    Secret, Settings, SetupError, TokenAlgorithm, TokenForm, TokenKeys, TokenPlace, UnixTime,
    Verifier,
};
use http::HeaderValue;
use rsa::pkcs8::DecodePrivateKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use signers::{NOW, RSA, RSA_OTHER, Signer, jwks, request, signer};

const SECRET: &str = "livekit-secret-0123456789";
const BODY: &str = r#"{"event":"room_started","id":"EV_1"}"#;

fn encode(text: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(text.as_ref())
}

/// A token of these two texts, signed with a shared secret.
fn hs256(header: &str, claims: &str, secret: &[u8]) -> String {
    let text = format!("{}.{}", encode(header), encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
    mac.update(text.as_bytes());
    format!("{text}.{}", encode(mac.finalize().into_bytes()))
}

/// A token of these two texts, signed with an RSA key.
fn rs256(header: &str, claims: &str, key: &str) -> String {
    let text = format!("{}.{}", encode(header), encode(claims));
    let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let key = rsa::PrivateKey::from_pkcs8_der(der.secret_der()).expect("a key");
    let hash = Sha256::digest(text.as_bytes());
    let signature = key.pkcs1v15_sign_prehash::<Sha256>(&hash).expect("signed");
    format!("{text}.{}", encode(signature))
}

fn carrying(header: &'static str, token: &str, body: &str) -> Request {
    let mut request = request(body.to_owned());
    request.headers.insert(header, token.parse().expect("a value"));
    request
}

/// What LiveKit says of a body.
fn claims() -> Value {
    let now = NOW.as_secs();
    let hash = BASE64.encode(&Sha256::digest(BODY));
    json!({ "iss": "APIkey", "nbf": now, "exp": now + 300, "sha256": hash })
}

/// Why a token of LiveKit's with these claims is refused; nothing when it is taken.
fn refused(claims: &str) -> Option<Reason> {
    refused_at(claims, NOW)
}

fn refused_at(claims: &str, now: UnixTime) -> Option<Reason> {
    let token = hs256(r#"{"alg":"HS256","typ":"JWT"}"#, claims, SECRET.as_bytes());
    let received = signer("livekit").receive(carrying("authorization", &token, BODY), now);
    received.err().map(|refused| refused.reason)
}

/// The claims with one changed, or without it.
fn with(claim: &str, value: impl Into<Option<Value>>) -> String {
    let mut claims = claims();
    let members = claims.as_object_mut().expect("an object");
    match value.into() {
        Some(value) => drop(members.insert(claim.to_owned(), value)),
        None => drop(members.remove(claim)),
    }
    claims.to_string()
}

#[test]
fn every_claim_has_to_be_there_and_right() {
    assert_eq!(refused(&claims().to_string()), None);
    for (claim, wrong) in [
        ("iss", json!("APIother")),
        ("iss", json!(["APIkey"])),
        ("iss", json!({ "APIkey": "APIkey" })),
        ("iss", json!("APIkey ")),
        ("nbf", json!("1750000000")),
        ("exp", json!(null)),
        ("exp", json!(1_750_000_300.5)),
        ("exp", json!(u64::MAX)),
        ("exp", json!([1_750_000_300])),
        ("sha256", json!("")),
        ("sha256", json!(BASE64.encode(&Sha256::digest("another")))),
        ("sha256", json!(HEXLOWER.encode(&Sha256::digest(BODY)))),
        ("sha256", json!(true)),
    ] {
        let reason = refused(&with(claim, wrong.clone()));
        assert!(
            matches!(&reason, Some(Reason::WrongClaim { claim: c }) if *c == claim),
            "{claim} {wrong}: {reason:?}"
        );
    }
    for claim in ["iss", "nbf", "exp", "sha256"] {
        assert_eq!(refused(&with(claim, None)).map(|reason| reason.label()), Some("wrong-claim"));
    }
    // What nobody asked for is nobody's business.
    assert_eq!(refused(&with("sub", json!(1))), None);
}

#[test]
fn moments_have_their_leeway_and_no_more() {
    let at = |by: i64| refused_at(&claims().to_string(), UnixTime::from_secs(NOW.as_secs() + by));
    assert_eq!(at(359), None);
    let leeway = Duration::from_secs(60);
    let ago = leeway;
    assert_eq!(at(360), Some(Reason::TokenExpired { ago, leeway }));
    assert_eq!(at(-60), None);
    let ahead = Duration::from_secs(61);
    assert_eq!(at(-61), Some(Reason::TimestampInFuture { ahead, tolerance: leeway }));
    // A moment that nobody asked for counts as well.
    let later = |seconds: i64| refused(&with("iat", json!(NOW.as_secs() + seconds)));
    assert_eq!(later(60), None);
    assert_eq!(later(61), Some(Reason::TimestampInFuture { ahead, tolerance: leeway }));
    assert_eq!(
        refused(&with("exp", json!(i64::MIN))).map(|r| r.label()),
        Some("timestamp-too-old")
    );
    assert_eq!(
        refused(&with("nbf", json!(i64::MAX))).map(|r| r.label()),
        Some("timestamp-in-future")
    );
    // A clock that is out of its mind lets nothing pass.
    for now in [i64::MIN, i64::MAX] {
        assert!(refused_at(&claims().to_string(), UnixTime::from_millis(now)).is_some());
    }
}

#[test]
fn no_header_gets_around_the_algorithm() {
    let livekit = signer("livekit");
    let claims = claims().to_string();
    let reason = |token: &str| livekit.reason(carrying("authorization", token, BODY), NOW).label();
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
    ] {
        assert_eq!(
            reason(&hs256(header, &claims, SECRET.as_bytes())),
            "malformed-token",
            "{header}"
        );
    }
    let right = hs256(r#"{"alg":"HS256"}"#, &claims, SECRET.as_bytes());
    let (text, _) = right.rsplit_once('.').expect("a signature");
    assert_eq!(reason(&format!("{text}.")), "malformed-token");
    assert_eq!(reason(&format!("{text}.AA")), "mismatch");
    // As long as the longest hash, and right in its first 32 bytes.
    let (_, signature) = right.rsplit_once('.').expect("a signature");
    let mut longer = BASE64URL_NOPAD.decode(signature.as_bytes()).expect("base64url");
    longer.resize(64, 0);
    assert_eq!(reason(&format!("{text}.{}", encode(longer))), "mismatch");
    assert_eq!(reason(&format!("Bearer {right}")), "malformed-token");
    assert_eq!(reason(&format!("{right} ")), "malformed-token");
}

/// A receiver that would take the public key for a shared secret takes everything.
#[test]
fn a_public_key_is_no_shared_secret() {
    let wix = signer("wix");
    let public = include_str!("keys/rsa-public.pem");
    let claims = json!({ "data": "{}", "exp": NOW.as_secs() + 300 }).to_string();
    for key in [public.as_bytes(), public.trim().as_bytes()] {
        for alg in ["HS256", "RS256"] {
            let token = hs256(&format!(r#"{{"alg":"{alg}"}}"#), &claims, key);
            assert!(wix.receive(request(token), NOW).is_err(), "{alg}");
        }
    }
    wix.receive(request(rs256(r#"{"alg":"RS256"}"#, &claims, RSA)), NOW).expect("genuine");
}

#[test]
fn repeated_members_and_other_shapes_are_refused() {
    let claims = claims().to_string();
    let repeated = claims.replacen('{', r#"{"iss":"APIother","#, 1);
    let nested = claims.replacen('{', r#"{"video":{"room":"a","room":"b"},"#, 1);
    for wrong in [repeated, nested, "[]".to_owned(), String::new(), format!("{claims} {claims}")] {
        assert_eq!(
            refused(&wrong).map(|reason| reason.label()),
            Some("malformed-token"),
            "{wrong}"
        );
    }
}

#[test]
fn a_token_is_as_long_as_a_header_may_be() {
    let padded = |len: usize| with("metadata", json!("x".repeat(len)));
    assert_eq!(refused(&padded(10_000)), None);
    assert_eq!(refused(&padded(12_300)).map(|reason| reason.label()), Some("malformed-token"));
}

/// What Google says, with one claim changed or without it.
fn google(claim: &str, value: impl Into<Option<Value>>) -> Option<&'static str> {
    let mut claims = json!({
        "iss": "https://accounts.google.com",
        "aud": "https://hooks.example.com/in",
        "email": "push@p.iam.gserviceaccount.com",
        "email_verified": true,
        "iat": NOW.as_secs(),
        "exp": NOW.as_secs() + 3600,
    });
    let members = claims.as_object_mut().expect("an object");
    match value.into() {
        Some(value) => drop(members.insert(claim.to_owned(), value)),
        None => drop(members.remove(claim)),
    }
    let header = r#"{"alg":"RS256","kid":"hookyard"}"#;
    let token = format!("Bearer {}", rs256(header, &claims.to_string(), RSA));
    let received = signer("google-pubsub").receive(carrying("authorization", &token, "{}"), NOW);
    received.err().map(|refused| refused.reason.label())
}

#[test]
fn google_has_to_say_who_for_whom_and_until_when() {
    assert_eq!(google("sub", json!("1")), None);
    assert_eq!(google("iss", json!("accounts.google.com")), None);
    assert_eq!(google("aud", json!("https://hooks.example.com/in?x=1")), None);
    assert_eq!(
        google("aud", json!(["https://else.example", "https://hooks.example.com/in"])),
        None
    );
    for (claim, wrong) in [
        ("iss", json!("https://accounts.google.com.evil.example")),
        ("iss", json!(["https://accounts.google.com"])),
        ("aud", json!("https://hooks.example.com/in/")),
        ("aud", json!("https://hooks.example.com/in?x=2")),
        ("aud", json!([])),
        ("aud", json!(["https://hooks.example.com/in", 1])),
        ("email", json!("other@p.iam.gserviceaccount.com")),
        ("email_verified", json!("true")),
        ("email_verified", json!(false)),
    ] {
        assert_eq!(google(claim, wrong.clone()), Some("wrong-claim"), "{claim} {wrong}");
    }
    for claim in ["iss", "aud", "email", "email_verified", "exp"] {
        assert_eq!(google(claim, None), Some("wrong-claim"), "{claim}");
    }
}

#[test]
fn an_audience_that_is_set_is_the_only_one() {
    let mut set = signer("google-pubsub");
    set.settings.insert("audience", "https://internal.example/push");
    let sent = set.send(request("{}"), NOW).expect("signed");
    set.receive(sent.clone(), NOW).expect("genuine");
    assert_eq!(signer("google-pubsub").reason(sent, NOW).label(), "wrong-claim");
    let sent = signer("google-pubsub").send(request("{}"), NOW).expect("signed");
    assert_eq!(set.reason(sent, NOW).label(), "wrong-claim");
}

#[test]
fn the_key_is_the_one_that_is_named() {
    let claims = |signer: &Signer| {
        let sent = signer.send(request("{}"), NOW).expect("signed");
        let token = sent.headers["x-fusionauth-signature-jwt"].to_str().expect("text").to_owned();
        let claims = token.split('.').nth(1).expect("claims");
        String::from_utf8(BASE64URL_NOPAD.decode(claims.as_bytes()).expect("base64url"))
    };
    let mut fusionauth = signer("fusionauth");
    let claims = claims(&fusionauth).expect("text");
    let reason = |signer: &Signer, header: &str, key: &str| {
        let token = rs256(header, &claims, key);
        signer.receive(carrying("x-fusionauth-signature-jwt", &token, "{}"), NOW).err()
    };
    let label = |header, key| reason(&signer("fusionauth"), header, key).map(|r| r.reason.label());
    assert_eq!(label(r#"{"alg":"RS256","kid":"hookyard"}"#, RSA), None);
    assert_eq!(label(r#"{"alg":"RS256","kid":"hookyard"}"#, RSA_OTHER), Some("mismatch"));
    // Nothing of the token's own tells where a key is.
    for more in [
        String::new(),
        r#","kid":"other""#.to_owned(),
        r#","kid":"HOOKYARD""#.to_owned(),
        format!(r#","kid":"other","jwk":{}"#, jwks("other")["keys"][0]),
        r#","kid":"other","jku":"https://auth.example.com:8443/jwks""#.to_owned(),
        r#","kid":"https://auth.example.com:8443/jwks""#.to_owned(),
    ] {
        let header = format!(r#"{{"alg":"RS256"{more}}}"#);
        let refused = reason(&fusionauth, &header, RSA).expect("refused");
        let expected = if more.is_empty() { "malformed-token" } else { "unknown-key" };
        assert_eq!(refused.reason.label(), expected, "{header}");
    }
    // A set in which another key has the name, and one that has it for something else.
    fusionauth.document = jwks("hookyard").to_string().replace("\"sig\"", "\"enc\"");
    let header = r#"{"alg":"RS256","kid":"hookyard"}"#;
    let refused = reason(&fusionauth, header, RSA).expect("refused");
    assert_eq!(refused.reason.label(), "unknown-key");
}

#[test]
fn plaid_is_asked_for_one_key_with_the_accounts_credentials() {
    let plaid = signer("plaid");
    let sent = plaid.send(request("{}"), NOW).expect("signed");
    let verifier = plaid.verifier();
    let refused = verifier.receive(sent, NOW, &Keyring::new()).expect_err("no key yet");
    let Reason::KeyNeeded(source) = &refused.reason else { panic!("{refused}") };
    let url = "https://production.plaid.com/webhook_verification_key/get".to_owned();
    assert_eq!(*source, KeySource::Plaid { url, key_id: "hookyard".to_owned() });
    let question = source.question(&plaid.settings).expect("a question");
    let question: Value = serde_json::from_str(&question).expect("JSON");
    let expected = json!({ "client_id": "5f00", "secret": "plaid-secret", "key_id": "hookyard" });
    assert_eq!(question, expected);
    assert!(!format!("{refused:?} {source} {:?}", plaid.settings).contains("plaid-secret"));

    // What could not be a key of Plaid's is not asked for.
    for id in ["a/b", "a b", "a\"b", &"a".repeat(65)] {
        let header = json!({ "alg": "ES256", "kid": id }).to_string();
        let token = format!("{}.{}.{}", encode(header), encode("{}"), encode([1; 64]));
        let strange = carrying("plaid-verification", &token, "{}");
        assert_eq!(plaid.reason(strange, NOW).label(), "malformed-token", "{id}");
    }

    // The key of one name is not that of another.
    let other = KeySource::Plaid { url: source.url().to_owned(), key_id: "other".to_owned() };
    let keyring = Keyring::new().with(&other, plaid.document.clone().into());
    let refused = verifier.receive(*refused.request, NOW, &keyring).expect_err("another key");
    assert_eq!(refused.reason.label(), "unknown-key");
    let expired = Signer {
        document: plaid.document.replace("\"expired_at\":null", "\"expired_at\":1700000000"),
        ..plaid.clone()
    };
    assert_ne!(expired.document, plaid.document);
    assert_eq!(expired.reason(*refused.request, NOW).label(), "unknown-key");

    let mut sandbox = plaid;
    sandbox.settings.insert("environment", "sandbox");
    sandbox.served_at = "https://sandbox.plaid.com/webhook_verification_key/get";
    let sent = sandbox.send(request("{}"), NOW).expect("signed");
    sandbox.receive(sent, NOW).expect("genuine");
}

#[test]
fn plaids_tokens_are_good_for_five_minutes() {
    let plaid = signer("plaid");
    let sent = plaid.send(request("{}"), NOW).expect("signed");
    let at = |by: i64| {
        let received = plaid.receive(sent.clone(), UnixTime::from_secs(NOW.as_secs() + by));
        received.err().map(|refused| refused.reason.label())
    };
    assert_eq!((at(300), at(-300)), (None, None));
    assert_eq!((at(301), at(-301)), (Some("timestamp-too-old"), Some("timestamp-in-future")));
}

#[test]
fn a_detached_signature_is_of_the_body_and_nothing_else() {
    let neon = signer("neon");
    let sent = neon.send(request("{}"), NOW).expect("signed");
    let token = sent.headers["x-neon-signature"].to_str().expect("text").to_owned();
    let changed = |header: &'static str, value: &str| {
        let mut sent = sent.clone();
        sent.headers.insert(header, value.parse().expect("a value"));
        neon.reason(sent, NOW).label()
    };
    let attached = token.replace("..", &format!(".{}.", encode("{}")));
    assert_eq!(changed("x-neon-signature", &attached), "malformed-token");
    assert_eq!(changed("x-neon-signature-kid", "other"), "malformed-token");
    assert_eq!(changed("x-neon-timestamp", "1750000000001"), "mismatch");
    assert_eq!(changed("x-neon-timestamp", "1750000000"), "timestamp-too-old");
    assert_eq!(changed("x-neon-timestamp", "01750000000000"), "malformed-timestamp");
    for header in ["x-neon-signature-kid", "x-neon-timestamp"] {
        let mut sent = sent.clone();
        sent.headers.remove(header);
        assert_eq!(neon.reason(sent, NOW).label(), "missing-header");
    }
    let open = neon.verifier();
    assert!(!open.unauthenticated().contains(&Part::Body));
    let timed = open.with_kind(vec!["header:x-neon-timestamp".parse().expect("a location")]);
    assert!(!timed.unauthenticated().contains(&Part::Kind));
}

#[test]
fn messagebird_says_nothing_of_a_body_that_is_not_there() {
    let bird = signer("messagebird");
    let sent = bird.send(request(""), NOW).expect("signed");
    let Received::Event(verified) = bird.receive(sent.clone(), NOW).expect("genuine") else {
        panic!("an event")
    };
    assert_eq!(verified.one_time_token().map(str::len), Some(64));
    assert!(!verified.unauthenticated().contains(&Part::Query));
    let full = Request { body: "x".into(), ..sent };
    assert_eq!(bird.reason(full, NOW), Reason::WrongClaim { claim: "payload_hash" });
    let sent = bird.send(request("x"), NOW).expect("signed");
    let empty = Request { body: "".into(), ..sent.clone() };
    assert_eq!(bird.reason(empty, NOW), Reason::WrongClaim { claim: "payload_hash" });
    let moved = Request { url: "https://hooks.example.com/in?x=2".to_owned(), ..sent.clone() };
    assert_eq!(bird.reason(moved, NOW), Reason::WrongClaim { claim: "url_hash" });
    let late = UnixTime::from_secs(NOW.as_secs() + 301);
    assert_eq!(bird.reason(sent, late).label(), "timestamp-too-old");
}

#[test]
fn a_token_without_a_body_is_a_credential() {
    for name in ["google-pubsub", "monday"] {
        let sender = signer(name);
        let sent = sender.send(request("{}"), NOW).expect("signed");
        let Received::Event(verified) = sender.receive(sent, NOW).expect("genuine") else {
            panic!("an event")
        };
        assert!(verified.unauthenticated().contains(&Part::Body), "{name}");
        assert!(verified.into_request().headers.is_empty(), "{name}");
    }
    let livekit = signer("livekit");
    let sent = livekit.send(request("{}"), NOW).expect("signed");
    let Received::Event(verified) = livekit.receive(sent, NOW).expect("genuine") else {
        panic!("an event")
    };
    assert!(!verified.unauthenticated().contains(&Part::Body));
    assert!(verified.into_request().headers.contains_key("authorization"));
}

#[test]
fn mondays_challenge_needs_no_token_and_an_event_does() {
    let monday = signer("monday");
    let Received::Handshake(handshake) =
        monday.receive(request(r#"{"challenge":"abc"}"#), NOW).expect("a handshake")
    else {
        panic!("a handshake")
    };
    assert_eq!(&handshake.reply.body[..], br#"{"challenge":"abc"}"#);
    let reason = monday.reason(request(r#"{"event":{"type":"create_pulse"}}"#), NOW);
    assert_eq!(reason.label(), "missing-header");
    // A token that is there has to be right, whatever else is there.
    let mut sent = monday.send(request(r#"{"challenge":"abc"}"#), NOW).expect("signed");
    monday.receive(sent.clone(), NOW).expect("a handshake");
    sent.headers.insert("authorization", HeaderValue::from_static("x"));
    assert_eq!(monday.reason(sent, NOW).label(), "malformed-token");
}

#[test]
fn a_scheme_of_tokens_that_protects_nothing_is_refused() {
    let header = || TokenPlace::Header("x-token".into());
    let setup = |scheme: JwtScheme, settings: Settings| {
        let profile_less = Verifier::new(Scheme::Jwt(scheme), []);
        assert!(settings.get("x").is_none());
        profile_less.err()
    };
    let none = Settings::default;
    let jwks = |url: &'static str| TokenKeys::Jwks(url.into());
    let shared = JwtScheme::new(header(), TokenAlgorithm::Hs256, jwks("https://a.example/"));
    assert_eq!(setup(shared, none()), Some(SetupError::SharedKeyInSet));
    for url in ["http://a.example/", "https://", "a.example", "https://user@a.example/", ""] {
        let plain = JwtScheme::new(header(), TokenAlgorithm::Rs256, jwks(url));
        assert_eq!(setup(plain, none()), Some(SetupError::InvalidKeyUrl(url.to_owned())));
    }
    let unset = JwtScheme::new(header(), TokenAlgorithm::Rs256, TokenKeys::JwksSetting("keys"));
    assert!(matches!(setup(unset, none()), Some(SetupError::MissingSetting { name: "keys", .. })));
    let mut claim = JwtScheme::new(header(), TokenAlgorithm::Rs256, jwks("https://a.example/"));
    claim.claims = vec![Claim::Setting { claim: "iss", setting: "account" }].into();
    let missing = setup(claim, none());
    assert!(matches!(missing, Some(SetupError::MissingSetting { name: "account", .. })));
    let mut body = JwtScheme::new(
        TokenPlace::Body { content: "data".into() },
        TokenAlgorithm::EdDsa,
        jwks("https://a.example/"),
    );
    body.form = TokenForm::Detached {
        timestamp: hookyard_verify::TimestampRule::header("x-timestamp"),
        key_id: "x-key".into(),
    };
    assert_eq!(setup(body.clone(), none()), Some(SetupError::DetachedClaims));
    body.place = header();
    assert_eq!(setup(body.clone(), none()), None);
    body.claims = vec![Claim::Expires].into();
    assert_eq!(setup(body, none()), Some(SetupError::DetachedClaims));
    let configured = JwtScheme::new(header(), TokenAlgorithm::Hs256, TokenKeys::Configured);
    assert_eq!(setup(configured.clone(), none()), Some(SetupError::NoSecret));
    let verifier = Verifier::new(Scheme::Jwt(configured), [Secret::from("s")]).expect("a scheme");
    assert!(verifier.unauthenticated().contains(&Part::Body));
}

#[test]
fn settings_that_cannot_be_right_are_refused() {
    let problem = |name: &str, setting: &'static str, value: &str| {
        let mut sender = signer(name);
        sender.settings.insert(setting, value);
        let made = Verifier::for_profile(sender.profile, sender.configured, sender.settings);
        made.err().map(|error| error.to_string())
    };
    for url in ["http://auth.example.com/jwks", "auth.example.com", "https://"] {
        let message = problem("neon", "jwks_url", url).expect(url);
        assert_eq!(
            message,
            "the setting `jwks_url` cannot be right: it is not an `https` URL with a host"
        );
    }
    assert!(problem("plaid", "environment", "development").is_some());
    assert!(problem("plaid", "client_id", " ").is_some());
    assert!(problem("livekit", "api_key", "").is_some());
    assert!(problem("google-pubsub", "email", "").is_some());
    assert_eq!(problem("google-pubsub", "audience", "https://x.example"), None);
    // Where nothing is configured but settings, a secret would never be looked at.
    let neon = signer("neon");
    let made = Verifier::for_profile(neon.profile, [Secret::from("x")], neon.settings);
    assert_eq!(made.err(), Some(SetupError::UnusedSecret));
}

#[test]
fn a_private_key_is_not_configured_by_accident() {
    let wix = signer("wix");
    let made = Verifier::for_profile(wix.profile, [Secret::from(RSA)], Settings::default());
    assert!(matches!(made.err(), Some(SetupError::Secret { index: 0, of: 1, .. })));
}

#[test]
fn schemes_in_words() {
    let mut scheme = JwtScheme::new(
        TokenPlace::Header("x-token".into()),
        TokenAlgorithm::Es256,
        TokenKeys::JwksSetting("keys"),
    );
    scheme.claims =
        vec![Claim::BodyHash { claim: "h", encoding: Encoding::Hex, unless_empty: false }].into();
    assert_eq!(
        Scheme::Jwt(scheme).to_string(),
        "JSON Web Token, ES256, in `x-token`; keys of the setting `keys`; `h` is the body's hash"
    );
}
