//! What proves who asks, as a request gets it. Nothing here is ever shown.

use std::fmt;
use std::path::Path;

use data_encoding::BASE64;
use http::header::{self, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::oauth::OAuth;
use crate::config::{Auth, SecretProblem, SecretRef};
use crate::secret::{self, Places, SecretValue};

/// A secret shorter than this would be found in what has nothing to do with it.
const LEAST_SCRUBBED: usize = 8;
/// What stands in an answer in place of a credential.
const SCRUBBED: &[u8] = b"[redacted]";

/// A connection's credential. `Debug` shows which kind it is.
pub(super) enum Credential {
    None,
    Header { name: HeaderName, value: HeaderValue },
    Query { name: String, value: Zeroizing<String> },
    OAuth(Box<OAuth>),
}

/// A credential, with what must not come back to a plugin.
pub(super) struct Resolved {
    pub(super) credential: Credential,
    secret: SecretValue,
    /// As it is sent, where that is in another encoding.
    sent: SecretValue,
}

impl Resolved {
    /// Reads the secret of `auth`. Blocks on the file system.
    ///
    /// # Errors
    ///
    /// Why it cannot be used, without its value.
    pub(super) fn read(auth: Option<&Auth>, places: &Places) -> Result<Self, SecretProblem> {
        let Some(auth) = auth else {
            let (secret, sent) = (Zeroizing::default(), Zeroizing::default());
            return Ok(Self { credential: Credential::None, secret, sent });
        };
        let reference = auth.secret();
        let base = &places.base;
        let secret =
            secret::resolve(reference, &[], places).map_err(|error| error.problem(base))?;
        let mut sent = Zeroizing::default();
        let credential = match auth {
            Auth::Bearer(_) => {
                let value = text(&secret, reference, base)?;
                authorization("Bearer ", value)
            }
            Auth::Basic { user, .. } => {
                let both = Zeroizing::new([user.as_bytes(), b":", secret.as_slice()].concat());
                let encoded = Zeroizing::new(BASE64.encode(&both));
                sent = Zeroizing::new(encoded.as_bytes().to_vec());
                authorization("Basic ", &encoded)
            }
            Auth::Header { name, prefix, .. } => {
                let value = text(&secret, reference, base)?;
                match (HeaderName::try_from(name), sensitive(prefix, value)) {
                    (Ok(name), Some(value)) => Credential::Header { name, value },
                    // Both were checked where they were read.
                    _ => return Err(wrong("it cannot be a header's value", reference, base)),
                }
            }
            Auth::Query { name, .. } => {
                let value = text(&secret, reference, base)?;
                sent = Zeroizing::new(encoded(value).as_bytes().to_vec());
                let value = Zeroizing::new(value.to_owned());
                Credential::Query { name: name.clone(), value }
            }
            Auth::OAuth2(config) => {
                text(&secret, reference, base)?;
                Credential::OAuth(Box::new(OAuth::new(config.clone(), secret.clone())))
            }
        };
        Ok(Self { credential, secret, sent })
    }

    /// Whether both are the same credential.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.secret == other.secret
    }

    /// The header that a plugin must not give.
    pub(super) fn header(&self) -> Option<HeaderName> {
        match &self.credential {
            Credential::Header { name, .. } => Some(name.clone()),
            Credential::OAuth(_) => Some(header::AUTHORIZATION),
            Credential::None | Credential::Query { .. } => None,
        }
    }

    /// The query parameter that a plugin must not give.
    pub(super) fn parameter(&self) -> Option<&str> {
        match &self.credential {
            Credential::Query { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Takes the credential out of what a server sent back: as it is, and as it was sent.
    /// `token` is the one that the request had.
    pub(super) fn scrub(&self, bytes: &mut Vec<u8>, token: Option<&[u8]>) {
        for needle in [self.secret.as_slice(), self.sent.as_slice(), token.unwrap_or_default()] {
            if needle.len() < LEAST_SCRUBBED {
                continue;
            }
            let finder = memchr::memmem::Finder::new(needle);
            if finder.find(bytes).is_none() {
                continue;
            }
            let mut clean = Vec::with_capacity(bytes.len());
            let mut rest = bytes.as_slice();
            while let Some(at) = finder.find(rest) {
                clean.extend_from_slice(rest.get(..at).unwrap_or_default());
                clean.extend_from_slice(SCRUBBED);
                rest = rest.get(at + needle.len()..).unwrap_or_default();
            }
            clean.extend_from_slice(rest);
            *bytes = clean;
        }
    }
}

/// As a form and a query have it.
pub(super) fn encoded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect())
}

fn authorization(scheme: &str, value: &str) -> Credential {
    match sensitive(scheme, value) {
        Some(value) => Credential::Header { name: header::AUTHORIZATION, value },
        None => Credential::None,
    }
}

/// A header's value that is left out of `Debug`.
pub(super) fn sensitive(prefix: &str, value: &str) -> Option<HeaderValue> {
    let whole = Zeroizing::new([prefix, value].concat());
    let mut value = HeaderValue::from_str(&whole).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Every credential is sent as visible ASCII.
fn text<'s>(
    secret: &'s SecretValue,
    reference: &SecretRef,
    base: &Path,
) -> Result<&'s str, SecretProblem> {
    let text = std::str::from_utf8(secret).ok();
    let text = text.filter(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    text.ok_or_else(|| wrong("it is not one line of visible ASCII", reference, base))
}

fn wrong(what: &str, reference: &SecretRef, base: &Path) -> SecretProblem {
    SecretProblem { help: Vec::new(), ..secret::cannot_be_right(reference, what, base) }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.credential {
            Credential::None => "no credential",
            Credential::Header { .. } => "a header",
            Credential::Query { .. } => "a query parameter",
            Credential::OAuth(_) => "an OAuth 2 token",
        })
    }
}
