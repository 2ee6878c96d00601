//! What every way of proving where a request is from has in common. Each is written once, in a
//! module of its own, and used by all senders that have it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::keyring::Keyring;
use crate::location::Location;
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::setup::SetupError;
use crate::sign::SignError;
use crate::template::Piece;

/// What a check looks at.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'r> {
    pub(crate) request: &'r Request,
    pub(crate) now: UnixTime,
    pub(crate) keyring: &'r Keyring,
    pub(crate) settings: &'r Settings,
}

/// What a scheme checks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Something that must be kept secret.
    Secret,
    /// The public half of a key pair; whoever reads it can sign nothing.
    PublicKey,
    /// Nothing that is configured: the keys are fetched, or nothing is checked.
    Nothing,
}

/// A family of schemes, set up.
pub(crate) trait Family: fmt::Debug + Send + Sync + 'static {
    /// A secret, read once.
    type Key: Send + Sync + 'static;

    /// Reads one secret.
    fn key(&self, secret: &Secret) -> Result<Self::Key, SecretError>;

    /// What it has to be given. One that takes nothing refuses to be given anything.
    fn takes(&self) -> Takes {
        Takes::Secret
    }

    /// Makes sure that the settings it reads have values that can be right.
    fn check_settings(&self, _settings: &Settings) -> Result<(), SetupError> {
        Ok(())
    }

    /// Whether the request has what this family looks at, right or wrong.
    fn is_carried(&self, request: &Request) -> bool;

    /// The place of the key that the request matches; nothing where there are no keys.
    fn check(&self, keys: &[Self::Key], seen: Seen<'_>) -> Result<Option<usize>, Reason>;

    /// Whether the signature covers this part of a request.
    fn covers(&self, piece: &Piece) -> bool;

    /// Whether the signature covers what is at `location`.
    fn covers_location(&self, location: &Location) -> bool {
        match location {
            Location::Json(_) | Location::Form(_) => self.covers(&Piece::Body),
            Location::Param(_) => self.covers(&Piece::Path) || self.covers(&Piece::Url),
            Location::Query(_) => self.covers(&Piece::Url),
            Location::Header(_) => false,
        }
    }

    /// The header in which the secret itself is sent.
    fn credential(&self) -> Option<&HeaderName> {
        None
    }

    /// A signed text that the sender uses once, where the signature does not cover the body: whoever
    /// takes it a second time has to see the same body with it. Asked for when the check has held.
    fn one_time_token(&self, _request: &Request) -> Option<String> {
        None
    }

    /// For how long a request that was taken once could be taken again, by the age that the check
    /// allows; nothing where it allows any.
    fn repeatable_for(&self) -> Option<Duration> {
        None
    }

    /// The request as its sender would send it.
    fn sign(
        &self,
        secret: &Secret,
        request: Request,
        now: UnixTime,
        settings: &Settings,
    ) -> Result<Request, SignError>;
}

/// The place of the first key that is the `right` one. Each of them is tried, so that the time taken
/// says nothing about which one it was.
///
/// # Errors
/// [`Reason::Mismatch`] when none is.
pub(crate) fn matching<K, R: Into<bool>>(
    keys: &[K],
    right: impl Fn(&K) -> R,
) -> Result<usize, Reason> {
    let mut matched = None;
    for (index, key) in keys.iter().enumerate() {
        if right(key).into() && matched.is_none() {
            matched = Some(index);
        }
    }
    matched.ok_or(Reason::Mismatch { secrets: keys.len() })
}

/// The keys of one family, which alone knows their type.
#[derive(Clone)]
pub(crate) struct Keys(Arc<dyn Any + Send + Sync>);

/// A family whose type of keys has been forgotten.
pub(crate) trait AnyFamily: fmt::Debug + Send + Sync {
    fn keys(&self, secrets: &[Secret]) -> Result<Keys, SetupError>;
    fn fits(&self, secret: &Secret) -> Result<(), SecretError>;
    fn takes(&self) -> Takes;
    fn check_settings(&self, settings: &Settings) -> Result<(), SetupError>;
    fn is_carried(&self, request: &Request) -> bool;
    fn check(&self, keys: &Keys, seen: Seen<'_>) -> Result<Option<usize>, Reason>;
    fn covers(&self, piece: &Piece) -> bool;
    fn covers_location(&self, location: &Location) -> bool;
    fn credential(&self) -> Option<&HeaderName>;
    fn one_time_token(&self, request: &Request) -> Option<String>;
    fn repeatable_for(&self) -> Option<Duration>;
    fn sign(
        &self,
        secret: &Secret,
        request: Request,
        now: UnixTime,
        settings: &Settings,
    ) -> Result<Request, SignError>;
}

impl<F: Family> AnyFamily for F {
    /// Reads every secret, and names the first that cannot be right by its place.
    fn keys(&self, secrets: &[Secret]) -> Result<Keys, SetupError> {
        let of = secrets.len();
        let read = |(index, secret)| {
            self.key(secret).map_err(|problem| SetupError::Secret { index, of, problem })
        };
        let keys = secrets.iter().enumerate().map(read).collect::<Result<Vec<F::Key>, _>>()?;
        Ok(Keys(Arc::new(keys)))
    }

    fn fits(&self, secret: &Secret) -> Result<(), SecretError> {
        self.key(secret).map(drop)
    }

    fn takes(&self) -> Takes {
        Family::takes(self)
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), SetupError> {
        Family::check_settings(self, settings)
    }

    fn is_carried(&self, request: &Request) -> bool {
        Family::is_carried(self, request)
    }

    fn check(&self, keys: &Keys, seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        match keys.0.downcast_ref::<Vec<F::Key>>() {
            Some(keys) => Family::check(self, keys, seen),
            // `keys` made them; should that ever change, nothing gets in.
            None => Err(Reason::Mismatch { secrets: 0 }),
        }
    }

    fn covers(&self, piece: &Piece) -> bool {
        Family::covers(self, piece)
    }

    fn covers_location(&self, location: &Location) -> bool {
        Family::covers_location(self, location)
    }

    fn credential(&self) -> Option<&HeaderName> {
        Family::credential(self)
    }

    fn one_time_token(&self, request: &Request) -> Option<String> {
        Family::one_time_token(self, request)
    }

    fn repeatable_for(&self) -> Option<Duration> {
        Family::repeatable_for(self)
    }

    fn sign(
        &self,
        secret: &Secret,
        request: Request,
        now: UnixTime,
        settings: &Settings,
    ) -> Result<Request, SignError> {
        Family::sign(self, secret, request, now, settings)
    }
}

/// Whoever knows the URL is believed.
#[derive(Debug)]
pub(crate) struct Unchecked;

impl Family for Unchecked {
    type Key = ();

    fn key(&self, _: &Secret) -> Result<(), SecretError> {
        Ok(())
    }

    fn takes(&self) -> Takes {
        Takes::Nothing
    }

    /// Nothing is looked at; a handshake of such a sender is not signed either.
    fn is_carried(&self, _: &Request) -> bool {
        false
    }

    fn check(&self, _: &[()], _: Seen<'_>) -> Result<Option<usize>, Reason> {
        Ok(None)
    }

    fn covers(&self, _: &Piece) -> bool {
        false
    }

    fn sign(
        &self,
        _: &Secret,
        request: Request,
        _: UnixTime,
        _: &Settings,
    ) -> Result<Request, SignError> {
        Ok(request)
    }
}
