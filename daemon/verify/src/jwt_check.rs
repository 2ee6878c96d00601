//! The family of JSON Web Tokens and detached signatures of the same make.
//!
//! Written here and not taken from one of the crates for it, because it has to be pure: no clock but
//! `now`, no fetching, exactly one algorithm, which the scheme pins, one spelling of everything, no
//! repeated members, and texts that are detached or bound by a hash. The algorithms are those of the
//! crates that implement them.

mod claims;
mod token;

use std::borrow::Cow;

use http::HeaderName;
use http::header::AUTHORIZATION;
use serde_json::Value;

use crate::family::{Family, Seen, Takes, matching};
use crate::header::{insert, single};
use crate::jwks;
use crate::jwt_scheme::{Claim, JwtScheme, TokenAlgorithm, TokenForm, TokenKeys, TokenPlace};
use crate::keyring::KeySource;
use crate::location::Location;
use crate::mac::{Keyed, Tag};
use crate::moment;
use crate::plaid;
use crate::private_key::PrivateKey;
use crate::public_key::PublicKey;
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::{Algorithm, Encoding, TimestampPlace};
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::setup::{SetupError, header_name};
use crate::sign::SignError;
use crate::template::Piece;

use token::Token;

/// The name of the key that tokens are signed with here, where the key is one of a set. Whoever is to
/// check them serves a set in which it has this name.
const OWN_KEY_ID: &str = "hookyard";

/// A [`JwtScheme`] that makes sense, with its header names read.
#[derive(Debug)]
pub(crate) struct JwtCheck {
    scheme: JwtScheme,
    place: Place,
    detached: Option<Detached>,
}

#[derive(Debug)]
enum Place {
    Header(HeaderName),
    Bearer,
    Body,
}

/// The headers of a [`TokenForm::Detached`].
#[derive(Debug)]
struct Detached {
    timestamp: HeaderName,
    key_id: HeaderName,
}

/// One secret, read.
pub(crate) enum JwtKey {
    Shared(Keyed),
    Public(PublicKey),
    /// None of its own.
    Fetched,
}

impl JwtCheck {
    pub(crate) fn new(scheme: JwtScheme) -> Result<Self, SetupError> {
        let configured = scheme.keys == TokenKeys::Configured;
        if scheme.algorithm == TokenAlgorithm::Hs256 && !configured {
            return Err(SetupError::SharedKeyInSet);
        }
        if let TokenKeys::Jwks(url) = &scheme.keys
            && !is_https(url)
        {
            return Err(SetupError::InvalidKeyUrl(url.clone().into_owned()));
        }
        let place = match &scheme.place {
            TokenPlace::Header(name) => Place::Header(header_name(name)?),
            TokenPlace::Bearer => Place::Bearer,
            TokenPlace::Body { .. } => Place::Body,
        };
        let detached = match &scheme.form {
            TokenForm::Claims => None,
            TokenForm::Detached { timestamp, key_id } => {
                let TimestampPlace::Header(name) = &timestamp.at else {
                    return Err(SetupError::TimestampWithoutPlace);
                };
                if timestamp.tolerance.is_zero() {
                    return Err(SetupError::NoTolerance);
                }
                Some(Detached { timestamp: header_name(name)?, key_id: header_name(key_id)? })
            }
        };
        // Nothing is left to say where there are no claims, and a body cannot sign itself.
        if detached.is_some() && (!scheme.claims.is_empty() || matches!(place, Place::Body)) {
            return Err(SetupError::DetachedClaims);
        }
        Ok(Self { scheme, place, detached })
    }

    fn header(&self) -> Option<&HeaderName> {
        match &self.place {
            Place::Header(name) => Some(name),
            Place::Bearer => Some(&AUTHORIZATION),
            Place::Body => None,
        }
    }

