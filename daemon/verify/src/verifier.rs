//! A scheme and its secrets, ready to check requests.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::credential_check::CredentialCheck;
use crate::hmac_check::HmacCheck;
use crate::location::Location;
use crate::mac::Keyed;
use crate::profile::Profile;
use crate::reason::{Reason, Refused};
use crate::request::{Request, UnixTime};
use crate::scheme::Scheme;
use crate::secret::{Secret, SecretError};
use crate::setup::{SetupError, header_name};
use crate::template::Piece;
use crate::verified::{Facts, Part, Verified};

/// Checks requests by one scheme, with one or several secrets. Cheap to clone and to share.
#[derive(Clone)]
pub struct Verifier {
    check: Arc<Check>,
    keys: Keys,
    facts: Arc<Facts>,
}

#[derive(Debug)]
pub(crate) enum Check {
    Hmac(Box<HmacCheck>),
    Credential(CredentialCheck),
    None,
}

#[derive(Clone)]
enum Keys {
    Macs(Arc<[Keyed]>),
    Credentials(Arc<[Zeroizing<Vec<u8>>]>),
    None,
}

impl Verifier {
    /// Makes a verifier for `scheme` that takes any of `secrets`; [`Scheme::None`] takes no secret.
    /// It knows no kind and no delivery id: see [`with_kind`](Self::with_kind) and
    /// [`with_delivery_id`](Self::with_delivery_id).
    pub fn new(
        scheme: Scheme,
        secrets: impl IntoIterator<Item = Secret>,
    ) -> Result<Self, SetupError> {
        let check = Check::new(scheme)?;
        let keys = check.keys(secrets)?;
        let facts = Arc::new(check.facts(Vec::new(), Vec::new()));
        Ok(Self { check: Arc::new(check), keys, facts })
    }

    /// Makes a verifier for a known provider, with its kind and delivery id.
    pub fn for_profile(
        profile: &Profile,
        secrets: impl IntoIterator<Item = Secret>,
    ) -> Result<Self, SetupError> {
        Ok(Self::new(profile.scheme.clone(), secrets)?
            .with_kind(profile.kind.to_vec())
            .with_delivery_id(profile.delivery_id.to_vec()))
    }

    /// The same scheme and locations with other secrets, such as those of one tenant. The secrets
    /// are read anew, the scheme is shared.
    pub fn with_secrets(
        &self,
        secrets: impl IntoIterator<Item = Secret>,
    ) -> Result<Self, SetupError> {
        Ok(Self { keys: self.check.keys(secrets)?, ..self.clone() })
    }

    /// Sets where the kind is looked for; the first location that has one counts.
    #[must_use]
    pub fn with_kind(mut self, locations: Vec<Location>) -> Self {
        self.facts = Arc::new(self.check.facts(locations, self.facts.delivery_id.clone()));
        self
    }

    /// Sets where the delivery id is looked for; the first location that has one counts.
    #[must_use]
    pub fn with_delivery_id(mut self, locations: Vec<Location>) -> Self {
        self.facts = Arc::new(self.check.facts(self.facts.kind.clone(), locations));
        self
    }

    /// What the signature will not cover in any request: see [`Verified::unauthenticated`].
    pub fn unauthenticated(&self) -> &[Part] {
        &self.facts.unauthenticated
    }

    /// Checks a request as of `now`. The body is hashed where it lies; nothing of the request is
    /// parsed beyond the headers that the scheme names.
    pub fn verify(&self, request: Request, now: UnixTime) -> Result<Verified, Refused> {
        match self.check(&request, now) {
            Ok(matched) => Ok(Verified::new(request, matched, Arc::clone(&self.facts))),
            Err(reason) => Err(Refused { reason, request: Box::new(request) }),
        }
    }

