//! Amazon SNS: a JSON envelope with a signature over some of its members, by a key in a certificate
//! that Amazon serves.
//!
//! That somebody at Amazon signed proves little, because everybody can have a topic: the topic is what
//! counts, and has to be set. A message has no moment after which it is stale (Amazon's own validators
//! know none, and deliveries are repeated for an hour), so that its id, which is signed, is what tells
//! a message that is sent again, for as long as ids are remembered.

mod envelope;

use data_encoding::BASE64;
use http::HeaderName;

use crate::certificate::Chain;
use crate::family::{Family, Seen, Takes};
use crate::header::{insert, single};
use crate::keyring::KeySource;
use crate::location::Location;
use crate::private_key::PrivateKey;
use crate::public_key::KeyKind;
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::SignatureAlgorithm;
use crate::secret::{Secret, SecretError};
use crate::sender_url::SenderUrl;
use crate::settings::Settings;
use crate::setup::SetupError;
use crate::sign::SignError;
use crate::template::Piece;

use envelope::{Envelope, SIGNED};

/// What kind of message it is.
const TYPE: HeaderName = HeaderName::from_static("x-amz-sns-message-type");

/// Where only the message is sent, and nothing to check it by.
const RAW: HeaderName = HeaderName::from_static("x-amz-sns-rawdelivery");

/// The setting that has the topics, with commas between them.
pub(crate) const TOPIC: &str = "topic_arn";

/// Where whoever checks what is signed here finds the certificate.
const OWN_CERTIFICATE: &str =
    "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-hookyard.pem";

/// SNS's scheme; there is nothing to set up but the topic.
#[derive(Debug)]
pub(crate) struct SnsCheck;

impl Family for SnsCheck {
    type Key = ();

    fn key(&self, _: &Secret) -> Result<(), SecretError> {
        Ok(())
    }

    fn takes(&self) -> Takes {
        Takes::Nothing
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), SetupError> {
        let summary = "the topic, without which anybody's topic would do";
        let problem = "it is not an ARN such as `arn:aws:sns:us-east-1:123456789012:orders`";
        settings.need(TOPIC, summary, |all| topics(all).all(is_topic), problem)
    }

    fn is_carried(&self, request: &Request) -> bool {
        request.headers.contains_key(TYPE)
    }

    fn check(&self, _: &[()], seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        let Seen { request, now, keyring, settings } = seen;
        let told = single(&request.headers, &TYPE)?;
        if request.headers.contains_key(RAW) {
            return Err(Reason::MalformedEnvelope(
                "raw message delivery leaves the signature out; turn it off for the subscription",
            ));
        }
        let envelope = Envelope::read(&request.body)?;
        if envelope.kind().as_bytes() != told {
            let (header, expected) = (TYPE, envelope.kind().to_owned());
            return Err(Reason::UnexpectedHeader { header, expected });
        }
        let set = settings.get(TOPIC).unwrap_or_default();
        if topics(set).all(|topic| topic != envelope.topic()) {
            return Err(Reason::MalformedEnvelope(
                "it is of another topic than the one that is set",
            ));
        }
        let algorithm = envelope.algorithm()?;
        let url = envelope.certificate_url()?;
        if !is_certificate(url) {
            return Err(Reason::ForeignKeyUrl);
        }
        if let Some(subscribe) = envelope.subscribe_url()
            && !confirms(subscribe, envelope.topic())
        {
            return Err(Reason::BadHandshake("its URL is not one of the sender's"));
        }
        let signature = envelope.signature(algorithm)?;
        let source = KeySource::Certificates { url: url.to_owned() };
        let chain = keyring.document(&source).and_then(|pem| Chain::read(pem));
        // Whatever was served in place of a certificate may be another thing next time.
        let chain = chain.ok_or(Reason::KeyNeeded(source))?;
        let key = chain.key(now)?;
        let holds = |text: String| key.verify(algorithm, &[text], &signature);
        match envelope.signed_texts().any(holds) {
            true => Ok(None),
            false => Err(Reason::ForeignSignature),
        }
    }

    /// What the URL for unsubscribing and the message's attributes say is not signed.
    fn covers(&self, _: &Piece) -> bool {
        false
    }

    fn covers_location(&self, location: &Location) -> bool {
        match location {
            Location::Json(pointer) => {
                pointer.strip_prefix('/').is_some_and(|member| SIGNED.contains(&member))
            }
            _ => false,
        }
    }

