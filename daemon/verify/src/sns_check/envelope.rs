//! The envelope around a message, and the text of it that is signed.

use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::json_object;
use crate::moment;
use crate::reason::Reason;
use crate::request::UnixTime;
use crate::scheme::{Encoding, SignatureAlgorithm, TimestampFormat};
use crate::template_key::decode_signature;

/// The members that are signed in every kind of envelope, whichever a request brings.
pub(super) const SIGNED: &[&str] = &["Message", "MessageId", "Timestamp", "TopicArn", "Type"];

/// The longest envelope, in bytes. All of it is read before its signature. A message has 256 KiB at
/// most, which escapes make longer.
const LONGEST: usize = 1024 * 1024;

/// The members of a notification that are signed, in the order of signing.
const NOTIFICATION: &[&str] = &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];

/// Those of the two confirmations.
const CONFIRMATION: &[&str] =
    &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// An envelope that has all of its members, once each. None has been proven.
#[derive(Debug)]
pub(super) struct Envelope {
    kind: Kind,
    members: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Notification,
    Subscription,
    Unsubscription,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Notification, Self::Subscription, Self::Unsubscription];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::Subscription => "SubscriptionConfirmation",
            Self::Unsubscription => "UnsubscribeConfirmation",
        }
    }

    const fn signed(self) -> &'static [&'static str] {
        match self {
            Self::Notification => NOTIFICATION,
            Self::Subscription | Self::Unsubscription => CONFIRMATION,
        }
    }
}

impl Envelope {
    pub(super) fn read(body: &[u8]) -> Result<Self, Reason> {
        if body.len() > LONGEST {
            return Err(Reason::MalformedEnvelope("it is longer than any of Amazon's"));
        }
        let members = json_object::read(body)
            .ok_or(Reason::MalformedEnvelope("it is not a JSON object without repeated members"))?;
        Self::of(members)
    }

    fn of(members: Map<String, Value>) -> Result<Self, Reason> {
        let told = members.get("Type").and_then(Value::as_str);
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| told == Some(kind.as_str()))
            .ok_or(Reason::MalformedEnvelope("its `Type` is none that Amazon sends"))?;
        let envelope = Self { kind, members };
        for name in kind.signed() {
            match envelope.members.get(*name) {
                None if *name == "Subject" => continue,
                Some(Value::String(text)) if *name == "Message" || is_line(text) => {}
                _ => {
                    return Err(Reason::MalformedEnvelope(
                        "a member that is signed is missing or is not a line of text",
                    ));
                }
            }
        }
        let moment = moment::read(envelope.text("Timestamp").as_bytes(), TimestampFormat::Rfc3339);
        match moment {
            Some(_) => Ok(envelope),
            None => Err(Reason::MalformedEnvelope("its `Timestamp` is no date and time")),
        }
    }

    /// The text of a member, or nothing.
    fn text(&self, name: &str) -> &str {
        self.members.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn kind(&self) -> &'static str {
        self.kind.as_str()
    }

    pub(super) fn topic(&self) -> &str {
        self.text("TopicArn")
    }

    /// Where a subscription is confirmed, if that is what is asked for.
    pub(super) fn subscribe_url(&self) -> Option<&str> {
        (self.kind == Kind::Subscription).then(|| self.text("SubscribeURL"))
    }

    /// The algorithm, of the two that there are. SHA-1 is what topics have unless told otherwise;
    /// which of them it is is not signed, but nothing is gained by naming the other.
    pub(super) fn algorithm(&self) -> Result<SignatureAlgorithm, Reason> {
        match self.text("SignatureVersion") {
            "1" => Ok(SignatureAlgorithm::RsaSha1),
            "2" => Ok(SignatureAlgorithm::RsaSha256),
            _ => Err(Reason::MalformedEnvelope("its `SignatureVersion` is neither 1 nor 2")),
        }
    }

    /// Where the certificate is. Some of Amazon's senders write the name another way.
    pub(super) fn certificate_url(&self) -> Result<&str, Reason> {
        let spellings = ["SigningCertURL", "SigningCertUrl"];
        let mut found = spellings.iter().filter_map(|name| self.members.get(*name));
        match (found.next(), found.next()) {
            (Some(Value::String(url)), None) => Ok(url),
            _ => Err(Reason::MalformedEnvelope("it does not name one certificate")),
        }
    }

    pub(super) fn signature(&self, algorithm: SignatureAlgorithm) -> Result<Vec<u8>, Reason> {
        decode_signature(self.text("Signature").as_bytes(), Encoding::Base64, algorithm)
            .ok_or(Reason::MalformedEnvelope("its `Signature` is not one of RSA in padded base64"))
    }

    /// What may have been signed: names and values, a line each. All values but the first are single
    /// lines, and the kind comes last, so that a text can be read in one way only.
    ///
    /// Of the confirmation that a subscription has ended, Amazon's documents list the members of a
    /// confirmation, and its validator for JavaScript takes those of a notification.
    pub(super) fn signed_texts(&self) -> impl Iterator<Item = String> {
        let second = (self.kind == Kind::Unsubscription).then_some(NOTIFICATION);
        std::iter::once(self.kind.signed()).chain(second).map(|names| self.signed_text(names))
    }

    fn signed_text(&self, names: &[&str]) -> String {
        let mut text = String::new();
        for name in names {
            if let Some(Value::String(value)) = self.members.get(*name) {
                for part in [name, "\n", value.as_str(), "\n"] {
                    text.push_str(part);
                }
            }
        }
        text
    }

    /// The envelope that `body` is, or a notification with `body` as its message, ready to be signed.
    pub(super) fn write(
        body: &[u8],
        topic: &str,
        certificate: &str,
        now: UnixTime,
    ) -> Result<Self, Reason> {
        let mut members = json_object::read(body).filter(|found| found.contains_key("TopicArn"));
        let members = members.get_or_insert_with(Map::new);
        let mut default = |name: &str, value: String| {
            members.entry(name).or_insert(value.into());
        };
        if let Ok(message) = std::str::from_utf8(body) {
            default("Message", message.to_owned());
        }
        // Without a source of randomness, what no other message of this moment has.
        let id = HEXLOWER.encode(&Sha256::digest([&now.as_millis().to_be_bytes(), body].concat()));
        default("MessageId", id);
        default("Timestamp", moment::write(now, TimestampFormat::Rfc3339));
        default("TopicArn", topic.to_owned());
        default("Type", Kind::Notification.as_str().to_owned());
        members.remove("SigningCertUrl");
        for (name, value) in [("SignatureVersion", "2"), ("SigningCertURL", certificate)] {
            members.insert(name.to_owned(), value.into());
        }
        Self::of(std::mem::take(members))
    }

    pub(super) fn set_signature(&mut self, signature: String) {
        self.members.insert("Signature".to_owned(), signature.into());
    }

    pub(super) fn into_text(self) -> String {
        Value::Object(self.members).to_string()
    }
}

/// Fit to stand in a line of its own.
fn is_line(text: &str) -> bool {
    !text.is_empty() && text.len() <= 2048 && !text.contains(char::is_control)
}
