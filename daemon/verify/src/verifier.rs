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
use crate::twilio_check::{self, TwilioKey};
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
    Twilio,
    FirstOf(Vec<Check>),
    None,
}

#[derive(Clone)]
enum Keys {
    Macs(Arc<[Keyed]>),
    Credentials(Arc<[Zeroizing<Vec<u8>>]>),
    Twilio(Arc<[TwilioKey]>),
    FirstOf(Arc<[Fitting]>),
    None,
}

/// The secrets that fit one of several alternatives.
struct Fitting {
    /// Their places in the verifier's list.
    places: Vec<usize>,
    keys: Keys,
}

/// Which of the alternatives held, 0 without any, and with which secret.
type Match = (usize, Option<usize>);

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

    fn check(&self, request: &Request, now: UnixTime) -> Result<Match, Reason> {
        self.check.check(&self.keys, request, now)
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
            Scheme::BasicPair => Self::Credential(CredentialCheck::BasicPair),
            Scheme::Twilio => Self::Twilio,
            Scheme::FirstOf(schemes) => {
                let checks =
                    schemes.iter().cloned().map(Self::new).collect::<Result<Vec<_>, _>>()?;
                let sound = |check: &Self| {
                    matches!(check, Self::Hmac(_) | Self::Credential(_) | Self::Twilio)
                };
                if checks.is_empty() || !checks.iter().all(sound) {
                    return Err(SetupError::InvalidAlternatives);
                }
                Self::FirstOf(checks)
            }
            Scheme::None => Self::None,
        })
    }

    fn check(&self, keys: &Keys, request: &Request, now: UnixTime) -> Result<Match, Reason> {
        match (self, keys) {
            (Self::Hmac(check), Keys::Macs(keys)) => {
                check.check(keys, request, now).map(|place| (0, Some(place)))
            }
            (Self::Credential(check), Keys::Credentials(expected)) => {
                check.check(expected, request).map(|place| (0, Some(place)))
            }
            (Self::Twilio, Keys::Twilio(keys)) => {
                twilio_check::check(keys, request).map(|place| (0, Some(place)))
            }
            (Self::FirstOf(checks), Keys::FirstOf(fitting)) => {
                let usable = || {
                    let pairs = checks.iter().zip(fitting.iter()).enumerate();
                    pairs.filter(|(_, (_, fitting))| !fitting.places.is_empty())
                };
                let (index, (check, fitting)) = usable()
                    .find(|(_, (check, _))| check.is_carried(request))
                    .or_else(|| usable().next())
                    .ok_or(Reason::Mismatch { secrets: 0 })?;
                let (_, place) = check.check(&fitting.keys, request, now)?;
                Ok((index, place.and_then(|place| fitting.places.get(place)).copied()))
            }
            (Self::None, Keys::None) => Ok((0, None)),
            // `Check::keys` pairs them; should that ever change, nothing gets in.
            _ => Err(Reason::Mismatch { secrets: 0 }),
        }
    }

    /// Whether the request has what this scheme needs, right or wrong.
    fn is_carried(&self, request: &Request) -> bool {
        match self {
            Self::Hmac(check) => check.is_carried(&request.headers),
            Self::Credential(check) => request.headers.contains_key(check.header()),
            Self::Twilio => request.headers.contains_key(twilio_check::SIGNATURE),
            Self::FirstOf(_) | Self::None => false,
        }
    }

    fn keys(&self, secrets: impl IntoIterator<Item = Secret>) -> Result<Keys, SetupError> {
        let secrets: Vec<Secret> = secrets.into_iter().collect();
        Ok(match self {
            Self::Hmac(check) => Keys::Macs(read(&secrets, |secret| check.keyed(secret))?),
            Self::Credential(check) => {
                Keys::Credentials(read(&secrets, |secret| check.expected(secret))?)
            }
            Self::Twilio => Keys::Twilio(read(&secrets, TwilioKey::new)?),
            Self::FirstOf(checks) => {
                if secrets.is_empty() {
                    return Err(SetupError::NoSecret);
                }
                let of = secrets.len();
                let mut fitting = vec![(Vec::new(), Vec::new()); checks.len()];
                for (index, secret) in secrets.into_iter().enumerate() {
                    let mut problem = None;
                    for (check, (places, fits)) in checks.iter().zip(&mut fitting) {
                        match check.fits(&secret) {
                            Ok(()) => {
                                places.push(index);
                                fits.push(secret.clone());
                            }
                            Err(error) => problem = problem.or(Some(error)),
                        }
                    }
                    let placed = fitting.iter().any(|(places, _)| places.contains(&index));
                    if let (false, Some(problem)) = (placed, problem) {
                        return Err(SetupError::Secret { index, of, problem });
                    }
                }
                let keyed = checks.iter().zip(fitting).map(|(check, (places, fits))| {
                    let keys = if fits.is_empty() { Keys::None } else { check.keys(fits)? };
                    Ok(Fitting { places, keys })
                });
                Keys::FirstOf(keyed.collect::<Result<_, SetupError>>()?)
            }
            Self::None if secrets.is_empty() => Keys::None,
            Self::None => return Err(SetupError::UnusedSecret),
        })
    }

    /// Whether a secret could be one of this scheme.
    fn fits(&self, secret: &Secret) -> Result<(), SecretError> {
        match self {
            Self::Hmac(check) => check.keyed(secret).map(drop),
            Self::Credential(check) => check.expected(secret).map(drop),
            Self::Twilio => TwilioKey::new(secret).map(drop),
            Self::FirstOf(_) | Self::None => Ok(()),
        }
    }

    /// The schemes of which one holds.
    fn alternatives(&self) -> &[Self] {
        match self {
            Self::FirstOf(checks) => checks,
            _ => std::slice::from_ref(self),
        }
    }

    fn facts(&self, kind: Vec<Location>, delivery_id: Vec<Location>) -> Facts {
        let by_alternative: Vec<Vec<Part>> = self
            .alternatives()
            .iter()
            .map(|check| {
                let open = |part: &Part| check.leaves_open(*part, &kind, &delivery_id);
                Part::ALL.iter().copied().filter(open).collect()
            })
            .collect();
        let somewhere = |part: &Part| by_alternative.iter().any(|open| open.contains(part));
        let unauthenticated = Part::ALL.iter().copied().filter(somewhere).collect();
        let credentials = self
            .alternatives()
            .iter()
            .filter_map(|check| match check {
                Self::Credential(check) => Some(check.header().clone()),
                _ => None,
            })
            .collect();
        Facts { kind, delivery_id, unauthenticated, by_alternative, credentials }
    }

    /// Whether `part` is not covered.
    fn leaves_open(&self, part: Part, kind: &[Location], delivery_id: &[Location]) -> bool {
        match part {
            Part::Kind => kind.iter().any(|location| !self.covers_location(location)),
            Part::DeliveryId => delivery_id.iter().any(|location| !self.covers_location(location)),
            Part::Method => !self.covers(&[Piece::Method]),
            Part::Path | Part::Params => !self.covers(&[Piece::Path, Piece::Url]),
            Part::Query => !self.covers(&[Piece::Url]),
            Part::Headers => true,
            Part::Body => !self.covers(&[Piece::Body]),
        }
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
        any_of.iter().any(|piece| match self {
            Self::Hmac(check) => check.covers(piece),
            Self::Twilio => matches!(piece, Piece::Url | Piece::Body),
            Self::Credential(_) | Self::FirstOf(_) | Self::None => false,
        })
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
