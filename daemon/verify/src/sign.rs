//! The other side: signing a request as its sender would, for tests, demonstrations and sending.

use std::fmt;

use data_encoding::BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::credential_check::CredentialCheck;
use crate::mac::Keyed;
use crate::moment;
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::{Layout, Scheme, TimestampPlace};
use crate::secret::{Secret, SecretError};
use crate::setup::SetupError;
use crate::twilio_check::{self, TwilioKey};
use crate::verifier::Check;

/// The headers that make `request` pass `scheme` with `secret` at `now`: the signature and, where
/// the scheme has one, the timestamp. Put them in place of what the request has under these names.
///
/// Headers that the scheme signs besides, such as the delivery id, have to be in the request, and a
/// timestamp that is in the body has to be in the body. Of alternatives, the first that the secret
/// fits is used.
/// [`Scheme::None`] needs no headers and looks at no secret.
pub fn sign(
    scheme: &Scheme,
    secret: &Secret,
    request: &Request,
    now: UnixTime,
) -> Result<HeaderMap, SignError> {
    Signer::new(scheme, secret)?.headers(request, now)
}

/// A scheme and a secret, ready to sign many requests.
pub struct Signer {
    check: Check,
    key: Key,
}

enum Key {
    Mac(Box<Keyed>),
    Credential(Zeroizing<Vec<u8>>),
    Twilio(Box<TwilioKey>),
    None,
}

/// Why a request could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The scheme or the secret cannot be right.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A header that the scheme signs is not in the request, or not once.
    #[error("the request lacks something that is signed: {0}")]
    Incomplete(Reason),
    /// The scheme's constants, or a moment before 1970, cannot stand in a header.
    #[error("the header `{0}` cannot carry its value")]
    InvalidHeader(HeaderName),
}

impl Signer {
    /// Reads the secret once for all requests. Fails as [`Verifier::new`](crate::Verifier::new) does.
    pub fn new(scheme: &Scheme, secret: &Secret) -> Result<Self, SetupError> {
        let wrong = |problem: SecretError| SetupError::Secret { index: 0, of: 1, problem };
        if let Scheme::FirstOf(schemes) = scheme {
            Check::new(scheme.clone())?;
            let mut made = schemes.iter().map(|scheme| Self::new(scheme, secret));
            let first = made.next().unwrap_or(Err(SetupError::InvalidAlternatives));
            return first.or_else(|error| made.find_map(Result::ok).ok_or(error));
        }
        let check = Check::new(scheme.clone())?;
        let key = match &check {
            Check::Hmac(hmac) => Key::Mac(Box::new(hmac.keyed(secret).map_err(wrong)?)),
            Check::Credential(credential) => {
                Key::Credential(credential.expected(secret).map_err(wrong)?)
            }
            Check::Twilio => Key::Twilio(Box::new(TwilioKey::new(secret).map_err(wrong)?)),
            Check::FirstOf(_) | Check::None => Key::None,
        };
        Ok(Self { check, key })
    }

    /// See [`sign`].
    pub fn headers(&self, request: &Request, now: UnixTime) -> Result<HeaderMap, SignError> {
        let mut headers = HeaderMap::new();
        match (&self.check, &self.key) {
            (Check::Hmac(check), Key::Mac(mac)) => {
                let scheme = &check.scheme;
                let timestamp =
                    scheme.timestamp.as_ref().map(|rule| moment::write(now, rule.format));
                let mut with_list = None;
                if let Some(list) = &check.list {
                    // What is listed has to be there before it is signed.
                    let names = std::iter::once(list).chain(&check.timestamp_header);
                    let names: Vec<&str> = names.map(HeaderName::as_str).collect();
                    insert(&mut headers, list, names.join(",").as_bytes())?;
                    if let (Some(name), Some(text)) = (&check.timestamp_header, &timestamp) {
                        insert(&mut headers, name, text.as_bytes())?;
                    }
                    let mut listed = request.clone();
                    listed.headers.extend(headers.clone());
                    with_list = Some(listed);
                }
                let request = with_list.as_ref().unwrap_or(request);
                let message = check
                    .message(request, timestamp.as_deref().map(str::as_bytes))
                    .map_err(SignError::Incomplete)?;
                let signature =
                    format!("{}{}", scheme.prefix, mac.hash(&message).encode(scheme.encoding));
                let value = match &scheme.layout {
                    Layout::Single => signature,
                    Layout::Entries { between, joint, version }
                    | Layout::Groups { between, joint, version, .. } => {
                        let entry = format!("{version}{joint}{signature}");
                        match (scheme.timestamp.as_ref().map(|rule| &rule.at), &timestamp) {
                            (Some(TimestampPlace::Entry(name)), Some(text)) => {
                                format!("{name}{joint}{text}{between}{entry}")
                            }
                            _ => entry,
                        }
                    }
                    Layout::Positional { between } => {
                        format!("{}{between}{signature}", timestamp.as_deref().unwrap_or_default())
                    }
                };
                insert(&mut headers, &check.header, value.as_bytes())?;
                if let (Some(name), Some(text)) = (&check.timestamp_header, &timestamp) {
                    insert(&mut headers, name, text.as_bytes())?;
                }
                for (name, value) in &check.fixed {
                    insert(&mut headers, name, value.as_bytes())?;
                }
            }
            (Check::Credential(check), Key::Credential(credential)) => match check {
                CredentialCheck::Token { header } => insert(&mut headers, header, credential)?,
                CredentialCheck::Bearer => {
                    let value = Zeroizing::new([b"Bearer ", credential.as_slice()].concat());
                    insert(&mut headers, &AUTHORIZATION, &value)?;
                }
                CredentialCheck::Basic { .. } | CredentialCheck::BasicPair => {
                    let value = Zeroizing::new(format!("Basic {}", BASE64.encode(credential)));
                    insert(&mut headers, &AUTHORIZATION, value.as_bytes())?;
                }
            },
            (Check::Twilio, Key::Twilio(key)) => {
                let signature = key.sign(request).map_err(SignError::Incomplete)?;
                insert(&mut headers, &twilio_check::SIGNATURE, signature.as_bytes())?;
            }
            _ => {}
        }
        Ok(headers)
    }
}

fn insert(headers: &mut HeaderMap, name: &HeaderName, value: &[u8]) -> Result<(), SignError> {
    let mut value =
        HeaderValue::from_bytes(value).map_err(|_| SignError::InvalidHeader(name.clone()))?;
    value.set_sensitive(true);
    headers.insert(name.clone(), value);
    Ok(())
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("check", &self.check).finish_non_exhaustive()
    }
}
