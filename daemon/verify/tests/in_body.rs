//! Senders whose signature, or the secret itself, is in the body or the query, and those that need
//! more than a secret: what was signed passes; what is changed afterwards is refused, or was not
//! protected and is the same in all that was; nothing panics.
#![allow(clippy::indexing_slicing, reason = "a panic is the failure that a test reports")]

use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use hookyard_verify::{
    Case, Handshake, Keyring, Layout, Location, Part, Profile, Reason, Received, Request, Scheme,
    Secret, Settings, SetupError, SignError, TemplateScheme, TimestampRule, UnixTime, Verified,
    Verifier, explain, profile, sign,
};
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const PARTS: &str = "multipart/form-data; boundary=BOUND";

/// A kind of delivery: the sender, the body's media type, and a body that has `TEXT` where a random
/// text goes.
type Kind = (&'static str, &'static str, &'static str);

const KINDS: &[Kind] = &[
    ("adyen", JSON, ADYEN),
    ("braintree", "text/xml", "<notification><kind>TEXT</kind></notification>"),
    ("cloudprinter", JSON, r#"{"type":"TEXT"}"#),
    ("dropbox-sign", JSON, r#"{"event":{"event_type":"TEXT"},"account":{}}"#),
    ("dropbox-sign", FORM, "json=%7B%22event%22%3A%7B%22event_type%22%3A%22TEXT%22%7D%7D"),
    ("exact-online", JSON, r#"{"Topic":"TEXT","Division":1}"#),
    ("favro", JSON, r#"{"payloadId":"TEXT","action":"created"}"#),
    ("figma", JSON, r#"{"event_type":"TEXT"}"#),
    ("mailgun", JSON, r#"{"event-data":{"event":"TEXT","id":"1"}}"#),
    ("mailgun", FORM, "event=TEXT&recipient=a%40example.com"),
    ("mailgun", PARTS, MAIL),
    ("mandrill", FORM, "mandrill_events=%5B%7B%22event%22%3A%22TEXT%22%7D%5D"),
    ("meraki", JSON, r#"{"alertType":"TEXT"}"#),
    ("mercado-pago", JSON, r#"{"action":"TEXT","data":{"id":"9"}}"#),
    ("microsoft-graph", JSON, r#"{"value":[{"changeType":"TEXT"},{}]}"#),
    ("sharepoint", JSON, r#"{"value":[{"resource":"TEXT"}]}"#),
    ("solidgate", JSON, r#"{"order":"TEXT"}"#),
    ("tiktok-shop", JSON, r#"{"type":"TEXT"}"#),
    ("unisender-go", JSON, r#"{"events_by_user":[{"user_id":"TEXT"}]}"#),
    ("wechat", "text/xml", "<xml><MsgId>TEXT</MsgId></xml>"),
];

const ADYEN: &str = r#"{"live":"false","notificationItems":[{"NotificationRequestItem":{
"pspReference":"7914073381342284","merchantReference":"TEXT:1","merchantAccountCode":"M",
"amount":{"currency":"EUR","value":1130},"eventCode":"AUTHORISATION","success":"true",
"paymentMethod":"visa"}},{"NotificationRequestItem":{"pspReference":"8","eventCode":"CAPTURE",
"success":true,"originalReference":"7"}}]}"#;

const MAIL: &str = "--BOUND\r\nContent-Disposition: form-data; name=\"subject\"\r\n\r\nTEXT\r\n\
    --BOUND\r\nContent-Disposition: form-data; name=\"attachment-1\"; filename=\"a.bin\"\r\n\
    Content-Type: application/octet-stream\r\n\r\n\0\x01\x02\r\n--BOUND--\r\n";

/// What a sender needs besides the secret.
fn settings(profile: &Profile) -> Settings {
    let mut settings = Settings::default();
    for setting in profile.settings.iter().filter(|setting| setting.required) {
        settings.insert(setting.name, "the-public-half");
    }
    settings
}

fn secrets(profile: &Profile) -> [Secret; 2] {
    match profile.name {
        "adyen" => ["44782DEF547AAA06", "00ff"].map(Secret::from),
        _ => ["the right one", "another"].map(Secret::from),
    }
}

/// The way of a sender that is about the body, where it has others.
fn scheme(profile: &Profile) -> Scheme {
    match profile.scheme {
        Scheme::FirstOf(ways) => ways.last().expect("a way").clone(),
        scheme => scheme.clone(),
    }
}

fn request(media: &'static str, body: Vec<u8>) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert("x-request-id", HeaderValue::from_static("bb56a2f1"));
    Request {
        method: Method::POST,
        url: "https://hooks.example.com/in?data.id=ORD01ABC&x=1".to_owned(),
        path: "/in".to_owned(),
        query: Some("data.id=ORD01ABC&x=1".to_owned()),
        params: Vec::new(),
        headers,
        body: Bytes::from(body),
    }
}

fn signed((name, media, body): Kind, text: &str, now: UnixTime) -> Request {
    let profile = profile(name).expect(name);
    let request = request(media, body.replace("TEXT", text).into_bytes());
    let [secret, _] = secrets(profile);
    sign(&scheme(profile), &secret, request, now, &settings(profile)).expect(name)
}

fn verifier(name: &str) -> Verifier {
    let profile = profile(name).expect(name);
    let [right, other] = secrets(profile);
    Verifier::for_profile(profile, [other, right], settings(profile)).expect(name)
}

/// A form's fields, urlencoded or in parts, for a reader that is not the one under test.
fn fields(request: &Request) -> Vec<(String, Vec<u8>)> {
    let media = request.headers["content-type"].to_str().expect("text");
    let Some((_, boundary)) = media.split_once("boundary=") else {
        let pairs = form_urlencoded::parse(&request.body);
        return pairs.map(|(name, value)| (name.into(), value.as_bytes().to_vec())).collect();
    };
    let text: String = request.body.iter().map(|byte| char::from(*byte)).collect();
    let delimiter = format!("--{boundary}");
    let parts = text.split(&delimiter).filter_map(|part| {
        let (head, value) = part.split_once("\r\n\r\n")?;
        // The parameters' own names are in either case.
        let at = head.to_ascii_lowercase().find("name=\"")?;
        let (name, _) = head.get(at + 6..)?.split_once('"')?;
        let value = value.strip_suffix("\r\n")?.chars().map(|char| char as u8).collect();
        Some((name.to_owned(), value))
    });
    parts.collect()
}

/// All that a sender protects of a request, as whoever handles it would read it.
fn protected((name, media, _): Kind, request: &Request) -> Vec<String> {
    let json = |body: &[u8]| serde_json::from_slice(body).unwrap_or(Value::Null);
    let field = |name: &str| {
        let mut all = fields(request).into_iter().filter(|(field, _)| field == name);
        all.next().map(|(_, value)| value).unwrap_or_default()
    };
    let values = |value: &Value, pointers: &[&str]| -> Vec<String> {
        let text = |pointer: &&str| {
            value.pointer(pointer).map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        };
        pointers.iter().map(|pointer| text(pointer).unwrap_or_default()).collect()
    };
    let body = json(&request.body);
    match (name, media) {
        ("adyen", _) => (0..2)
            .flat_map(|item| {
                let item = &body["notificationItems"][item]["NotificationRequestItem"];
                values(
                    item,
                    &[
                        "/pspReference",
                        "/originalReference",
                        "/merchantAccountCode",
                        "/merchantReference",
                        "/amount/value",
                        "/amount/currency",
                        "/eventCode",
                        "/success",
                    ],
                )
            })
            .collect(),
        ("braintree" | "mandrill", _) => fields(request)
            .iter()
            .flat_map(|(name, value)| [name.clone(), String::from_utf8_lossy(value).into_owned()])
            .collect(),
        ("dropbox-sign", _) => {
            values(&json(&field("json")), &["/event/event_time", "/event/event_type"])
        }
        ("favro", _) => values(&body, &["/payloadId"]),
        ("mailgun", JSON) => values(&body, &["/signature/timestamp", "/signature/token"]),
        ("mailgun", _) => ["timestamp", "token"]
            .map(|name| String::from_utf8_lossy(&field(name)).into_owned())
            .to_vec(),
        ("mercado-pago" | "wechat", _) => Vec::new(),
        ("cloudprinter", _) => values(&body, &["/apikey"]),
        ("figma", _) => values(&body, &["/passcode"]),
        ("meraki", _) => values(&body, &["/sharedSecret"]),
        ("microsoft-graph", _) => values(&body, &["/value/0/clientState", "/value/1/clientState"]),
        ("sharepoint", _) => values(&body, &["/value/0/clientState"]),
        // Every byte.
        _ => vec![format!("{:?}", request.body)],
    }
}

fn flip(bytes: &mut [u8], at: Index) {
    let bit = at.index(bytes.len() * 8);
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-z]{1,12}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_was_signed_passes(
        kind in select(KINDS), text in text(), late in -200i64..200, now in 1_000_000_000i64..4_000_000_000,
    ) {
        let request = signed(kind, &text, UnixTime::from_secs(now));
        let body = request.body.clone();
        let verifier = verifier(kind.0);
        let verified = verifier.verify(request, UnixTime::from_secs(now + late)).expect(kind.0);
        prop_assert_eq!(verified.matched_secret(), Some(1));
        prop_assert_eq!(&verified.request().body, &body);
    }

    #[test]
    fn a_flipped_bit_in_the_body_is_refused_or_was_not_protected(
        kind in select(KINDS), text in text(), at in any::<Index>(),
    ) {
        let genuine = signed(kind, &text, NOW);
        let mut request = genuine.clone();
        let mut body = request.body.to_vec();
        flip(&mut body, at);
        request.body = Bytes::from(body);
        if let Ok(verified) = verifier(kind.0).verify(request, NOW) {
            let protected = |request: &Request| protected(kind, request);
            prop_assert_eq!(protected(verified.request()), protected(&genuine));
        }
    }

    /// Of the headers and the query, what is signed or is the signature.
    #[test]
    fn a_flipped_bit_beside_the_body_fails(
        (name, header) in select(vec![
            ("favro", "x-favro-webhook"),
            ("mandrill", "x-mandrill-signature"),
            ("mercado-pago", "x-signature"),
            ("mercado-pago", "x-request-id"),
            ("solidgate", "signature"),
            ("tiktok-shop", "authorization"),
        ]),
        text in text(), at in any::<Index>(),
    ) {
        let kind = KINDS.iter().find(|kind| kind.0 == name).expect(name);
        let mut request = signed(*kind, &text, NOW);
        let mut value = request.headers[header].as_bytes().to_vec();
        flip(&mut value, at);
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            request.headers.insert(header, value);
            prop_assert!(verifier(name).verify(request, NOW).is_err());
        }
    }

    #[test]
    fn a_flipped_bit_in_a_signed_parameter_fails(
        (name, parameter) in select(vec![
            ("wechat", "signature"), ("wechat", "timestamp"), ("wechat", "nonce"),
            ("mercado-pago", "data.id"),
        ]),
        text in text(), at in any::<Index>(),
    ) {
        let kind = KINDS.iter().find(|kind| kind.0 == name).expect(name);
        let mut request = signed(*kind, &text, NOW);
        let query = request.query.clone().expect("a query");
        let mut pairs: Vec<(String, Vec<u8>)> = form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.into(), value.as_bytes().to_vec()))
            .collect();
        let pair = pairs.iter_mut().find(|pair| pair.0 == parameter).expect(parameter);
        let before = pair.1.clone();
        flip(&mut pair.1, at);
        // Mercado Pago signs the id in lower case.
        prop_assume!(name == "wechat" || !pair.1.eq_ignore_ascii_case(&before));
        let query = pairs.iter().map(|(name, value)| {
            let value: String = form_urlencoded::byte_serialize(value).collect();
            format!("{name}={value}")
        });
        request.query = Some(query.collect::<Vec<_>>().join("&"));
        prop_assert!(verifier(name).verify(request, NOW).is_err());
    }

    #[test]
    fn another_secret_fails(kind in select(KINDS), text in text()) {
        let profile = profile(kind.0).expect(kind.0);
        let [_, other] = secrets(profile);
        let verifier = Verifier::for_profile(profile, [other], settings(profile)).expect(kind.0);
        let refused = verifier.verify(signed(kind, &text, NOW), NOW).expect_err(kind.0);
        let label = refused.reason.label();
        prop_assert!(["mismatch", "wrong-credentials"].contains(&label), "{}", label);
    }

    #[test]
    fn nothing_that_arrives_panics(
        kind in select(KINDS), text in text(), cut in any::<Index>(), body in
            prop::collection::vec(any::<u8>(), 0..80),
        media in select(vec![FORM, JSON, PARTS, "multipart/form-data", "multipart/form-data; boundary=\"", ""]),
        query in "[a-z0-9%=&+.]{0,40}",
    ) {
        let mut request = signed(kind, &text, NOW);
        let at = cut.index(request.body.len());
        let mut mixed = request.body[..at].to_vec();
        mixed.extend_from_slice(&body);
        mixed.extend_from_slice(&request.body[at..]);
        for body in [mixed, body] {
            request.body = Bytes::from(body);
            request.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(media));
            request.query = Some(query.clone());
            for now in [NOW, UnixTime::from_millis(i64::MIN), UnixTime::from_millis(i64::MAX)] {
                let _ = verifier(kind.0).receive(request.clone(), now, &Keyring::new());
            }
        }
    }
}

fn refusal(name: &str, request: Request) -> Reason {
    verifier(name).verify(request, NOW).expect_err(name).reason
}

fn with_body(mut request: Request, change: impl FnOnce(String) -> String) -> Request {
    let body = String::from_utf8(request.body.to_vec()).expect("text");
    let changed = change(body.clone());
    assert_ne!(body, changed);
    request.body = Bytes::from(changed);
    request
}

fn kind(name: &str, media: &str) -> Kind {
    *KINDS.iter().find(|kind| kind.0 == name && kind.1 == media).expect(name)
}

/// A second value beside the genuine one, before it and after it, by every way to write it.
#[test]
fn what_decides_is_there_once() {
    let second_member = |name: &str, member: &str, first: bool| {
        let request = signed(kind(name, JSON), "x", NOW);
        with_body(request, |body| match first {
            true => body.replacen('{', &format!("{{{member},"), 1),
            false => format!("{},{member}}}", body.strip_suffix('}').expect("an object")),
        })
    };
    for (name, members) in [
        ("adyen", &[r#""notificationItems":[]"#, r#""notification\u0049tems":{}"#][..]),
        ("cloudprinter", &[r#""apikey":"x""#, r#""apikey":null"#]),
        ("figma", &[r#""passcode":"the right one""#, r#""pass\u0063ode":1"#]),
        ("mailgun", &[r#""signature":{}"#, r#""signature":null"#]),
        ("meraki", &[r#""sharedSecret":"x""#]),
        ("microsoft-graph", &[r#""value":[]"#, r#""value":[{"clientState":"the right one"}]"#]),
        ("favro", &[r#""payloadId":"x""#]),
        ("unisender-go", &[r#""auth":"""#]),
    ] {
        for member in members {
            for first in [true, false] {
                let reason = refusal(name, second_member(name, member, first));
                assert_eq!(reason.label(), "duplicate-value", "{name} {member} {reason}");
            }
        }
    }
    for member in [r#""HashCode":"x""#, r#""Content":{}"#, r#""Other":1"#] {
        let reason = refusal("exact-online", second_member("exact-online", member, true));
        assert_eq!(reason.label(), "malformed-body", "{member}");
    }
    for (name, field) in [
        ("mailgun", "token=x"),
        ("mailgun", "%74oken=x"),
        ("mailgun", "signature="),
        ("dropbox-sign", "json=%7B%7D"),
        ("mandrill", "mandrill_events=%5B%5D"),
    ] {
        let request = signed(kind(name, FORM), "x", NOW);
        for body in [format!("{field}&BODY"), format!("BODY&{field}")] {
            let request = with_body(request.clone(), |old| body.replace("BODY", &old));
            assert_eq!(refusal(name, request).label(), "duplicate-value", "{name} {field}");
        }
    }
    let mail = signed(kind("mailgun", PARTS), "x", NOW);
    let part = "--BOUND\r\ncontent-disposition: form-data; name=token\r\n\r\nx\r\n--BOUND";
    let twice = with_body(mail.clone(), |body| body.replacen("--BOUND", part, 1));
    assert_eq!(refusal("mailgun", twice).label(), "duplicate-value");
    let file = with_body(mail, |body| {
        body.replacen("name=\"token\"", "name=\"token\"; filename=\"token\"", 1)
    });
    assert_eq!(refusal("mailgun", file).label(), "malformed-value");
    let braintree = signed(kind("braintree", "text/xml"), "x", NOW);
    for field in ["&bt_payload=x", "&bt_signature=x"] {
        let request = with_body(braintree.clone(), |body| body + field);
        assert_eq!(refusal("braintree", request).label(), "duplicate-value", "{field}");
    }
    let request = with_body(braintree, |body| body + "&other=1");
    assert_eq!(refusal("braintree", request).label(), "malformed-body");
    for (name, parameter) in [
        ("wechat", "signature"),
        ("wechat", "timestamp"),
        ("wechat", "nonce"),
        ("mercado-pago", "data.id"),
    ] {
        let mut request = signed(*KINDS.iter().find(|kind| kind.0 == name).expect(name), "x", NOW);
        request.query = Some(format!("{}&{parameter}=x", request.query.expect("a query")));
        assert_eq!(refusal(name, request).label(), "duplicate-value", "{parameter}");
    }
}

#[test]
fn a_body_is_one_thing() {
    for media in [FORM, PARTS] {
        let mut request = signed(kind("mailgun", media), "x", NOW);
        request.headers.append("content-type", HeaderValue::from_static(JSON));
        assert_eq!(refusal("mailgun", request).label(), "duplicate-header");
    }
    let mut request = signed(kind("mailgun", FORM), "x", NOW);
    request.headers.insert("content-type", HeaderValue::from_static(JSON));
    assert_eq!(refusal("mailgun", request).label(), "malformed-body");
    for name in ["mandrill", "dropbox-sign"] {
        let mut request = signed(kind(name, FORM), "x", NOW);
        request.headers.remove("content-type");
        assert_eq!(refusal(name, request).label(), "malformed-body", "{name}");
    }
    // The same fields, in parts, which Mandrill does not send.
    let mut request = signed(kind("mandrill", FORM), "x", NOW);
    let part = "--BOUND\r\nContent-Disposition: form-data; name=\"mandrill_events\"\r\n\r\n";
    request.body = Bytes::from(format!("{part}[{{\"event\":\"x\"}}]\r\n--BOUND--\r\n"));
    request.headers.insert("content-type", HeaderValue::from_static(PARTS));
    assert_eq!(refusal("mandrill", request).label(), "malformed-body");
}

#[test]
fn times_are_near() {
    for (name, media, seconds) in [
        ("mailgun", JSON, 8 * 3600),
        ("mailgun", PARTS, 8 * 3600),
        ("dropbox-sign", FORM, 3 * 86_400),
        ("wechat", "text/xml", 300),
        ("mercado-pago", JSON, 300),
    ] {
        let request = signed(kind(name, media), "x", NOW);
        let label = |offset: i64| {
            let now = UnixTime::from_secs(NOW.as_secs() + offset);
            let verdict = verifier(name).verify(request.clone(), now);
            verdict.err().map(|refused| refused.reason.label())
        };
        assert_eq!((label(seconds), label(-seconds)), (None, None), "{name}");
        assert_eq!(label(seconds + 1), Some("timestamp-too-old"), "{name}");
        assert_eq!(label(-seconds - 1), Some("timestamp-in-future"), "{name}");
    }
    let odd = with_body(signed(kind("mailgun", FORM), "x", NOW), |body| {
        body.replace("timestamp=", "timestamp=0")
    });
    assert_eq!(refusal("mailgun", odd).label(), "malformed-timestamp");
}

/// Mercado Pago's millisecond stamps are as near as its second ones.
#[test]
fn a_unit_is_told_by_its_size() {
    let mut request = signed(kind("mercado-pago", JSON), "x", NOW);
    // HMAC-SHA256 of `id:ord01abc;request-id:bb56a2f1;ts:1750000000123;` with `the right one`.
    let value =
        "ts=1750000000123,v1=c0d3be6b045377a868c256ea485bf6d6ff60404a3270f97153da7bde1ccbbb17";
    request.headers.insert("x-signature", HeaderValue::from_static(value));
    assert!(verifier("mercado-pago").verify(request, NOW).is_ok());
}

#[test]
fn a_part_is_not_two_parts() {
    let genuine = signed(kind("mercado-pago", JSON), "x", NOW);
    let mut joined = genuine.clone();
    joined.headers.remove("x-request-id");
    joined.query = Some("data.id=ORD01ABC%3Brequest-id%3Abb56a2f1".to_owned());
    assert_eq!(refusal("mercado-pago", joined).label(), "malformed-value");
    let mut less = genuine.clone();
    less.headers.remove("x-request-id");
    assert_eq!(refusal("mercado-pago", less).label(), "mismatch");
    // Of the two places of the id, the first that has one counts.
    let mut moved = genuine;
    moved.query = None;
    moved.body = Bytes::from_static(br#"{"data":{"id":"ORD01ABC"}}"#);
    assert!(verifier("mercado-pago").verify(moved, NOW).is_ok());
}

#[test]
fn what_is_needed_is_there_before_it_is_signed() {
    for (name, body) in [
        ("adyen", r#"{"notificationItems":[{"NotificationRequestItem":{"pspReference":"1"}}]}"#),
        ("dropbox-sign", r#"{"event":{}}"#),
        ("favro", r#"{"payloadId":""}"#),
        ("mandrill", "{}"),
        ("unisender-go", "[]"),
        ("exact-online", "{"),
    ] {
        let profile = profile(name).expect(name);
        let [secret, _] = secrets(profile);
        let request = request(JSON, body.into());
        let error = sign(&scheme(profile), &secret, request, NOW, &settings(profile));
        assert!(matches!(error, Err(SignError::Incomplete(_))), "{name}: {error:?}");
    }
}

#[test]
fn an_entry_that_is_signed_has_a_name_of_its_own() {
    let error = |signed: &str, listed: bool| {
        let mut scheme = TemplateScheme::new("sha256".parse().expect("known"), "x-signature");
        scheme.signed = signed.parse().expect(signed);
        if listed {
            scheme.layout = Layout::Entries { between: ',', joint: '=', version: "v1".into() };
            scheme.timestamp = signed.contains("{timestamp}").then(|| TimestampRule::entry("t"));
        }
        Verifier::new(Scheme::Template(scheme), [Secret::from("s")]).err()
    };
    assert_eq!(error("{entry:n}{body}", true), None);
    assert_eq!(error("{entry:n}{timestamp}{body}{entry:n}", true), None);
    assert_eq!(error("{entry:n}{body}", false), Some(SetupError::EntryWithoutList));
    for signed in [
        "{entry:v1}{body}",
        "{entry:t}{timestamp}{body}",
        "{entry:a=}{body}",
        "{entry:a}{entry:b}{body}",
    ] {
        assert_eq!(error(signed, true), Some(SetupError::InvalidEntries), "{signed}");
    }
    assert_eq!(error("{entry:n}", true), Some(SetupError::NothingSigned));
}

#[test]
fn unisender_s_hash_is_in_one_place() {
    let genuine = signed(kind("unisender-go", JSON), "x", NOW);
    let value: Value = serde_json::from_slice(&genuine.body).expect("JSON");
    let auth = value["auth"].as_str().expect("a hash");
    let twice = with_body(genuine, |body| body.replace("\"x\"", &format!("\"{auth}\"")));
    assert_eq!(refusal("unisender-go", twice).label(), "malformed-value");
}

#[test]
fn adyen_s_items_are_cut_in_one_way() {
    let genuine = signed(kind("adyen", JSON), "x", NOW);
    let signature = |body: &str| {
        let (_, rest) = body.split_once("\"hmacSignature\":\"").expect("a signature");
        rest.split('"').next().expect("a signature").to_owned()
    };
    let first = signature(std::str::from_utf8(&genuine.body).expect("text"));
    let item = |item: Value| {
        let mut request = genuine.clone();
        let body = json!({"notificationItems": [{"NotificationRequestItem": item}]});
        request.body = Bytes::from(body.to_string());
        request
    };
    let honest = json!({
        "pspReference": "7914073381342284", "merchantReference": "x:1",
        "merchantAccountCode": "M", "amount": {"currency": "EUR", "value": 1130},
        "eventCode": "AUTHORISATION", "success": "true",
        "additionalData": {"hmacSignature": first},
    });
    let verified = verifier("adyen").verify(item(honest.clone()), NOW).expect("genuine");
    assert_eq!(verified.kind().as_deref(), Some("AUTHORISATION"));
    // All of these are the same signed text.
    for changes in [
        json!({"merchantReference": "x", "amount": {"currency": "1130:EUR", "value": 1}}),
        json!({"merchantReference": "1", "merchantAccountCode": "M:x"}),
        json!({
            "pspReference": "7914073381342284:", "originalReference": "M",
            "merchantAccountCode": "x", "merchantReference": "1",
        }),
    ] {
        let mut forged = honest.clone();
        for (name, value) in changes.as_object().expect("an object") {
            forged[name] = value.clone();
        }
        let reason = refusal("adyen", item(forged));
        assert_eq!(reason.label(), "malformed-value", "{changes}: {reason}");
    }
    let none = with_body(genuine, |_| r#"{"notificationItems":[]}"#.to_owned());
    assert_eq!(refusal("adyen", none).label(), "missing-header");
}

/// A signature in the body is what tells whose delivery it is.
#[test]
fn another_sender_s_signature_is_recognised() {
    let github = profile("github").expect("known");
    // `Authorization` and `X-Signature` are the headers of too many.
    for kind in KINDS.iter().filter(|kind| !["mercado-pago", "tiktok-shop"].contains(&kind.0)) {
        let request = signed(*kind, "x", NOW);
        let (secrets, settings) = ([Secret::from("s")], Settings::default());
        let case = Case {
            profile: github,
            secrets: &secrets,
            settings: &settings,
            request: &request,
            now: NOW,
        };
        let explained = explain(&case, |_| None, Keyring::new()).expect("explained");
        let hints = explained.hints.join(" ");
        assert!(hints.contains(&format!("`{}`", kind.0)), "{}: {hints}", kind.0);
    }
}

#[test]
fn adyen_s_header_decides_alone() {
    let profile = profile("adyen").expect("known");
    let [secret, _] = secrets(profile);
    let body = br#"{"type":"merchant.created"}"#.to_vec();
    let signed = sign(profile.scheme, &secret, request(JSON, body), NOW, &Settings::default())
        .expect("signed");
    let verified = verifier("adyen").verify(signed.clone(), NOW).expect("genuine");
    assert_eq!(verified.kind().as_deref(), Some("merchant.created"));
    assert!(!verified.unauthenticated().contains(&Part::Body));
    let mut items = self::signed(kind("adyen", JSON), "x", NOW);
    items.headers.insert("hmacsignature", signed.headers["hmacsignature"].clone());
    assert_eq!(refusal("adyen", items).label(), "mismatch");
}

#[test]
fn a_token_is_good_for_one_body() {
    let token = |name: &str, media: &str| {
        let request = signed(kind(name, media), "x", NOW);
        let verified = verifier(name).verify(request, NOW).expect(name);
        assert!(verified.unauthenticated().contains(&Part::Body), "{name}");
        verified.one_time_token().map(str::to_owned)
    };
    let json: Value =
        serde_json::from_slice(&signed(kind("mailgun", JSON), "x", NOW).body).expect("JSON");
    assert_eq!(token("mailgun", JSON).as_deref(), json["signature"]["token"].as_str());
    assert!(token("mailgun", FORM).is_some() && token("mailgun", PARTS).is_some());
    assert_eq!(token("favro", JSON).as_deref(), Some("x"));
    assert_eq!(token("mercado-pago", JSON).as_deref(), Some("bb56a2f1"));
    assert!(token("wechat", "text/xml").is_some_and(|token| token.len() == 40));
    // Two events of one moment and type have the same.
    assert_eq!(token("dropbox-sign", FORM), None);
}

#[test]
fn how_long_a_token_is_good_for_is_told() {
    let told = |name: &str, media: &str| {
        let request = signed(kind(name, media), "x", NOW);
        verifier(name).verify(request, NOW).expect(name).repeatable_for()
    };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    // Ahead by the tolerance at first, and behind by it at last.
    assert_eq!(told("mailgun", JSON), seconds(16 * 3600));
    assert_eq!(told("mercado-pago", JSON), seconds(600));
    assert!(told("wechat", "text/xml").is_some());
    assert_eq!(told("favro", JSON), None, "without a timestamp it is good for ever");
}

#[test]
fn what_is_covered_is_told() {
    let covers = |name: &str, place: &str| {
        let place: Location = place.parse().expect(place);
        scheme(profile(name).expect(name)).covers(&place).expect(name)
    };
    for (name, place) in [
        ("mailgun", "json:/signature/token"),
        ("mailgun", "form:token"),
        ("adyen", "json:/notificationItems/0/NotificationRequestItem/eventCode"),
        ("favro", "json:/payloadId"),
        ("mercado-pago", "query:data.id"),
        ("mercado-pago", "header:x-request-id"),
        ("wechat", "query:nonce"),
        ("exact-online", "json:/Content/Topic"),
        ("unisender-go", "json:/events_by_user"),
        ("mandrill", "form:mandrill_events"),
        ("tebex", "json:/id"),
    ] {
        assert!(covers(name, place), "{name} {place}");
    }
    for (name, place) in [
        ("mailgun", "json:/event-data/event"),
        ("mailgun", "form:event"),
        ("adyen", "json:/notificationItems/0/NotificationRequestItem/paymentMethod"),
        ("figma", "json:/event_type"),
        ("figma", "json:/passcode"),
        ("favro", "json:/action"),
        ("mercado-pago", "json:/data/id"),
        ("wechat", "query:openid"),
        ("dropbox-sign", "form:json"),
        ("recharge", "header:x-recharge-topic"),
    ] {
        assert!(!covers(name, place), "{name} {place}");
    }
}

#[test]
fn a_subaccount_s_event_counts_by_either_key() {
    let genuine = signed(kind("mailgun", JSON), "x", NOW);
    let parent =
        with_body(genuine, |body| body.replace("\"signature\":\"", "\"parent-signature\":\""));
    assert!(verifier("mailgun").verify(parent.clone(), NOW).is_ok());
    let both = with_body(parent, |body| {
        body.replace(
            "\"parent-signature\":",
            &format!("\"signature\":\"{}\",\"parent-signature\":", "0".repeat(64)),
        )
    });
    assert!(verifier("mailgun").verify(both, NOW).is_ok());
}

#[test]
fn every_item_may_have_a_secret_of_its_own_and_the_older_is_told() {
    let body = |states: &[&str]| {
        let items: Vec<Value> = states.iter().map(|state| json!({"clientState": state})).collect();
        request(JSON, json!({ "value": items }).to_string().into_bytes())
    };
    let place = |states: &[&str]| {
        let verified = verifier("microsoft-graph").verify(body(states), NOW);
        verified.map(|verified: Verified| verified.matched_secret()).map_err(|_| ())
    };
    assert_eq!(place(&["another"]), Ok(Some(0)));
    assert_eq!(place(&["another", "the right one", "another"]), Ok(Some(1)));
    assert_eq!(place(&["another", "neither"]), Err(()));
}

#[test]
fn braintree_needs_the_signature_of_its_own_key() {
    let genuine = signed(kind("braintree", "text/xml"), "x", NOW);
    let more = with_body(genuine.clone(), |body| {
        body.replace("bt_signature=", "bt_signature=other%7Cff%26the-public-half%7Czz%26")
    });
    assert!(verifier("braintree").verify(more, NOW).is_ok());
    let other = with_body(genuine.clone(), |body| body.replace("the-public-half", "other"));
    assert_eq!(refusal("braintree", other).label(), "malformed-value");
    let odd = with_body(genuine.clone(), |body| body.replace("bt_payload=", "bt_payload=%3C"));
    assert_eq!(refusal("braintree", odd).label(), "malformed-value");
    // The last line break is lost on some ways, and no other is.
    let short =
        with_body(genuine, |body| body.strip_suffix("%0A").expect("a line break").to_owned());
    assert!(verifier("braintree").verify(short, NOW).is_ok());
}

fn receive(name: &str, settings: Settings, request: Request) -> Result<Handshake, Reason> {
    let profile = profile(name).expect(name);
    let [secret, other] = secrets(profile);
    let verifier = Verifier::for_profile(profile, [other, secret], settings).expect(name);
    match verifier.receive(request, NOW, &Keyring::new()) {
        Ok(Received::Handshake(handshake)) => Ok(handshake),
        Ok(Received::Event(_)) => panic!("{name}: an event"),
        Err(refused) => Err(refused.reason),
    }
}

fn get(query: &str) -> Request {
    let query = query.to_owned();
    let url = format!("https://hooks.example.com/in?{query}");
    Request { method: Method::GET, url, query: Some(query), ..request(JSON, Vec::new()) }
}

/// A challenge is answered with a signature: it has to be one that no event could have.
#[test]
fn what_is_signed_for_strangers_is_no_event() {
    let braintree = profile("braintree").expect("known");
    for (challenge, held) in [
        ("20f9f8ed05f77439fe955c977e4c8a53", true),
        ("20f9f8ed05f77439fe95", true),
        ("20f9f8ed05f77439fe9", false),
        ("20f9f8ed05f77439fe955c977e4c8a531", false),
        ("20F9F8ED05F77439FE955C977E4C8A53", false),
        ("PG5vdGlmaWNhdGlvbj48L2E", false),
    ] {
        let answer =
            receive("braintree", settings(braintree), get(&format!("bt_challenge={challenge}")));
        assert_eq!(answer.is_ok(), held, "{challenge}");
    }
    // Nor is what a challenge can have signed.
    let challenge = "20f9f8ed05f77439fe955c977e4c8a53";
    let query = format!("bt_challenge={challenge}");
    let answer = receive("braintree", settings(braintree), get(&query)).expect("an answer");
    let answer = String::from_utf8(answer.reply.body.to_vec()).expect("text").replace('|', "%7C");
    for line_break in ["", "%0A"] {
        let form = format!("bt_signature={answer}&bt_payload={challenge}{line_break}");
        assert_eq!(refusal("braintree", request(FORM, form.into())).label(), "malformed-value");
    }
    for (challenge, held) in
        [("3a5c8f72-E6d9_4b1a", true), ("{\"a\":1}", false), ("1.5", false), ("\"x\"", false)]
    {
        for body in [
            json!({"eventType": "VERIFY", "data": {"challenge": challenge}}),
            json!({"eventName": "verify", "payload": {"challenge": challenge}}),
        ] {
            let answer =
                receive("smartcar", Settings::default(), request(JSON, body.to_string().into()));
            assert_eq!(answer.is_ok(), held, "{challenge}");
        }
    }
}

/// `{"challenge":"c-1","token":"vt","type":"url_verification"}` under the second of the secrets,
/// encrypted by OpenSSL. What the first makes of it is noise, with a padding that fits by chance.
const SEALED: &str = "DtaiWhfbxRUpn7tA2rJWMyoTDCHRj84AXD4j1Y+TAsDKrGXhEjFjZeT7Dzo8SIi1JY7J3iMN1X15dgEWt2UZsPvhlFPFsYnZDOCOIvbAmP4=";

#[test]
fn lark_s_handshake_is_opened() {
    let sealed = || request(JSON, json!({ "encrypt": SEALED }).to_string().into());
    let plain = |token: &str| {
        let body = json!({"challenge": "c-1", "token": token, "type": "url_verification"});
        request(JSON, body.to_string().into())
    };
    let token = |token: &str| Settings::from([("verification_token", token)]);
    let body = |answer: Result<Handshake, Reason>| answer.map(|handshake| handshake.reply.body);
    let right = Ok(Bytes::from_static(br#"{"challenge":"c-1"}"#));
    assert_eq!(body(receive("lark", Settings::default(), sealed())), right);
    assert_eq!(body(receive("lark", token("vt"), sealed())), right);
    assert_eq!(body(receive("lark", token("vt"), plain("vt"))), right);
    for (settings, request) in [
        (token("other"), sealed()),
        (token("vt"), plain("other")),
        (Settings::default(), plain("vt")),
    ] {
        let reason = receive("lark", settings, request).expect_err("another token");
        assert_eq!(reason.label(), "bad-handshake");
    }
    // The last block has another padding, or the first another text.
    for at in [20, SEALED.len() - 20] {
        let mut changed = SEALED.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let text = String::from_utf8(changed).expect("text");
        assert!(BASE64.decode(text.as_bytes()).is_ok());
        let body = json!({ "encrypt": text }).to_string();
        let reason =
            receive("lark", Settings::default(), request(JSON, body.into())).expect_err("noise");
        assert_eq!(reason.label(), "missing-header");
    }
}

#[test]
fn lark_s_encrypted_events_stay_events() {
    let lark = profile("lark").expect("known");
    let [secret, _] = secrets(lark);
    let mut event = request(
        JSON,
        json!({ "encrypt": "bm90aGluZyB0aGF0IGNhbiBiZSBvcGVuZWQ" }).to_string().into(),
    );
    event.headers.insert("x-lark-request-nonce", HeaderValue::from_static("n"));
    let event = sign(lark.scheme, &secret, event, NOW, &Settings::default()).expect("signed");
    let received = verifier("lark").receive(event, NOW, &Keyring::new()).expect("genuine");
    assert!(matches!(received, Received::Event(_)));
}

#[test]
fn urls_are_tried_out_in_the_senders_own_ways() {
    let post = |media, body: &str| request(media, body.as_bytes().to_vec());
    let none = Settings::default;
    // Before there is a key; what everyone knows signs it.
    let test = || post(FORM, "mandrill_events=%5B%5D");
    let mandrill = profile("mandrill").expect("known");
    let public = Secret::from("test-webhook");
    let tested = sign(mandrill.scheme, &public, test(), NOW, &none()).expect("signed");
    assert!(receive("mandrill", none(), tested).is_ok());
    assert!(receive("mandrill", none(), test()).is_ok());
    assert!(
        receive("mandrill", none(), Request { method: Method::HEAD, ..post(FORM, "") }).is_ok()
    );
    let event = post(FORM, "mandrill_events=%5B%7B%7D%5D");
    let event = sign(mandrill.scheme, &public, event, NOW, &none()).expect("signed");
    assert_eq!(receive("mandrill", none(), event).expect_err("known to all").label(), "mismatch");

    assert!(receive("exact-online", none(), post(JSON, "")).is_ok());
    let mut graph = get("validationToken=a%20b%3Cc&x=1");
    graph.method = Method::POST;
    let answer = receive("microsoft-graph", none(), graph.clone()).expect("a validation");
    assert_eq!(answer.reply.body, "a b<c");
    let header = |name: &str| {
        let mut found = answer.reply.headers.iter().filter(|(header, _)| header.as_str() == name);
        found.next().map(|(_, value)| value.to_str().expect("text"))
    };
    assert_eq!(header("content-type"), Some("text/plain"));
    assert_eq!(header("x-content-type-options"), Some("nosniff"));
    // With a body it is a delivery, whatever the URL says.
    graph.body = Bytes::from_static(br#"{"value":[{"clientState":"x"}]}"#);
    let reason = receive("microsoft-graph", none(), graph.clone()).expect_err("a delivery");
    assert_eq!(reason.label(), "wrong-credentials");
    graph.body = Bytes::new();
    assert!(receive("sharepoint", none(), graph).is_err(), "the name is in lower case there");

    let wechat = profile("wechat").expect("known");
    let [secret, _] = secrets(wechat);
    let signed = sign(wechat.scheme, &secret, get("echostr=583"), NOW, &none()).expect("signed");
    assert_eq!(receive("wechat", none(), signed.clone()).expect("an echo").reply.body, "583");
    let forged =
        Request { query: signed.query.map(|query| query.replace("nonce=", "nonce=0")), ..signed };
    assert_eq!(receive("wechat", none(), forged).expect_err("another nonce").label(), "mismatch");
    assert!(receive("wechat", none(), get("echostr=583")).is_err());
}

/// Adyen signs bodies and texts made of values with the same key.
#[test]
fn adyen_s_two_texts_do_not_pass_for_each_other() {
    let profile = profile("adyen").expect("known");
    let Scheme::FirstOf(ways) = profile.scheme else { panic!("two ways") };
    let [secret, _] = secrets(profile);
    let by_header = |body: &[u8]| {
        let request = request(JSON, body.to_vec());
        sign(&ways[0], &secret, request, NOW, &Settings::default()).expect("signed")
    };
    let text = by_header(b"7914073381342284::M:x:1130:EUR:AUTHORISATION:true");
    assert_eq!(refusal("adyen", text).label(), "malformed-body");
    // As values, this is the text that it is.
    let object = r#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}"#;
    let signature = by_header(object.as_bytes()).headers["hmacsignature"].clone();
    let parts: Vec<&str> = object.split(':').collect();
    let item = json!({
        "pspReference": parts[0], "originalReference": parts[1], "merchantAccountCode": parts[2],
        "merchantReference": parts[3], "amount": {"value": parts[4], "currency": parts[5]},
        "eventCode": parts[6], "success": parts[7],
        "additionalData": {"hmacSignature": signature.to_str().expect("text")},
    });
    let body = json!({"notificationItems": [{"NotificationRequestItem": item}]}).to_string();
    assert_eq!(refusal("adyen", request(JSON, body.into())).label(), "malformed-value");
}
