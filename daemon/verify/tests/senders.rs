//! What single senders do that a reading of their headers alone would get wrong.

use bytes::Bytes;
use hookyard_verify::{Profile, Request, Secret, Settings, UnixTime, profile, sign};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

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
