//! Real and derived deliveries of real senders, with the verdict that is right for each.
#![allow(clippy::indexing_slicing, reason = "a panic is the failure that a test reports")]

mod vector;

use hookyard_verify::{
    Algorithm, Encoding, HandshakeReply, Layout, Profile, Received, Scheme, Secret, TemplateScheme,
    TimestampRule, Verified, Verifier, profiles,
};
use serde_json::Value;

use vector::{Refusal, Vector};

/// Vectors with a wrong secret that cannot be one of this sender: refused when it is read.
const UNREADABLE: &[&str] = &["airtable-03", "finch-03", "ms-teams-outgoing-03"];

/// Vectors about which the sender's own library and a strict reading disagree, or where the window
/// is a matter of policy: what is decided here, as a reason's label or as taken. Each is documented in
/// the profile's summary, or for all senders in "How to read the table".
const AMBIGUOUS: &[(&str, Result<(), &str>)] = &[
    // The certificate's path does not end in `.pem`.
    ("aws-sns-07", Err("foreign-key-url")),
    // A second older than the eight hours of Mailgun's own retries.
    ("mailgun-07", Err("timestamp-too-old")),
    // Upper-case hexadecimal.
    ("mailgun-08", Err("malformed-value")),
    // No `v1,` in front of the signature.
    ("openai-13", Err("no-known-version")),
    // Six seconds old; Paddle's libraries allow five.
    ("paddle-05", Ok(())),
    // A day old; Sanity's library has no limit.
    ("sanity-05", Err("timestamp-too-old")),
    // A day old; SendGrid's libraries have no limit.
    ("sendgrid-12", Err("timestamp-too-old")),
    // An hour in the future; Stripe's libraries look back alone.
    ("stripe-18", Err("timestamp-in-future")),
    // Upper-case hexadecimal.
    ("stripe-19", Err("malformed-signature")),
];

/// Whether there is one right answer.
fn decided(vector: &Vector) -> bool {
    vector.0["ambiguous"] != true
}

#[test]
fn where_there_are_two_answers_ours_is_known() {
    let mut judged = Vec::new();
    for profile in profiles() {
        let vectors = Vector::read(profile.name);
        for vector in vectors.iter().filter(|vector| !decided(vector)) {
            let id = vector.id();
            let (_, wanted) = AMBIGUOUS.iter().find(|(ours, _)| *ours == id).expect(id);
            let verdict = match vector.judge(profile) {
                Ok(_) => Ok(()),
                Err(Refusal::Request(refused)) => Err(refused.reason.label()),
                Err(Refusal::Setup(error)) => panic!("{id}: {error}"),
            };
            assert_eq!(verdict, *wanted, "{id}: {}", vector.text("note"));
            judged.push(id.to_owned());
        }
    }
    assert_eq!(judged.len(), AMBIGUOUS.len(), "{judged:?}");
}

#[test]
fn every_profile_agrees_with_its_vectors() {
    for profile in profiles() {
        let vectors = Vector::read(profile.name);
        for vector in vectors.iter().filter(|vector| decided(vector)) {
            agree(profile, vector);
        }
        let count = |valid| vectors.iter().filter(|v| decided(v) && v.valid() == valid).count();
        let (valid, invalid) = (count(true), count(false));
        assert!(valid >= 1, "{}: {valid} and {invalid}", profile.name);
        let unsigned = *profile.scheme == Scheme::None;
        assert!(invalid >= 1 || unsigned, "{}: {valid} and {invalid}", profile.name);
    }
}

