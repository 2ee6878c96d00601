//! What a caller relies on: reasons, rotation, times, what is covered, what is printed.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use hookyard_verify::{
    Algorithm, Encoding, KeyForm, Layout, Location, Part, Reason, Request, Scheme, Secret,
    SecretError, Settings, SetupError, SignError, TemplateScheme, TimestampFormat, TimestampRule,
    UnixTime, Verifier, profile, sign,
};
use http::{HeaderMap, HeaderValue, Method};

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);

fn request(body: &'static str) -> Request {
    Request {
        method: Method::POST,
        url: "https://hooks.example.com/in/acme?a=1".to_owned(),
        path: "/in/acme".to_owned(),
        query: Some("a=1".to_owned()),
        params: vec![("tenant".to_owned(), "acme".to_owned())],
        headers: HeaderMap::new(),
        body: Bytes::from_static(body.as_bytes()),
    }
}

fn signed(scheme: &Scheme, secret: &str, request: Request, now: UnixTime) -> Request {
    sign(scheme, &Secret::from(secret), request, now, &Settings::default()).expect("signed")
}

/// `{timestamp}.{body}` under `x-signature` and `x-timestamp`.
fn timed() -> Scheme {
    let mut scheme = TemplateScheme::new(Algorithm::Sha256, "x-signature");
    scheme.signed = "{timestamp}.{body}".parse().expect("a template");
    scheme.timestamp = Some(TimestampRule::header("x-timestamp"));
    Scheme::Template(scheme)
}

fn verifier(scheme: &Scheme, secrets: &[&str]) -> Verifier {
    Verifier::new(scheme.clone(), secrets.iter().map(|secret| Secret::from(*secret)))
        .expect("a scheme and its secrets")
}

fn refusal(verifier: &Verifier, request: Request, now: UnixTime) -> Reason {
    let refused = verifier.verify(request, now).expect_err("a bad request");
    assert!(Reason::LABELS.contains(&refused.reason.label()));
    refused.reason
}

#[test]
fn any_of_the_secrets_is_enough_and_is_told() {
    let scheme = timed();
    let verifier = verifier(&scheme, &["new", "old"]);
    for (secret, place) in [("new", 0), ("old", 1)] {
        let verified =
            verifier.verify(signed(&scheme, secret, request("x"), NOW), NOW).expect(secret);
        assert_eq!(verified.matched_secret(), Some(place));
    }
    let reason = refusal(&verifier, signed(&scheme, "older", request("x"), NOW), NOW);
    assert_eq!(reason, Reason::Mismatch { secrets: 2 });
    assert_eq!(reason.label(), "mismatch");
}

#[test]
fn of_equal_secrets_the_first_is_told() {
    for scheme in [timed(), Scheme::Bearer] {
        let request = signed(&scheme, "same", request("x"), NOW);
        let verified = verifier(&scheme, &["a", "same", "same"]).verify(request, NOW);
        assert_eq!(verified.expect("genuine").matched_secret(), Some(1));
    }
}

#[test]
fn what_is_covered_follows_from_the_template() {
    use Part::{Body, DeliveryId, Headers, Kind, Method, Params, Path, Query};
    let open = |template: &str, kind: &str, id: &str| {
        let mut scheme = TemplateScheme::new(Algorithm::Sha256, "x-signature");
        scheme.signed = template.parse().expect(template);
        verifier(&Scheme::Template(scheme), &["s"])
            .with_kind(vec![kind.parse().expect(kind)])
            .with_delivery_id(vec![id.parse().expect(id)])
            .unauthenticated()
            .to_vec()
    };
    assert_eq!(
        open("{body}", "json:/type", "header:x-id"),
        [DeliveryId, Method, Path, Query, Params, Headers]
    );
    assert_eq!(
        open("{path}{body}", "{kind}", "form:id"),
        [Method, Query, Headers],
        "a path does not hold the query"
    );
    assert_eq!(open("{url}{body}", "{kind}", "form:id"), [Method, Headers]);
    assert_eq!(
        open("{header:X-Kind}", "header:x-kind", "json:/id"),
        [DeliveryId, Method, Path, Query, Params, Headers, Body]
    );
    assert_eq!(open("{method}{body}", "{kind}", "json:/id"), [Kind, Path, Query, Params, Headers]);
}

