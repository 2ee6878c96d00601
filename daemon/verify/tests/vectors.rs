//! Real and derived deliveries of real senders, with the verdict that is right for each.

use data_encoding::BASE64;
use hookyard_verify::{
    Algorithm, Encoding, HmacScheme, Layout, Request, Scheme, Secret, TimestampRule, UnixTime,
    Verifier, profile,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// Vectors of the asymmetric `v1a` signatures: the profile takes `v1` alone, so these have no
/// secret that it could be given.
const ASYMMETRIC: &[&str] =
    &["standard-webhooks-20", "standard-webhooks-21", "standard-webhooks-23"];

macro_rules! vectors {
    ($name:literal) => {
        serde_json::from_str::<Vec<Value>>(include_str!(concat!("vectors/", $name, ".json")))
            .expect($name)
    };
}

fn text<'v>(vector: &'v Value, key: &str) -> &'v str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} is missing in {vector}"))
}

fn request(vector: &Value) -> Request {
    let url = text(vector, "url").to_owned();
    let uri: http::Uri = url.parse().expect("a URL");
    let mut headers = HeaderMap::new();
    for (name, value) in vector["headers"].as_object().expect("headers") {
        let lines = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for line in lines {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                HeaderValue::from_str(line.as_str().expect("text")).expect("a value"),
            );
        }
    }
    let body = match vector["body_utf8"].as_str() {
        Some(body) => body.as_bytes().to_vec(),
        None => BASE64.decode(text(vector, "body_base64").as_bytes()).expect("base64"),
    };
    Request {
        method: text(vector, "method").parse().expect("a method"),
        path: uri.path().to_owned(),
        query: uri.query().map(str::to_owned),
        url,
        params: Vec::new(),
        headers,
        body: body.into(),
    }
}

/// Checks every vector that `taken` takes and returns their number.
fn run(vectors: &[Value], base: &Verifier, taken: impl Fn(&Value) -> bool) -> (usize, usize) {
    let mut verdicts = (0, 0);
    for vector in vectors.iter().filter(|vector| taken(vector)) {
        let id = text(vector, "id");
        let verifier = base.with_secrets([Secret::from(text(vector, "secret"))]).expect(id);
        let now = UnixTime::from_secs(vector["now_unix"].as_i64().expect("a clock"));
        let request = request(vector);
        let body = request.body.clone();
        let verdict = verifier.verify(request, now);
        let valid = vector["valid"].as_bool().expect("a verdict");
        assert_eq!(verdict.is_ok(), valid, "{id}: {}: {verdict:?}", text(vector, "note"));
        match verdict {
            Ok(verified) => {
                assert_eq!(verified.matched_secret(), Some(0), "{id}");
                assert_eq!(verified.request().body, body, "{id}");
                verdicts.0 += 1;
            }
            Err(_) => verdicts.1 += 1,
        }
    }
    verdicts
}

fn for_profile(name: &str) -> Verifier {
    let secret = Secret::from("MDEyMzQ1Njc4OWFiY2RlZg");
    Verifier::for_profile(profile(name).expect(name), [secret]).expect(name)
}

fn generic(scheme: HmacScheme) -> Verifier {
    Verifier::new(Scheme::Hmac(scheme), [Secret::from("replaced")]).expect("a scheme")
}

fn all(_: &Value) -> bool {
    true
}

#[test]
fn github() {
    let vectors = vectors!("github");
    assert_eq!(run(&vectors, &for_profile("github"), all), (2, 9));
}

#[test]
fn standard_webhooks() {
    let vectors = vectors!("standard-webhooks");
    let symmetric = |vector: &Value| !ASYMMETRIC.contains(&text(vector, "id"));
    assert_eq!(run(&vectors, &for_profile("standard-webhooks"), symmetric), (2, 11));
}

#[test]
fn an_asymmetric_key_is_refused_at_set_up() {
    for id in ASYMMETRIC {
        let vectors = vectors!("standard-webhooks");
        let vector = vectors.iter().find(|vector| text(vector, "id") == *id).expect(id);
        let key = Secret::from(text(vector, "public_key"));
        let error = for_profile("standard-webhooks").with_secrets([key]).expect_err(id);
        assert!(error.to_string().contains("take the `whsec_` secret"), "{error}");
    }
}