fn agree(profile: &Profile, vector: &Vector) {
    let (id, note) = (vector.id(), vector.text("note"));
    let verdict = vector.judge(profile);
    match (&verdict, vector.text("kind")) {
        (Ok(Received::Event(verified)), "event") => {
            assert!(vector.valid(), "{id}: {note}: taken");
            assert_eq!(verified.request().body, vector.request().body, "{id}");
        }
        (Ok(Received::Handshake(handshake)), "handshake") => {
            assert!(vector.valid(), "{id}: {note}: answered");
            let expected = &vector.0["expect"];
            assert_reply(id, &handshake.reply, expected);
            assert_eq!(handshake.confirm.is_some(), !expected["then_get"].is_null(), "{id}");
            assert_eq!(
                handshake.teaches.is_some(),
                !expected["store"].is_null() || !expected["headers"]["X-Hook-Secret"].is_null(),
                "{id}"
            );
        }
        (Err(Refusal::Setup(error)), _) => {
            assert!(UNREADABLE.contains(&id), "{id}: {error}");
        }
        (verdict, _) => assert!(verdict.is_err() && !vector.valid(), "{id}: {note}: {verdict:?}"),
    }
}

/// The exact answer to a handshake.
fn assert_reply(id: &str, reply: &HandshakeReply, expected: &Value) {
    let header = |name: &str| {
        let found =
            reply.headers.iter().find(|(found, _)| found.as_str().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_str().expect(id))
    };
    assert_eq!(u64::from(reply.status.as_u16()), expected["status"].as_u64().expect(id), "{id}");
    if let Some(media) = expected["content_type"].as_str() {
        assert_eq!(header("content-type"), Some(media), "{id}");
    }
    if let Some(headers) = expected["headers"].as_object() {
        for (name, value) in headers {
            assert_eq!(header(name), value.as_str(), "{id}");
        }
    }
    let body = std::str::from_utf8(&reply.body).expect(id);
    if let Some(text) = expected["body"].as_str() {
        assert_eq!(body, text, "{id}");
    }
    if !expected["body_json"].is_null() {
        let body: Value = serde_json::from_str(body).expect(id);
        assert_eq!(body, expected["body_json"], "{id}");
    }
    if let Some(any) = expected["body_any"].as_array() {
        let json: Option<Value> = serde_json::from_str(body).ok();
        let one = |wanted: &Value| wanted.as_str() == Some(body) || Some(wanted) == json.as_ref();
        assert!(any.iter().any(one), "{id}: {body}");
    }
    if let Some(part) = expected["body_contains"].as_str() {
        assert!(body.contains(part), "{id}: {body}");
    }
}

/// A kind or an id that the table names is where the senders put it.
#[test]
fn every_kind_and_id_is_found_in_some_vector() {
    for profile in profiles() {
        let vectors = Vector::read(profile.name);
        let genuine: Vec<Verified> = vectors
            .iter()
            .filter(|vector| vector.valid() && decided(vector))
            .filter_map(|vector| match vector.judge(profile) {
                Ok(Received::Event(verified)) => Some(verified),
                _ => None,
            })
            .collect();
        let found = |what: fn(&Verified) -> Option<String>| {
            genuine.iter().any(|verified| what(verified).is_some())
                || NOT_IN_VECTORS.contains(&profile.name)
        };
        let kind = profile.kind.is_empty() || found(Verified::kind);
        assert!(kind, "no kind of {}", profile.name);
        let id = profile.delivery_id.is_empty() || found(Verified::delivery_id);
        assert!(id, "no id of {}", profile.name);
    }
}

/// Senders whose vectors are the specification's, without a type, or lack a header that is not
/// signed, or are handshakes alone.
const NOT_IN_VECTORS: &[&str] = &["attio", "standard-webhooks", "strava", "svix", "twilio"];

/// Checks every event of a file, by a scheme that a user wrote, and returns how many were right to
/// pass and to fail.
fn run(vectors: &[Vector], base: &Verifier) -> (usize, usize) {
    let mut verdicts = (0, 0);
    let taken = |vector: &&Vector| {
        let plain = vector.0["sig_header"].is_string() || vector.0["prefix"].is_null();
        decided(vector) && plain && vector.text("kind") == "event"
    };
    for vector in vectors.iter().filter(taken) {
        let id = vector.id();
        let verifier = base.with_secrets(vector.secrets()).expect(id);
        let verdict = verifier.verify(vector.request(), vector.now());
        assert_eq!(verdict.is_ok(), vector.valid(), "{id}: {verdict:?}");
        match verdict {
            Ok(_) => verdicts.0 += 1,
            Err(_) => verdicts.1 += 1,
        }
    }
    verdicts
}