    /// The text of the token.
    fn text<'r>(&self, request: &'r Request) -> Result<&'r [u8], Reason> {
        let headers = &request.headers;
        let text = match &self.place {
            Place::Body => return Ok(&request.body),
            Place::Header(name) => single(headers, name)?,
            Place::Bearer => {
                let value = single(headers, &AUTHORIZATION)?;
                let (scheme, rest) = value.split_at_checked(7).unwrap_or_default();
                if !scheme.eq_ignore_ascii_case(b"bearer ") {
                    return Err(Reason::MalformedCredentials { expected: "Bearer" });
                }
                rest
            }
        };
        if text.len() > token::LONGEST_IN_HEADER {
            return Err(Reason::MalformedToken("it is longer than any sender's"));
        }
        Ok(text)
    }

    /// Where the keys are fetched from, of which `key_id` is wanted.
    fn source(&self, key_id: &str, settings: &Settings) -> Option<KeySource> {
        let key_id = key_id.to_owned();
        match &self.scheme.keys {
            TokenKeys::Configured => None,
            TokenKeys::Jwks(url) => Some(KeySource::Jwks { url: url.clone().into_owned(), key_id }),
            TokenKeys::JwksSetting(name) => {
                Some(KeySource::Jwks { url: settings.get(name)?.to_owned(), key_id })
            }
            // Each name is a question to Plaid, so that only what could be one of theirs is asked.
            TokenKeys::Plaid if !plaid::is_key_id(&key_id) => None,
            TokenKeys::Plaid => {
                Some(KeySource::Plaid { url: plaid::url(settings)?.to_owned(), key_id })
            }
        }
    }

    /// What stands in the claims' place when the token is signed.
    fn payload<'t>(&self, received: &'t str, request: &Request) -> Result<Cow<'t, str>, Reason> {
        let Some(detached) = &self.detached else { return Ok(Cow::Borrowed(received)) };
        if !received.is_empty() {
            return Err(Reason::MalformedToken("it has claims, where the body stands for them"));
        }
        let mut text = single(&request.headers, &detached.timestamp)?.to_vec();
        text.push(b'.');
        text.extend_from_slice(token::encode(&request.body).as_bytes());
        Ok(Cow::Owned(token::encode(&text)))
    }

    /// The place of the configured key that a token is signed with.
    fn matching(
        &self,
        keys: &[JwtKey],
        message: &[&[u8]],
        token: &Token<'_>,
        seen: Seen<'_>,
    ) -> Result<Option<usize>, Reason> {
        if self.scheme.keys != TokenKeys::Configured {
            let id = token
                .key_id
                .as_deref()
                .ok_or(Reason::MalformedToken("it does not name its key"))?;
            let source = self
                .source(id, seen.settings)
                .ok_or(Reason::MalformedToken("its key has no name that the sender could give"))?;
            let document = seen.keyring.document(&source);
            let found = document.map(|text| jwks::keys(text, id, self.scheme.algorithm));
            let found = found.unwrap_or_default();
            if found.is_empty() {
                return Err(Reason::KeyNeeded(source));
            }
            let mut found = found.iter();
            return match found.any(|key| self.is_of(key, message, &token.signature)) {
                true => Ok(None),
                false => Err(Reason::ForeignSignature),
            };
        }
        let held = |key: &JwtKey| match key {
            JwtKey::Shared(key) => {
                bool::from(key.hash(message).matches(&Tag::from_slice(&token.signature)))
            }
            JwtKey::Public(key) => self.is_of(key, message, &token.signature),
            JwtKey::Fetched => false,
        };
        matching(keys, held).map(Some)
    }

    fn is_of(&self, key: &PublicKey, message: &[&[u8]], signature: &[u8]) -> bool {
        self.scheme
            .algorithm
            .key_pair()
            .is_some_and(|algorithm| key.verify(algorithm, message, signature))
    }

    fn binds_body(&self) -> bool {
        let hashed = |claim: &Claim| matches!(claim, Claim::BodyHash { .. });
        matches!(self.place, Place::Body)
            || self.detached.is_some()
            || self.scheme.claims.iter().any(hashed)
    }
}

impl Family for JwtCheck {
    type Key = JwtKey;

    fn key(&self, secret: &Secret) -> Result<JwtKey, SecretError> {
        if self.scheme.keys != TokenKeys::Configured {
            return Ok(JwtKey::Fetched);
        }
        match self.scheme.algorithm.key_pair() {
            None => Ok(JwtKey::Shared(Keyed::new(Algorithm::Sha256, secret.checked()?))),
            Some(algorithm) => {
                PublicKey::read(secret.bytes(), algorithm.key_kind()).map(JwtKey::Public)
            }
        }
    }

    fn takes(&self) -> Takes {
        match (&self.scheme.keys, self.scheme.algorithm) {
            (TokenKeys::Configured, TokenAlgorithm::Hs256) => Takes::Secret,
            (TokenKeys::Configured, _) => Takes::PublicKey,
            _ => Takes::Nothing,
        }
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), SetupError> {
        let missing = |name, summary| SetupError::MissingSetting { name, summary };
        for claim in self.scheme.claims.iter() {
            if let Claim::Setting { setting, .. } = claim
                && settings.get(setting).is_none()
            {
                return Err(missing(setting, "the token has to say it"));
            }
        }
        match &self.scheme.keys {
            TokenKeys::Configured | TokenKeys::Jwks(_) => Ok(()),
            TokenKeys::JwksSetting(name) => match settings.get(name) {
                None => Err(missing(name, "the `https` URL of the sender's keys")),
                Some(url) if is_https(url) => Ok(()),
                Some(_) => {
                    let problem = "it is not an `https` URL with a host";
                    Err(SetupError::InvalidSetting { name, problem })
                }
            },
            TokenKeys::Plaid => match plaid::url(settings) {
                Some(_) => Ok(()),
                None => {
                    let problem = "it is neither `production` nor `sandbox`";
                    Err(SetupError::InvalidSetting { name: plaid::ENVIRONMENT, problem })
                }
            },
        }
    }

