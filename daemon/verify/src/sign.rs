//! The other side: signing a request as its sender would, for tests, demonstrations and sending.

use http::HeaderName;
use thiserror::Error;

use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::Scheme;
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::setup::SetupError;
use crate::verifier::families;

/// `request` as its sender would send it at `now`: with the signature and, where the scheme has one,
/// the timestamp, in place of what it has of these. What is signed with a key pair takes the private
/// key as `secret`.
///
/// Headers that the scheme signs besides, such as the delivery id, have to be in the request, and a
/// timestamp that is in the body has to be in the body. Of alternatives, the first that the secret
/// fits is used. [`Scheme::None`] changes nothing and looks at no secret.
pub fn sign(
    scheme: &Scheme,
    secret: &Secret,
    request: Request,
    now: UnixTime,
    settings: &Settings,
) -> Result<Request, SignError> {
    let families = families(scheme.clone())?;
    let mut failure = None;
    for family in families {
        match family.sign(secret, request.clone(), now, settings) {
            Err(error @ SignError::Secret(_)) => failure = failure.or(Some(error)),
            signed => return signed,
        }
    }
    Err(failure.unwrap_or(SignError::Setup(SetupError::InvalidAlternatives)))
}

/// Why a request could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The scheme cannot be right.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The secret cannot be right.
    #[error("the secret cannot be right: {0}")]
    Secret(#[from] SecretError),
    /// Something that the scheme signs is not in the request, or not once.
    #[error("the request lacks something that is signed: {0}")]
    Incomplete(#[from] Reason),
    /// The scheme's constants, or a moment before 1970, cannot stand in a header.
    #[error("the header `{0}` cannot carry its value")]
    InvalidHeader(HeaderName),
    /// The operating system has no randomness to give, or the private key contradicts itself.
    #[error("nothing could be signed with the private key")]
    Unsignable,
    /// Only the sender has the key.
    #[error("nobody but the sender can sign this: {0}")]
    SendersKey(&'static str),
}
