//! Real and derived deliveries of real senders, with the verdict that is right for each, and the
//! documentation of what was run.

use std::fmt::Write as _;
use std::path::Path;

use data_encoding::BASE64;
use hookyard_verify::{
    Algorithm, Construction, Encoding, HmacScheme, KeyForm, Layout, Location, Profile, Request,
    Scheme, Secret, Settings, SetupError, TimestampPlace, TimestampRule, UnixTime, Verifier,
    profile, profiles,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// Vectors of the asymmetric `v1a` signatures: the profile takes `v1` alone, so these have no
/// secret that it could be given.
const ASYMMETRIC: &[&str] =
    &["standard-webhooks-20", "standard-webhooks-21", "standard-webhooks-23"];

/// Vectors with a wrong secret that cannot be one of this sender: refused when it is read.
const UNREADABLE: &[&str] = &["airtable-03", "finch-03", "ms-teams-outgoing-03"];

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

/// The secrets that a vector's operator has configured.
fn secrets(vector: &Value) -> Vec<Secret> {
    let texts = ["secret", "secondary_secret"].map(|key| vector[key].as_str());
    texts.into_iter().flatten().map(Secret::from).collect()
}

/// Checks every vector that `taken` takes and returns how many were right to pass and to fail.
fn run(vectors: &[Value], base: &Verifier, taken: impl Fn(&Value) -> bool) -> (usize, usize) {
    let mut verdicts = (0, 0);
    for vector in vectors.iter().filter(|vector| taken(vector)) {
        let id = text(vector, "id");
        let verifier = match base.with_secrets(secrets(vector)) {
            Err(error) if UNREADABLE.contains(&id) => {
                assert!(matches!(error, SetupError::Secret { .. }), "{id}: {error}");
                verdicts.1 += 1;
                continue;
            }
            verifier => verifier.expect(id),
        };
        let now = UnixTime::from_secs(vector["now_unix"].as_i64().expect("a clock"));
        let request = request(vector);
        let body = request.body.clone();
        let verdict = verifier.verify(request, now);
        let valid = vector["valid"].as_bool().expect("a verdict");
        assert_eq!(verdict.is_ok(), valid, "{id}: {}: {verdict:?}", text(vector, "note"));
        match verdict {
            Ok(verified) => {
                assert!(verified.matched_secret().is_some(), "{id}");
                assert_eq!(verified.request().body, body, "{id}");
                verdicts.0 += 1;
            }
            Err(_) => verdicts.1 += 1,
        }
    }
    verdicts
}

fn for_profile(profile: &Profile) -> Verifier {
    let any = ["MDEyMzQ1Njc4OWFiY2RlZg", "user:password", "00ff"].map(Secret::from);
    any.into_iter()
        .find_map(|secret| Verifier::for_profile(profile, [secret], Settings::default()).ok())
        .expect(profile.name)
}

/// The vectors of a profile, from its file.
fn of_profile(profile: &Profile) -> Vec<Value> {
    let file = format!("tests/vectors/{}.json", profile.name);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
    serde_json::from_str(&std::fs::read_to_string(path).expect(&file)).expect(&file)
}

/// Whether a profile's vector has one verdict that nobody disputes, and a secret.
fn decided(vector: &Value) -> bool {
    vector["ambiguous"] != true && !ASYMMETRIC.contains(&text(vector, "id"))
}

fn generic(scheme: HmacScheme) -> Verifier {
    Verifier::new(Scheme::Hmac(scheme), [Secret::from("replaced")]).expect("a scheme")
}

fn all(_: &Value) -> bool {
    true
}

#[test]
fn every_profile_agrees_with_its_vectors() {
    for profile in profiles() {
        let vectors = of_profile(profile);
        assert!(vectors.iter().all(|vector| vector["kind"] == "event"), "{}", profile.name);
        let (valid, invalid) = run(&vectors, &for_profile(profile), decided);
        assert!(valid >= 1 && invalid >= 1, "{}: {valid} and {invalid}", profile.name);
    }
}

/// A kind or an id that the table names is where the senders put it.
#[test]
fn every_kind_and_id_is_found_in_some_vector() {
    for profile in profiles() {
        let vectors = of_profile(profile);
        let verifier = for_profile(profile);
        let found = |what: fn(&hookyard_verify::Verified) -> Option<String>| {
            vectors.iter().filter(|vector| vector["valid"] == true && decided(vector)).any(
                |vector| {
                    let now = UnixTime::from_secs(vector["now_unix"].as_i64().expect("a clock"));
                    let verifier = verifier.with_secrets(secrets(vector)).expect("secrets");
                    let verified = verifier.verify(request(vector), now).expect("genuine");
                    what(&verified).is_some()
                },
            )
        };
        let kind = found(hookyard_verify::Verified::kind) || NOT_IN_VECTORS.contains(&profile.name);
        assert!(kind || profile.kind.is_empty(), "no kind of {}", profile.name);
        let id =
            found(hookyard_verify::Verified::delivery_id) || NOT_IN_VECTORS.contains(&profile.name);
        assert!(id || profile.delivery_id.is_empty(), "no id of {}", profile.name);
    }
}

/// Senders whose vectors are the specification's, without a type, or lack a header that is not signed.
const NOT_IN_VECTORS: &[&str] = &["attio", "standard-webhooks", "svix", "twilio"];

#[test]
fn an_asymmetric_key_is_refused_at_set_up() {
    for id in ASYMMETRIC {
        let vectors = vectors!("standard-webhooks");
        let vector = vectors.iter().find(|vector| text(vector, "id") == *id).expect(id);
        let key = Secret::from(text(vector, "public_key"));
        let error = for_profile(profile("standard-webhooks").expect("known"))
            .with_secrets([key])
            .expect_err(id);
        assert!(error.to_string().contains("take the `whsec_` secret"), "{error}");
    }
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

/// The scheme of a sender, in words.
fn words(scheme: &Scheme) -> String {
    let hmac = match scheme {
        Scheme::Hmac(hmac) => hmac,
        Scheme::Token { header } => return format!("the secret itself in `{header}`"),
        Scheme::BasicPair => return "basic authentication".to_owned(),
        Scheme::Twilio => {
            let signed = "HMAC-SHA1 of the public URL and a form's sorted parameters, or of the URL \
                          with the body's hash in it, base64 in `x-twilio-signature`";
            return format!("{signed}; HMAC-SHA256 where a shared key says so");
        }
        Scheme::FirstOf(ways) => {
            return ways.iter().map(words).collect::<Vec<_>>().join("; else ");
        }
        other => panic!("no profile has {other:?}"),
    };
    let construction = match hmac.construction {
        Construction::Digest => "plain ",
        _ => "HMAC-",
    };
    let mut words = format!(
        "{construction}{} of `{}`, {} in `{}`",
        hmac.algorithm.as_str().to_uppercase(),
        hmac.signed.to_string().replace('\n', "\\n"),
        hmac.encoding,
        hmac.header
    );
    if !hmac.prefix.is_empty() {
        let optional = if hmac.prefix_optional { " or without" } else { "" };
        let _ = write!(words, " after `{}`{optional}", hmac.prefix);
    }
    match &hmac.layout {
        Layout::Entries { version, joint, .. } | Layout::Groups { version, joint, .. } => {
            let _ = write!(words, " as `{version}{joint}`");
        }
        _ => {}
    }
    if let [first, ..] = hmac.also.as_ref() {
        let more = if hmac.also.len() > 1 { " and so on" } else { "" };
        let _ = write!(words, " or `{first}`{more}");
    }
    if let Some(header) = &hmac.id_header {
        let _ = write!(words, "; id in `{header}`");
    }
    for (header, value) in hmac.fixed.iter() {
        let _ = write!(words, ", `{header}: {value}`");
    }
    if let Some(rule) = &hmac.timestamp {
        let place = match &rule.at {
            TimestampPlace::Header(name) => format!("`{name}`"),
            TimestampPlace::Entry(name) => format!("the entry `{name}`"),
            TimestampPlace::Body(pointer) => format!("`json:{pointer}`"),
            _ => "the first item".to_owned(),
        };
        let seconds = rule.tolerance.as_secs();
        let _ = write!(words, "; {} in {place}, {seconds} s either way", rule.format);
    }
    words
        + match &hmac.key {
            KeyForm::Text => "",
            KeyForm::Hex => "; key in hexadecimal",
            KeyForm::Nfkd => "; key in normalization form KD",
            KeyForm::Base64 { .. } => "; key in base64",
            KeyForm::TaggedBase64 { or_text: true, .. } => {
                "; key in base64 after its tag, else text"
            }
            _ => "; key in base64 after its tag",
        }
}

/// The part of a configuration that a sender needs.
fn snippet(profile: &Profile) -> String {
    let mut snippet = String::new();
    if profile.scheme.signs_url() {
        snippet.push_str("[server]\npublic_url = \"https://hooks.example.com\"\n\n");
    }
    let name = profile.name;
    let variable = name.to_uppercase().replace('-', "_");
    let _ = writeln!(snippet, "[[route]]\npath = \"/hooks/{name}\"\nprovider = \"{name}\"");
    let _ = writeln!(
        snippet,
        "secret = {{ env = \"{variable}_SECRET\" }}\nhandlers = [\"orders/record\"]"
    );
    snippet
}

/// The documentation of all senders.
fn documentation() -> String {
    let places = |locations: &[Location]| match locations {
        [] => "none".to_owned(),
        _ => locations.iter().map(|at| format!("`{at}`")).collect::<Vec<_>>().join(", else "),
    };
    let mut table = String::new();
    let mut sections = String::new();
    let (mut passed, mut refused) = (0, 0);
    for profile in profiles() {
        let Profile { name, title, .. } = profile;
        let (valid, invalid) = run(&of_profile(profile), &for_profile(profile), decided);
        (passed, refused) = (passed + valid, refused + invalid);
        let _ = writeln!(
            table,
            "| {title} | `{name}` | {} | {valid} | {invalid} | {} | {} |",
            words(&profile.scheme),
            places(profile.kind),
            places(profile.delivery_id)
        );
        let _ = writeln!(
            sections,
            "\n### {title}\n\n{}\n\n```toml\n{}```",
            profile.summary,
            snippet(profile)
        );
    }
    include_str!("providers.md.in")
        .replace("{count}", &profiles().len().to_string())
        .replace("{passed}", &passed.to_string())
        .replace("{refused}", &refused.to_string())
        .replace("{table}", table.trim_end())
        .replace("{sections}", sections.trim())
}

#[test]
fn the_documentation_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    let right = documentation();
    if std::env::var_os("HOOKYARD_WRITE_DOCS").is_some() {
        std::fs::write(&path, &right).expect("docs/providers.md");
    }
    let found = std::fs::read_to_string(&path).expect("docs/providers.md");
    assert!(
        found == right,
        "docs/providers.md is not what the table says: run this test with HOOKYARD_WRITE_DOCS=1"
    );
}

#[test]
fn every_snippet_is_a_configuration_of_its_sender() {
    for block in documentation().split("```toml\n").skip(1) {
        let (block, _) = block.split_once("```").expect("a closed block");
        let parsed: toml::Table = block.parse().expect(block);
        let route = parsed["route"][0].as_table().expect("a route");
        let name = route["provider"].as_str().expect("a name");
        let known = profile(name).expect(name);
        assert_eq!(parsed.contains_key("server"), known.scheme.signs_url(), "{name}");
        assert!(route["secret"]["env"].is_str() && route["path"].is_str(), "{name}");
    }
}