    fn is_carried(&self, request: &Request) -> bool {
        match self.header() {
            Some(name) => request.headers.contains_key(name),
            None => !request.body.is_empty(),
        }
    }

    fn check(&self, keys: &[JwtKey], seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        let Seen { request, now, settings, .. } = seen;
        let token = Token::read(self.text(request)?, self.scheme.algorithm)?;
        if let (Some(detached), TokenForm::Detached { timestamp, .. }) =
            (&self.detached, &self.scheme.form)
        {
            let text = single(&request.headers, &detached.timestamp)?;
            let within = (timestamp.tolerance, timestamp.tolerance);
            moment::near(text, timestamp.format, within, now, || Reason::MalformedTimestamp {
                header: detached.timestamp.clone(),
                expected: moment::describe(timestamp.format),
            })?;
            let named = single(&request.headers, &detached.key_id)?;
            if token.key_id.as_deref().map(str::as_bytes) != Some(named) {
                return Err(Reason::MalformedToken("it names another key than the header does"));
            }
        }
        let payload = self.payload(token.payload, request)?;
        let message = [token.header.as_bytes(), b".", payload.as_bytes()];
        let place = self.matching(keys, &message, &token, seen)?;
        if self.detached.is_none() {
            claims::check(&self.scheme, &token.claims()?, request, now, settings)?;
        }
        Ok(place)
    }

    fn covers(&self, piece: &Piece) -> bool {
        match piece {
            Piece::Body => self.binds_body(),
            Piece::Url => {
                self.scheme.claims.iter().any(|claim| matches!(claim, Claim::UrlHash { .. }))
            }
            _ => false,
        }
    }

    fn covers_location(&self, location: &Location) -> bool {
        match location {
            Location::Header(name) => self
                .detached
                .as_ref()
                .is_some_and(|detached| detached.timestamp.as_str().eq_ignore_ascii_case(name)),
            Location::Json(_) | Location::Form(_) => self.covers(&Piece::Body),
            Location::Param(_) | Location::Query(_) => self.covers(&Piece::Url),
        }
    }

    /// A token that says nothing of the body is good for any body until it expires.
    fn credential(&self) -> Option<&HeaderName> {
        if self.binds_body() { None } else { self.header() }
    }

    fn one_time_token(&self, request: &Request) -> Option<String> {
        let token = Token::read(self.text(request).ok()?, self.scheme.algorithm).ok()?;
        claims::once(&self.scheme, &token.claims().ok()?)
    }

    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        now: UnixTime,
        settings: &Settings,
    ) -> Result<Request, SignError> {
        let algorithm = self.scheme.algorithm;
        let key_id = (self.scheme.keys != TokenKeys::Configured).then_some(OWN_KEY_ID);
        let header = token::header(algorithm, key_id);
        let mut received = String::new();
        if let (Some(detached), TokenForm::Detached { timestamp, .. }) =
            (&self.detached, &self.scheme.form)
        {
            let text = moment::write(now, timestamp.format);
            insert(&mut request.headers, &detached.timestamp, text.as_bytes())?;
            insert(&mut request.headers, &detached.key_id, OWN_KEY_ID.as_bytes())?;
        } else {
            let mut claims = claims::write(&self.scheme, &request, now, settings)?;
            if let TokenPlace::Body { content } = &self.scheme.place {
                let content = content.clone().into_owned();
                claims.insert(content, String::from_utf8_lossy(&request.body).into());
            }
            received = token::encode(Value::Object(claims).to_string().as_bytes());
        }
        let payload = self.payload(&received, &request)?;
        let message = [header.as_bytes(), b".", payload.as_bytes()];
        let signature = match algorithm.key_pair() {
            None => Keyed::new(Algorithm::Sha256, secret.checked()?)
                .hash(&message)
                .encode(Encoding::Base64Url),
            Some(algorithm) => {
                let key = PrivateKey::read(secret.bytes(), algorithm.key_kind())?;
                let signature = key.sign(algorithm, &message).ok_or(SignError::Unsignable)?;
                token::encode(&signature)
            }
        };
        let token = format!("{header}.{received}.{signature}");
        match &self.place {
            Place::Header(name) => insert(&mut request.headers, name, token.as_bytes())?,
            Place::Bearer => {
                let value = format!("Bearer {token}");
                insert(&mut request.headers, &AUTHORIZATION, value.as_bytes())?;
            }
            Place::Body => request.body = token.into(),
        }
        Ok(request)
    }
}

/// Whether somebody who set a route up may have keys fetched from there.
fn is_https(url: &str) -> bool {
    url.parse::<http::Uri>().is_ok_and(|url| {
        let authority = url.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        url.scheme() == Some(&http::uri::Scheme::HTTPS)
            && !authority.is_empty()
            && !authority.contains('@')
    })
}
