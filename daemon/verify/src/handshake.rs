//! The requests with which senders try a URL out before they send events to it, as data: how to
//! tell them, what they have to prove, and the exact answer. A profile's table entry lists those of
//! its sender; the code that reads them is written once.
//!
//! A handshake never becomes an event. What tells it from one is therefore little, and what it has
//! to be is strict: something that looks like a handshake and is not quite one is refused.

mod answer;

use http::Method;

use crate::location::Location;
use crate::scheme::{Algorithm, Encoding};
use crate::sealed::Seal;

pub(crate) use answer::Known;
pub use answer::{Handshake, HandshakeReply};

/// One kind of handshake of a sender.
#[derive(Debug)]
pub struct HandshakeRule {
    /// What the sender calls it, for logs.
    pub name: &'static str,
    /// What all holds for such a request. One that names no method is a `POST`.
    pub when: &'static [Condition],
    /// What it has to prove.
    pub proof: Proof,
    /// The status of the answer.
    pub status: u16,
    /// Headers of the answer. Where there is a body and none of them is its content type, that is
    /// `text/plain` or `application/json`.
    pub headers: &'static [(&'static str, Value)],
    /// The body of the answer.
    pub body: Body,
    /// A URL that has to be fetched before the answer, which the sender's rule for hosts has passed.
    pub confirm: Option<Confirm>,
}

/// Something that holds for a request.
///
/// A handshake that is signed has to be told by little, without [`Shaped`](Self::Shaped): what fell
/// short of it would be taken as an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The method.
    Method(Method),
    /// There is something at this place, fit for use or not. A JSON null is nothing.
    Has(Location),
    /// There is nothing at this place.
    Lacks(Location),
    /// This text is at this place; of several there, at the last.
    Is(Location, &'static str),
    /// There is one text at this place, and it looks like this.
    Shaped(Location, Shape),
    /// The body is empty.
    EmptyBody,
}

/// What a short text consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The characters that it may have.
    pub of: Alphabet,
    /// The fewest characters, in bytes.
    pub at_least: usize,
    /// The most characters, in bytes.
    pub at_most: usize,
}

/// A set of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// Decimal digits.
    Digits,
    /// Hexadecimal digits in lower case.
    LowerHex,
    /// Letters, digits, `-` and `_`.
    Word,
    /// Visible ASCII without `{`, `}`, `[`, `]`, `"` and `<`: nothing that could be a JSON object,
    /// list or text, or a document of XML.
    Unquoted,
}

/// What a handshake has to prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is signed as events are.
    Signature,
    /// Nothing; the sender signs it or not, and where it is signed, that has to hold.
    MaybeSigned,
    /// It is not signed, and the text at this place is the setting of that name, or, where that is
    /// not set, one of the secrets.
    Shows(Location, &'static str),
    /// Nothing, and it is not signed; the answer tells nothing that is worth having.
    Nothing,
    /// Nothing, it is not signed, and it brings the secret, at this place: the caller takes it only
    /// while an operator waits for it.
    Teaches(Location),
    /// It is encrypted with one of the secrets: conditions, places and the answer are about what it
    /// says then. Where the setting of that name is set, its text is at this place. The sender signs
    /// it or not.
    Sealed(Seal, Location, &'static str),
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// This text.
    Text(&'static str),
    /// What the request has at this place, there once: at most 1024 bytes without control
    /// characters.
    Echo(Location),
    /// The sender's setting of that name, or nothing.
    Setting(&'static str),
    /// The sender's setting of that name; without it there is no answer.
    Needed(&'static str),
    /// The sender's setting of that name, or, where that is not set, this.
    SettingOr(&'static str, &'static Value),
    /// The public URL without its query.
    Url,
    /// The secret; only ever as a part of a hash. As in every answer, it is the one with which the
    /// handshake was signed, or else the first.
    Secret,
    /// Other parts, one after the other.
    Joined(&'static [Value]),
    /// A hash of other parts, one after the other.
    ///
    /// Where a handshake is not signed and a key goes into this, anyone can have something signed:
    /// a [`Condition::Shaped`] for each echoed part keeps that from being an event.
    Hash { how: Hash, of: &'static [Value], encoding: Encoding },
}

/// How an answer is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256, without a key.
    Sha256,
    /// An HMAC keyed with the secret's text.
    Hmac(Algorithm),
    /// HMAC-SHA1 keyed with the SHA-1 of the secret's text.
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
    /// Where it is in the request.
    pub at: Location,
    /// Whether the sender could have written this URL.
    pub allowed: fn(&str) -> bool,
}

impl HandshakeRule {
    /// What holds for most handshakes; a rule says what differs.
    pub(crate) const DEFAULTS: Self = Self {
        name: "",
        when: &[],
        proof: Proof::Signature,
        status: 200,
        headers: &[],
        body: Body::Empty,
        confirm: None,
    };

    /// Whether it brings the secret.
    pub(crate) fn teaches(&self) -> bool {
        matches!(self.proof, Proof::Teaches(_))
    }

    /// The method of such a request.
    pub fn method(&self) -> Method {
        let named = self.when.iter().find_map(|condition| match condition {
            Condition::Method(method) => Some(method.clone()),
            _ => None,
        });
        named.unwrap_or(Method::POST)
    }
}

impl Shape {
    /// Whether `text` looks like this.
    pub fn fits(&self, text: impl AsRef<[u8]>) -> bool {
        let text = text.as_ref();
        (self.at_least..=self.at_most).contains(&text.len())
            && text.iter().all(|byte| self.of.has(*byte))
    }
}

impl Alphabet {
    pub(crate) fn has(self, byte: u8) -> bool {
        match self {
            Self::Digits => byte.is_ascii_digit(),
            Self::LowerHex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Word => byte.is_ascii_alphanumeric() || b"-_".contains(&byte),
            Self::Unquoted => byte.is_ascii_graphic() && !b"{}[]\"<".contains(&byte),
        }
    }
}
