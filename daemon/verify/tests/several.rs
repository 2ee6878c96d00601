//! Senders that sign in more than one way, with more than one key, or over something else than the
//! bytes as they came.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use hookyard_verify::{
    Algorithm, Construction, KeyForm, Layout, Part, Reason, Request, Scheme, Secret, SecretError,
    Settings, SetupError, TemplateScheme, TimestampPlace, TimestampRule, UnixTime, Verifier,
    profile, sign,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest, Sha256};

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);

fn request(body: &str) -> Request {
    Request {
        method: Method::POST,
        url: "https://hooks.example.com/in?a=1%3A2".to_owned(),
        path: "/in".to_owned(),
        query: Some("a=1%3A2".to_owned()),
        params: Vec::new(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn of(name: &str, secrets: &[&str]) -> Verifier {
    let secrets = secrets.iter().map(|secret| Secret::from(*secret));
    Verifier::for_profile(profile(name).expect(name), secrets, Settings::default()).expect(name)
}

fn signed(scheme: &Scheme, secret: &str, request: Request) -> Request {
    sign(scheme, &Secret::from(secret), request, NOW, &Settings::default()).expect("signed")
}

fn scheme(name: &str) -> &'static Scheme {
    profile(name).expect(name).scheme
}

fn ways(name: &str) -> &'static [Scheme] {
    match scheme(name) {
        Scheme::FirstOf(ways) => ways,
        other => panic!("{other:?} is one way"),
    }
}

fn with(mut request: Request, header: &'static str, value: &str) -> Request {
    request.headers.insert(HeaderName::from_static(header), value.parse().expect("a value"));
    request
}

fn refusal(verifier: &Verifier, request: Request) -> Reason {
    verifier.verify(request, NOW).expect_err("a bad request").reason
}

fn setup(scheme: TemplateScheme) -> SetupError {
    Verifier::new(Scheme::Template(scheme), [Secret::from("s")]).expect_err("not a scheme")
}

const SIGNING: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

#[test]
fn the_best_way_that_is_there_decides_alone() {
    let verifier = of("gitlab", &["old-token", SIGNING]);
    let good = signed(&ways("gitlab")[0], SIGNING, with(request("{}"), "webhook-id", "1"));
    verifier.verify(good.clone(), NOW).expect("signed");
    // The right token does not save a signature that is wrong.
    let forged = with(good, "x-gitlab-token", "old-token");
    let forged = Request { body: Bytes::from_static(b"{ }"), ..forged };
    assert_eq!(refusal(&verifier, forged).label(), "mismatch");
    let verified = verifier
        .verify(with(request("{}"), "x-gitlab-token", "old-token"), NOW)
        .expect("the token");
    assert_eq!(verified.matched_secret(), Some(0));
    assert_eq!(refusal(&verifier, request("{}")).label(), "missing-header");
}

#[test]
fn what_is_covered_is_that_of_the_way_that_held() {
    let verifier = of("gitlab", &["old-token", SIGNING]);
    assert!(verifier.unauthenticated().contains(&Part::Body));
    let good = signed(&ways("gitlab")[0], SIGNING, with(request("{}"), "webhook-id", "1"));
    let verified = verifier.verify(good, NOW).expect("signed");
    assert_eq!(verified.matched_secret(), Some(1));
    assert!(!verified.unauthenticated().contains(&Part::Body));
    let verified = verifier
        .verify(with(request("{}"), "x-gitlab-token", "old-token"), NOW)
        .expect("the token");
    assert!(verified.unauthenticated().contains(&Part::Body));
    assert!(verified.into_request().headers.is_empty(), "the token is not kept");
}

#[test]
fn a_secret_counts_for_the_ways_that_it_fits() {
    // Only the token is configured: what else GitLab sends besides is not looked at.
    let verifier = of("gitlab", &["old-token"]);
    let both = with(request("{}"), "webhook-signature", "v1,AAAA");
    verifier.verify(with(both, "x-gitlab-token", "old-token"), NOW).expect("the token");
    let error = Verifier::for_profile(
        profile("gitlab").expect("known"),
        [Secret::from(" ")],
        Settings::default(),
    );
    let problem = SecretError::Empty;
    assert_eq!(error.expect_err("blank"), SetupError::Secret { index: 0, of: 1, problem });
    let none = Verifier::for_profile(profile("gitlab").expect("known"), [], Settings::default());
    assert_eq!(none.expect_err("none"), SetupError::NoSecret);
}

#[test]
fn alternatives_have_to_verify_something() {
    for ways in [vec![], vec![Scheme::None], vec![Scheme::FirstOf(vec![Scheme::Bearer].into())]] {
        let made = Verifier::new(Scheme::FirstOf(ways.into()), [Secret::from("s")]);
        assert_eq!(made.expect_err("no alternative"), SetupError::InvalidAlternatives);
    }
}

#[test]
fn hubspot_takes_its_older_versions_only_by_name() {
    let verifier = of("hubspot", &["s"]);
    let [v3, v2, v1] = ways("hubspot") else { panic!("three versions") };
    for way in [v3, v2, v1] {
        verifier.verify(signed(way, "s", request("[]")), NOW).expect("genuine");
    }
    let moved = |way, url: &str| {
        let request = signed(way, "s", request("[]"));
        verifier.verify(Request { url: url.to_owned(), ..request }, NOW).is_ok()
    };
    assert!(moved(v3, "https://hooks.example.com/in?a=1:2"), "escaped or not is the same");
    assert!(!moved(v2, "https://hooks.example.com/in?a=1:2"));
    assert!(!moved(v3, "https://hooks.example.org/in?a=1:2"));
    let unnamed = with(signed(v1, "s", request("[]")), "x-hubspot-signature-version", "v9");
    assert_eq!(refusal(&verifier, unnamed).label(), "missing-header");
    assert!(scheme("hubspot").signs_url() && scheme("square").signs_url());
    assert!(!scheme("stripe").signs_url() && !scheme("postmark").signs_url());
}

#[test]
fn fixed_headers_have_their_one_value() {
    let verifier = of("box", &["primary", "secondary"]);
    let good = signed(scheme("box"), "secondary", request("{}"));
    assert_eq!(verifier.verify(good.clone(), NOW).expect("genuine").matched_secret(), Some(1));
    let reason = refusal(&verifier, with(good, "box-signature-version", "2"));
    assert_eq!(reason.label(), "unexpected-header");
    assert_eq!(
        reason.to_string(),
        "the header `box-signature-version` is not `1`, the only value accepted here"
    );
}

#[test]
fn any_of_the_numbered_headers_may_match() {
    let verifier = of("docusign", &["s"]);
    let good = signed(scheme("docusign"), "s", request("{}"));
    let value = good.headers["x-docusign-signature-1"].clone();
    let mut moved = with(request("{}"), "x-docusign-signature-1", "not a signature");
    moved.headers.insert("x-docusign-signature-100", value.clone());
    verifier.verify(moved.clone(), NOW).expect("the hundredth");
    moved.headers.append("x-docusign-signature-100", value);
    assert_eq!(refusal(&verifier, moved).label(), "duplicate-header");
    let bad = with(good, "x-docusign-signature-1", "not a signature");
    assert_eq!(refusal(&verifier, bad).label(), "malformed-signature");
}

#[test]
fn lists_have_their_own_timestamps_and_are_few() {
    let verifier = of("persona", &["s"]);
    let good = signed(scheme("persona"), "s", request("{}"));
    let value = good.headers["persona-signature"].to_str().expect("text").to_owned();
    let stale = "t=1,v1=0000000000000000000000000000000000000000000000000000000000000000";
    let listed = |text: String| with(request("{}"), "persona-signature", &text);
    verifier.verify(listed(format!("{stale} {value}")), NOW).expect("the second");
    let old = refusal(&verifier, listed(format!("{stale} x=1")));
    assert_eq!(old.label(), "timestamp-too-old");
    let many = refusal(&verifier, listed(format!("{stale} {stale} {stale} {stale} {value}")));
    assert_eq!(many.label(), "malformed-signature");
    // The timestamp of one list does not date the signature of another.
    let (_, signature) = value.split_once(',').expect("two entries");
    let crossed = listed(format!("t=1749999999,{signature} t=1750000000,v1=00"));
    assert_eq!(refusal(&verifier, crossed).label(), "mismatch");
}

#[test]
fn a_timestamp_in_the_body_is_read_after_the_signature() {
    let verifier = of("linear", &["s"]);
    let verdict = |body: &str| {
        verifier.verify(signed(scheme("linear"), "s", request(body)), NOW).map_err(|e| e.reason)
    };
    verdict(r#"{"webhookTimestamp":1750000060000}"#).expect("within a minute");
    let late = verdict(r#"{"webhookTimestamp":1749999939999}"#).expect_err("late");
    assert_eq!(late.label(), "timestamp-too-old");
    for body in ["{}", "[]", "", r#"{"webhookTimestamp":"now"}"#, r#"{"webhookTimestamp":1.5}"#] {
        assert_eq!(verdict(body).expect_err(body).label(), "malformed-timestamp");
    }
    let forged = with(request("{}"), "linear-signature", &"0".repeat(64));
    assert_eq!(refusal(&verifier, forged).label(), "mismatch");
}

#[test]
fn a_form_that_signs_one_field_has_no_other() {
    let verifier = of("gitea", &["s"]);
    let form = |body: &str| {
        let mut sent = signed(scheme("gitea"), "s", request(r#"{"a":1}"#));
        sent.body = Bytes::copy_from_slice(body.as_bytes());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        sent.headers.insert("content-type", kind);
        verifier.verify(sent, NOW).map_err(|refused| refused.reason.label())
    };
    form("payload=%7B%22a%22%3A1%7D").expect("the field");
    assert_eq!(form("payload=%7B%22a%22%3A2%7D").err(), Some("mismatch"));
    for more in ["payload=%7B%22a%22%3A1%7D&ref=x", "ref=x&payload=%7B%22a%22%3A1%7D", "", "x=y"] {
        assert_eq!(form(more).err(), Some("malformed-form"), "{more}");
    }
}

#[test]
fn twilio_signs_what_a_form_says_and_the_hash_of_another_body() {
    let verifier = of("twilio", &["token"]);
    let form = |body: &str| {
        with(request(body), "content-type", "application/x-www-form-urlencoded; charset=UTF-8")
    };
    let good = signed(scheme("twilio"), "token", form("b=1&a=%2B2&a=&a=%2B2"));
    let body =
        |body: &'static str| Request { body: Bytes::from_static(body.as_bytes()), ..good.clone() };
    verifier.verify(good.clone(), NOW).expect("genuine");
    verifier.verify(body("a=&a=%2b2&b=1"), NOW).expect("the same parameters");
    for other in ["b=1&a=+2&a=", "b=1&a=%2B2", "b=1&a=%2B2&a=&c", ""] {
        assert_eq!(refusal(&verifier, body(other)).label(), "mismatch", "{other}");
    }
    let json = with(good.clone(), "content-type", "application/json");
    assert_eq!(refusal(&verifier, json).label(), "unsigned-body");
    for settings in ["algorithm=HMAC_MD5", "key=1", "algorithm=HMAC_SHA1,algorithm=HMAC_SHA256"] {
        let named = with(good.clone(), "x-twilio-webhooks-signature-settings", settings);
        assert_eq!(refusal(&verifier, named).label(), "unexpected-header", "{settings}");
    }
    let named = with(good, "x-twilio-webhooks-signature-settings", "key=1,algorithm=HMAC_SHA1");
    verifier.verify(named, NOW).expect("named");
}

#[test]
fn a_list_of_signed_headers_has_itself_and_the_timestamp() {
    const LIST: &str = "x-contentful-signed-headers";
    let verifier = of("contentful", &["s"]);
    let good = signed(scheme("contentful"), "s", request("{}"));
    let verified = verifier.verify(good.clone(), NOW).expect("genuine");
    for open in [Part::Method, Part::Path, Part::Query, Part::Body] {
        assert!(!verified.unauthenticated().contains(&open), "{open}");
    }
    for (list, label) in [
        ("x-contentful-timestamp", "unlisted-header"),
        ("x-contentful-signed-headers", "unlisted-header"),
        ("x-contentful-signed-headers,x-contentful-timestamp,x-not-there", "missing-header"),
        ("x-contentful-timestamp,x-contentful-signed-headers", "mismatch"),
        ("x-contentful-signed-headers,X-Contentful-Timestamp", "malformed-signature"),
        ("x-contentful-timestamp,x-contentful-timestamp", "malformed-signature"),
        (",", "malformed-signature"),
    ] {
        assert_eq!(refusal(&verifier, with(good.clone(), LIST, list)).label(), label, "{list}");
    }
}

#[test]
fn a_prefix_can_be_optional() {
    let verifier = of("mollie", &["s"]);
    let good = signed(scheme("mollie"), "s", request("{}"));
    let value = good.headers["x-mollie-signature"].to_str().expect("text").to_owned();
    let bare = value.strip_prefix("sha256=").expect("a prefix").to_owned();
    verifier.verify(good.clone(), NOW).expect("with it");
    verifier.verify(with(good.clone(), "x-mollie-signature", &bare), NOW).expect("without it");
    let twice = with(good, "x-mollie-signature", &format!("sha256={value}"));
    assert_eq!(refusal(&verifier, twice).label(), "malformed-signature");
}

#[test]
fn keys_are_read_as_their_senders_do() {
    // The same text, once composed and once not: one key in normalization form KD.
    let good = signed(scheme("easypost"), "caf\u{e9}", request("{}"));
    of("easypost", &["cafe\u{301}"]).verify(good, NOW).expect("the same text");
    let mut tagged = TemplateScheme::new(Algorithm::Sha256, "x-signature");
    tagged.key = KeyForm::TaggedBase64 { tag: "whsec_".into(), or_text: false };
    let untagged = setup(tagged);
    assert_eq!(
        untagged.to_string(),
        "secret 1 of 1 cannot be right: it does not start with `whsec_`, as this sender's secrets \
         do"
    );
    for secret in ["user", ":password", "user:"] {
        let made = Verifier::new(Scheme::BasicPair, [Secret::from(secret)]).expect_err(secret);
        assert!(made.to_string().ends_with("it is not a user name, a colon and a password"));
    }
}

#[test]
fn schemes_that_contradict_themselves_are_refused() {
    let plain = || TemplateScheme::new(Algorithm::Sha256, "x-signature");
    let mut digest = plain();
    digest.construction = Construction::Digest(Algorithm::Sha256);
    assert_eq!(setup(digest), SetupError::SecretInTemplate);
    let mut hmac = plain();
    hmac.signed = "{secret}{body}".parse().expect("a template");
    assert_eq!(setup(hmac), SetupError::SecretInTemplate);
    let mut positional = plain();
    positional.layout = Layout::Positional { between: ',' };
    assert_eq!(setup(positional), SetupError::EntryWithoutList);
    let mut unsigned = plain();
    unsigned.signed = "{url}".parse().expect("a template");
    let at = TimestampPlace::Body("/t".into());
    unsigned.timestamp = Some(TimestampRule { at, ..TimestampRule::entry("t") });
    assert_eq!(setup(unsigned), SetupError::UnsignedTimestamp);
    let mut groups = plain();
    let version = "v1".into();
    groups.layout = Layout::Groups { apart: ',', between: ',', joint: '=', version };
    assert_eq!(setup(groups), SetupError::InvalidEntries);
}

#[test]
fn twilio_s_hash_of_a_body_is_of_that_body_whatever_it_is_called() {
    let verifier = of("twilio", &["token"]);
    let body = r#"{"a":1}"#;
    let hash = HEXLOWER.encode(&Sha256::digest(body));
    let url = format!("https://hooks.example.com/in?bodySHA256={hash}");
    let json = with(Request { url, ..request(body) }, "content-type", "application/json");
    let good = signed(scheme("twilio"), "token", json);
    verifier.verify(good.clone(), NOW).expect("genuine");
    for media in ["application/json", "application/x-www-form-urlencoded"] {
        for body in ["", "&&", "=", "{}"] {
            let body = Bytes::from_static(body.as_bytes());
            let forged = with(Request { body, ..good.clone() }, "content-type", media);
            assert_eq!(refusal(&verifier, forged).label(), "unsigned-body", "{media}");
        }
    }
}

#[test]
fn twilio_s_forms_are_bounded_and_called_one_thing() {
    let verifier = of("twilio", &["token"]);
    let form =
        |body: &str| with(request(body), "content-type", "application/x-www-form-urlencoded");
    let good = signed(scheme("twilio"), "token", form(&"a&".repeat(1000)));
    verifier.verify(good.clone(), NOW).expect("genuine");
    let longer = Request { body: Bytes::from("a&".repeat(1001)), ..good.clone() };
    assert_eq!(refusal(&verifier, longer).label(), "malformed-body");
    let mut twice = good;
    twice.headers.append("content-type", HeaderValue::from_static("application/json"));
    assert_eq!(refusal(&verifier, twice).label(), "duplicate-header");
}

/// Someone who knows the hash of a secret and a body also knows that of a longer one. These have the
/// hash that they would have.
#[test]
fn a_plain_hash_is_not_of_a_body_that_was_made_longer() {
    let verifier = of("hubspot", &["s"]);
    let sent = |body: &[u8]| {
        let hash = HEXLOWER.encode(&Sha256::digest([b"s", body].concat()));
        let request = with(request(""), "x-hubspot-signature", &hash);
        let request = with(request, "x-hubspot-signature-version", "v1");
        verifier.verify(Request { body: Bytes::copy_from_slice(body), ..request }, NOW)
    };
    sent(br#"[{"a":1}]"#).expect("genuine");
    sent(b"").expect("nothing was added");
    for more in [&b"\x80\0\0\x48[]"[..], b"\0", b"[]", b"x"] {
        let refused = sent(&[br#"[{"a":1}]"#, more].concat()).expect_err("made longer");
        assert_eq!(refused.reason.label(), "malformed-body", "{more:?}");
    }
    let [_, _, v1] = ways("hubspot") else { panic!("three versions") };
    let unsignable = sign(v1, &Secret::from("s"), request("x"), NOW, &Settings::default());
    assert!(unsignable.is_err());
}

#[test]
fn a_header_is_not_cut_in_another_place() {
    let mut template = TemplateScheme::new(Algorithm::Sha256, "x-signature");
    template.id_header = Some("x-id".into());
    template.signed = "{id}.{header:x-part}.{body}".parse().expect("a template");
    let both = |scheme: &Scheme, from: Request, moved: [(&'static str, &str); 2], body: &str| {
        let verifier = Verifier::new(scheme.clone(), [Secret::from("s")]).expect("a scheme");
        let good = signed(scheme, "s", from);
        verifier.verify(good.clone(), NOW).expect("genuine");
        let body = Bytes::copy_from_slice(body.as_bytes());
        let forged = moved.iter().fold(good, |forged, (name, value)| with(forged, name, value));
        refusal(&verifier, Request { body, ..forged }).label()
    };
    let parts =
        |id: &str, part: &str, body: &str| with(with(request(body), "x-id", id), "x-part", part);
    let scheme = Scheme::Template(template);
    let moved = [("x-id", "a.b"), ("x-part", "c")];
    assert_eq!(both(&scheme, parts("a", "b", "c.{}"), moved, "{}"), "malformed-value");
    let moved = [("x-id", "a"), ("x-part", "b.c")];
    assert_eq!(both(&scheme, parts("a", "b", "c.{}"), moved, "{}"), "malformed-value");
    let mut template = TemplateScheme::new(Algorithm::Sha256, "x-signature");
    template.signed = "{header:x-part}--{body}".parse().expect("a template");
    let moved = [("x-part", "b-"), ("x-other", "x")];
    let long = Scheme::Template(template);
    assert_eq!(both(&long, parts("a", "b", "-c"), moved, "c"), "malformed-value");
    let klaviyo = self::scheme("klaviyo");
    let time = "2025-06-15T15:06:40+00:00";
    let sent = with(request(r#"{"a":[1]}"#), "klaviyo-timestamp", time);
    let all = format!(r#"{{"a":[1]}}{time}"#);
    let moved = [("klaviyo-timestamp", all.as_str()), ("x-other", "x")];
    assert_eq!(both(klaviyo, sent, moved, ""), "malformed-value");
}

#[test]
fn a_text_that_is_used_once_is_signed_and_is_there() {
    let once = |template: &str| {
        let mut scheme = TemplateScheme::new(Algorithm::Sha256, "x-signature");
        scheme.signed = template.parse().expect("a template");
        scheme.one_time = Some("json:/id".parse().expect("a place"));
        scheme
    };
    assert_eq!(setup(once("{url}")), SetupError::UnsignedId);
    let scheme = Scheme::Template(once("{body}"));
    let verifier = Verifier::new(scheme.clone(), [Secret::from("s")]).expect("a scheme");
    let with_id = verifier.verify(signed(&scheme, "s", request(r#"{"id":"1"}"#)), NOW);
    assert_eq!(with_id.expect("genuine").one_time_token(), Some("1"));
    let without = signed(&scheme, "s", request("{}"));
    assert_eq!(refusal(&verifier, without).label(), "missing-value");
    let Scheme::BodyHmac(mut values) = self::scheme("mailgun").clone() else { panic!("values") };
    values.values = hookyard_verify::BodyValues::Json("/items/*".into());
    let made = Verifier::new(Scheme::BodyHmac(values), [Secret::from("s")]);
    assert_eq!(made.expect_err("which of them"), SetupError::OneTimeInList);
}
