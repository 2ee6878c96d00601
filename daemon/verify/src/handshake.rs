//! The requests with which senders try a URL out before they send events to it, as data: how to
//! tell them, what they have to prove, and the exact answer.
//!
//! A handshake never becomes an event. What it echoes is at most 1024 bytes without control
//! characters, and is to be sent with `X-Content-Type-Options: nosniff`.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::location::Location;
use crate::mac::{Keyed, Tag};
use crate::reason::Reason;
use crate::request::Request;
use crate::scheme::{Algorithm, Encoding};
use crate::sealed::{self, Seal};
use crate::secret::Secret;
use crate::settings::Settings;

/// One kind of handshake of a sender.
#[derive(Debug)]
pub struct HandshakeRule {
    /// What the sender calls it, for logs.
    pub name: &'static str,
    /// What all holds for such a request.
    pub when: &'static [Condition],
    /// What it has to prove.
    pub proof: Proof,
    /// The status of the answer.
    pub status: u16,
    /// Headers of the answer, its content type among them.
    pub headers: &'static [(&'static str, Value)],
    /// The body of the answer.
    pub body: Body,
    /// A URL that has to be fetched before the answer, which the sender's rule for hosts has passed.
    pub confirm: Option<Confirm>,
}

/// Something that holds for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The method.
    Method(Method),
    /// There is something at this place.
    Has(Location),
    /// This text is at this place.
    Is(Location, &'static str),
    /// The body is empty.
    EmptyBody,
    /// Between `from` and `to` lower-case hexadecimal digits are at this place, and nothing else.
    Hex { at: Location, from: usize, to: usize },
    /// Letters, digits, `-` and `_` of ASCII are at this place, and nothing else.
    ///
    /// An answer that is signed with the secret of events signs what a stranger asks for: nothing
    /// that could be (the signed part of) an event may be at this place.
    Plain(Location),
}

/// What a handshake has to prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is signed as events are.
    Signature,
    /// The text at this place is the setting of that name, or, where that is not set, one of the
    /// secrets.
    Shows(Location, &'static str),
    /// Nothing; the answer tells nothing that is worth having.
    Nothing,
    /// Nothing, and it brings the secret, at this place: the caller takes it only while an operator
    /// waits for it.
    Teaches(Location),
    /// It is encrypted with one of the secrets: conditions, places and the answer are about what it
    /// says then. Where the setting of that name is set, its text is at this place.
    Sealed(Seal, Location, &'static str),
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// This text.
    Text(&'static str),
    /// What the request has at this place.
    Echo(Location),
    /// The sender's setting of that name, or nothing.
    Setting(&'static str),
    /// The public URL without its query.
    Url,
    /// The first secret.
    Secret,
    /// A hash of other parts.
    Hash { how: Hash, of: &'static [Value], encoding: Encoding },
}

/// How an answer is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256, without a key.
    Sha256,
    /// An HMAC keyed with the first secret's text.
    Hmac(Algorithm),
    /// HMAC-SHA1 keyed with the SHA-1 of the first secret's text.
    HmacOfSha1,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    Empty,
    /// The parts, one after the other.
    Text(&'static [Value]),
    /// An object with these members, which are strings.
    Json(&'static [(&'static str, Value)]),
}

/// Where the URL is that confirms.
#[derive(Clone, Debug)]
pub struct Confirm {
    pub at: Location,
    /// Whether the sender could have written this URL.
    pub allowed: fn(&str) -> bool,
}

/// A handshake that has been recognised and has proven what it had to.
#[derive(Debug)]
pub struct Handshake {
    /// What the sender calls it.
    pub name: &'static str,
    /// What to answer.
    pub reply: HandshakeReply,
    /// To be fetched first; when that fails, the answer is an error.
    pub confirm: Option<String>,
    /// The secret that it brings. Take it only while an operator waits for it, and answer an error
    /// otherwise: anyone could have sent it.
    pub teaches: Option<Secret>,
}

/// The exact answer to a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeReply {
    /// The status.
    pub status: StatusCode,
    /// Headers, the content type among them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

impl HandshakeRule {
    /// Whether it brings the secret.
    pub(crate) fn teaches(&self) -> bool {
        matches!(self.proof, Proof::Teaches(_))
    }

    /// The methods that it names.
    pub(crate) fn methods(&self) -> impl Iterator<Item = Method> {
        self.when.iter().filter_map(|condition| match condition {
            Condition::Method(method) => Some(method.clone()),
            _ => None,
        })
    }

    /// Whether a request is one of these. What needs a signature is looked at only when one held.
    pub(crate) fn is(&self, request: &Request, signed: bool, secrets: &[Secret]) -> bool {
        (signed || self.proof != Proof::Signature)
            && self
                .readable(request, secrets)
                .is_some_and(|request| self.when.iter().all(|condition| condition.holds(&request)))
    }

    /// The request as it can be read.
    fn readable<'r>(&self, request: &'r Request, secrets: &[Secret]) -> Option<Cow<'r, Request>> {
        match &self.proof {
            Proof::Sealed(seal, ..) => sealed::open(*seal, request, secrets).map(Cow::Owned),
            _ => Some(Cow::Borrowed(request)),
        }
    }

    /// The answer to a request that [is](Self::is) one of these.
    pub(crate) fn answer(
        &self,
        request: &Request,
        secrets: &[Secret],
        settings: &Settings,
    ) -> Result<Handshake, Reason> {
        let sealed = Reason::BadHandshake("none of the secrets opens it");
        let request = &*self.readable(request, secrets).ok_or(sealed)?;
        let mut teaches = None;
        match &self.proof {
            Proof::Signature | Proof::Nothing => {}
            Proof::Shows(location, setting) => {
                let shown = location.find(request).unwrap_or_default();
                let same = |expected: &[u8]| expected.ct_eq(shown.as_bytes());
                let held = match settings.get(setting) {
                    Some(expected) => same(expected.as_bytes()),
                    None => secrets
                        .iter()
                        .fold(Choice::from(0), |any, secret| any | same(secret.bytes())),
                };
                if !bool::from(held) {
                    return Err(Reason::BadHandshake("its token is another one"));
                }
            }
            Proof::Sealed(_, location, setting) => {
                let shown = location.find(request).unwrap_or_default();
                let held = settings
                    .get(setting)
                    .is_none_or(|expected| bool::from(expected.as_bytes().ct_eq(shown.as_bytes())));
                if !held {
                    return Err(Reason::BadHandshake("its token is another one"));
                }
            }
            Proof::Teaches(location) => {
                let told = location.find(request).map(Secret::from);
                teaches = Some(told.ok_or(Reason::BadHandshake("it brings no secret"))?);
            }
        }
        let confirm = match &self.confirm {
            None => None,
            Some(confirm) => match confirm.at.find(request) {
                Some(url) if (confirm.allowed)(&url) => Some(url),
                _ => return Err(Reason::BadHandshake("its URL is not one of the sender's")),
            },
        };
        let context = Context { request, secrets, settings };
        let unfit = |_| Reason::BadHandshake("what it asks to echo cannot be in a header");
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in self.headers {
            let value = HeaderValue::from_str(&context.text(value)?).map_err(unfit)?;
            headers.push((HeaderName::from_static(name), value));
        }
        let body = match self.body {
            Body::Empty => Bytes::new(),
            Body::Text(parts) => context.join(parts)?.into(),
            Body::Json(members) => {
                let mut object = serde_json::Map::new();
                for (name, value) in members {
                    object.insert((*name).to_owned(), context.text(value)?.into());
                }
                serde_json::Value::Object(object).to_string().into()
            }
        };
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let reply = HandshakeReply { status, headers, body };
        Ok(Handshake { name: self.name, reply, confirm, teaches })
    }
}

