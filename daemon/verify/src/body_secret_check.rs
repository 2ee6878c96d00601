//! The family of senders that put the secret itself into the body.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::credential_check::compare;
use crate::family::{Family, Seen};
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::sign::SignError;
use crate::template::Piece;
use crate::values::BodyValues;

/// Where the secret is looked for.
#[derive(Debug)]
pub(crate) struct BodySecretCheck {
    pub(crate) values: BodyValues,
    pub(crate) name: Cow<'static, str>,
}

impl Family for BodySecretCheck {
    /// The text that a body has to show to match the secret.
    type Key = Zeroizing<Vec<u8>>;

    fn key(&self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let secret = secret.checked()?;
        match std::str::from_utf8(secret) {
            Ok(text) => Ok(Zeroizing::new(text.as_bytes().to_vec())),
            Err(_) => Err(SecretError::NotText),
        }
    }

    fn is_carried(&self, request: &Request) -> bool {
        self.values.has_any(request, &[&self.name])
    }

    /// The place of the last secret that an object has: where old and new ones are in use side by
    /// side, that of the old one is worth knowing.
    fn check(
        &self,
        expected: &[Zeroizing<Vec<u8>>],
        seen: Seen<'_>,
    ) -> Result<Option<usize>, Reason> {
        let mut last = None;
        for values in self.values.read(seen.request, &[&self.name])? {
            let shown = values.into_iter().flatten().next().map(Zeroizing::new);
            let missing = || Reason::MissingValue { at: self.values.place(&self.name) };
            last = last.max(compare(expected, shown.ok_or_else(missing)?.as_bytes())?);
        }
        Ok(last)
    }

    fn covers(&self, _: &Piece) -> bool {
        false
    }

    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        _: UnixTime,
        _: &Settings,
    ) -> Result<Request, SignError> {
        let key = self.key(secret)?;
        let text = String::from_utf8_lossy(&key).into_owned();
        self.values.rewrite(&mut request, |slots| {
            slots.set(&self.name, text.clone());
            Ok(())
        })?;
        Ok(request)
    }
}
