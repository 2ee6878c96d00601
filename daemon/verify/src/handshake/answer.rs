//! Telling handshakes and answering them.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{Body, Condition, HandshakeRule, Hash, Proof, Shape, Value};
use crate::location::Location;
use crate::mac::{Keyed, Tag};
use crate::reason::Reason;
use crate::request::Request;
use crate::scheme::Algorithm;
use crate::sealed;
use crate::secret::Secret;
use crate::settings::Settings;

/// The longest body, in bytes, in which a handshake that nobody signed is looked for, unless its
/// sender signs its handshakes. Those of the known senders have less than one KiB.
const LONGEST_UNSIGNED: usize = 16 * 1024;

/// A handshake that has been recognised and has proven what it had to.
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

/// A URL that confirms has a token in it.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("name", &self.name)
            .field("reply", &self.reply)
            .field("confirms", &self.confirm.is_some())
            .field("teaches", &self.teaches)
            .finish()
    }
}

/// The exact answer to a handshake. An answer with a body says what it is, and that browsers are not
/// to guess otherwise: it has what somebody else wrote in it.
#[derive(Clone, PartialEq, Eq)]
pub struct HandshakeReply {
    /// The status.
    pub status: StatusCode,
    /// Headers, the content type among them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// An answer can have the secret in it.
impl fmt::Debug for HandshakeReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&HeaderName> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HandshakeReply")
            .field("status", &self.status)
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// What a route knows when it answers.
#[derive(Clone, Copy)]
pub(crate) struct Known<'r> {
    pub(crate) secrets: &'r [Secret],
    /// The place of the secret with which the request was signed.
    pub(crate) signed_with: Option<usize>,
    pub(crate) settings: &'r Settings,
}

impl HandshakeRule {
    /// Whether a request looks like one of these, whatever it proves.
    pub(crate) fn describes(&self, request: &Request, signed: bool, secrets: &[Secret]) -> bool {
        let readable = signed || request.body.len() <= LONGEST_UNSIGNED;
        request.method == self.method()
            && (readable || self.proof == Proof::Signature)
            && self
                .opened(request, secrets)
                .is_some_and(|request| self.when.iter().all(|condition| condition.holds(&request)))
    }

