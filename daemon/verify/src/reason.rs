//! Why a request was refused.

use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;
use thiserror::Error;

use crate::keyring::KeySource;
use crate::question::Question;
use crate::request::Request;

/// A request that did not prove where it is from.
#[derive(Debug, Error)]
#[error("{reason}")]
pub struct Refused {
    /// What was wrong.
    pub reason: Reason,
    /// The request, untouched and unproven: for logs and metrics only.
    pub request: Box<Request>,
}

/// Why. The message is for the operator's log: it never holds a secret or an expected signature. Of
/// what was received it holds at most the URL or the name of the key that is needed, escaped and cut
/// short. Senders get one and the same answer for all of these.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    #[error("the header `{0}` is missing")]
    MissingHeader(HeaderName),
    #[error("the header `{0}` is there and empty; senders do that when they have no secret")]
    EmptyHeader(HeaderName),
    #[error("the header `{0}` came more than once; only one of them could be the sender's")]
    DuplicateHeader(HeaderName),
    #[error("the header `{header}` is not {expected}")]
    MalformedSignature {
        header: HeaderName,
        /// What it should have been, such as "64 lower-case hexadecimal digits".
        expected: String,
    },
    #[error("the header `{header}` has no entry `{version}`, the only version accepted here")]
    NoKnownVersion { header: HeaderName, version: String },
    #[error("the timestamp in the header `{header}` is not {expected}")]
    MalformedTimestamp { header: HeaderName, expected: &'static str },
    #[error("the body has no timestamp at `{pointer}` that is {expected}")]
    MissingBodyTimestamp { pointer: String, expected: &'static str },
    #[error("the header `{header}` is not `{expected}`, the only value accepted here")]
    UnexpectedHeader { header: HeaderName, expected: String },
    #[error("the header `{header}` is not among the headers that are said to be signed")]
    UnlistedHeader { header: HeaderName },
    #[error(
        "the URL's `{parameter}` is not the hash of the body, or is missing and the body is not a form"
    )]
    UnsignedBody { parameter: &'static str },
    #[error("the body is a form, and `{field}` is not its only field")]
    MalformedForm { field: String },
    #[error("the body is not {expected}")]
    MalformedBody { expected: &'static str },
    #[error("there is nothing at `{at}`, which has to be there")]
    MissingValue {
        /// Where, in the words of a location, such as `json:/signature/token`.
        at: String,
    },
    #[error("what is at `{at}` is there more than once; only one of them could be the sender's")]
    DuplicateValue { at: String },
    #[error("what is at `{at}` is not {expected}")]
    MalformedValue { at: String, expected: String },
    #[error(
        "the timestamp is {} s old and at most {} s are allowed: an old request sent again, or a \
         clock that is wrong",
        .age.as_secs(),
        .tolerance.as_secs()
    )]
    TimestampTooOld { age: Duration, tolerance: Duration },
    #[error(
        "the timestamp is {} s in the future and at most {} s are allowed: one of the clocks is \
         wrong",
        .ahead.as_secs(),
        .tolerance.as_secs()
    )]
    TimestampInFuture { ahead: Duration, tolerance: Duration },
    #[error("the header `{AUTHORIZATION}` does not hold {expected} credentials")]
    MalformedCredentials {
        /// "Bearer" or "Basic".
        expected: &'static str,
    },
    #[error(
        "the signature matches none of the {secrets} secret(s): another secret, or a body that was \
         changed on its way"
    )]
    Mismatch { secrets: usize },
    #[error(
        "the signature is not one by the sender's key, which is at hand: somebody else's, or a body \
         that was changed on its way"
    )]
    ForeignSignature,
    #[error("the header `{header}` names a key that is none of the configured ones")]
    UnknownKey { header: HeaderName },
    #[error("{0} is not at hand")]
    KeyNeeded(KeySource),
    #[error("{0} is not at hand: the sender has to be asked whether the request is its own")]
    AnswerNeeded(Question),
    #[error(
        "the sender says that the request is not its own: somebody else's, another webhook's, or a \
         body that was changed on its way"
    )]
    Denied,
    #[error(
        "the sender has not told its secret yet; open a window for its handshake with \
         `hookyard routes arm`"
    )]
    NotTaught,
    #[error("this looks like a handshake, and what it has to show is wrong or missing: {0}")]
    BadHandshake(&'static str),
    #[error("only handshakes come with this method, and this is none")]
    NoHandshake,
    #[error("the token cannot be this sender's: {0}")]
    MalformedToken(&'static str),
    #[error("the token's claim `{claim}` is missing or is not what it has to be")]
    WrongClaim { claim: &'static str },
    #[error(
        "the token expired {} s ago and the clocks may be {} s apart: an old request sent again, or \
         a clock that is wrong",
        .ago.as_secs(),
        .leeway.as_secs()
    )]
    TokenExpired { ago: Duration, leeway: Duration },
    #[error("the envelope in the body cannot be this sender's: {0}")]
    MalformedEnvelope(&'static str),
    #[error("the URL of the signer's certificate is not one of the sender's")]
    ForeignKeyUrl,
    #[error("the signer's certificate does not count: {0}")]
    BadCertificate(&'static str),
    #[error("the credentials match none of the {secrets} secret(s)")]
    WrongCredentials { secrets: usize },
}

impl Reason {
    /// Every label there is, for metrics that are registered up front.
    pub const LABELS: &'static [&'static str] = &[
        "missing-header",
        "empty-header",
        "duplicate-header",
        "malformed-signature",
        "no-known-version",
        "malformed-timestamp",
        "unexpected-header",
        "malformed-form",
        "malformed-body",
        "missing-value",
        "duplicate-value",
        "malformed-value",
        "unlisted-header",
        "unsigned-body",
        "timestamp-too-old",
        "timestamp-in-future",
        "malformed-credentials",
        "malformed-token",
        "wrong-claim",
        "malformed-envelope",
        "foreign-key-url",
        "bad-certificate",
        "mismatch",
        "wrong-credentials",
        "unknown-key",
        "not-answered",
        "denied",
        "not-taught",
        "bad-handshake",
        "no-handshake",
    ];

    /// A stable word from a bounded set.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::MissingHeader(_) => "missing-header",
            Self::EmptyHeader(_) => "empty-header",
            Self::DuplicateHeader(_) => "duplicate-header",
            Self::MalformedSignature { .. } => "malformed-signature",
            Self::NoKnownVersion { .. } => "no-known-version",
            Self::MalformedTimestamp { .. } | Self::MissingBodyTimestamp { .. } => {
                "malformed-timestamp"
            }
            Self::UnexpectedHeader { .. } => "unexpected-header",
            Self::MalformedForm { .. } => "malformed-form",
            Self::MalformedBody { .. } => "malformed-body",
            Self::MissingValue { .. } => "missing-value",
            Self::DuplicateValue { .. } => "duplicate-value",
            Self::MalformedValue { .. } => "malformed-value",
            Self::UnlistedHeader { .. } => "unlisted-header",
            Self::UnsignedBody { .. } => "unsigned-body",
            Self::TimestampTooOld { .. } | Self::TokenExpired { .. } => "timestamp-too-old",
            Self::TimestampInFuture { .. } => "timestamp-in-future",
            Self::MalformedCredentials { .. } => "malformed-credentials",
            Self::MalformedToken(_) => "malformed-token",
            Self::WrongClaim { .. } => "wrong-claim",
            Self::MalformedEnvelope(_) => "malformed-envelope",
            Self::ForeignKeyUrl => "foreign-key-url",
            Self::BadCertificate(_) => "bad-certificate",
            Self::ForeignSignature | Self::Mismatch { .. } => "mismatch",
            Self::WrongCredentials { .. } => "wrong-credentials",
            Self::KeyNeeded(_) | Self::UnknownKey { .. } => "unknown-key",
            Self::AnswerNeeded(_) => "not-answered",
            Self::Denied => "denied",
            Self::NotTaught => "not-taught",
            Self::BadHandshake(_) => "bad-handshake",
            Self::NoHandshake => "no-handshake",
        }
    }
}
