//! Senders that sign with the key of a certificate: whose certificates count, and what else has to
//! hold.

mod signers;

use data_encoding::BASE64;
use hookyard_verify::{
    Part, Reason, Received, Request, Scheme, Settings, SetupError, UnixTime, Verifier,
};
use http::HeaderValue;
use rcgen::{DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rsa::pkcs8::DecodePrivateKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use signers::{NOW, P256, RSA, Signer, TOPIC, certificate, issued, request, signer, subject};

const CERTIFICATE: &str =
    "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-hookyard.pem";

fn bad(reason: Reason) -> &'static str {
    match reason {
        Reason::BadCertificate(problem) => problem,
        other => panic!("{other:?}"),
    }
}

/// An envelope with a signature of these members, by our key.
fn envelope(kind: &str, more: &[(&str, &str)], signed: &[&str]) -> Request {
    let mut members: Map<String, Value> = json!({
        "Message": "Hello\nworld",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
        "Timestamp": "2025-06-15T15:06:40.000Z",
        "TopicArn": TOPIC,
        "Type": kind,
    })
    .as_object()
    .expect("an object")
    .clone();
    members.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
    let mut text = String::new();
    for name in signed {
        let value = members.get(*name).and_then(Value::as_str).expect("text");
        text.push_str(&format!("{name}\n{value}\n"));
    }
    let der = PrivateKeyDer::from_pem_slice(RSA.as_bytes()).expect("a key");
    let key = rsa::PrivateKey::from_pkcs8_der(der.secret_der()).expect("a key");
    let signature = key.pkcs1v15_sign_prehash::<Sha256>(&Sha256::digest(text)).expect("signed");
    members.insert("Signature".to_owned(), BASE64.encode(&signature).into());
    let mut request = request(Value::Object(members).to_string());
    request.headers.insert("x-amz-sns-message-type", kind.parse().expect("a value"));
    request
}

const NOTIFICATION: &[&str] = &["Message", "MessageId", "Timestamp", "TopicArn", "Type"];
const CONFIRMATION: &[&str] =
    &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

fn notification() -> Request {
    envelope("Notification", &[], NOTIFICATION)
}

fn subscribe_url() -> String {
    format!(
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t"
    )
}

/// The envelope with one text in the place of another.
fn replaced(request: &Request, from: &str, to: &str) -> Request {
    let body = std::str::from_utf8(&request.body).expect("text");
    assert!(body.contains(from), "{from} is not in {body}");
    Request { body: body.replacen(from, to, 1).into(), ..request.clone() }
}

fn label(signer: &Signer, request: Request) -> Option<&'static str> {
    signer.receive(request, NOW).err().map(|refused| refused.reason.label())
}

#[test]
fn a_message_is_of_a_topic_that_is_set() {
    let mut sns = signer("aws-sns");
    assert_eq!(label(&sns, notification()), None);
    for topic in ["orders2", "order", "ORDERS"] {
        let other = TOPIC.replace("orders", topic);
        let sent = envelope("Notification", &[("TopicArn", &other)], NOTIFICATION);
        assert_eq!(label(&sns, sent), Some("malformed-envelope"), "{topic}");
    }
    sns.settings.insert("topic_arn", format!("arn:aws:sns:eu-west-1:1:first, {TOPIC}"));
    assert_eq!(label(&sns, notification()), None);
    let missing = Verifier::new(Scheme::Sns, []).err();
    assert!(matches!(missing, Some(SetupError::MissingSetting { name: "topic_arn", .. })));
}

