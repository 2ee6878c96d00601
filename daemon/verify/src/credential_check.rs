//! The families in which the secret itself is sent: a header of its own, bearer, basic.

use data_encoding::BASE64;
use http::HeaderName;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::family::{Family, Seen};
use crate::header::{insert, single};
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::sign::SignError;
use crate::template::Piece;

/// Where the credential is looked for.
#[derive(Debug)]
pub(crate) enum CredentialCheck {
    Token { header: HeaderName },
    Bearer,
    Basic { user: String },
    BasicPair,
}

impl CredentialCheck {
    /// The header that carries the credential.
    fn header(&self) -> &HeaderName {
        match self {
            Self::Token { header } => header,
            Self::Bearer | Self::Basic { .. } | Self::BasicPair => &AUTHORIZATION,
        }
    }
}

impl Family for CredentialCheck {
    /// The bytes that a request has to show to match the secret.
    type Key = Zeroizing<Vec<u8>>;

    fn key(&self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let secret = secret.checked()?;
        if HeaderValue::from_bytes(secret).is_err() {
            return Err(SecretError::NotAHeaderValue);
        }
        if matches!(self, Self::BasicPair) {
            let colon = secret.iter().position(|byte| *byte == b':');
            if colon.is_none_or(|at| at == 0 || at + 1 == secret.len()) {
                return Err(SecretError::NotAPair);
            }
        }
        let user = match self {
            Self::Basic { user } => format!("{user}:"),
            Self::Token { .. } | Self::Bearer | Self::BasicPair => String::new(),
        };
        // Room for all of it at once: a vector that grows leaves copies behind.
        let mut expected = Zeroizing::new(Vec::with_capacity(user.len() + secret.len()));
        expected.extend_from_slice(user.as_bytes());
        expected.extend_from_slice(secret);
        Ok(expected)
    }

    fn is_carried(&self, request: &Request) -> bool {
        request.headers.contains_key(self.header())
    }

    fn check(
        &self,
        expected: &[Zeroizing<Vec<u8>>],
        seen: Seen<'_>,
    ) -> Result<Option<usize>, Reason> {
        let headers = &seen.request.headers;
        match self {
            Self::Token { header } => compare(expected, single(headers, header)?),
            Self::Bearer => {
                let token = after_scheme(single(headers, &AUTHORIZATION)?, b"bearer")
                    .ok_or(Reason::MalformedCredentials { expected: "Bearer" })?;
                compare(expected, token)
            }
            Self::Basic { .. } | Self::BasicPair => {
                let pair = after_scheme(single(headers, &AUTHORIZATION)?, b"basic")
                    .and_then(|text| BASE64.decode(text).ok())
                    .map(Zeroizing::new)
                    .ok_or(Reason::MalformedCredentials { expected: "Basic" })?;
                compare(expected, &pair)
            }
        }
    }

    fn covers(&self, _: &Piece) -> bool {
        false
    }

    fn credential(&self) -> Option<&HeaderName> {
        Some(self.header())
    }

    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        _: UnixTime,
        _: &Settings,
    ) -> Result<Request, SignError> {
        let credential = self.key(secret)?;
        let value = match self {
            Self::Token { .. } => credential,
            Self::Bearer => Zeroizing::new([b"Bearer ", credential.as_slice()].concat()),
            Self::Basic { .. } | Self::BasicPair => {
                Zeroizing::new(format!("Basic {}", BASE64.encode(&credential)).into_bytes())
            }
        };
        insert(&mut request.headers, self.header(), &value)?;
        Ok(request)
    }
}

/// Compares with every expected value in constant time. What can be told from the time is whether
/// the length is right, no more.
pub(crate) fn compare(
    expected: &[Zeroizing<Vec<u8>>],
    shown: &[u8],
) -> Result<Option<usize>, Reason> {
    let mut matched = None;
    for (index, expected) in expected.iter().enumerate() {
        if bool::from(expected.as_slice().ct_eq(shown)) && matched.is_none() {
            matched = Some(index);
        }
    }
    match matched {
        Some(place) => Ok(Some(place)),
        None => Err(Reason::WrongCredentials { secrets: expected.len() }),
    }
}

/// What follows the name of an authentication scheme, which is case-insensitive, and its spaces.
fn after_scheme<'v>(value: &'v [u8], scheme: &[u8]) -> Option<&'v [u8]> {
    let (name, rest) = value.split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ")?.trim_ascii();
    (name.eq_ignore_ascii_case(scheme) && !rest.is_empty()).then_some(rest)
}
