//! What can be wrong with a scheme or its secrets before the first request comes.

use http::HeaderName;
use thiserror::Error;

use crate::names::suggestion;
use crate::secret::SecretError;

/// Why no verifier could be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SetupError {
    #[error("no secret is given; without one nothing can be verified")]
    NoSecret,
    #[error("a secret is given and nothing is verified, so that it would never be looked at")]
    UnusedSecret,
    #[error("secret {} of {of} cannot be right: {problem}", .index + 1)]
    Secret {
        /// Its place in the list, from 0.
        index: usize,
        of: usize,
        #[source]
        problem: SecretError,
    },
    #[error(
        "there is no setting `{found}` for this sender{}",
        suggestion(*.nearest)
    )]
    UnknownSetting { found: String, nearest: Option<&'static str> },
    #[error("the setting `{name}` is missing: {summary}")]
    MissingSetting { name: &'static str, summary: &'static str },
    #[error("the setting `{name}` cannot be right: {problem}")]
    InvalidSetting { name: &'static str, problem: &'static str },
    #[error("`{0}` is not a header name")]
    InvalidHeader(String),
    #[error("the template signs nothing of the request; most senders sign `{{body}}`")]
    NothingSigned,
    #[error("the template has `{{timestamp}}`, and nothing says where the timestamp is")]
    TimestampWithoutPlace,
    #[error(
        "there is a timestamp that the template does not sign: anyone could write a new one; add \
         `{{timestamp}}` to the template or drop the timestamp"
    )]
    UnsignedTimestamp,
    #[error("the template has `{{id}}`, and no id header is named")]
    IdWithoutHeader,
    #[error(
        "there is an id header that the template does not sign: add `{{id}}` to the template or \
         drop the id header"
    )]
    UnsignedId,
    #[error("a text that is used once is looked for in every element of a list")]
    OneTimeInList,
    #[error(
        "the template of a plain hash has `{{secret}}` exactly once, and that of an HMAC has none"
    )]
    SecretInTemplate,
    #[error("the form of the key does not go with the way of signing")]
    KeyFormMismatch,
    #[error("alternatives are one or more schemes that verify something, none with alternatives")]
    InvalidAlternatives,
    #[error("the template signs the header that carries the signature")]
    SignedSignature,
    #[error("a shared secret is never in a set of public keys: configure it")]
    SharedKeyInSet,
    #[error("`{0}` is not an `https` URL with a host")]
    InvalidKeyUrl(String),
    #[error("a signature whose text is the body is in a header and has no claims")]
    DetachedClaims,
    #[error("the tolerance is zero, so that no request could pass")]
    NoTolerance,
    #[error(
        "the timestamp or another signed entry is in the signature header, and that header holds no \
         list that has one"
    )]
    EntryWithoutList,
    #[error("the entries' names and separators are empty or collide with each other")]
    InvalidEntries,
    #[error("the user name of basic authentication is empty or has a colon or a control character")]
    InvalidUser,
}

pub(crate) fn header_name(name: &str) -> Result<HeaderName, SetupError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| SetupError::InvalidHeader(name.to_owned()))
}
