//! Twilio's own way: the URL, then a form's parameters in their order, or a hash of the body in the
//! URL.
//!
//! Nothing stands between the URL and the parameters, or between a parameter's name and its value. Who
//! has one genuine form could move the seams: send its first names and values as the end of the
//! query or, where there is none, of the path, or cut the same text into other names and values. What
//! is sent is then the same letters in the same order; a handler should read the parameters by the
//! names that it expects, and from the body.
//!
//! A URL that has the hash of its body is of that body alone, whatever that is said to be.

use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::family::{Family, Seen};
use crate::form::MOST_FIELDS;
use crate::header::{insert, single};
use crate::mac::{Keyed, Tag, describe};
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::{Algorithm, Encoding};
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::sign::SignError;
use crate::signed_text::is_form;
use crate::template::Piece;

const SIGNATURE: HeaderName = HeaderName::from_static("x-twilio-signature");

/// Names a shared key and its algorithm; absent where the account's token signs.
const SETTINGS: HeaderName = HeaderName::from_static("x-twilio-webhooks-signature-settings");

/// The parameter of the URL that has the hash of a body that is not a form.
const BODY_HASH: &str = "bodySHA256";

/// Twilio's scheme; there is nothing to set up.
#[derive(Debug)]
pub(crate) struct TwilioCheck;

/// One secret, for each of the two algorithms that Twilio has.
pub(crate) struct TwilioKey {
    sha1: Keyed,
    sha256: Keyed,
}

impl TwilioKey {
    fn hash(&self, algorithm: Algorithm, message: &[&[u8]]) -> Tag {
        match algorithm {
            Algorithm::Sha256 => self.sha256.hash(message),
            Algorithm::Sha1 | Algorithm::Sha512 => self.sha1.hash(message),
        }
    }
}

impl Family for TwilioCheck {
    type Key = TwilioKey;

    fn key(&self, secret: &Secret) -> Result<TwilioKey, SecretError> {
        let key = secret.checked()?;
        Ok(TwilioKey {
            sha1: Keyed::new(Algorithm::Sha1, key),
            sha256: Keyed::new(Algorithm::Sha256, key),
        })
    }

    fn is_carried(&self, request: &Request) -> bool {
        request.headers.contains_key(SIGNATURE)
    }

    fn check(&self, keys: &[TwilioKey], seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        let request = seen.request;
        let value = single(&request.headers, &SIGNATURE)?;
        let algorithm = algorithm(&request.headers)?;
        let len = algorithm.output_len();
        let candidate = Tag::decode(value, Encoding::Base64, len).ok_or_else(|| {
            let expected = describe(Encoding::Base64, len);
            Reason::MalformedSignature { header: SIGNATURE, expected }
        })?;
        let parameters = covered(request)?;
        let mut matched = None;
        for url in spellings(&request.url) {
            let message = [url.as_bytes(), parameters.as_bytes()];
            for (index, key) in keys.iter().enumerate() {
                let same: Choice = key.hash(algorithm, &message).matches(&candidate);
                if bool::from(same) {
                    matched = Some(matched.map_or(index, |first: usize| first.min(index)));
                }
            }
        }
        matched.map(Some).ok_or(Reason::Mismatch { secrets: keys.len() })
    }

    fn covers(&self, piece: &Piece) -> bool {
        matches!(piece, Piece::Url | Piece::Body)
    }

    /// What Twilio sends when it signs with the account's token.
    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        _: UnixTime,
        _: &Settings,
    ) -> Result<Request, SignError> {
        let parameters = covered(&request)?;
        let message = [request.url.as_bytes(), parameters.as_bytes()];
        let signature = self.key(secret)?.sha1.hash(&message).encode(Encoding::Base64);
        insert(&mut request.headers, &SIGNATURE, signature.as_bytes())?;
        Ok(request)
    }
}

/// The algorithm, of the two that there are. Both are HMACs under the same key, so that naming one
/// gains nothing. Which of several shared keys it was is found by trying them.
fn algorithm(headers: &HeaderMap) -> Result<Algorithm, Reason> {
    if !headers.contains_key(SETTINGS) {
        return Ok(Algorithm::Sha1);
    }
    let mut algorithms = single(headers, &SETTINGS)?
        .split(|byte| *byte == b',')
        .filter_map(|setting| setting.trim_ascii().strip_prefix(b"algorithm="));
    match (algorithms.next(), algorithms.next()) {
        (Some(b"HMAC_SHA1"), None) => Ok(Algorithm::Sha1),
        (Some(b"HMAC_SHA256"), None) => Ok(Algorithm::Sha256),
        _ => Err(Reason::UnexpectedHeader {
            header: SETTINGS,
            expected: "key=…,algorithm=HMAC_SHA1 or HMAC_SHA256".to_owned(),
        }),
    }
}

/// What is signed after the URL: of a form its decoded parameters, without separators; of anything
/// else nothing, since the URL has the hash of it. That hash is checked here wherever there is one:
/// else the body that it is of could be left out, or be called a form without parameters.
fn covered(request: &Request) -> Result<String, Reason> {
    let query = request.url.split_once('?').map_or("", |(_, query)| query);
    let mut hashes = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == BODY_HASH);
    let right = || HEXLOWER.encode(&Sha256::digest(&request.body));
    let hashed = match (hashes.next(), hashes.next()) {
        (None, _) => false,
        (Some((_, hash)), None) if bool::from(hash.as_bytes().ct_eq(right().as_bytes())) => true,
        _ => return Err(Reason::UnsignedBody { parameter: BODY_HASH }),
    };
    if is_form(&request.headers)? {
        let mut parameters: Vec<_> =
            form_urlencoded::parse(&request.body).take(MOST_FIELDS + 1).collect();
        if parameters.len() > MOST_FIELDS {
            return Err(Reason::MalformedBody { expected: "a form of at most 1000 fields" });
        }
        parameters.sort();
        parameters.dedup();
        return Ok(parameters.iter().flat_map(|(name, value)| [&**name, &**value]).collect());
    }
    match hashed || request.body.is_empty() {
        true => Ok(String::new()),
        false => Err(Reason::UnsignedBody { parameter: BODY_HASH }),
    }
}

/// The URL as it is, without its port, and with the port that its scheme has: Twilio signs any of
/// them.
fn spellings(url: &str) -> Vec<String> {
    let mut spellings = vec![url.to_owned()];
    if let Some((scheme, rest)) = url.split_once("://") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let default = if scheme.eq_ignore_ascii_case("http") { 80 } else { 443 };
        spellings.push(match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("{scheme}://{host}{path}")
            }
            _ => format!("{scheme}://{authority}:{default}{path}"),
        });
    }
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_tried_with_and_without_its_port() {
        let other = |url| spellings(url).pop().expect("one at least");
        assert_eq!(other("https://x.example/a?b=c:1"), "https://x.example:443/a?b=c:1");
        assert_eq!(other("http://x.example"), "http://x.example:80");
        assert_eq!(other("https://x.example:8443/a"), "https://x.example/a");
        assert_eq!(other("https://[::1]/a"), "https://[::1]:443/a");
        assert_eq!(other("https://[::1]:9/a"), "https://[::1]/a");
        assert_eq!(other("/a"), "/a");
    }
}