#[test]
fn the_tolerance_holds_both_ways_and_includes_its_end() {
    let scheme = timed();
    let verifier = verifier(&scheme, &["s"]);
    let at = |offset: i64| {
        signed(&scheme, "s", request("x"), UnixTime::from_secs(1_750_000_000 + offset))
    };
    let late_in_its_second = UnixTime::from_millis(NOW.as_millis() + 999);
    for now in [NOW, late_in_its_second] {
        for offset in [-300, -1, 0, 300] {
            verifier.verify(at(offset), now).expect("within tolerance");
        }
        let old = refusal(&verifier, at(-301), now);
        assert_eq!(old.label(), "timestamp-too-old");
        assert!(old.to_string().starts_with("the timestamp is 301 s old and at most 300 s"));
        assert_eq!(refusal(&verifier, at(301), now).label(), "timestamp-in-future");
    }
}

#[test]
fn milliseconds_are_not_seconds() {
    let Scheme::Template(mut scheme) = timed() else { unreachable!("timed() is an HMAC scheme") };
    if let Some(rule) = &mut scheme.timestamp {
        rule.format = TimestampFormat::Millis;
        rule.tolerance = Duration::from_millis(500);
    }
    let millis = Scheme::Template(scheme);
    let later = |by| UnixTime::from_millis(NOW.as_millis() + by);
    let verifier = verifier(&millis, &["s"]);
    verifier.verify(signed(&millis, "s", request("x"), NOW), later(500)).expect("within");
    let reason = refusal(&verifier, signed(&millis, "s", request("x"), NOW), later(501));
    assert_eq!(reason.label(), "timestamp-too-old");
    let reason = refusal(&verifier, signed(&timed(), "s", request("x"), NOW), NOW);
    assert_eq!(reason.label(), "timestamp-too-old");
}

#[test]
fn timestamps_are_plain_digits() {
    let scheme = timed();
    let verifier = verifier(&scheme, &["s"]);
    for text in [
        "+1750000000",
        "1750000000.0",
        "1750000000 1",
        "1e9",
        "-1",
        "01750000000",
        "0x10",
        "abc",
        "99999999999999999999",
        "9223372036854775807",
        "١",
    ] {
        let mut request = signed(&scheme, "s", request("x"), NOW);
        let value = HeaderValue::from_bytes(text.as_bytes()).expect(text);
        request.headers.insert("x-timestamp", value);
        assert_eq!(refusal(&verifier, request, NOW).label(), "malformed-timestamp", "{text}");
    }
}

#[test]
fn headers_that_decide_come_once_and_are_not_empty() {
    let mut scheme = TemplateScheme::new(Algorithm::Sha256, "x-signature");
    scheme.signed = "{id}.{timestamp}.{header:x-nonce}.{body}".parse().expect("a template");
    scheme.timestamp = Some(TimestampRule::header("x-timestamp"));
    scheme.id_header = Some("x-id".into());
    let scheme = Scheme::Template(scheme);
    let verifier = verifier(&scheme, &["s"]);
    let mut complete = request("x");
    complete.headers.insert("x-id", HeaderValue::from_static("1"));
    let lacking = sign(&scheme, &Secret::from("s"), complete.clone(), NOW, &Settings::default())
        .expect_err("no nonce");
    assert!(matches!(lacking, SignError::Incomplete(Reason::MissingHeader(_))), "{lacking}");
    complete.headers.insert("x-nonce", HeaderValue::from_static("n"));
    let complete = signed(&scheme, "s", complete, NOW);
    verifier.verify(complete.clone(), NOW).expect("complete");

    for name in ["x-signature", "x-timestamp", "x-id", "x-nonce"] {
        let label = |change: &dyn Fn(&mut HeaderMap)| {
            let mut request = complete.clone();
            change(&mut request.headers);
            let reason = refusal(&verifier, request, NOW);
            assert!(reason.to_string().contains(name), "{reason}");
            reason.label()
        };
        assert_eq!(label(&|headers| drop(headers.remove(name))), "missing-header");
        let twice = |headers: &mut HeaderMap| {
            let same = headers[name].clone();
            headers.append(name, same);
        };
        assert_eq!(label(&twice), "duplicate-header");
        for empty in ["", " "] {
            let clear = |headers: &mut HeaderMap| {
                headers.insert(name, HeaderValue::from_static(empty));
            };
            assert_eq!(label(&clear), "empty-header");
        }
    }
}

