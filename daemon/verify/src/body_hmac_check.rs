//! The family of senders that put a keyed hash over some values of the body into the body.

use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use subtle::Choice;

use crate::family::{Family, Seen, matching};
use crate::json;
use crate::location::Location;
use crate::mac::{Keyed, Tag, describe};
use crate::moment;
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::BodyHmacScheme;
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::setup::SetupError;
use crate::sign::SignError;
use crate::template::Piece;
use crate::values::{Slots, Values};

/// A [`BodyHmacScheme`] that makes sense.
#[derive(Debug)]
pub(crate) struct BodyHmacCheck {
    scheme: BodyHmacScheme,
}

impl BodyHmacCheck {
    pub(crate) fn new(scheme: BodyHmacScheme) -> Result<Self, SetupError> {
        let signs = |name: &str| scheme.signed.iter().any(|value| value.name == name);
        if scheme.signed.is_empty() || scheme.signatures.is_empty() {
            return Err(SetupError::NothingSigned);
        }
        if scheme.signatures.iter().any(|name| signs(name)) {
            return Err(SetupError::SignedSignature);
        }
        if let Some(rule) = &scheme.timestamp {
            if !signs(&rule.name) {
                return Err(SetupError::UnsignedTimestamp);
            }
            if rule.tolerance.is_zero() {
                return Err(SetupError::NoTolerance);
            }
        }
        if scheme.one_time.as_ref().is_some_and(|name| !signs(name)) {
            return Err(SetupError::UnsignedId);
        }
        // Each of several objects would have its own, and one is remembered.
        if scheme.one_time.is_some() && scheme.values.may_be_several() {
            return Err(SetupError::OneTimeInList);
        }
        if scheme.signed.iter().filter(|value| value.free).count() > 1 {
            return Err(SetupError::InvalidEntries);
        }
        Ok(Self { scheme })
    }

    /// The names that are read: those of the signed values, then those of the signatures.
    fn names(&self) -> Vec<&str> {
        let signed = self.scheme.signed.iter().map(|value| value.name.as_ref());
        signed.chain(self.scheme.signatures.iter().map(AsRef::as_ref)).collect()
    }

    fn at(&self, name: &str) -> String {
        self.scheme.values.place(name)
    }

    /// What is signed of one object.
    fn message(&self, values: &[Option<String>]) -> Result<String, Reason> {
        let between = self.scheme.between.as_ref();
        let mut message = String::new();
        for (index, (signed, value)) in self.scheme.signed.iter().zip(values).enumerate() {
            let text = value.as_deref().unwrap_or_default();
            let once = self.scheme.one_time.as_ref() == Some(&signed.name);
            if text.is_empty() && (signed.needed || once) {
                return Err(Reason::MissingValue { at: self.at(&signed.name) });
            }
            // Else the same text could be cut into other values.
            if !signed.free && !between.is_empty() && text.contains(between) {
                let expected = format!("a text without `{between}`");
                return Err(Reason::MalformedValue { at: self.at(&signed.name), expected });
            }
            message.push_str(if index == 0 { "" } else { between });
            message.push_str(text);
        }
        // Where the sender signs whole bodies with the same key, none of them may pass for values.
        if json::is_object(message.as_bytes()) {
            let at = self.at(self.scheme.signed.first().map_or("", |signed| &signed.name));
            let expected = "a value that is no part of a JSON object".to_owned();
            return Err(Reason::MalformedValue { at, expected });
        }
        Ok(message)
    }

    /// The signatures of one object, of which there is at least one that can be one.
    fn candidates(&self, values: &[Option<String>]) -> Result<Vec<Tag>, Reason> {
        let scheme = &self.scheme;
        let len = scheme.algorithm.output_len();
        let written = values.get(scheme.signed.len()..).unwrap_or_default();
        let decode = |text: &String| Tag::decode(text.as_bytes(), scheme.encoding, len);
        let found: Vec<Tag> = written.iter().flatten().filter_map(decode).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let at = self.at(scheme.signatures.first().map_or("", AsRef::as_ref));
        Err(match written.iter().flatten().next() {
            None => Reason::MissingValue { at },
            Some(_) => Reason::MalformedValue { at, expected: describe(scheme.encoding, len) },
        })
    }

