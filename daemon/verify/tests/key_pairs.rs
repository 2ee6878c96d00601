//! Senders that sign with a key pair: what a request may choose, and what it may not.
#![allow(clippy::indexing_slicing, reason = "a test fails by that")]

use bytes::Bytes;
use data_encoding::BASE64;
use hookyard_verify::{
    Construction, KeyForm, KeySource, Keyring, Layout, Part, Profile, Reason, Received, Request,
    Scheme, Secret, SecretError, Settings, SetupError, SignError, SignatureAlgorithm, Takes,
    TemplateScheme, UnixTime, Verifier, Version, generate_key_pair, profile, sign,
};
use http::{HeaderMap, HeaderName, Method};
use serde_json::json;

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);
const WHSEC: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const ED25519: &str = include_str!("keys/ed25519.pem");
const ED25519_PUBLIC: &str = include_str!("keys/ed25519.pub");
const P256: &str = include_str!("keys/p256.pem");
const P256_PUBLIC: &str = include_str!("keys/p256.pub");
const RSA: &str = include_str!("keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("keys/rsa.pub");

fn known(name: &str) -> &'static Profile {
    profile(name).expect(name)
}

fn request(body: &str) -> Request {
    Request {
        method: Method::POST,
        url: "https://hooks.example.com/in?a=b".to_owned(),
        path: "/in".to_owned(),
        query: Some("a=b".to_owned()),
        params: Vec::new(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn with(mut request: Request, header: &'static str, value: &str) -> Request {
    request.headers.insert(HeaderName::from_static(header), value.parse().expect("a value"));
    request
}

fn of(name: &str, secrets: &[&str]) -> Verifier {
    let secrets = secrets.iter().map(|secret| Secret::from(*secret));
    Verifier::for_profile(known(name), secrets, Settings::default()).expect(name)
}

fn signed(name: &str, private: &str, request: Request) -> Request {
    let secret = Secret::from(private);
    sign(known(name).scheme, &secret, request, NOW, &Settings::default()).expect(name)
}

fn refusal(verifier: &Verifier, request: Request) -> Reason {
    verifier.verify(request, NOW).expect_err("a bad request").reason
}

fn setup_error(name: &str, secret: &str) -> SecretError {
    let made = Verifier::for_profile(known(name), [Secret::from(secret)], Settings::default());
    match made.expect_err(name) {
        SetupError::Secret { problem, .. } => problem,
        error => panic!("{name}: {error}"),
    }
}

fn whpk() -> String {
    format!("whpk_{ED25519_PUBLIC}")
}

/// What Standard Webhooks sends when both kinds of secrets are in use.
fn both_versions(body: &str) -> (Request, String, String) {
    let id = || with(request(body), "webhook-id", "msg_1");
    let value =
        |request: Request| request.headers["webhook-signature"].to_str().expect("text").to_owned();
    let v1 = value(signed("standard-webhooks", WHSEC, id()));
    let sent = signed("standard-webhooks", ED25519, id());
    let v1a = value(sent.clone());
    assert!(v1.starts_with("v1,") && v1a.starts_with("v1a,"), "{v1} {v1a}");
    (sent, v1, v1a)
}

#[test]
fn each_entry_of_a_list_is_checked_with_the_secrets_of_its_version() {
    let (sent, v1, v1a) = both_versions("{}");
    let list = |value: &str| with(sent.clone(), "webhook-signature", value);
    let both = of("standard-webhooks", &[WHSEC, &whpk()]);
    let place = |verifier: &Verifier, value: &str| {
        verifier.verify(list(value), NOW).map(|v| v.matched_secret()).map_err(|e| e.reason)
    };
    assert_eq!(place(&both, &v1), Ok(Some(0)));
    assert_eq!(place(&both, &v1a), Ok(Some(1)));
    assert_eq!(place(&both, &format!("{v1a} {v1}")), Ok(Some(0)));
    assert_eq!(place(&both, &format!("v1,AAAA v2,x {v1a}")), Ok(Some(1)));
    // Under each other's names they are nothing.
    let bare = |entry: &str| entry.split_once(',').map(|(_, text)| text.to_owned());
    let (hash, signature) = bare(&v1).zip(bare(&v1a)).expect("two entries");
    for value in [format!("v1,{signature}"), format!("v1a,{hash}"), "v1,".into(), "v1a".into()] {
        let reason = place(&both, &value).expect_err(&value);
        assert!(["malformed-signature", "no-known-version"].contains(&reason.label()), "{value}");
    }
    // With one kind of secret the other version is passed over.
    let hashes = of("standard-webhooks", &[WHSEC]);
    assert_eq!(place(&hashes, &format!("{v1a} {v1}")), Ok(Some(0)));
    let reason = place(&hashes, &v1a).expect_err("no secret for it");
    assert_eq!(
        reason.to_string(),
        "the header `webhook-signature` has no entry `v1`, the only version accepted here"
    );
    let pairs = of("standard-webhooks", &[&whpk()]);
    assert_eq!(place(&pairs, &format!("{v1} {v1a}")), Ok(Some(0)));
    assert_eq!(place(&pairs, &v1).expect_err("no key for it").label(), "no-known-version");
}

#[test]
fn signatures_that_cost_much_are_few() {
    let (sent, _, v1a) = both_versions("{}");
    let verifier = of("standard-webhooks", &[&whpk()]);
    let wrong = format!("v1a,{} ", BASE64.encode(&[7; 64]));
    let list = |count| with(sent.clone(), "webhook-signature", &(wrong.repeat(count) + &v1a));
    verifier.verify(list(7), NOW).expect("the eighth");
    assert_eq!(refusal(&verifier, list(8)).label(), "malformed-signature");
}

#[test]
fn a_key_of_standard_webhooks_says_what_it_is() {
    let made = |secret: &str| setup_error("standard-webhooks", secret);
    assert!(matches!(made("whpk_QUJD"), SecretError::NotAPublicKey { .. }));
    assert_eq!(made("whsk_QUJD"), SecretError::Asymmetric);
    assert!(matches!(made("whsec_?"), SecretError::NotBase64 { .. }));
    assert!(matches!(made("hello"), SecretError::NotBase64 { .. }));
    assert_eq!(made(" "), SecretError::Empty);
    // A sender that has no key pairs takes none.
    assert_eq!(setup_error("clerk", &whpk()), SecretError::Asymmetric);
    assert!(known("svix").scheme.takes_public_key() && !known("clerk").scheme.takes_public_key());
    assert_eq!(known("svix").scheme.takes(), Ok(Takes::Secret));
    assert_eq!(known("postal").scheme.takes(), Ok(Takes::PublicKey));
}

#[test]
fn a_public_key_is_of_the_right_kind_and_strong_enough() {
    for (name, wrong) in [
        ("discord", P256_PUBLIC),
        ("sendgrid", RSA_PUBLIC),
        ("postal", P256_PUBLIC),
        ("telnyx", "it's not"),
        ("utila", ED25519_PUBLIC),
    ] {
        let error = setup_error(name, wrong);
        assert!(matches!(error, SecretError::NotAPublicKey { .. }), "{name}: {error}");
    }
    for (name, private) in [("discord", ED25519), ("sendgrid", P256), ("postal", RSA)] {
        assert_eq!(setup_error(name, private), SecretError::PrivateKey, "{name}");
    }
    let weak = format!("01{}", "00".repeat(31));
    assert_eq!(setup_error("discord", &weak), SecretError::WeakKey);
}

#[test]
fn a_named_key_is_the_only_one_that_is_tried() {
    let named = format!("one:{P256_PUBLIC}");
    let other = format!("two:{}", include_str!("keys/p256-other.pub"));
    let verifier = of("circle", &[&other, &named]);
    let good = signed("circle", &format!("one:{P256}"), request("{}"));
    assert_eq!(good.headers["x-circle-key-id"], "one");
    let verified = verifier.verify(good.clone(), NOW).expect("genuine");
    assert_eq!(verified.matched_secret(), Some(1));
    // The name is in a header that is not signed.
    assert!(verified.unauthenticated().contains(&Part::Headers));
    assert!(!verified.unauthenticated().contains(&Part::Body));
    let renamed = |name| refusal(&verifier, with(good.clone(), "x-circle-key-id", name));
    assert_eq!(renamed("two").label(), "mismatch");
    for unknown in ["three", "ONE", "one,two"] {
        assert_eq!(renamed(unknown).label(), "unknown-key", "{unknown}");
    }
    for bad in [P256_PUBLIC, ":", &format!(":{P256_PUBLIC}"), &format!("o ne:{P256_PUBLIC}")] {
        assert_eq!(setup_error("circle", bad), SecretError::NoKeyId, "{bad}");
    }
    assert!(matches!(setup_error("circle", "one:x"), SecretError::NotAPublicKey { .. }));
}

#[test]
fn postal_is_taken_at_its_better_signature_where_it_sends_both() {
    let Scheme::FirstOf(ways) = known("postal").scheme else { panic!("two ways") };
    let secret = Secret::from(RSA);
    let settings = Settings::default();
    let both = ways.iter().fold(request("{}"), |request, way| {
        sign(way, &secret, request, NOW, &settings).expect("signed")
    });
    let verifier = of("postal", &[RSA_PUBLIC]);
    verifier.verify(both.clone(), NOW).expect("genuine");
    // What is right of the older one does not save what is wrong of the newer.
    let mut crossed = both.clone();
    let old = crossed.headers["x-postal-signature"].clone();
    crossed.headers.insert("x-postal-signature-256", old);
    assert_eq!(refusal(&verifier, crossed).label(), "mismatch");
    let mut older = both;
    older.headers.remove("x-postal-signature-256");
    verifier.verify(older, NOW).expect("an older version of Postal");
}

fn handshake(verifier: &Verifier, request: Request) -> Option<(u16, Bytes)> {
    match verifier.receive(request, NOW, &Keyring::new()) {
        Ok(Received::Handshake(handshake)) => {
            Some((handshake.reply.status.as_u16(), handshake.reply.body))
        }
        Ok(Received::Event(_)) => None,
        Err(refused) => panic!("{refused}"),
    }
}

#[test]
fn discord_pings_are_answered_and_webhook_events_are_not_pings() {
    let verifier = of("discord", &[ED25519_PUBLIC]);
    let shaken = |body: &str| handshake(&verifier, signed("discord", ED25519, request(body)));
    assert_eq!(shaken(r#"{"type":1}"#), Some((200, Bytes::from_static(br#"{"type":1}"#))));
    assert_eq!(shaken(r#"{"type":0}"#), Some((204, Bytes::new())));
    assert_eq!(shaken(r#"{"version":1,"type":1,"event":{"type":"ENTITLEMENT_CREATE"}}"#), None);
    assert_eq!(shaken(r#"{"type":2,"id":"1"}"#), None);
    let forged = with(signed("discord", ED25519, request("{}")), "x-signature-timestamp", "1");
    let forged = Request { body: Bytes::from_static(br#"{"type":1}"#), ..forged };
    assert!(verifier.receive(forged, NOW, &Keyring::new()).is_err());
    let unsigned = verifier.receive(request(r#"{"type":1}"#), NOW, &Keyring::new());
    assert_eq!(unsigned.expect_err("not signed").reason.label(), "missing-header");
    assert_eq!(known("discord").refusal_status, 401);
}

fn ebay(settings: Settings) -> Result<Verifier, SetupError> {
    Verifier::for_profile(known("ebay"), [], settings)
}

fn ebay_signed() -> Request {
    signed("ebay", format!("key-1:{P256}").trim_end(), request("{}"))
}

fn ebay_refusal(settings: Settings, request: Request, document: &str) -> Reason {
    let verifier = ebay(settings).expect("settings");
    let refused = verifier.receive(request, NOW, &Keyring::new()).expect_err("no key");
    let Reason::KeyNeeded(source) = &refused.reason else { return refused.reason };
    let keyring = Keyring::new().with(source, Bytes::copy_from_slice(document.as_bytes()));
    match verifier.receive(*refused.request, NOW, &keyring) {
        Ok(received) => panic!("{received:?}"),
        Err(refused) => refused.reason,
    }
}

#[test]
fn ebay_names_a_key_of_its_own_api_and_nothing_else() {
    let needed = |settings: Settings| match ebay_refusal(settings, ebay_signed(), "") {
        Reason::KeyNeeded(KeySource::Ebay { url, key_id }) => (url, key_id),
        reason => panic!("{reason}"),
    };
    let path = "commerce/notification/v1/public_key/key-1";
    for (settings, host) in [
        (Settings::default(), "api.ebay.com"),
        (Settings::from([("environment", "production")]), "api.ebay.com"),
        (Settings::from([("environment", "sandbox")]), "api.sandbox.ebay.com"),
    ] {
        assert_eq!(needed(settings), (format!("https://{host}/{path}"), "key-1".to_owned()));
    }
    let error = ebay(Settings::from([("environment", "test")])).expect_err("no environment");
    assert_eq!(
        error.to_string(),
        "the setting `environment` cannot be right: it is `production` or `sandbox`"
    );
    let given = Verifier::for_profile(known("ebay"), [Secret::from("x")], Settings::default());
    assert_eq!(given.expect_err("a secret"), SetupError::UnusedSecret);
}

#[test]
fn what_ebay_answers_has_to_be_its_key() {
    let answer = |key: &str, algorithm: &str, digest: &str| {
        json!({ "key": key, "algorithm": algorithm, "digest": digest }).to_string()
    };
    let refused =
        |document: &str| ebay_refusal(Settings::default(), ebay_signed(), document).label();
    for document in [
        String::new(),
        "{}".to_owned(),
        answer("x", "ECDSA", "SHA1"),
        answer(RSA_PUBLIC, "ECDSA", "SHA1"),
        answer(P256_PUBLIC, "RSA", "SHA1"),
        answer(P256_PUBLIC, "ECDSA", "SHA256"),
    ] {
        assert_eq!(refused(&document), "unknown-key", "{document}");
    }
    let other = answer(include_str!("keys/p256-other.pub"), "ECDSA", "SHA1");
    assert_eq!(refused(&other), "mismatch");
}

#[test]
fn the_header_of_ebay_is_read_strictly() {
    let good = ebay_signed();
    let value = good.headers["x-ebay-signature"].as_bytes();
    let json = String::from_utf8(BASE64.decode(value).expect("base64")).expect("text");
    let label = |text: &str| {
        let value = BASE64.encode(text.as_bytes());
        let request = with(good.clone(), "x-ebay-signature", &value);
        ebay_refusal(Settings::default(), request, "").label()
    };
    assert_eq!(label(&json), "unknown-key");
    assert_eq!(label(&json.replace("\"ecdsa\"", "\"ECDSA\"")), "unknown-key");
    for (text, expected) in [
        (json.replace("ecdsa", "none"), "unexpected-header"),
        (json.replace("SHA1", "MD5"), "unexpected-header"),
        (json.replace("key-1", ""), "malformed-signature"),
        (json.replace("key-1", "../oauth2/token"), "malformed-signature"),
        (json.replace("key-1", "a?b=c"), "malformed-signature"),
        (json.replace("key-1", &"a".repeat(65)), "malformed-signature"),
        (json.replace("{", "{\"kid\":\"key-2\","), "malformed-signature"),
        (json.replace("\"signature\":\"", "\"signature\":\"AAAA"), "malformed-signature"),
        (json.replace("\"signature\":\"", "\"signature\":\" "), "malformed-signature"),
        (json.replace("kid", "Kid"), "malformed-signature"),
        (format!("{json}x"), "malformed-signature"),
        ("[]".to_owned(), "malformed-signature"),
    ] {
        assert_eq!(label(&text), expected, "{text}");
    }
    // A space more, in a second piece of base64 after the padding of the first.
    let encoded = (0..3).map(|spaces| BASE64.encode(format!("{json}{:spaces$}", "").as_bytes()));
    let padded = encoded.into_iter().find(|text| text.ends_with('=')).expect("one of three");
    let request = with(good, "x-ebay-signature", &format!("{padded}IA=="));
    let reason = ebay_refusal(Settings::default(), request, "");
    assert_eq!(reason.label(), "malformed-signature");
}

#[test]
fn the_challenge_of_ebay_is_answered_for_the_url_that_it_knows() {
    let challenge = || Request {
        method: Method::GET,
        url: "https://hooks.example.com/in?challenge_code=abc".to_owned(),
        query: Some("challenge_code=abc".to_owned()),
        ..request("")
    };
    let answer = |settings: Settings| {
        let verifier = ebay(settings).expect("settings");
        verifier.receive(challenge(), NOW, &Keyring::new()).map(|received| match received {
            Received::Handshake(handshake) => handshake.reply.body,
            Received::Event(_) => panic!("an event"),
        })
    };
    let token = ("verification_token", "0123456789abcdef0123456789abcdef");
    let plain = answer(Settings::from([token])).expect("a token");
    // printf 'abc%shttps://hooks.example.com/in' TOKEN | sha256sum
    assert_eq!(
        std::str::from_utf8(&plain).expect("text"),
        r#"{"challengeResponse":"4621e8e9f5f3f0d3b2e0e4fff75da3bba1841dcb6c61f3f6bca0a9902aadbb14"}"#
    );
    let same = ("endpoint", "https://hooks.example.com/in");
    assert_eq!(answer(Settings::from([token, same])).expect("a token"), plain);
    let moved = ("endpoint", "https://public.example.com/ebay?x=1");
    assert_ne!(answer(Settings::from([token, moved])).expect("a token"), plain);
    let refused = answer(Settings::default()).expect_err("no token");
    assert_eq!(refused.reason.label(), "bad-handshake");
}

#[test]
fn schemes_of_key_pairs_that_contradict_themselves_are_refused() {
    let setup = |change: &dyn Fn(&mut TemplateScheme)| {
        let mut scheme = TemplateScheme::key_pair(SignatureAlgorithm::Ed25519, "x-signature");
        change(&mut scheme);
        Verifier::new(Scheme::Template(scheme), [Secret::from(ED25519_PUBLIC)]).map(drop)
    };
    assert_eq!(setup(&|_| {}), Ok(()));
    assert_eq!(setup(&|scheme| scheme.key = KeyForm::Hex), Err(SetupError::KeyFormMismatch));
    let hmac = Construction::Hmac("sha256".parse().expect("known"));
    assert_eq!(setup(&|s| s.construction = hmac), Err(SetupError::KeyFormMismatch));
    let secret = "{secret}{body}".parse().expect("a template");
    assert_eq!(
        setup(&|scheme| scheme.signed = std::clone::Clone::clone(&secret)),
        Err(SetupError::SecretInTemplate)
    );
    let version = |name: &'static str| Version {
        name: name.into(),
        construction: Construction::KeyPair(SignatureAlgorithm::Ed25519),
        key: KeyForm::PublicKey { tag: "".into() },
    };
    let list = Layout::Entries { between: ',', joint: '=', version: "v1".into() };
    let versions = |layout: &Layout, names: &[&'static str]| {
        let names: Vec<Version> = names.iter().map(|name| version(name)).collect();
        setup(&|scheme| {
            scheme.layout = layout.clone();
            scheme.versions = names.clone().into();
        })
    };
    assert_eq!(versions(&list, &["v1a", "v2"]), Ok(()));
    assert_eq!(versions(&list, &["v1"]), Err(SetupError::InvalidEntries));
    assert_eq!(versions(&list, &["v2", "v2"]), Err(SetupError::InvalidEntries));
    assert_eq!(versions(&list, &[""]), Err(SetupError::InvalidEntries));
    assert_eq!(versions(&Layout::Single, &["v2"]), Err(SetupError::InvalidEntries));
}

#[test]
fn one_signs_with_a_private_key_of_the_right_kind() {
    let signs = |name: &str, private: &str| {
        let private = Secret::from(private);
        sign(known(name).scheme, &private, request("{}"), NOW, &Settings::default()).map(drop)
    };
    let wrong = Err(SignError::Secret(SecretError::NotAPrivateKey));
    assert_eq!(signs("discord", ED25519), Ok(()));
    assert_eq!(signs("discord", RSA), wrong);
    assert_eq!(signs("discord", ED25519_PUBLIC.get(1..).expect("long")), wrong);
    assert_eq!(signs("utila", P256), wrong);
    assert_eq!(signs("circle", P256), Err(SignError::Secret(SecretError::NoKeyId)));
    let pair = generate_key_pair(known("standard-webhooks").scheme).expect("a pair");
    assert!(pair.public.starts_with("whpk_"));
    assert!(generate_key_pair(known("github").scheme).is_err());
    assert!(generate_key_pair(known("ebay").scheme).is_err());
}