    /// The request as it can be read.
    fn opened<'r>(&self, request: &'r Request, secrets: &[Secret]) -> Option<Cow<'r, Request>> {
        match &self.proof {
            Proof::Sealed(seal, ..) => sealed::open(*seal, request, secrets).map(Cow::Owned),
            _ => Some(Cow::Borrowed(request)),
        }
    }

    /// Whether `body` is something that anyone can have signed by asking for this handshake, with
    /// the very key of events.
    pub(crate) fn signs_for_anyone(&self, body: &[u8]) -> bool {
        self.proof != Proof::Signature
            && self.keyed_echoes().iter().any(|location| match self.shape(location) {
                Some(shape) => shape.fits(body),
                None => true,
            })
    }

    /// The places whose text goes into a hash with a key.
    pub(crate) fn keyed_echoes(&self) -> Vec<&'static Location> {
        let mut echoes = Vec::new();
        match self.body {
            Body::Empty => {}
            Body::Text(parts) => {
                parts.iter().for_each(|value| value.keyed_echoes(false, &mut echoes));
            }
            Body::Json(members) => {
                members.iter().for_each(|(_, value)| value.keyed_echoes(false, &mut echoes));
            }
        }
        self.headers.iter().for_each(|(_, value)| value.keyed_echoes(false, &mut echoes));
        echoes
    }

    /// What the text at `location` has to look like.
    pub(crate) fn shape(&self, location: &Location) -> Option<Shape> {
        self.when.iter().find_map(|condition| match condition {
            Condition::Shaped(at, shape) if at == location => Some(*shape),
            _ => None,
        })
    }

    /// The answer to a request that this rule [describes](Self::describes).
    pub(crate) fn answer(&self, request: &Request, known: Known<'_>) -> Result<Handshake, Reason> {
        let sealed = Reason::BadHandshake("none of the secrets opens it");
        let request = &*self.opened(request, known.secrets).ok_or(sealed)?;
        if self.when.iter().any(|condition| condition.is_ambiguous(request)) {
            return Err(Reason::BadHandshake("something that tells it is there more than once"));
        }
        let mut teaches = None;
        match &self.proof {
            Proof::Signature | Proof::MaybeSigned | Proof::Nothing => {}
            Proof::Shows(location, setting) => {
                let shown = location.only(request).unwrap_or_default();
                if !bool::from(known.is_shared(setting, shown.as_bytes())) {
                    return Err(Reason::BadHandshake("its token is another one, or none"));
                }
            }
            Proof::Sealed(_, location, setting) => {
                let shown = location.only(request).unwrap_or_default();
                let held = known
                    .settings
                    .get(setting)
                    .is_none_or(|expected| bool::from(expected.as_bytes().ct_eq(shown.as_bytes())));
                if !held {
                    return Err(Reason::BadHandshake("its token is another one, or none"));
                }
            }
            Proof::Teaches(location) => {
                let told = location.only(request).map(Secret::from);
                teaches = Some(told.ok_or(Reason::BadHandshake("it brings no secret"))?);
            }
        }
        let confirm = match &self.confirm {
            None => None,
            Some(confirm) => match confirm.at.only(request) {
                Some(url) if (confirm.allowed)(&url) => Some(url),
                _ => return Err(Reason::BadHandshake("its URL is not one of the sender's")),
            },
        };
        let reply = self.reply(request, known)?;
        Ok(Handshake { name: self.name, reply, confirm, teaches })
    }

    fn reply(&self, request: &Request, known: Known<'_>) -> Result<HandshakeReply, Reason> {
        let mut headers = Vec::with_capacity(self.headers.len() + 2);
        for (name, value) in self.headers {
            let unfit = Reason::BadHandshake("what it asks to echo cannot be in a header");
            let text = value.bytes(request, known)?;
            match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(&text)) {
                (Ok(name), Ok(value)) => headers.push((name, value)),
                _ => return Err(unfit),
            }
        }
        let (body, media) = match self.body {
            Body::Empty => (Bytes::new(), None),
            Body::Text(parts) => {
                (Bytes::copy_from_slice(&joined(parts, request, known)?), Some("text/plain"))
            }
            Body::Json(members) => {
                let mut object = serde_json::Map::new();
                for (name, value) in members {
                    let text = value.bytes(request, known)?;
                    let text = String::from_utf8_lossy(&text).into_owned();
                    object.insert((*name).to_owned(), text.into());
                }
                let text = serde_json::Value::Object(object).to_string();
                (Bytes::from(text), Some("application/json"))
            }
        };
        if let Some(media) = media {
            let has = |name: HeaderName| headers.iter().any(|(header, _)| *header == name);
            let (typed, guarded) = (has(CONTENT_TYPE), has(X_CONTENT_TYPE_OPTIONS));
            if !typed {
                headers.push((CONTENT_TYPE, HeaderValue::from_static(media)));
            }
            if !guarded {
                headers.push((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
            }
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        Ok(HandshakeReply { status, headers, body })
    }
}

impl Condition {
    fn holds(&self, request: &Request) -> bool {
        match self {
            // Looked at for all rules alike, those that name no method among them.
            Self::Method(_) => true,
            Self::Has(location) => location.occurrences(request).count > 0,
            Self::Lacks(location) => location.occurrences(request).count == 0,
            Self::Is(location, text) => {
                location.occurrences(request).last.is_some_and(|found| found == *text)
            }
            Self::Shaped(location, shape) => {
                location.only(request).is_some_and(|found| shape.fits(&found))
            }
            Self::EmptyBody => request.body.is_empty(),
        }
    }

    /// Whether what tells the handshake is there several times: readers differ in which counts.
    fn is_ambiguous(&self, request: &Request) -> bool {
        match self {
            Self::Method(_) | Self::Lacks(_) | Self::EmptyBody => false,
            Self::Has(location) | Self::Is(location, _) | Self::Shaped(location, _) => {
                location.occurrences(request).count > 1
            }
        }
    }
}

impl Value {
    fn bytes(&self, request: &Request, known: Known<'_>) -> Result<Zeroizing<Vec<u8>>, Reason> {
        Ok(Zeroizing::new(match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Echo(location) => location
                .only(request)
                .ok_or(Reason::BadHandshake(
                    "what it asks to echo is missing, too long, not clean or there twice",
                ))?
                .into_bytes(),
            Self::Setting(name) => known.settings.get(name).unwrap_or_default().into(),
            Self::Needed(name) => known
                .settings
                .get(name)
                .ok_or(Reason::BadHandshake("a setting is missing that the answer is made of"))?
                .into(),
            Self::SettingOr(name, other) => match known.settings.get(name) {
                Some(setting) => setting.into(),
                None => return other.bytes(request, known),
            },
            Self::Url => {
                let url = request.url.as_str();
                url.split_once('?').map_or(url, |(url, _)| url).into()
            }
            Self::Secret => known.secret()?.to_vec(),
            Self::Joined(parts) => return joined(parts, request, known),
            Self::Hash { how, of, encoding } => {
                let message = joined(of, request, known)?;
                let tag = match how {
                    Hash::Sha256 => Tag::from_slice(&Sha256::digest(&*message)),
                    Hash::Hmac(algorithm) => {
                        Keyed::new(*algorithm, known.secret()?).hash(&[&*message])
                    }
                    Hash::HmacOfSha1 => {
                        let key = Zeroizing::new(sha1::Sha1::digest(known.secret()?).to_vec());
                        Keyed::new(Algorithm::Sha1, &key).hash(&[&*message])
                    }
                };
                tag.encode(*encoding).into_bytes()
            }
        }))
    }

    fn keyed_echoes(&'static self, keyed: bool, echoes: &mut Vec<&'static Location>) {
        match self {
            Self::Echo(location) if keyed => echoes.push(location),
            Self::Joined(parts) => {
                parts.iter().for_each(|part| part.keyed_echoes(keyed, echoes));
            }
            Self::Hash { how, of, .. } => {
                let keyed = keyed || *how != Hash::Sha256;
                of.iter().for_each(|part| part.keyed_echoes(keyed, echoes));
            }
            Self::SettingOr(_, other) => other.keyed_echoes(keyed, echoes),
            Self::Text(_)
            | Self::Echo(_)
            | Self::Setting(_)
            | Self::Needed(_)
            | Self::Url
            | Self::Secret => {}
        }
    }
}

/// The parts, one after the other.
fn joined(
    parts: &[Value],
    request: &Request,
    known: Known<'_>,
) -> Result<Zeroizing<Vec<u8>>, Reason> {
    let parts = parts.iter().map(|part| part.bytes(request, known));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut all = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| all.extend_from_slice(part));
    Ok(all)
}

impl Known<'_> {
    /// The secret with which the sender signs now, as far as that can be told.
    fn secret(&self) -> Result<&[u8], Reason> {
        let place = self.signed_with.unwrap_or_default();
        self.secrets.get(place).map(Secret::bytes).ok_or(Reason::NotTaught)
    }

    /// Whether `shown` is the setting, or one of the secrets, in a time that says nothing about
    /// which of them came close.
    fn is_shared(&self, setting: &str, shown: &[u8]) -> Choice {
        match self.settings.get(setting) {
            Some(expected) => expected.as_bytes().ct_eq(shown),
            None => self
                .secrets
                .iter()
                .fold(Choice::from(0), |any, secret| any | secret.bytes().ct_eq(shown)),
        }
    }
}

#[cfg(test)]
mod tests;