#[test]
fn lists_pass_over_what_they_do_not_know() {
    let mut scheme = TemplateScheme::new(Algorithm::Sha1, "x-signature");
    scheme.layout = Layout::Entries { between: ',', joint: '=', version: "v1".into() };
    let scheme = Scheme::Template(scheme);
    let verifier = verifier(&scheme, &["s"]);
    let genuine = signed(&scheme, "s", request("x"), NOW);
    let value = genuine.headers["x-signature"].to_str().expect("text").to_owned();
    let verdict = |value: String| {
        let mut request = genuine.clone();
        request.headers.insert("x-signature", value.parse().expect("a value"));
        verifier.verify(request, NOW).map(drop).map_err(|refused| refused.reason.label())
    };
    let zeros = "0".repeat(40);
    for list in [
        format!("v0=ffff,{value}"),
        format!("{value},v2=zzz"),
        format!("v1=short,,=,v1,{value}"),
        format!("v1={zeros}, {value} ,v1={zeros}"),
    ] {
        assert_eq!(verdict(list.clone()), Ok(()), "{list}");
    }
    let other_version = value.replace("v1=", "v0=");
    assert_eq!(verdict(other_version), Err("no-known-version"));
    assert_eq!(verdict("nonsense".to_owned()), Err("no-known-version"));
    assert_eq!(verdict("v1=short".to_owned()), Err("malformed-signature"));
    assert_eq!(verdict(format!("v1={zeros}")), Err("mismatch"));
}

#[test]
fn a_list_with_two_timestamps_is_refused() {
    let mut scheme = TemplateScheme::new(Algorithm::Sha256, "x-signature");
    scheme.layout = Layout::Entries { between: ',', joint: '=', version: "v1".into() };
    scheme.signed = "{timestamp}.{body}".parse().expect("a template");
    scheme.timestamp = Some(TimestampRule::entry("t"));
    let scheme = Scheme::Template(scheme);
    let mut request = signed(&scheme, "s", request("x"), NOW);
    let value = request.headers["x-signature"].to_str().expect("text").to_owned();
    assert!(value.starts_with("t=1750000000,v1="), "{value}");
    request.headers.insert("x-signature", format!("{value},t=1").parse().expect("a value"));
    let reason = refusal(&verifier(&scheme, &["s"]), request, NOW);
    assert_eq!(reason.label(), "malformed-timestamp");
}

#[test]
fn github_facts() {
    let github = profile("github").expect("known");
    let verifier = Verifier::for_profile(github, [Secret::from("s")], Settings::default())
        .expect("a verifier");
    let mut push = request("{}");
    push.headers.insert("x-github-event", HeaderValue::from_static("push"));
    push.headers.insert("x-github-delivery", HeaderValue::from_static("72d3162e"));
    let verified = verifier.verify(signed(github.scheme, "s", push, NOW), NOW).expect("genuine");
    assert_eq!(verified.kind().as_deref(), Some("push"));
    assert_eq!(verified.delivery_id().as_deref(), Some("72d3162e"));
    let open = verified.unauthenticated();
    assert!(open.contains(&Part::Kind) && open.contains(&Part::DeliveryId), "{open:?}");
    assert!(!open.contains(&Part::Body), "{open:?}");
}