#[test]
fn an_envelope_says_everything_once() {
    let sns = signer("aws-sns");
    let sent = notification();
    for (from, to) in [
        ("{", r#"{"Message":"x","#),
        ("{", r#"{"SigningCertUrl":"https://sns.us-east-1.amazonaws.com/x.pem","#),
        ("{", r#"{"Subject":null,"#),
        ("{", r#"{"Subject":["x"],"#),
        ("{", r#"{"Subject":"a\nb","#),
        (r#""MessageId":""#, r#""MessageId":"x\n"#),
        (r#""MessageId":""#, r#""Messageid":""#),
        (r#""SignatureVersion":"2""#, r#""SignatureVersion":2"#),
        (r#""SignatureVersion":"2""#, r#""SignatureVersion":"3""#),
        (r#""Signature":""#, r#""Signature":" "#),
        ("2025-06-15T15:06:40.000Z", "1750000000"),
        ("{", "["),
    ] {
        assert_eq!(label(&sns, replaced(&sent, from, to)), Some("malformed-envelope"), "{to}");
    }
    for (from, to) in [
        ("Hello", "Hallo"),
        ("22b80b92", "22b80b93"),
        ("15:06:40.000Z", "15:06:40.001Z"),
        (r#""SignatureVersion":"2""#, r#""SignatureVersion":"1""#),
        ("{", r#"{"Subject":"x","#),
    ] {
        assert_eq!(label(&sns, replaced(&sent, from, to)), Some("mismatch"), "{to}");
    }
    let spelled = replaced(&sent, "SigningCertURL", "SigningCertUrl");
    assert_eq!(label(&sns, spelled), None);
    let elsewhere = replaced(&sent, "sns.us-east-1", "sns.us-east-1.evil");
    assert_eq!(label(&sns, elsewhere), Some("foreign-key-url"));
    // Members that are not signed are told to be so.
    let open = replaced(&sent, "{", r#"{"UnsubscribeURL":"https://evil.example","#);
    let Received::Event(verified) = sns.receive(open, NOW).expect("genuine") else {
        panic!("an event")
    };
    assert!(verified.unauthenticated().contains(&Part::Body));
    assert!(!verified.unauthenticated().contains(&Part::Kind));
    assert!(!verified.unauthenticated().contains(&Part::DeliveryId));
}

/// Somebody who may publish knows what is going to be signed, and must not be able to read another
/// message into it.
#[test]
fn a_message_is_read_in_one_way() {
    let sns = signer("aws-sns");
    let message = "pay 1\nMessageId\nforged\nTimestamp\n2025-06-15T15:06:40Z\nTopicArn\nx";
    let sent = envelope("Notification", &[("Message", message)], NOTIFICATION);
    assert_eq!(label(&sns, sent.clone()), None);
    let mut members: Map<String, Value> = serde_json::from_slice(&sent.body).expect("JSON");
    members.insert("Message".to_owned(), "pay 1".into());
    members.insert("MessageId".to_owned(), "forged".into());
    let rest = "2025-06-15T15:06:40Z\nTopicArn\nx\nMessageId\n22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\
                \nTimestamp\n2025-06-15T15:06:40.000Z";
    members.insert("Timestamp".to_owned(), rest.into());
    let forged = Request { body: Value::Object(members).to_string().into(), ..sent };
    assert_eq!(label(&sns, forged), Some("malformed-envelope"));
}

#[test]
fn the_header_says_what_the_envelope_says() {
    let sns = signer("aws-sns");
    let mut sent = notification();
    sent.headers.insert("x-amz-sns-message-type", HeaderValue::from_static("Other"));
    assert_eq!(label(&sns, sent.clone()), Some("unexpected-header"));
    sent.headers.remove("x-amz-sns-message-type");
    assert_eq!(label(&sns, sent), Some("missing-header"));
    let mut raw = request(r#"{"order":1}"#);
    raw.headers.insert("x-amz-sns-message-type", HeaderValue::from_static("Notification"));
    assert_eq!(label(&sns, raw.clone()), Some("malformed-envelope"));
    raw.headers.insert("x-amz-sns-rawdelivery", HeaderValue::from_static("true"));
    assert!(sns.reason(raw, NOW).to_string().contains("raw message delivery"));
    let unknown = envelope("Other", &[], NOTIFICATION);
    assert_eq!(label(&sns, unknown), Some("malformed-envelope"));
}

#[test]
fn a_subscription_is_confirmed_at_amazon() {
    let sns = signer("aws-sns");
    let confirmation = |url: &str| {
        envelope("SubscriptionConfirmation", &[("SubscribeURL", url), ("Token", "t")], CONFIRMATION)
    };
    let url = subscribe_url();
    let Received::Handshake(handshake) = sns.receive(confirmation(&url), NOW).expect("genuine")
    else {
        panic!("a handshake")
    };
    assert_eq!(handshake.confirm, Some(url.clone()));
    assert_eq!(handshake.reply.status.as_u16(), 200);
    // Signed as they are, so that it is the URL's own rule that refuses.
    for wrong in [
        url.replace("sns.us-east-1.amazonaws.com", "169.254.169.254"),
        url.replace("https", "http"),
        url.replace("ConfirmSubscription", "DeleteTopic"),
        url.replace("orders", "other"),
    ] {
        assert_eq!(label(&sns, confirmation(&wrong)), Some("bad-handshake"), "{wrong}");
    }
    let changed = replaced(&confirmation(&url), "Token=t", "Token=u");
    assert_eq!(label(&sns, changed), Some("mismatch"));
}

/// Amazon's documents and its validator for JavaScript differ in what is signed.
#[test]
fn the_end_of_a_subscription_is_an_event() {
    let sns = signer("aws-sns");
    let more = [("SubscribeURL", &*subscribe_url()), ("Token", "t")];
    for signed in [CONFIRMATION, NOTIFICATION] {
        let sent = envelope("UnsubscribeConfirmation", &more, signed);
        let Received::Event(verified) = sns.receive(sent, NOW).expect("genuine") else {
            panic!("an event")
        };
        assert_eq!(verified.kind().as_deref(), Some("UnsubscribeConfirmation"));
    }
    // Of the other confirmation they agree.
    let sent = envelope("SubscriptionConfirmation", &more, NOTIFICATION);
    assert_eq!(label(&sns, sent), Some("mismatch"));
}

#[test]
fn amazons_certificate_is_good_for_a_while() {
    let sns = signer("aws-sns");
    let at = |seconds| bad(sns.reason(notification(), UnixTime::from_secs(seconds)));
    assert_eq!(at(1_704_067_199), "it is not valid yet");
    assert_eq!(at(2_019_686_401), "it has expired");
    assert_eq!(at(-1), "the clock stands before 1970");
    let of = |document: String| Signer { document, ..signer("aws-sns") };
    let curve = KeyPair::from_pem(P256).expect("a key");
    let curve = subject("sns.amazonaws.com").self_signed(&curve).expect("a certificate").pem();
    assert_eq!(label(&of(curve), notification()), Some("mismatch"));
    for nothing in ["", "<html>not found</html>", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
        assert_eq!(label(&of(nothing.to_owned()), notification()), Some("unknown-key"));
    }
    let long = format!("{}{}", certificate(&subject("x")), " ".repeat(64 * 1024));
    assert_eq!(label(&of(long), notification()), Some("unknown-key"));
}

#[test]
fn what_is_sent_as_amazon_is_an_envelope() {
    let sns = signer("aws-sns");
    let body =
        |request: &Request| -> Value { serde_json::from_slice(&request.body).expect("JSON") };
    let wrapped = sns.send(request("Hello"), NOW).expect("signed");
    assert_eq!(body(&wrapped)["Message"], "Hello");
    assert_eq!(body(&wrapped)["TopicArn"], TOPIC);
    assert_eq!(label(&sns, wrapped), None);
    let confirmation = json!({
        "Type": "SubscriptionConfirmation",
        "TopicArn": TOPIC,
        "Message": "Confirm",
        "Token": "t",
        "SubscribeURL": subscribe_url(),
    });
    let sent = sns.send(request(confirmation.to_string()), NOW).expect("signed");
    assert!(matches!(sns.receive(sent, NOW), Ok(Received::Handshake(_))));
    assert!(sns.send(request(&b"\xff"[..]), NOW).is_err());
}

#[test]
fn paypals_certificate_leads_to_a_root() {
    let paypal = signer("paypal");
    let sent = paypal.send(request("{}"), NOW).expect("signed");
    assert_eq!(label(&paypal, sent.clone()), None);
    let reason = |signer: &Signer| bad(signer.reason(sent.clone(), NOW));
    let astray = "it does not lead to a root that is trusted";

    let rootless = Signer { roots: Vec::new(), ..paypal.clone() };
    assert_eq!(reason(&rootless), "there are no roots that it could lead to");
    let (_, other_roots) = issued(&subject("messageverificationcerts.paypal.com"));
    assert_eq!(reason(&Signer { roots: other_roots, ..paypal.clone() }), astray);
    let document = certificate(&subject("messageverificationcerts.paypal.com"));
    assert_eq!(reason(&Signer { document, ..paypal.clone() }), astray);
    let end = "-----END CERTIFICATE-----";
    let (first, _) = paypal.document.split_once(end).expect("two certificates");
    let document = format!("{first}{end}\n");
    assert_eq!(reason(&Signer { document, ..paypal.clone() }), astray);

    let (document, roots) = issued(&{
        let mut params = subject("messageverificationcerts.paypal.com");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params
    });
    assert_eq!(reason(&Signer { document, roots, ..paypal.clone() }), astray);
    let (document, roots) = issued(&{
        let mut params = subject("messageverificationcerts.paypal.com");
        params.not_after = date_time_ymd(2025, 1, 1);
        params
    });
    assert_eq!(reason(&Signer { document, roots, ..paypal.clone() }), astray);
}

#[test]
fn paypals_certificate_is_paypals() {
    let paypal = signer("paypal");
    let sent = paypal.send(request("{}"), NOW).expect("signed");
    let of = |params| {
        let (document, roots) = issued(&params);
        let signer = Signer { document, roots, ..paypal.clone() };
        signer.receive(sent.clone(), NOW).err().map(|refused| bad(refused.reason))
    };
    assert_eq!(of(subject("a.paypal.com")), None);
    for name in [
        "",
        "paypal.com",
        ".paypal.com",
        "evilpaypal.com",
        "paypal.com.evil.example",
        "a.paypal.com.evil.example",
        "a.paypal.com ",
        "evil.example/.paypal.com",
        "*.paypal.com",
    ] {
        assert_eq!(of(subject(name)), Some("it is not PayPal's"), "{name}");
    }
    let mut alternative = subject("evil.example");
    alternative.subject_alt_names =
        vec![rcgen::SanType::DnsName("a.paypal.com".try_into().expect("a name"))];
    assert_eq!(of(alternative), Some("it is not PayPal's"));
    let mut organization = subject("");
    organization.distinguished_name.push(DnType::OrganizationName, "a.paypal.com");
    assert_eq!(of(organization), Some("it is not PayPal's"));
}

#[test]
fn a_transmission_counts_for_four_days_and_its_id_once() {
    let paypal = signer("paypal");
    let sent = paypal.send(request("{}"), NOW).expect("signed");
    let at = |by: i64| {
        let received = paypal.receive(sent.clone(), UnixTime::from_secs(NOW.as_secs() + by));
        received.err().map(|refused| refused.reason.label())
    };
    assert_eq!((at(4 * 86_400), at(-300)), (None, None));
    assert_eq!(at(4 * 86_400 + 1), Some("timestamp-too-old"));
    assert_eq!(at(-301), Some("timestamp-in-future"));
    assert!(paypal.profile.retry_span.as_secs() >= 4 * 86_400);

    let Received::Event(verified) = paypal.receive(sent.clone(), NOW).expect("genuine") else {
        panic!("an event")
    };
    let id = sent.headers["paypal-transmission-id"].to_str().expect("text");
    assert_eq!(verified.one_time_token(), Some(id));
    assert!(verified.unauthenticated().contains(&Part::Body));
}

/// The reason why the body does not count as signed.
#[test]
fn another_body_of_the_same_checksum_is_told_by_the_token_alone() {
    let paypal = signer("paypal");
    // Both have the CRC-32 4ddb0c25.
    let [first, second] = ["plumless", "buckeroo"];
    let sent = paypal.send(request(first), NOW).expect("signed");
    let forged = Request { body: second.into(), ..sent };
    assert_eq!(label(&paypal, forged), None);
}

#[test]
fn what_paypal_signs_cannot_be_read_in_two_ways() {
    let paypal = signer("paypal");
    let sent = paypal.send(request("{}"), NOW).expect("signed");
    let changed = |header: &'static str, value: &str| {
        let mut sent = sent.clone();
        sent.headers.insert(header, value.parse().expect("a value"));
        label(&paypal, sent)
    };
    assert_eq!(changed("paypal-transmission-id", "a|b"), Some("unexpected-header"));
    assert_eq!(changed("paypal-transmission-id", &"a".repeat(101)), Some("unexpected-header"));
    assert_eq!(
        changed("paypal-transmission-time", "2025-06-15 15:06:40Z"),
        Some("malformed-timestamp")
    );
    assert_eq!(changed("paypal-transmission-sig", "AAAA="), Some("malformed-signature"));
    assert_eq!(changed("paypal-transmission-sig", "AAAA"), Some("malformed-signature"));
    // The same bytes, with padding in the middle.
    let signature = sent.headers["paypal-transmission-sig"].as_bytes();
    let bytes = BASE64.decode(signature).expect("base64");
    let (first, rest) = bytes.split_at(1);
    let other = BASE64.encode(first) + &BASE64.encode(rest);
    assert_eq!(BASE64.decode(other.as_bytes()).as_ref(), Ok(&bytes));
    assert_eq!(changed("paypal-transmission-sig", &other), Some("malformed-signature"));
    let foreign = BASE64.encode(&[7; 256]);
    assert_eq!(changed("paypal-transmission-sig", &foreign), Some("mismatch"));
    for algorithm in ["SHA1withRSA", "sha256withRSA", "SHA256withRSA ", "SHA256withRSA,SHA1withRSA"]
    {
        assert_eq!(changed("paypal-auth-algo", algorithm), Some("unexpected-header"));
    }
    for (webhook, right) in [("4JH8|x", false), ("4JH86294D6297924G", true), ("a b", false)] {
        let settings = Settings::from([("webhook_id", webhook)]);
        let made = Verifier::for_profile(paypal.profile, [], settings);
        assert_eq!(made.is_ok(), right, "{webhook}");
    }
}

#[test]
fn what_every_envelope_signs_is_covered_and_envelopes_are_bounded() {
    let scheme = hookyard_verify::profile("aws-sns").expect("known").scheme;
    let covers = |place: &str| scheme.covers(&place.parse().expect("a place")).expect("a scheme");
    assert!(covers("json:/MessageId") && covers("json:/Type") && covers("json:/Message"));
    for some in ["json:/Subject", "json:/Token", "json:/SubscribeURL", "json:/UnsubscribeURL"] {
        assert!(!covers(some), "{some}");
    }
    let sns = signer("aws-sns");
    let long = "x".repeat(1024 * 1024);
    let sent = envelope("Notification", &[("Message", &long)], NOTIFICATION);
    assert_eq!(label(&sns, sent), Some("malformed-envelope"));
}