    /// Makes sure that the object's timestamp is near.
    fn near(&self, values: &Values, now: UnixTime) -> Result<(), Reason> {
        let Some(rule) = &self.scheme.timestamp else { return Ok(()) };
        let place = self.scheme.signed.iter().position(|value| value.name == rule.name);
        let text = place.and_then(|place| values.get(place)?.as_deref()).unwrap_or_default();
        let malformed = || Reason::MissingBodyTimestamp {
            pointer: self.at(&rule.name).trim_start_matches("json:").to_owned(),
            expected: moment::describe(rule.format),
        };
        let tolerance = (rule.tolerance, rule.tolerance);
        moment::near(text.as_bytes(), rule.format, tolerance, now, malformed)
    }
}

impl Family for BodyHmacCheck {
    type Key = Keyed;

    fn key(&self, secret: &Secret) -> Result<Keyed, SecretError> {
        Ok(Keyed::new(self.scheme.algorithm, &secret.key(&self.scheme.key)?))
    }

    fn is_carried(&self, request: &Request) -> bool {
        let signatures: Vec<&str> = self.scheme.signatures.iter().map(AsRef::as_ref).collect();
        self.scheme.values.has_any(request, &signatures)
    }

    /// The place of the last key that an object's signature matches: where old and new ones are in
    /// use side by side, that of the old one is worth knowing.
    fn check(&self, keys: &[Keyed], seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        let items = self.scheme.values.read(seen.request, &self.names())?;
        let mut last = None;
        for values in &items {
            let candidates = self.candidates(values)?;
            self.near(values, seen.now)?;
            let message = [self.message(values)?];
            let right = |key: &Keyed| {
                let genuine = key.hash(&message);
                candidates
                    .iter()
                    .fold(Choice::from(0), |any, candidate| any | genuine.matches(candidate))
            };
            last = last.max(Some(matching(keys, right)?));
        }
        Ok(last)
    }

    fn covers(&self, _: &Piece) -> bool {
        false
    }

    fn covers_location(&self, location: &Location) -> bool {
        let signed = &self.scheme.signed;
        signed.iter().any(|value| self.scheme.values.has(&value.name, location))
    }

    fn one_time_token(&self, request: &Request) -> Option<String> {
        let name = self.scheme.one_time.as_deref()?;
        self.scheme.values.read(request, &[name]).ok()?.into_iter().flatten().next()?
    }

    /// A timestamp may be ahead when the request is first taken, and as far behind at last.
    fn repeatable_for(&self) -> Option<Duration> {
        self.scheme.timestamp.as_ref().map(|rule| rule.tolerance.saturating_mul(2))
    }

    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        now: UnixTime,
        _: &Settings,
    ) -> Result<Request, SignError> {
        let key = self.key(secret)?;
        let scheme = &self.scheme;
        // Nothing here is random; another body or another moment makes another token.
        let token = Sha256::new().chain_update(&request.body);
        let token = HEXLOWER.encode(&token.chain_update(now.as_millis().to_be_bytes()).finalize());
        let change = |slots: &mut dyn Slots| {
            if let Some(rule) = &scheme.timestamp {
                slots.set(&rule.name, moment::write(now, rule.format));
            }
            if let Some(name) = &scheme.one_time {
                slots.set(name, token.clone());
            }
            let values: Values =
                scheme.signed.iter().map(|value| slots.value(&value.name)).collect();
            let signature = key.hash(&[self.message(&values)?]).encode(scheme.encoding);
            if let Some(name) = scheme.signatures.first() {
                slots.set(name, signature);
            }
            Ok(())
        };
        scheme.values.rewrite(&mut request, change)?;
        Ok(request)
    }
}