impl Condition {
    fn holds(&self, request: &Request) -> bool {
        match self {
            Self::Method(method) => request.method == *method,
            Self::Has(location) => location.find(request).is_some(),
            Self::Is(location, text) => location.find(request).is_some_and(|found| found == *text),
            Self::EmptyBody => request.body.is_empty(),
            Self::Hex { at, from, to } => at.find(request).is_some_and(|found| {
                (*from..=*to).contains(&found.len())
                    && found.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            }),
            Self::Plain(location) => location.find(request).is_some_and(|found| {
                found.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            }),
        }
    }
}

/// What the parts of an answer are made from.
struct Context<'r> {
    request: &'r Request,
    secrets: &'r [Secret],
    settings: &'r Settings,
}

impl Context<'_> {
    fn join(&self, parts: &[Value]) -> Result<String, Reason> {
        parts.iter().map(|part| self.text(part)).collect()
    }

    fn text(&self, value: &Value) -> Result<String, Reason> {
        Ok(match value {
            Value::Text(text) => (*text).to_owned(),
            Value::Echo(location) => location
                .find(self.request)
                .ok_or(Reason::BadHandshake("what it asks to echo is missing or too long"))?,
            Value::Setting(name) => self.settings.get(name).unwrap_or_default().to_owned(),
            Value::Url => {
                let url = self.request.url.as_str();
                url.split_once('?').map_or(url, |(url, _)| url).to_owned()
            }
            Value::Secret => String::from_utf8_lossy(self.secret()?).into_owned(),
            Value::Hash { how, of, encoding } => {
                let message = self.join(of)?;
                let message = [message.as_bytes()];
                match how {
                    Hash::Sha256 => {
                        let [message] = message;
                        Tag::from_slice(&Sha256::digest(message)).encode(*encoding)
                    }
                    Hash::Hmac(algorithm) => {
                        Keyed::new(*algorithm, self.secret()?).hash(&message).encode(*encoding)
                    }
                    Hash::HmacOfSha1 => {
                        let key = sha1::Sha1::digest(self.secret()?);
                        Keyed::new(Algorithm::Sha1, &key).hash(&message).encode(*encoding)
                    }
                }
            }
        })
    }

    fn secret(&self) -> Result<&[u8], Reason> {
        self.secrets.first().map(Secret::bytes).ok_or(Reason::NotTaught)
    }
}