    fn check(&self, request: &Request, now: UnixTime) -> Result<Option<usize>, Reason> {
        match (self.check.as_ref(), &self.keys) {
            (Check::Hmac(check), Keys::Macs(keys)) => check.check(keys, request, now).map(Some),
            (Check::Credential(check), Keys::Credentials(expected)) => {
                check.check(expected, request).map(Some)
            }
            (Check::None, Keys::None) => Ok(None),
            // `Check::keys` pairs them; should that ever change, nothing gets in.
            _ => Err(Reason::Mismatch { secrets: 0 }),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("check", &self.check)
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl Check {
    pub(crate) fn new(scheme: Scheme) -> Result<Self, SetupError> {
        Ok(match scheme {
            Scheme::Hmac(scheme) => Self::Hmac(Box::new(HmacCheck::new(scheme)?)),
            Scheme::Token { header } => {
                Self::Credential(CredentialCheck::Token { header: header_name(&header)? })
            }
            Scheme::Bearer => Self::Credential(CredentialCheck::Bearer),
            Scheme::Basic { user } => {
                if user.is_empty() || user.contains(|c: char| c == ':' || c.is_control()) {
                    return Err(SetupError::InvalidUser);
                }
                Self::Credential(CredentialCheck::Basic { user: user.into_owned() })
            }
            Scheme::None => Self::None,
        })
    }

    fn keys(&self, secrets: impl IntoIterator<Item = Secret>) -> Result<Keys, SetupError> {
        let secrets: Vec<Secret> = secrets.into_iter().collect();
        Ok(match self {
            Self::Hmac(check) => {
                let key = |secret: &Secret| {
                    let key = secret.key(&check.scheme.key)?;
                    Ok(Keyed::new(check.scheme.algorithm, &key))
                };
                Keys::Macs(read(&secrets, key)?)
            }
            Self::Credential(check) => {
                Keys::Credentials(read(&secrets, |secret| check.expected(secret))?)
            }
            Self::None if secrets.is_empty() => Keys::None,
            Self::None => return Err(SetupError::UnusedSecret),
        })
    }

    fn facts(&self, kind: Vec<Location>, delivery_id: Vec<Location>) -> Facts {
        let unauthenticated = Part::ALL
            .iter()
            .copied()
            .filter(|part| match part {
                Part::Kind => kind.iter().any(|location| !self.covers_location(location)),
                Part::DeliveryId => {
                    delivery_id.iter().any(|location| !self.covers_location(location))
                }
                Part::Method => !self.covers(&[Piece::Method]),
                Part::Path | Part::Params => !self.covers(&[Piece::Path, Piece::Url]),
                Part::Query => !self.covers(&[Piece::Url]),
                Part::Headers => true,
                Part::Body => !self.covers(&[Piece::Body]),
            })
            .collect();
        let credential = match self {
            Self::Credential(check) => Some(check.header().clone()),
            Self::Hmac(_) | Self::None => None,
        };
        Facts { kind, delivery_id, unauthenticated, credential }
    }

    fn covers_location(&self, location: &Location) -> bool {
        match location {
            Location::Json(_) | Location::Form(_) => self.covers(&[Piece::Body]),
            Location::Param(_) => self.covers(&[Piece::Path, Piece::Url]),
            Location::Header(name) => {
                matches!(self, Self::Hmac(check) if check.covers_header(name))
            }
        }
    }

    fn covers(&self, any_of: &[Piece]) -> bool {
        matches!(self, Self::Hmac(check) if any_of.iter().any(|piece| check.covers(piece)))
    }
}

/// Reads every secret, and names the first that cannot be right by its place.
fn read<T>(
    secrets: &[Secret],
    read: impl Fn(&Secret) -> Result<T, SecretError>,
) -> Result<Arc<[T]>, SetupError> {
    if secrets.is_empty() {
        return Err(SetupError::NoSecret);
    }
    let of = secrets.len();
    secrets
        .iter()
        .enumerate()
        .map(|(index, secret)| {
            read(secret).map_err(|problem| SetupError::Secret { index, of, problem })
        })
        .collect()
}
