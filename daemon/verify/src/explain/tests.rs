use http::{HeaderMap, HeaderValue, Method};

use super::*;
use crate::{profile, sign};

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);

fn request(url: &str, body: &str) -> Request {
    let uri: http::Uri = url.parse().expect("a URL");
    Request {
        method: Method::POST,
        url: url.to_owned(),
        path: uri.path().to_owned(),
        query: uri.query().map(str::to_owned),
        params: Vec::new(),
        headers: HeaderMap::new(),
        body: bytes::Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn signed(name: &str, secret: &str, url: &str, body: &str) -> Request {
    let scheme = profile(name).expect(name).scheme;
    let settings = Settings::default();
    sign(scheme, &Secret::from(secret), request(url, body), NOW, &settings).expect(name)
}

fn explained(name: &str, secret: &str, request: &Request, now: UnixTime) -> Explanation {
    let secrets = [Secret::from(secret)];
    let settings = Settings::default();
    let profile = profile(name).expect(name);
    let case = Case { profile, secrets: &secrets, settings: &settings, request, now };
    explain(&case, |_| None, Keyring::new()).expect("a secret")
}

#[track_caller]
fn assert_hint(explanation: &Explanation, part: &str) {
    let hints = &explanation.hints;
    assert!(hints.iter().any(|hint| hint.contains(part)), "{part}: {hints:#?}");
}

const URL: &str = "https://hooks.example.com/in?a=1";

#[test]
fn what_is_right_passes_every_check() {
    let good = signed("stripe", "s", URL, "{}");
    let explanation = explained("stripe", "s", &good, NOW);
    assert!(matches!(explanation.verdict, Ok(Received::Event(_))));
    assert!(explanation.checks.iter().all(|check| check.outcome == Outcome::Passed));
    assert!(explanation.hints.is_empty());
}

#[test]
fn a_body_that_was_written_anew_is_recognised() {
    for (sent, arrived, hint) in [
        ("{\"b\": 1, \"a\": 2}", "{\"b\":1,\"a\":2}", "a space after each comma"),
        ("{\n  \"b\": 1\n}", "{\"b\":1}", "indented by two"),
        ("{\"a\":\"\\u00e9\"}", "{\"a\":\"\u{e9}\"}", "characters escaped as \\u"),
        ("{\"a\":\"x\\/y\"}", "{\"a\":\"x/y\"}", "escaped slashes"),
        ("[]\r\n", "[]", "CR LF) at the end"),
        ("a=b+c", "a=b%20c", "`+` where it has `%20`"),
    ] {
        let mut changed = signed("github", "s", URL, sent);
        changed.body = bytes::Bytes::copy_from_slice(arrived.as_bytes());
        let explanation = explained("github", "s", &changed, NOW);
        assert!(explanation.verdict.is_err());
        assert_hint(&explanation, "the body was changed on its way");
        assert_hint(&explanation, hint);
    }
}

#[test]
fn spellings_that_come_to_the_same_are_one_hint() {
    let mut changed = signed("github", "s", URL, "{\"a\":1}");
    changed.body = bytes::Bytes::from_static(b"{\"a\":1}\n");
    let explanation = explained("github", "s", &changed, NOW);
    assert_eq!(explanation.hints.len(), 1, "{:#?}", explanation.hints);
}

#[test]
fn a_secret_that_was_copied_wrongly_is_recognised() {
    let good = signed("stripe", "whsec_abc", URL, "{}");
    assert_hint(&explained("stripe", "abc", &good, NOW), "with `whsec_` in front");
    assert_hint(&explained("stripe", "\"whsec_abc\"", &good, NOW), "without the quotes");
    let other = explained("stripe", "whsec_other", &good, NOW);
    assert_hint(&other, "the secret of another endpoint");
    assert_eq!(
        other.checks.last().map(|check| matches!(check.outcome, Outcome::Failed(_))),
        Some(true)
    );
}

#[test]
fn a_clock_is_told_from_a_wrong_signature() {
    let good = signed("stripe", "s", URL, "{}");
    let late = UnixTime::from_secs(1_750_009_000);
    let explanation = explained("stripe", "s", &good, late);
    assert_hint(&explanation, "the signature is right and only old");
    assert_eq!(explanation.checks[4].outcome, Outcome::NotReached);
    let early = UnixTime::from_secs(1_749_990_000);
    assert_hint(&explained("stripe", "s", &good, early), "only early");
    let wrong = explained("stripe", "other", &good, late);
    assert_hint(&wrong, "would not hold at its own time either");
}

#[test]
fn another_url_is_found() {
    let form = "application/x-www-form-urlencoded";
    let sign_at = |url: &str| {
        let mut request = request(url, "a=b");
        request.headers.insert("content-type", HeaderValue::from_static(form));
        let scheme = profile("twilio").expect("known").scheme;
        sign(scheme, &Secret::from("s"), request, NOW, &Settings::default()).expect("signed")
    };
    let mut behind = sign_at(URL);
    behind.url = "http://127.0.0.1:8080/in?a=1".to_owned();
    behind.headers.insert("x-forwarded-host", HeaderValue::from_static("hooks.example.com"));
    let explanation = explained("twilio", "s", &behind, NOW);
    assert_hint(&explanation, "https://hooks.example.com/in?a=1");
    assert_hint(&explanation, "`public_url`");
}

#[test]
fn another_sender_is_named() {
    let gitea = signed("linear", "s", URL, "{\"webhookTimestamp\":1750000000000}");
    let explanation = explained("github", "s", &gitea, NOW);
    assert_hint(&explanation, "`linear`");
    assert!(matches!(explanation.checks[0].outcome, Outcome::Failed(_)));
    assert!(explanation.checks[1..].iter().all(|check| check.outcome == Outcome::NotReached));
}

#[test]
fn what_is_wrong_with_a_token_or_a_certificate_is_no_wrong_secret() {
    let (ago, leeway) = (std::time::Duration::from_secs(9), std::time::Duration::ZERO);
    let request = request(URL, "{}");
    let settings = Settings::default();
    let profile = profile("livekit").expect("known");
    let case = Case { profile, secrets: &[], settings: &settings, request: &request, now: NOW };
    for (reason, place, hint) in [
        (Reason::WrongClaim { claim: "aud" }, 4, "`aud` is for another receiver"),
        (Reason::ForeignKeyUrl, 3, "from a new place"),
        (Reason::BadCertificate("it has expired"), 3, "this clock is wrong"),
        (Reason::MalformedToken("it asks for an extension"), 1, ""),
        (Reason::MalformedEnvelope("it is of another topic"), 1, ""),
        (Reason::MalformedBody { expected: "JSON" }, 0, ""),
    ] {
        assert_eq!(stage(&reason), place, "{reason}");
        let hints = Experiment { case: &case, keyring: &Keyring::new() }.hints(&reason).join(" ");
        assert!(hints.contains(hint) && !hints.contains("another endpoint"), "{reason}: {hints}");
    }
    assert_eq!(stage(&Reason::TokenExpired { ago, leeway }), 2);
}
