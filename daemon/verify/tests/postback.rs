//! PayPal's API, asked about each event: what is asked, and what an answer is good for.

use hookyard_verify::{
    Keyring, Part, Profile, Question, Reason, Received, Request, Setting, Settings, SetupError,
    UnixTime, Verdict, Verifier, profile,
};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);

fn paypal() -> &'static Profile {
    profile("paypal").expect("a profile")
}

fn settings(more: &[(&'static str, &'static str)]) -> Settings {
    let mut settings = Settings::from([
        ("webhook_id", "4JH86294D6297924G"),
        ("verification", "postback"),
        ("client_id", "app"),
        ("client_secret", "hunter2"),
    ]);
    more.iter().for_each(|(name, value)| settings.insert(*name, *value));
    settings
}

fn verifier(more: &[(&'static str, &'static str)]) -> Result<Verifier, SetupError> {
    Verifier::for_profile(paypal(), [], settings(more))
}

fn event(body: &str) -> Request {
    let signature = "A".repeat(342) + "==";
    let headers: [(&'static str, &str); 5] = [
        ("paypal-transmission-id", "dfb3be50-fd74-11e4-8bf3-77339302725b"),
        ("paypal-transmission-time", "2025-06-15T15:06:30Z"),
        ("paypal-transmission-sig", &signature),
        ("paypal-cert-url", "https://api.paypal.com/v1/notifications/certs/CERT-360caa42"),
        ("paypal-auth-algo", "SHA256withRSA"),
    ];
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    Request {
        method: Method::POST,
        url: "https://hooks.example.com/in".to_owned(),
        path: "/in".to_owned(),
        query: None,
        params: Vec::new(),
        headers: map,
        body: body.to_owned().into(),
    }
}

fn judged(request: Request, keyring: &Keyring) -> Result<Received, Reason> {
    let verifier = verifier(&[]).expect("settings");
    verifier.receive(request, NOW, keyring).map_err(|refused| refused.reason)
}

#[track_caller]
fn asked(request: Request) -> Question {
    match judged(request, &Keyring::new()) {
        Err(Reason::AnswerNeeded(question)) => question,
        other => panic!("{other:?}"),
    }
}

/// With spaces, an order, a number and escapes that no other program would write.
const BODY: &str = " {\"b\":1.50,\r\n \"a\":\"\\u00e9\\/\",\"event_type\":\"X\"}\n";

#[test]
fn the_question_has_the_body_as_it_came_and_what_the_headers_say() {
    let question = asked(event(BODY));
    assert_eq!(question.url(), {
        "https://api-m.paypal.com/v1/notifications/verify-webhook-signature"
    });
    assert_eq!(question.token_url(), "https://api-m.paypal.com/v1/oauth2/token");
    let text = std::str::from_utf8(question.body()).expect("text");
    assert!(text.ends_with(&format!(",\"webhook_event\":{BODY}}}")), "{text}");
    let asked: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(asked["webhook_id"], "4JH86294D6297924G");
    assert_eq!(asked["transmission_id"], "dfb3be50-fd74-11e4-8bf3-77339302725b");
    assert_eq!(asked["transmission_time"], "2025-06-15T15:06:30Z");
    assert_eq!(asked["auth_algo"], "SHA256withRSA");
    assert_eq!(asked["transmission_sig"].as_str().map(str::len), Some(344));
    assert!(asked["cert_url"].as_str().is_some_and(|url| url.ends_with("/CERT-360caa42")));
    assert_eq!(asked.as_object().map(|members| members.len()), Some(7));
    assert!(!format!("{question:?}").contains("webhook_event"));
}

#[test]
fn an_answer_is_good_for_the_request_that_was_asked_about() {
    let genuine = event(BODY);
    let question = asked(genuine.clone());
    let says = |verdict| Keyring::new().with_answer(question.clone(), verdict);
    let Ok(Received::Event(verified)) = judged(genuine.clone(), &says(Verdict::Genuine)) else {
        panic!("an event")
    };
    assert_eq!(verified.one_time_token(), Some("dfb3be50-fd74-11e4-8bf3-77339302725b"));
    assert!(verified.unauthenticated().contains(&Part::Body));
    assert_eq!(judged(genuine.clone(), &says(Verdict::Forged)).err(), Some(Reason::Denied));

    let answered = says(Verdict::Genuine);
    let changed = |header: &'static str, value: &'static str| {
        let mut request = genuine.clone();
        request.headers.insert(header, HeaderValue::from_static(value));
        request
    };
    for other in [
        event("{}"),
        changed("paypal-transmission-id", "dfb3be50-fd74-11e4-8bf3-77339302725c"),
        changed("paypal-transmission-time", "2025-06-15T15:06:31Z"),
        changed("paypal-cert-url", "https://api.paypal.com/v1/notifications/certs/CERT-1"),
    ] {
        let needs = matches!(judged(other, &answered), Err(Reason::AnswerNeeded(_)));
        assert!(needs, "another request has to be asked about anew");
    }
    let sandbox = verifier(&[("environment", "sandbox")]).expect("settings");
    let refused = sandbox.receive(genuine, NOW, &answered).expect_err("not asked there");
    let Reason::AnswerNeeded(question) = refused.reason else { panic!("{}", refused.reason) };
    assert_eq!(question.host(), "api-m.sandbox.paypal.com");
}

/// Whoever sends chooses the body, and what stands in it must not become a part of the question.
#[test]
fn what_cannot_be_paypals_is_never_asked_about() {
    for body in [
        "",
        "{} ",
        "{},\"webhook_id\":\"9\",\"x\":{}",
        "{\"a\":1}}",
        "[]",
        "7",
        "{\"a\":1} {",
        "{\"a\":\u{1}}",
    ] {
        let reason = judged(event(body), &Keyring::new()).err().map(|reason| reason.label());
        let expected = if body == "{} " { "not-answered" } else { "malformed-body" };
        assert_eq!(reason, Some(expected), "{body}");
    }
    let mut bytes = event("");
    bytes.body = b"{\"a\":\"\xff\"}".to_vec().into();
    assert_eq!(judged(bytes, &Keyring::new()).err().map(|r| r.label()), Some("malformed-body"));
    for (header, value, label) in [
        ("paypal-transmission-id", "a\"b", "unexpected-header"),
        ("paypal-transmission-time", "2025-06-15", "malformed-timestamp"),
        ("paypal-transmission-time", "2025-06-01T15:06:30Z", "timestamp-too-old"),
        ("paypal-transmission-sig", "AAAA", "malformed-signature"),
        ("paypal-cert-url", "https://evil.example/v1/notifications/certs/C", "foreign-key-url"),
        ("paypal-auth-algo", "SHA1withRSA", "unexpected-header"),
    ] {
        let mut request = event("{}");
        request.headers.insert(header, HeaderValue::from_static(value));
        let reason = judged(request, &Keyring::new()).err().map(|reason| reason.label());
        assert_eq!(reason, Some(label), "{header}");
        let mut request = event("{}");
        request.headers.remove(header);
        let reason = judged(request, &Keyring::new()).err().map(|reason| reason.label());
        assert_eq!(reason, Some("missing-header"), "{header}");
    }
}

#[test]
fn settings_that_say_nothing_or_are_missing_are_refused() {
    let problem = |settings: Settings| match Verifier::for_profile(paypal(), [], settings) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    assert_eq!(problem(settings(&[])), "");
    assert_eq!(problem(settings(&[("environment", "live")])), "");
    assert!(problem(settings(&[("environment", "production")])).contains("`live` nor `sandbox`"));
    assert!(problem(settings(&[("verification", "api")])).contains("belongs to"));
    assert!(problem(settings(&[("client_secret", " ")])).contains("client_secret"));
    let own = || Settings::from([("webhook_id", "4JH86294D6297924G")]);
    let mut alone = own();
    alone.insert("verification", "api");
    assert!(problem(alone).contains("neither `certificate` nor `postback`"));
    for setting in paypal().settings.iter().filter(|setting| setting.only_with.is_some()) {
        let Setting { name, .. } = *setting;
        let mut settings = own();
        settings.insert(name, "live");
        assert!(problem(settings).contains(name), "{name} says nothing without `postback`");
    }
}
