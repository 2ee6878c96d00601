//! What single senders do that a reading of their headers alone would get wrong.

mod vector;

use bytes::Bytes;
use hookyard_verify::{
    Profile, Received, Request, Secret, Settings, UnixTime, Verified, Verifier, profile, sign,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use vector::Vector;

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn known(name: &str) -> &'static Profile {
    profile(name).expect(name)
}

/// A delivery with this body, signed as the sender signs.
fn signed(name: &str, body: &str) -> Request {
    let request = Request {
        method: Method::POST,
        url: "https://hooks.example.com/in".to_owned(),
        path: "/in".to_owned(),
        query: None,
        params: Vec::new(),
        // Standard Webhooks signs an id that has to be there; others do not look.
        headers: HeaderMap::from_iter([(
            HeaderName::from_static("webhook-id"),
            HeaderValue::from_static("1"),
        )]),
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    sign(known(name).scheme, &Secret::from(SECRET), request, NOW, &Settings::default()).expect(name)
}

fn verified(name: &str, request: Request) -> Verified {
    let verifier = Verifier::for_profile(known(name), [Secret::from(SECRET)], Settings::default())
        .expect(name);
    verifier.verify(request, NOW).expect(name)
}

#[test]
fn a_kind_that_the_signed_body_has_is_not_taken_from_a_header() {
    for (name, header) in [
        ("buildkite", "x-buildkite-event"),
        ("circleci", "circleci-event-type"),
        ("lemonsqueezy", "x-event-name"),
        ("linear", "linear-event"),
    ] {
        let vectors = Vector::read(name);
        let mut genuine = vectors.into_iter().find(Vector::valid).expect(name);
        let kind = |vector: &Vector| match vector.judge(known(name)) {
            Ok(Received::Event(verified)) => verified.kind().expect(name),
            other => panic!("{name}: {other:?}"),
        };
        let before = kind(&genuine);
        let headers = genuine.0.get_mut("headers").and_then(|all| all.as_object_mut());
        let headers = headers.expect(name);
        headers.retain(|found, _| !found.eq_ignore_ascii_case(header));
        headers.insert(header.to_owned(), "forged".into());
        assert_eq!(kind(&genuine), before, "{name}");
    }
}

/// An event that is taken for the repetition of another one is lost.
#[test]
fn what_several_deliveries_can_share_is_no_id() {
    for (name, shared) in [
        ("meraki", r#"{"alertId":"1"}"#),
        ("monday", r#"{"event":{"triggerUuid":"1"}}"#),
        ("ms-teams-outgoing", r#"{"id":"1"}"#),
        ("recurly", r#"{"id":"1"}"#),
        ("segment", r#"{"messageId":"1"}"#),
        ("trello", r#"{"action":{"id":"1"}}"#),
        ("woocommerce", r#"{"id":1}"#),
    ] {
        let mut request = Request { body: shared.into(), ..signed("segment", "{}") };
        request.headers.insert("x-wc-webhook-delivery-id", HeaderValue::from_static("1"));
        let found = known(name).delivery_id.iter().find_map(|at| at.find(&request));
        assert_eq!(found, None, "{name}");
        let said = known(name).summary;
        assert!(said.contains("no id"), "{name}: {said}");
    }
}

#[test]
fn gogs_signs_as_gitea_does_under_its_own_names() {
    let mut request = signed("gitea", r#"{"ref":"refs/heads/main"}"#);
    let signature = request.headers.remove("x-gitea-signature").expect("a signature");
    let value = HeaderValue::from_static;
    request.headers.insert("x-gogs-signature", signature);
    request.headers.insert("x-gogs-event", value("push"));
    request.headers.insert("x-gogs-delivery", value("f6266f16"));
    let gogs = verified("gitea", request);
    assert_eq!(gogs.kind().as_deref(), Some("push"));
    assert_eq!(gogs.delivery_id().as_deref(), Some("f6266f16"));

    // Gitea sends both names.
    let mut request = signed("gitea", "{}");
    let signature = request.headers.get("x-gitea-signature").expect("a signature").clone();
    request.headers.insert("x-gogs-signature", signature);
    request.headers.insert("x-gitea-event", value("push"));
    request.headers.insert("x-gogs-event", value("push"));
    assert_eq!(verified("gitea", request).kind().as_deref(), Some("push"));
}

#[test]
fn a_prediction_s_status_is_its_kind() {
    let mut request = signed("replicate", r#"{"id":"p","status":"succeeded","type":"x"}"#);
    assert_eq!(verified("replicate", request).kind().as_deref(), Some("succeeded"));
    request = signed("replicate", r#"{"type":"replicate.test"}"#);
    assert_eq!(verified("replicate", request).kind().as_deref(), Some("replicate.test"));
}

/// The recorded requests are in milliseconds.
#[test]
fn where_the_unit_is_not_known_seconds_count_as_well() {
    for (name, header) in [("recurly", "recurly-signature"), ("webflow", "x-webflow-timestamp")] {
        let request = signed(name, "{}");
        let header = HeaderName::from_static(header);
        let value = request.headers.get(header).expect(name).to_str().expect(name);
        assert!(value == "1750000000" || value.starts_with("1750000000,"), "{name}: {value}");
        verified(name, request);
    }
}

#[test]
fn who_wants_no_body_is_answered_without_one() {
    for name in ["airtable", "twilio"] {
        assert_eq!(known(name).success_status, 204, "{name}");
    }
}