#[test]
fn svix() {
    assert_eq!(run(&vectors!("svix"), &for_profile("svix"), all), (1, 3));
}

/// Senders whose scheme is a keyed hash of the body in one header, as a user would write them.
#[test]
fn a_written_scheme_reads_senders_that_sign_the_body() {
    for (name, vectors) in [
        ("circleci", vectors!("circleci")),
        ("line", vectors!("line")),
        ("meta", vectors!("meta")),
        ("paystack", vectors!("paystack")),
        ("typeform", vectors!("typeform")),
        ("vercel", vectors!("vercel")),
    ] {
        let plain = |vector: &Value| vector["sig_header"].is_string() && vector["kind"] == "event";
        let first = vectors.iter().find(|vector| plain(vector)).expect(name);
        let [_, algorithm, encoding] =
            text(first, "scheme").split('-').collect::<Vec<_>>().try_into().expect(name);
        let algorithm = algorithm.parse::<Algorithm>().expect(name);
        let mut scheme = HmacScheme::new(algorithm, text(first, "sig_header").to_owned());
        scheme.encoding = encoding.parse::<Encoding>().expect(name);
        scheme.prefix = text(first, "prefix").to_owned().into();
        let (valid, invalid) = run(&vectors, &generic(scheme), plain);
        assert!(valid >= 1 && invalid >= 3, "{name}: {valid} and {invalid}");
    }
}

#[test]
fn a_written_scheme_reads_lists_with_their_own_timestamp() {
    let mut scheme = HmacScheme::new(Algorithm::Sha256, "Stripe-Signature");
    scheme.signed = "{timestamp}.{body}".parse().expect("a template");
    scheme.layout = Layout::Entries { between: ',', joint: '=', version: "v1".into() };
    scheme.timestamp = Some(TimestampRule::entry("t"));
    let clear = |vector: &Value| vector["ambiguous"] != true && vector["kind"] == "event";
    let (valid, invalid) = run(&vectors!("stripe"), &generic(scheme), clear);
    assert!(valid >= 3 && invalid >= 9, "{valid} and {invalid}");
}

#[test]
fn a_written_scheme_reads_rotation_lists_without_a_timestamp() {
    let mut scheme = HmacScheme::new(Algorithm::Sha256, "X-PagerDuty-Signature");
    scheme.layout = Layout::Entries { between: ',', joint: '=', version: "v1".into() };
    assert_eq!(run(&vectors!("pagerduty"), &generic(scheme), all), (2, 4));
}

#[test]
fn a_written_scheme_reads_timestamps_in_headers() {
    let mut scheme = HmacScheme::new(Algorithm::Sha256, "X-Slack-Signature");
    scheme.prefix = "v0=".into();
    scheme.signed = "v0:{timestamp}:{body}".parse().expect("a template");
    scheme.timestamp = Some(TimestampRule::header("X-Slack-Request-Timestamp"));
    let event = |vector: &Value| vector["kind"] == "event";
    let (valid, invalid) = run(&vectors!("slack"), &generic(scheme), event);
    assert!(valid >= 2 && invalid >= 8, "{valid} and {invalid}");

    let mut scheme = HmacScheme::new(Algorithm::Sha256, "x-oura-signature");
    scheme.encoding = Encoding::HexUpper;
    scheme.signed = "{timestamp}{body}".parse().expect("a template");
    scheme.timestamp = Some(TimestampRule::header("x-oura-timestamp"));
    let (valid, invalid) = run(&vectors!("oura"), &generic(scheme), event);
    assert!(valid >= 1 && invalid >= 2, "{valid} and {invalid}");
}

#[test]
fn a_token_in_a_header() {
    let header = "X-Telegram-Bot-Api-Secret-Token".into();
    let verifier = Verifier::new(Scheme::Token { header }, [Secret::from("x")]).expect("a scheme");
    assert_eq!(run(&vectors!("telegram"), &verifier, all), (1, 4));
}
