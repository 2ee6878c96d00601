//! For every sender whose keys are fetched or whose token says more than a body: what was signed
//! passes, one bit away from it does not, and nothing that arrives or is fetched can make the
//! verifier panic.

mod signers;

use std::sync::LazyLock;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use hookyard_verify::{Part, Received, Request, UnixTime};
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

use signers::{NOW, Signer, other_key, request, signers};

/// Keys and certificates take a while.
static SIGNERS: LazyLock<Vec<Signer>> = LazyLock::new(signers);

fn signer() -> impl Strategy<Value = Signer> {
    select(&**SIGNERS)
}

/// Tokens have text, and so have Amazon's messages.
fn body() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~é\n]{0,80}", "\\{\"a\":[0-9]{1,9}\\}"]
}

/// The headers that decide something.
fn headers(signer: &Signer) -> &'static [&'static str] {
    match signer.profile.name {
        "aws-sns" => &["x-amz-sns-message-type"],
        "fusionauth" => &["x-fusionauth-signature-jwt"],
        "google-pubsub" | "livekit" | "monday" => &["authorization"],
        "messagebird" => &["messagebird-signature-jwt"],
        "neon" => &["x-neon-signature", "x-neon-timestamp", "x-neon-signature-kid"],
        "paypal" => &[
            "paypal-transmission-id",
            "paypal-transmission-time",
            "paypal-transmission-sig",
            "paypal-cert-url",
            "paypal-auth-algo",
        ],
        "plaid" => &["plaid-verification"],
        _ => &[],
    }
}

/// Flips one bit, after the first `from` bytes.
fn flip(bytes: &mut [u8], from: usize, at: Index) {
    let bit = from * 8 + at.index((bytes.len() - from) * 8);
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
}

fn event(received: Result<Received, hookyard_verify::Refused>) -> hookyard_verify::Verified {
    match received.expect("genuine") {
        Received::Event(verified) => verified,
        Received::Handshake(handshake) => panic!("{handshake:?}"),
    }
}