    /// An envelope is signed as it is; any other body becomes the message of a notification.
    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        now: UnixTime,
        settings: &Settings,
    ) -> Result<Request, SignError> {
        self.check_settings(settings)?;
        let key = PrivateKey::read(secret.bytes(), KeyKind::Rsa)?;
        let topic = topics(settings.get(TOPIC).unwrap_or_default()).next().unwrap_or_default();
        let mut envelope = Envelope::write(&request.body, topic, OWN_CERTIFICATE, now)?;
        let text = envelope.signed_texts().next().unwrap_or_default();
        let signature =
            key.sign(SignatureAlgorithm::RsaSha256, &[text]).ok_or(SignError::Unsignable)?;
        envelope.set_signature(BASE64.encode(&signature));
        insert(&mut request.headers, &TYPE, envelope.kind().as_bytes())?;
        request.body = envelope.into_text().into();
        Ok(request)
    }
}

/// The topics that a setting has.
fn topics(setting: &str) -> impl Iterator<Item = &str> {
    setting.split(',').map(str::trim)
}

/// `arn:PARTITION:sns:REGION:ACCOUNT:NAME`.
fn is_topic(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let [arn, partition, service, region, account, name] = parts.as_slice() else { return false };
    let plain = |part: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !part.is_empty() && part.bytes().all(plain)
    };
    (*arn, *service) == ("arn", "sns") && [partition, region, account, name].into_iter().all(plain)
}

/// Whether Amazon serves its certificates there.
fn is_certificate(url: &str) -> bool {
    SenderUrl::read(url)
        .is_some_and(|url| is_amazon(&url) && url.path.ends_with(".pem") && url.query.is_none())
}

/// `sns.REGION.amazonaws.com` or the same in China, where nobody but Amazon serves anything.
fn is_amazon(url: &SenderUrl<'_>) -> bool {
    [".amazonaws.com", ".amazonaws.com.cn"].iter().any(|suffix| {
        let Some(labels) = url.labels_before(suffix) else { return false };
        let labels: Vec<&str> = labels.collect();
        matches!(labels.as_slice(), ["sns", region] if is_region(region))
    })
}

/// Two letters, words and a number, as in `us-gov-west-1`. Anything looser would take hosts of
/// buckets: `sns.s3-us-west-2.amazonaws.com` belongs to whoever has the bucket `sns`.
fn is_region(text: &str) -> bool {
    let labels: Vec<&str> = text.split('-').collect();
    let [area, words @ .., number] = labels.as_slice() else { return false };
    let all = |label: &str, of: fn(&u8) -> bool| !label.is_empty() && label.bytes().all(|b| of(&b));
    area.len() == 2
        && all(area, u8::is_ascii_lowercase)
        && !words.is_empty()
        && words.iter().all(|word| all(word, u8::is_ascii_lowercase))
        && all(number, u8::is_ascii_digit)
}

/// Whether fetching this URL, of Amazon's, confirms a subscription of `topic` and does nothing else.
fn confirms(url: &str, topic: &str) -> bool {
    let Some(url) = SenderUrl::read(url).filter(is_amazon) else { return false };
    let query = url.query.unwrap_or_default();
    let parameter = |name: &str| {
        let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(found, _)| found == name);
        let first = found.next().map(|(_, value)| value);
        first.filter(|_| found.next().is_none())
    };
    url.path == "/"
        && parameter("Action").as_deref() == Some("ConfirmSubscription")
        && parameter("TopicArn").as_deref() == Some(topic)
        && parameter("Token").is_some_and(|token| !token.is_empty())
}