#[test]
fn standard_webhooks_facts() {
    let profile = profile("standard-webhooks").expect("known");
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let verifier = Verifier::for_profile(profile, [Secret::from(secret)], Settings::default())
        .expect("a verifier");
    let mut paid = request(r#"{"type":"invoice.paid","data":{}}"#);
    paid.headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
    let verified =
        verifier.verify(signed(profile.scheme, secret, paid, NOW), NOW).expect("genuine");
    assert_eq!(verified.kind().as_deref(), Some("invoice.paid"));
    assert_eq!(verified.delivery_id().as_deref(), Some("msg_1"));
    assert_eq!(
        verified.unauthenticated(),
        [Part::Method, Part::Path, Part::Query, Part::Params, Part::Headers]
    );
}

#[test]
fn a_route_s_own_locations() {
    let body = r#"Sid=SM%201&a=b+c"#;
    let mut scheme = TemplateScheme::new(Algorithm::Sha256, "x-signature");
    scheme.signed = "{method} {url} {body}".parse().expect("a template");
    let scheme = Scheme::Template(scheme);
    let verifier = verifier(&scheme, &["s"])
        .with_kind(vec![Location::Param("tenant".into())])
        .with_delivery_id(vec![Location::Form("none".into()), Location::Form("Sid".into())]);
    let mut sent = signed(&scheme, "s", request(body), NOW);
    let unsaid = verifier.verify(sent.clone(), NOW).expect("genuine");
    assert_eq!(unsaid.delivery_id(), None, "it is not said to be a form");
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    sent.headers.insert("content-type", form);
    let verified = verifier.verify(sent, NOW).expect("genuine");
    assert_eq!(verified.kind().as_deref(), Some("acme"));
    assert_eq!(verified.delivery_id().as_deref(), Some("SM 1"));
    assert_eq!(verified.unauthenticated(), [Part::Headers]);
}

#[test]
fn the_url_the_path_and_the_method_are_protected_when_they_are_signed() {
    for (template, changed) in [
        ("{url}{body}", (|request| request.url.push('x')) as fn(&mut Request)),
        ("{path}{body}", |request| request.path.push('x')),
        ("{method}{body}", |request| request.method = Method::PUT),
    ] {
        let mut scheme = TemplateScheme::new(Algorithm::Sha512, "x-signature");
        scheme.encoding = Encoding::Base64Url;
        scheme.signed = template.parse().expect("a template");
        let scheme = Scheme::Template(scheme);
        let verifier = verifier(&scheme, &["s"]);
        let mut request = signed(&scheme, "s", request("x"), NOW);
        verifier.verify(request.clone(), NOW).expect("genuine");
        changed(&mut request);
        assert_eq!(refusal(&verifier, request, NOW), Reason::Mismatch { secrets: 1 }, "{template}");
    }
}

#[test]
fn credentials_are_compared_whole() {
    let schemes = [
        Scheme::Token { header: "x-token".into() },
        Scheme::Bearer,
        Scheme::Basic { user: "acme".into() },
    ];
    for scheme in &schemes {
        let verifier = verifier(scheme, &["tok en", "other"]);
        for (secret, place) in [("tok en", 0), ("other", 1)] {
            let request = signed(scheme, secret, request("x"), NOW);
            let verified = verifier.verify(request, NOW).expect(secret);
            assert_eq!(verified.matched_secret(), Some(place));
            let all_but_places =
                [Part::Method, Part::Path, Part::Query, Part::Params, Part::Headers, Part::Body];
            assert_eq!(verified.unauthenticated(), all_but_places);
        }
        for wrong in ["tok", "tok enx", "Tok en", "x"] {
            let reason = refusal(&verifier, signed(scheme, wrong, request("x"), NOW), NOW);
            assert_eq!(reason, Reason::WrongCredentials { secrets: 2 }, "{scheme:?} {wrong}");
        }
        assert_eq!(refusal(&verifier, request("x"), NOW).label(), "missing-header");
    }
    let label = |scheme: &Scheme, value: &'static str| {
        let mut request = request("x");
        request.headers.insert("authorization", HeaderValue::from_static(value));
        refusal(&verifier(scheme, &["pass"]), request, NOW).label()
    };
    let basic = &schemes[2];
    assert_eq!(label(&Scheme::Bearer, "Basic pass"), "malformed-credentials");
    assert_eq!(label(&Scheme::Bearer, "Bearer"), "malformed-credentials");
    assert_eq!(label(&Scheme::Bearer, "Bearerpass"), "malformed-credentials");
    assert_eq!(label(&Scheme::Bearer, "Digest pass"), "malformed-credentials");
    assert_eq!(label(basic, "Bason YWNtZTpwYXNz"), "malformed-credentials");
    assert_eq!(label(basic, "Basic !!!"), "malformed-credentials");
    assert_eq!(label(basic, "Basic cGFzcw=="), "wrong-credentials");
    // The scheme's name is case-insensitive; this is `acme:pass`.
    let mut lower = request("x");
    lower.headers.insert("authorization", HeaderValue::from_static("basic YWNtZTpwYXNz"));
    verifier(basic, &["pass"]).verify(lower, NOW).expect("the right pair");
}