/// What an envelope of Amazon's says that is signed.
fn said(body: &[u8]) -> Option<Vec<Option<Value>>> {
    let members: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let signed = ["Message", "MessageId", "Timestamp", "TopicArn", "Type", "Subject"];
    Some(signed.into_iter().map(|name| members.get(name).cloned()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_was_signed_passes(signer in signer(), body in body(), late in 0i64..300) {
        let sent = signer.send(request(body), NOW).expect("signed");
        let body = sent.body.clone();
        let later = UnixTime::from_secs(NOW.as_secs() + late);
        let verified = event(signer.receive(sent, later));
        prop_assert_eq!(&verified.request().body, &body);
        let place = (!signer.configured.is_empty()).then_some(0);
        prop_assert_eq!(verified.matched_secret(), place);
    }

    /// Where the body does not count as signed, another one passes only where nothing at all is
    /// said of it.
    #[test]
    fn a_flipped_bit_in_the_body_fails(signer in signer(), body in body(), at in any::<Index>()) {
        let mut sent = signer.send(request(body + "\n"), NOW).expect("signed");
        let open = signer.verifier().unauthenticated().contains(&Part::Body);
        let genuine = said(&sent.body);
        let mut changed = sent.body.to_vec();
        flip(&mut changed, 0, at);
        sent.body = changed.clone().into();
        match (signer.profile.name, signer.receive(sent, NOW)) {
            ("google-pubsub" | "monday", received) => prop_assert!(open && received.is_ok()),
            // The bit was in what is not signed, or made another spelling of the same.
            ("aws-sns", Ok(_)) => prop_assert!(open && said(&changed) == genuine),
            (name, received) => {
                prop_assert!(received.is_err());
                prop_assert!(!open || ["aws-sns", "paypal"].contains(&name));
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_a_header_fails(
        signer in signer(), body in body(), which in any::<Index>(), at in any::<Index>(),
    ) {
        let names = headers(&signer);
        prop_assume!(!names.is_empty());
        let mut sent = signer.send(request(body), NOW).expect("signed");
        let name = HeaderName::from_static(names[which.index(names.len())]);
        let mut value = sent.headers[&name].as_bytes().to_vec();
        // The name of an authentication scheme is in any case.
        let from = if value.starts_with(b"Bearer ") { 7 } else { 0 };
        flip(&mut value, from, at);
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            sent.headers.insert(name, value);
            prop_assert!(signer.receive(sent, NOW).is_err());
        }
    }

    #[test]
    fn a_header_that_comes_twice_fails(
        signer in signer(), body in body(), which in any::<Index>(), same in any::<bool>(),
    ) {
        let names = headers(&signer);
        prop_assume!(!names.is_empty());
        let mut sent = signer.send(request(body), NOW).expect("signed");
        let name = HeaderName::from_static(names[which.index(names.len())]);
        let value = if same { sent.headers[&name].clone() } else { HeaderValue::from_static("x") };
        sent.headers.append(name, value);
        prop_assert_eq!(signer.reason(sent, NOW).label(), "duplicate-header");
    }

    #[test]
    fn another_key_fails(signer in signer(), body in body()) {
        let forger = Signer { key: other_key(&signer), ..signer.clone() };
        let sent = forger.send(request(body), NOW).expect("signed");
        prop_assert_eq!(signer.reason(sent, NOW).label(), "mismatch");
    }

    /// Random texts where tokens and signatures are, and random bodies, clocks and documents.
    #[test]
    fn nothing_that_arrives_panics(
        signer in signer(), body in prop::collection::vec(any::<u8>(), 0..200), now in any::<i64>(),
        values in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..80),
                "(Bearer )?[A-Za-z0-9_.-]{0,60}".prop_map(String::into),
                "[0-9TZ:.-]{0,30}".prop_map(String::into),
            ],
            5,
        ),
        document in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[\\[\\]{}\":,keys0-9]{0,60}".prop_map(String::into),
            Just(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()),
        ],
    ) {
        let genuine = signer.send(request("x"), NOW).expect("signed");
        let mut sent = Request { body: body.into(), ..genuine };
        for (name, value) in headers(&signer).iter().zip(values) {
            match HeaderValue::from_bytes(&value) {
                Ok(value) => drop(sent.headers.insert(*name, value)),
                Err(_) => drop(sent.headers.remove(*name)),
            }
        }
        let now = UnixTime::from_millis(now);
        prop_assert!(signer.receive(sent, now).is_err());

        let strange = Signer {
            document: String::from_utf8_lossy(&document).into_owned(),
            ..signer
        };
        let sent = strange.send(request("x"), NOW).expect("signed");
        let received = strange.receive(sent, now);
        prop_assert!(received.is_err() || !strange.configured.is_empty());
    }

    /// Whatever a token says, signed or not.
    #[test]
    fn no_claims_panic(
        signer in signer(), header in json_text(), claims in json_text(), body in body(),
    ) {
        let token = format!(
            "{}.{}.AAAA",
            BASE64URL_NOPAD.encode(header.as_bytes()),
            BASE64URL_NOPAD.encode(claims.as_bytes())
        );
        let mut sent = signer.send(request(body), NOW).expect("signed");
        if let Some(name) = headers(&signer).first() {
            sent.headers.insert(*name, token.parse().expect("a value"));
        } else {
            sent.body = Bytes::from(token);
        }
        prop_assert!(signer.receive(sent, NOW).is_err());
    }
}

/// Objects such as a token has, and texts that are almost that.
fn json_text() -> impl Strategy<Value = String> {
    let name = select(vec!["alg", "kid", "crit", "iss", "aud", "exp", "nbf", "iat", "email"]);
    let value = select(vec![
        "\"RS256\"",
        "\"none\"",
        "\"hookyard\"",
        "null",
        "-1",
        "1e99",
        "9223372036854775808",
        "[]",
        "{}",
        "true",
        "[[\"x\"]]",
        "\"",
    ]);
    prop::collection::vec((name, value), 0..6).prop_map(|members| {
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}