/// Whether a handshake may have this URL fetched.
pub(crate) fn is_subscribe_url(url: &str) -> bool {
    SenderUrl::read(url).is_some_and(|url| is_amazon(&url) && url.path == "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_amazons() {
        for right in [
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-01d088a6f77103d0.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem",
            "https://sns.us-gov-west-1.amazonaws.com/x/y.pem",
        ] {
            assert!(is_certificate(right), "{right}");
        }
        for wrong in [
            "http://sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com/x.pem?y",
            "https://sns.us-east-1.amazonaws.com/x.pem#y",
            "https://sns.us-east-1.amazonaws.com/?x=.pem#",
            "https://sns.us-east-1.amazonaws.com/x.crt",
            "https://sns.us-east-1.amazonaws.com:8443/x.pem",
            "https://sns.us-east-1.amazonaws.com:443/x.pem",
            "https://sns.us-east-1.amazonaws.com@evil.example/x.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/x.pem",
            "https://sns.us-east-1.amazonaws.com.cn.evil.example/x.pem",
            "https://evil.sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us.east.amazonaws.com/x.pem",
            "https://xsns.us-east-1.amazonaws.com/x.pem",
            "https://sqs.us-east-1.amazonaws.com/x.pem",
            "https://sns.ab.amazonaws.com/x.pem",
            "https://sns.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.org/x.pem",
            "https://sns.s3.amazonaws.com.evil/x.pem",
            // Buckets with the name `sns`, which are somebody's.
            "https://sns.s3.amazonaws.com/x.pem",
            "https://sns.s3-us-west-2.amazonaws.com/x.pem",
            "https://sns.s3-external-1.amazonaws.com/x.pem",
            "https://sns.s3-website-us-east-1.amazonaws.com/x.pem",
            "https://sns.s3-cn-north-1.amazonaws.com.cn/x.pem",
            "https://sns.s3.cn-north-1.amazonaws.com.cn/x.pem",
            "https://sns.us-1.amazonaws.com/x.pem",
            "https://sns.us-east.amazonaws.com/x.pem",
            "https://sns.us-east-1a.amazonaws.com/x.pem",
            "https://sns.us--1.amazonaws.com/x.pem",
            "https://sns.usa-east-1.amazonaws.com/x.pem",
            "https://sns.US-EAST-1.amazonaws.com/x.pem",
        ] {
            assert!(!is_certificate(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_subscription_is_confirmed_and_nothing_else_is_fetched() {
        const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:orders";
        let url = |query: &str| format!("https://sns.us-east-1.amazonaws.com/?{query}");
        let escaped = TOPIC.replace(':', "%3A");
        for right in [
            url(&format!("Action=ConfirmSubscription&TopicArn={TOPIC}&Token=1")),
            url(&format!("Token=1&Action=ConfirmSubscription&TopicArn={escaped}")),
        ] {
            assert!(confirms(&right, TOPIC) && is_subscribe_url(&right), "{right}");
        }
        for wrong in [
            url(""),
            url(&format!("Action=DeleteTopic&TopicArn={TOPIC}&Token=1")),
            url(&format!("Action=ConfirmSubscription&TopicArn={TOPIC}2&Token=1")),
            url(&format!("Action=ConfirmSubscription&TopicArn={TOPIC}&Token=")),
            url(&format!("Action=ConfirmSubscription&TopicArn={TOPIC}")),
            url(&format!("Action=ConfirmSubscription&Action=DeleteTopic&TopicArn={TOPIC}&Token=1")),
            url(&format!("Action=ConfirmSubscription&TopicArn=x&TopicArn={TOPIC}&Token=1")),
            url(&format!("Action=ConfirmSubscription&TopicArn={TOPIC}&Token=1"))
                .replace(".com/", ".com/x"),
            url(&format!("Action=ConfirmSubscription&TopicArn={TOPIC}&Token=1"))
                .replace("https", "http"),
            format!("https://169.254.169.254/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=1"),
        ] {
            assert!(!confirms(&wrong, TOPIC), "{wrong}");
        }
        for host in ["s3-us-west-2.amazonaws.com", "s3-cn-north-1.amazonaws.com.cn"] {
            let query = format!("Action=ConfirmSubscription&TopicArn={TOPIC}&Token=1");
            let bucket = format!("https://sns.{host}/?{query}");
            assert!(!confirms(&bucket, TOPIC) && !is_subscribe_url(&bucket), "{bucket}");
        }
    }

    #[test]
    fn topics_are_whole_names() {
        let check = |topic| SnsCheck.check_settings(&Settings::from([(TOPIC, topic)])).is_ok();
        assert!(check("arn:aws:sns:us-east-1:123456789012:orders"));
        assert!(check("arn:aws-cn:sns:cn-north-1:123456789012:a.fifo, arn:aws:sns:eu-west-1:1:b"));
        for wrong in [
            "orders",
            "arn:aws:sqs:us-east-1:123456789012:orders",
            "arn:aws:sns:us-east-1:123456789012",
            "arn:aws:sns:us-east-1:123456789012:",
            "arn:aws:sns:us-east-1:123456789012:*",
            "arn:aws:sns:us-east-1:123456789012:orders:5f1b",
            "arn:aws:sns:us-east-1:123456789012:orders,",
        ] {
            assert!(!check(wrong), "{wrong}");
        }
    }
}