fn generic(scheme: TemplateScheme) -> Verifier {
    Verifier::new(Scheme::Template(scheme), [Secret::from("replaced")]).expect("a scheme")
}

/// Senders whose scheme is a keyed hash of the body in one header, as a user would write them.
#[test]
fn a_written_scheme_reads_senders_that_sign_the_body() {
    for name in ["circleci", "line", "meta", "paystack", "typeform", "vercel"] {
        let vectors = Vector::read(name);
        let first = vectors.iter().find(|vector| vector.0["sig_header"].is_string()).expect(name);
        let [_, algorithm, encoding] =
            first.text("scheme").split('-').collect::<Vec<_>>().try_into().expect(name);
        let algorithm = algorithm.parse::<Algorithm>().expect(name);
        let mut scheme = TemplateScheme::new(algorithm, first.text("sig_header").to_owned());
        scheme.encoding = encoding.parse::<Encoding>().expect(name);
        scheme.prefix = first.text("prefix").to_owned().into();
        let (valid, invalid) = run(&vectors, &generic(scheme));
        assert!(valid >= 1 && invalid >= 3, "{name}: {valid} and {invalid}");
    }
}

#[test]
fn a_written_scheme_reads_lists_with_their_own_timestamp() {
    let mut scheme = TemplateScheme::new(Algorithm::Sha256, "Stripe-Signature");
    scheme.signed = "{timestamp}.{body}".parse().expect("a template");
    scheme.layout = Layout::Entries { between: ',', joint: '=', version: "v1".into() };
    scheme.timestamp = Some(TimestampRule::entry("t"));
    let (valid, invalid) = run(&Vector::read("stripe"), &generic(scheme));
    assert!(valid >= 3 && invalid >= 9, "{valid} and {invalid}");
}

#[test]
fn a_written_scheme_reads_rotation_lists_without_a_timestamp() {
    let mut scheme = TemplateScheme::new(Algorithm::Sha256, "X-PagerDuty-Signature");
    scheme.layout = Layout::Entries { between: ',', joint: '=', version: "v1".into() };
    assert_eq!(run(&Vector::read("pagerduty"), &generic(scheme)), (2, 4));
}

#[test]
fn a_written_scheme_reads_timestamps_in_headers() {
    let mut scheme = TemplateScheme::new(Algorithm::Sha256, "X-Slack-Signature");
    scheme.prefix = "v0=".into();
    scheme.signed = "v0:{timestamp}:{body}".parse().expect("a template");
    scheme.timestamp = Some(TimestampRule::header("X-Slack-Request-Timestamp"));
    let (valid, invalid) = run(&Vector::read("slack"), &generic(scheme));
    assert!(valid >= 2 && invalid >= 8, "{valid} and {invalid}");

    let mut scheme = TemplateScheme::new(Algorithm::Sha256, "x-oura-signature");
    scheme.encoding = Encoding::HexUpper;
    scheme.signed = "{timestamp}{body}".parse().expect("a template");
    scheme.timestamp = Some(TimestampRule::header("x-oura-timestamp"));
    let (valid, invalid) = run(&Vector::read("oura"), &generic(scheme));
    assert!(valid >= 1 && invalid >= 2, "{valid} and {invalid}");
}

#[test]
fn a_token_in_a_header() {
    let header = "X-Telegram-Bot-Api-Secret-Token".into();
    let verifier = Verifier::new(Scheme::Token { header }, [Secret::from("x")]).expect("a scheme");
    assert_eq!(run(&Vector::read("telegram"), &verifier), (1, 4));
}