#[test]
fn no_verification_proves_nothing_and_says_so() {
    let verifier = Verifier::new(Scheme::None, [])
        .expect("no secret needed")
        .with_kind(vec![Location::Json("/type".into())])
        .with_delivery_id(vec![Location::Json("/id".into())]);
    let verified = verifier.verify(request(r#"{"type":"t","id":7}"#), NOW).expect("anything");
    assert_eq!(verified.matched_secret(), None);
    assert_eq!(verified.kind().as_deref(), Some("t"));
    assert_eq!(verified.delivery_id().as_deref(), Some("7"));
    assert_eq!(verified.unauthenticated(), Part::ALL);
    let error = Verifier::new(Scheme::None, [Secret::from("s")]).expect_err("a secret");
    assert_eq!(error, SetupError::UnusedSecret);
}

#[test]
fn what_cannot_work_is_refused_at_set_up() {
    let base = || TemplateScheme::new(Algorithm::Sha256, "x-signature");
    let error = |change: &dyn Fn(&mut TemplateScheme)| {
        let mut scheme = base();
        change(&mut scheme);
        Verifier::new(Scheme::Template(scheme), [Secret::from("s")]).expect_err("a bad scheme")
    };
    let template = |text: &str| text.parse().expect("a template");
    assert_eq!(
        error(&|s| s.header = "x signature".into()),
        SetupError::InvalidHeader("x signature".to_owned())
    );
    assert_eq!(
        error(&|s| s.signed = template("{timestamp}.{body}")),
        SetupError::TimestampWithoutPlace
    );
    assert_eq!(
        error(&|s| s.timestamp = Some(TimestampRule::header("x-timestamp"))),
        SetupError::UnsignedTimestamp
    );
    assert_eq!(error(&|s| s.signed = template("{id}.{body}")), SetupError::IdWithoutHeader);
    assert_eq!(error(&|s| s.id_header = Some("x-id".into())), SetupError::UnsignedId);
    assert_eq!(
        error(&|s| s.signed = template("{header:X-Signature}{body}")),
        SetupError::SignedSignature
    );
    assert_eq!(
        error(&|s| {
            s.signed = template("{timestamp}{body}");
            s.timestamp = Some(TimestampRule::entry("t"));
        }),
        SetupError::EntryWithoutList
    );
    assert_eq!(
        error(&|s| {
            s.layout = Layout::Entries { between: ',', joint: ',', version: "v1".into() };
        }),
        SetupError::InvalidEntries
    );
    assert_eq!(
        error(&|s| {
            s.signed = template("{timestamp}{body}");
            let rule = TimestampRule::header("x-timestamp");
            s.timestamp = Some(TimestampRule { tolerance: Duration::ZERO, ..rule });
        }),
        SetupError::NoTolerance
    );
    for user in ["", "a:b", "a\nb"] {
        let basic = Scheme::Basic { user: user.into() };
        let error = Verifier::new(basic, [Secret::from("s")]).expect_err("a bad user");
        assert_eq!(error, SetupError::InvalidUser);
    }
    let error = Verifier::new(Scheme::Bearer, [Secret::from("a\u{7}b")]).expect_err("a bell");
    let problem = SecretError::NotAHeaderValue;
    assert_eq!(error, SetupError::Secret { index: 0, of: 1, problem });
}

#[test]
fn secrets_are_named_by_their_place_and_never_shown() {
    let new = |secrets: &[&str]| {
        Verifier::new(timed(), secrets.iter().map(|secret| Secret::from(*secret)))
    };
    assert_eq!(new(&[]).expect_err("none"), SetupError::NoSecret);
    let error = new(&["hunter2", "hunter3\n"]).expect_err("a line break");
    assert!(error.to_string().starts_with("secret 2 of 2 cannot be right: it starts or ends"));
    assert!(error.source().is_some());
    for scheme in [timed(), Scheme::Bearer, Scheme::Basic { user: "u".into() }] {
        let verifier = verifier(&scheme, &["hunter2"]);
        let request = signed(&scheme, "hunter2", request("x"), NOW);
        let refused = verifier.with_secrets([Secret::from("hunter4")]).expect("a secret");
        let refused = refused.verify(request.clone(), NOW).expect_err("another secret");
        let shown = format!("{verifier:?} {refused:?} {refused} {request:?} {error:?}");
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(!shown.contains("aHVudGVy") && !shown.contains("aHVud"), "{shown}");
        let verified = verifier.verify(request, NOW).expect("genuine");
        assert!(!format!("{verified:?}").contains("hunter"));
    }
}

#[test]
fn keys_in_other_forms() {
    let mut scheme = TemplateScheme::new(Algorithm::Sha256, "x-signature");
    scheme.key = KeyForm::Hex;
    let hex = signed(&Scheme::Template(scheme.clone()), "68756E746572", request("x"), NOW);
    scheme.key = KeyForm::Text;
    verifier(&Scheme::Template(scheme), &["hunter"]).verify(hex, NOW).expect("the same key");
}
