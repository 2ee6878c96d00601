//! The parts that answers are made of, by rules that no sender has.

use std::borrow::Cow;

use http::{HeaderMap, Method};

use super::super::{Alphabet, Confirm};
use super::*;
use crate::scheme::Encoding;

const CODE: Location = Location::Query(Cow::Borrowed("code"));
const NAME: Location = Location::Json(Cow::Borrowed("/name"));

const PLAIN: HandshakeRule = HandshakeRule {
    name: "test",
    when: &[Condition::Method(Method::GET)],
    proof: Proof::Nothing,
    ..HandshakeRule::DEFAULTS
};

fn request(query: &str, body: &str) -> Request {
    Request {
        method: Method::GET,
        url: format!("https://hooks.example.com/in?{query}"),
        path: "/in".to_owned(),
        query: Some(query.to_owned()),
        params: Vec::new(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn answer(rule: &HandshakeRule, request: &Request) -> Result<Handshake, Reason> {
    let secrets = ["first", "second"].map(Secret::from);
    let settings = Settings::from([("public_key", "pk")]);
    rule.answer(request, Known { secrets: &secrets, signed_with: None, settings: &settings })
}

fn text(body: Body, request: &Request) -> String {
    let handshake = answer(&HandshakeRule { body, ..PLAIN }, request).expect("an answer");
    String::from_utf8(handshake.reply.body.to_vec()).expect("text")
}

#[test]
fn texts_stand_one_after_the_other() {
    const BODY: Body = Body::Text(&[
        Value::Setting("public_key"),
        Value::Text("|"),
        Value::Joined(&[Value::Echo(CODE), Value::Text("|"), Value::Url]),
        Value::Setting("unset"),
        Value::SettingOr("public_key", &Value::Text("no")),
        Value::SettingOr("unset", &Value::Text("-")),
        Value::Needed("public_key"),
    ]);
    let expected = "pk|a+b|https://hooks.example.com/inpk-pk";
    assert_eq!(text(BODY, &request("code=a%2Bb&x=y", "")), expected);
    const NEEDED: HandshakeRule =
        HandshakeRule { body: Body::Text(&[Value::Needed("unset")]), ..PLAIN };
    let reason = answer(&NEEDED, &request("", "")).expect_err("nothing to answer");
    assert_eq!(reason.label(), "bad-handshake");
}

#[test]
fn conditions_are_about_what_is_there() {
    const RULE: HandshakeRule = HandshakeRule {
        when: &[Condition::Has(CODE), Condition::Lacks(NAME), Condition::EmptyBody],
        ..PLAIN
    };
    let describes = |method, query, body| {
        RULE.describes(&Request { method, ..request(query, body) }, false, &[])
    };
    assert!(describes(Method::POST, "code=1", ""), "a rule without a method is for POST");
    assert!(describes(Method::POST, "code=&code=", ""));
    assert!(!describes(Method::GET, "code=1", ""));
    assert!(!describes(Method::POST, "cod=1", ""));
    assert!(!describes(Method::POST, "code=1", " "));
    const LACKS: HandshakeRule = HandshakeRule { when: &[Condition::Lacks(NAME)], ..PLAIN };
    for (body, described) in [
        ("{}", true),
        (r#"{"name":null}"#, true),
        (r#"{"name":{}}"#, false),
        (r#"{"name":""}"#, false),
        (r#"{"name":"a","name":"b"}"#, false),
    ] {
        let post = Request { method: Method::POST, ..request("", body) };
        assert_eq!(LACKS.describes(&post, true, &[]), described, "{body}");
    }
}

#[test]
fn hashes_are_keyed_as_they_say() {
    const PARTS: &[Value] = &[Value::Echo(CODE)];
    const PLAIN: Body = Body::Text(&[Value::Hash {
        how: Hash::Sha256,
        of: &[Value::Echo(CODE), Value::Secret],
        encoding: Encoding::Hex,
    }]);
    const HMAC: Body = Body::Text(&[Value::Hash {
        how: Hash::Hmac(Algorithm::Sha256),
        of: PARTS,
        encoding: Encoding::Hex,
    }]);
    const OF_SHA1: Body =
        Body::Text(&[Value::Hash { how: Hash::HmacOfSha1, of: PARTS, encoding: Encoding::Hex }]);
    let request = request("code=a%2Bb", "");
    // By Python's hashlib and hmac.
    let plain = "8a6f3b803080dfe16515e359ac8ba35450034070c717931e6cf833b2fd9bee73";
    let hmac = "007b66004640d860d23572759a70281f03415f0952393ce84ba9d0153a487a62";
    assert_eq!(text(PLAIN, &request), plain);
    assert_eq!(text(HMAC, &request), hmac);
    assert_eq!(text(OF_SHA1, &request), "a314aea407bca41524910d7fbf7e05bdaf41356a");
}

#[test]
fn without_a_secret_nothing_is_hashed() {
    const BODY: Body = Body::Text(&[Value::Hash {
        how: Hash::Hmac(Algorithm::Sha256),
        of: &[Value::Text("x")],
        encoding: Encoding::Hex,
    }]);
    let settings = Settings::default();
    let known = Known { secrets: &[], signed_with: None, settings: &settings };
    let rule = HandshakeRule { body: BODY, ..PLAIN };
    assert_eq!(rule.answer(&request("", ""), known).expect_err("no secret"), Reason::NotTaught);
}

#[test]
fn no_text_breaks_out_of_its_header() {
    const RULE: HandshakeRule =
        HandshakeRule { headers: &[("x-code", Value::Echo(CODE))], ..PLAIN };
    let clean = answer(&RULE, &request("code=a:b", "")).expect("an answer");
    assert_eq!(
        clean.reply.headers,
        [("x-code".parse().expect("a name"), "a:b".parse().expect("a value"))]
    );
    for injected in ["a%0d%0ax:+y", "a%0a", "%00", "a%7f", "%0d", "%e2%80%a8%0a"] {
        let reason = answer(&RULE, &request(&format!("code={injected}"), "")).expect_err(injected);
        assert_eq!(reason.label(), "bad-handshake", "{injected}");
    }
}

#[test]
fn no_text_breaks_out_of_its_json() {
    const BODY: Body = Body::Json(&[("a", Value::Echo(CODE)), ("b", Value::Text("x"))]);
    let body = text(BODY, &request("code=%22,%22b%22:%22y", ""));
    assert_eq!(body, r#"{"a":"\",\"b\":\"y","b":"x"}"#);
}

#[test]
fn a_rule_can_say_what_its_body_is() {
    const BODY: Body = Body::Text(&[Value::Echo(CODE)]);
    const TYPED: HandshakeRule = HandshakeRule {
        headers: &[("content-type", Value::Text("text/plain; charset=utf-8"))],
        body: BODY,
        ..PLAIN
    };
    let types = |rule: &HandshakeRule| -> Vec<String> {
        let reply = answer(rule, &request("code=x", "")).expect("an answer").reply;
        let typed = reply.headers.iter().filter(|(name, _)| *name == CONTENT_TYPE);
        typed.map(|(_, value)| value.to_str().expect("text").to_owned()).collect()
    };
    assert_eq!(types(&TYPED), ["text/plain; charset=utf-8"]);
    assert_eq!(types(&HandshakeRule { body: BODY, ..PLAIN }), ["text/plain"]);
    assert!(types(&PLAIN).is_empty());
}

#[test]
fn a_url_that_confirms_is_the_sender_s_and_is_not_shown() {
    const RULE: HandshakeRule = HandshakeRule {
        confirm: Some(Confirm { at: NAME, allowed: |url| url.starts_with("https://sender/") }),
        ..PLAIN
    };
    let body = |url: &str| request("", &format!(r#"{{"name":"{url}"}}"#));
    let handshake = answer(&RULE, &body("https://sender/?token=t0p")).expect("an answer");
    assert_eq!(handshake.confirm.as_deref(), Some("https://sender/?token=t0p"));
    assert!(!format!("{handshake:?}").contains("t0p"));
    let twice = request("", r#"{"name":"https://sender/a","name":"https://sender/b"}"#);
    for wrong in [body("https://other/"), body(""), request("", "{}"), twice] {
        assert_eq!(answer(&RULE, &wrong).expect_err("a bad URL").label(), "bad-handshake");
    }
}

#[test]
fn shapes_are_whole() {
    let shape = |of| Shape { of, at_least: 2, at_most: 4 };
    let digits = shape(Alphabet::Digits);
    assert!(digits.fits("12") && digits.fits("1234"));
    for wrong in ["", "1", "12345", "1 2", "1a", "-1", "١٢"] {
        assert!(!digits.fits(wrong), "{wrong}");
    }
    assert!(shape(Alphabet::LowerHex).fits("09af") && !shape(Alphabet::LowerHex).fits("0F"));
    assert!(shape(Alphabet::Word).fits("aZ_-") && !shape(Alphabet::Word).fits("a=b"));
    assert!(shape(Alphabet::Unquoted).fits("+/=~"));
    for wrong in ["{}", "[]", "\"a\"", "<a>", "a b", "é"] {
        assert!(!shape(Alphabet::Unquoted).fits(wrong), "{wrong}");
    }
}

#[test]
fn what_anyone_can_have_signed_is_known() {
    const CODE_HASH: &[Value] = &[Value::Joined(&[Value::Hash {
        how: Hash::Hmac(Algorithm::Sha256),
        of: &[Value::Echo(CODE)],
        encoding: Encoding::Hex,
    }])];
    const SHAPED: HandshakeRule = HandshakeRule {
        when: &[
            Condition::Method(Method::GET),
            Condition::Shaped(CODE, Shape { of: Alphabet::Word, at_least: 1, at_most: 3 }),
        ],
        body: Body::Text(CODE_HASH),
        ..PLAIN
    };
    assert!(SHAPED.signs_for_anyone(b"abc"));
    assert!(!SHAPED.signs_for_anyone(b"abcd") && !SHAPED.signs_for_anyone(b"{}"));
    let unshaped = HandshakeRule { when: &[], ..SHAPED };
    assert!(unshaped.signs_for_anyone(b"{}"));
    let signed = HandshakeRule { proof: Proof::Signature, ..SHAPED };
    assert!(!signed.signs_for_anyone(b"abc"));
    let public = HandshakeRule { body: Body::Text(&[Value::Echo(CODE)]), ..PLAIN };
    assert!(!public.signs_for_anyone(b"abc"));
}
