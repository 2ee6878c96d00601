//! eBay's own way: a signature and the id of its key, both in one header, and a key that its
//! Notification API gives out.

use data_encoding::BASE64;
use http::HeaderName;
use serde::Deserialize;

use crate::family::{Family, Seen, Takes};
use crate::header::{insert, single};
use crate::keyring::KeySource;
use crate::private_key::PrivateKey;
use crate::public_key::{KeyKind, PublicKey};
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::{Encoding, SignatureAlgorithm};
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::setup::SetupError;
use crate::sign::SignError;
use crate::template::Piece;
use crate::template_key::decode_signature;

const SIGNATURE: HeaderName = HeaderName::from_static("x-ebay-signature");

/// The setting that says which of eBay's environments sends.
pub(crate) const ENVIRONMENT: &str = "environment";

/// What eBay signs with, whatever else a header might say.
const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::EcdsaSha1;

/// The longest id of a key; they are UUIDs.
const LONGEST_ID: usize = 64;

/// eBay's scheme; there is nothing to set up.
#[derive(Debug)]
pub(crate) struct EbayCheck;

/// What the header has in it. A member that is there twice is refused by the reader.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    signature: String,
    digest: String,
}

/// What the API answers.
#[derive(Deserialize)]
struct Key {
    key: String,
    algorithm: String,
    digest: String,
}

impl Family for EbayCheck {
    type Key = ();

    fn key(&self, _: &Secret) -> Result<(), SecretError> {
        Ok(())
    }

    fn takes(&self) -> Takes {
        Takes::Nothing
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), SetupError> {
        let problem = "it is `production` or `sandbox`";
        match api(settings) {
            Some(_) => Ok(()),
            None => Err(SetupError::InvalidSetting { name: ENVIRONMENT, problem }),
        }
    }

    fn is_carried(&self, request: &Request) -> bool {
        request.headers.contains_key(SIGNATURE)
    }

    fn check(&self, _: &[()], seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        let value = single(&seen.request.headers, &SIGNATURE)?;
        let malformed = |expected: &str| Reason::MalformedSignature {
            header: SIGNATURE,
            expected: expected.to_owned(),
        };
        let whole =
            || malformed("base64 of a JSON object with `alg`, `kid`, `signature`, `digest`");
        let json = BASE64.decode(value).map_err(|_| whole())?;
        // Padding in the middle decodes as well.
        if BASE64.encode(&json).as_bytes() != value {
            return Err(whole());
        }
        let header: Header = serde_json::from_slice(&json).map_err(|_| whole())?;
        if !is_expected(&header.alg, &header.digest) {
            let expected = "ECDSA with SHA1".to_owned();
            return Err(Reason::UnexpectedHeader { header: SIGNATURE, expected });
        }
        // It becomes a part of a URL.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let id = header.kid;
        if !(1..=LONGEST_ID).contains(&id.len()) || !id.bytes().all(plain) {
            return Err(malformed("an object in which `kid` is the id of a key"));
        }
        let signature = decode_signature(header.signature.as_bytes(), Encoding::Base64, ALGORITHM)
            .ok_or_else(|| malformed("an object in which `signature` is a signature in base64"))?;
        let source = source(seen.settings, id);
        let key = seen.keyring.document(&source).and_then(|document| read(document));
        match key {
            None => Err(Reason::KeyNeeded(source)),
            Some(key) if key.verify(ALGORITHM, &[&seen.request.body], &signature) => Ok(None),
            Some(_) => Err(Reason::Mismatch { secrets: 1 }),
        }
    }

    fn covers(&self, piece: &Piece) -> bool {
        *piece == Piece::Body
    }

    /// Only eBay has keys that its API gives out; with a pair of one's own, and a keyring that has
    /// its public half, all the rest can be tried. The secret is the id, a colon and the private key.
    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        _: UnixTime,
        _: &Settings,
    ) -> Result<Request, SignError> {
        let bytes = secret.checked()?;
        let at = bytes.iter().position(|byte| *byte == b':').ok_or(SecretError::NoKeyId)?;
        let (id, key) = bytes.split_at_checked(at).ok_or(SecretError::NoKeyId)?;
        let id = std::str::from_utf8(id).map_err(|_| SecretError::NoKeyId)?;
        let key = PrivateKey::read(key.get(1..).unwrap_or_default(), KeyKind::P256)?;
        let signature = key.sign(ALGORITHM, &[&request.body]).ok_or(SignError::Unsignable)?;
        let header = serde_json::json!({
            "alg": "ecdsa",
            "kid": id,
            "signature": BASE64.encode(&signature),
            "digest": "SHA1",
        });
        let value = BASE64.encode(header.to_string().as_bytes());
        insert(&mut request.headers, &SIGNATURE, value.as_bytes())?;
        Ok(request)
    }
}

/// The one pair that eBay uses. It writes the first in either case.
fn is_expected(algorithm: &str, digest: &str) -> bool {
    matches!(algorithm, "ecdsa" | "ECDSA") && digest == "SHA1"
}

/// The host of the API; nothing for an environment that there is not.
fn api(settings: &Settings) -> Option<&'static str> {
    match settings.get(ENVIRONMENT) {
        None | Some("production") => Some("api.ebay.com"),
        Some("sandbox") => Some("api.sandbox.ebay.com"),
        Some(_) => None,
    }
}

fn source(settings: &Settings, key_id: String) -> KeySource {
    let host = api(settings).unwrap_or("api.ebay.com");
    let url = format!("https://{host}/commerce/notification/v1/public_key/{key_id}");
    KeySource::Ebay { url, key_id }
}

/// The key in an answer of the API.
fn read(document: &[u8]) -> Option<PublicKey> {
    let answer: Key = serde_json::from_slice(document).ok()?;
    let key = PublicKey::read(answer.key.as_bytes(), KeyKind::P256).ok()?;
    is_expected(&answer.algorithm, &answer.digest).then_some(key)
}
