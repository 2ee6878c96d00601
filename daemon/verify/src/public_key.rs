//! Public keys, as senders hand them out, and the signatures that are checked with them.
//!
//! Every check is that of the crate that implements the algorithm; nothing here compares signatures.
//! What a check takes depends on nothing secret: the key, the message and the signature are public.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::BoxedUint;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey};
use rsa::traits::PublicKeyParts;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::scheme::SignatureAlgorithm;
use crate::secret::SecretError;

/// The shortest RSA modulus that counts, in bits.
const SHORTEST_RSA: u32 = 2048;

/// The longest RSA modulus or exponent that is looked at, in bytes.
const LONGEST_RSA: usize = 1024;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum KeyKind {
    Ed25519,
    /// ECDSA on the curve P-256.
    P256,
    Rsa,
}

impl KeyKind {
    /// What its public keys look like, for an error.
    const fn expected(self) -> &'static str {
        match self {
            Self::Ed25519 => {
                "an Ed25519 public key: its 32 bytes in hexadecimal or base64, or PEM or base64 of \
                 its DER"
            }
            Self::P256 => "a P-256 public key in PEM or base64 of its DER",
            Self::Rsa => "an RSA public key in PEM or base64 of its DER",
        }
    }
}

/// The public half of a key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    Ed25519(ed25519_dalek::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
    Rsa(rsa::PublicKey),
}

impl PublicKey {
    /// Reads a key as people copy it: PEM with or without its line breaks, base64 of the DER of its
    /// `SubjectPublicKeyInfo`, and for Ed25519 the 32 bytes themselves in hexadecimal or base64.
    pub(crate) fn read(text: &[u8], kind: KeyKind) -> Result<Self, SecretError> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        let other = SecretError::NotAPublicKey { expected: kind.expected() };
        let key = match pem(text) {
            Some((label, _)) if label.ends_with("PRIVATE KEY") => Err(SecretError::PrivateKey),
            Some(("PUBLIC KEY", der)) => Self::from_spki(&der),
            Some(("RSA PUBLIC KEY", der)) => match rsa::PublicKey::from_pkcs1_der(&der) {
                Ok(key) => Self::from_rsa(key),
                Err(_) => Err(other.clone()),
            },
            Some(_) => Err(other.clone()),
            None if text.starts_with(b"whsk_") => Err(SecretError::PrivateKey),
            None => match bytes(text) {
                Some(raw) if kind == KeyKind::Ed25519 && raw.len() == 32 => Self::ed25519(&raw),
                Some(der) => Self::from_spki(&der),
                None => Err(other.clone()),
            },
        };
        match key {
            Ok(key) if key.kind() == kind => Ok(key),
            // Which kind was expected is what helps.
            Ok(_) | Err(SecretError::NotAPublicKey { .. }) => Err(other),
            error => error,
        }
    }

    /// The key in a `SubjectPublicKeyInfo` in DER, which is also where a certificate has its own.
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, SecretError> {
        if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_der(der) {
            return Ok(Self::P256(key));
        }
        if let Ok(key) = ed25519_dalek::VerifyingKey::from_public_key_der(der) {
            return Self::ed25519(key.as_bytes());
        }
        match rsa::PublicKey::from_public_key_der(der) {
            Ok(key) => Self::from_rsa(key),
            Err(_) => {
                Err(SecretError::NotAPublicKey { expected: "an Ed25519, P-256 or RSA public key" })
            }
        }
    }

    /// The Ed25519 key of these 32 bytes: `x` of a JSON Web Key.
    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, SecretError> {
        let key = <&[u8; 32]>::try_from(x)
            .ok()
            .and_then(|bytes| ed25519_dalek::VerifyingKey::from_bytes(bytes).ok())
            .ok_or(SecretError::NotAPublicKey { expected: KeyKind::Ed25519.expected() })?;
        // Anyone can sign for a key of low order.
        if key.is_weak() { Err(SecretError::WeakKey) } else { Ok(Self::Ed25519(key)) }
    }

    /// The point with these coordinates of 32 bytes each: `x` and `y` of a JSON Web Key.
    pub(crate) fn p256(x: &[u8], y: &[u8]) -> Result<Self, SecretError> {
        let point = [&[4], x, y].concat();
        let whole = x.len() == 32 && y.len() == 32;
        whole
            .then(|| p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok())
            .flatten()
            .map(Self::P256)
            .ok_or(SecretError::NotAPublicKey { expected: KeyKind::P256.expected() })
    }

    /// The RSA key of this modulus and exponent, most significant byte first: `n` and `e` of a JSON
    /// Web Key.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, SecretError> {
        let number = |bytes: &[u8]| {
            let sane = !bytes.is_empty() && bytes.len() <= LONGEST_RSA;
            sane.then(|| BoxedUint::from_be_slice_vartime(bytes))
        };
        number(n)
            .zip(number(e))
            .and_then(|(n, e)| rsa::PublicKey::new(n, e).ok())
            .ok_or(SecretError::NotAPublicKey { expected: KeyKind::Rsa.expected() })
            .and_then(Self::from_rsa)
    }

    fn from_rsa(key: rsa::PublicKey) -> Result<Self, SecretError> {
        let bits = key.n().bit_width_vartime();
        if bits < SHORTEST_RSA {
            return Err(SecretError::ShortRsaKey { bits });
        }
        Ok(Self::Rsa(key))
    }

    /// What it is for.
    pub(crate) fn kind(&self) -> KeyKind {
        match self {
            Self::Ed25519(_) => KeyKind::Ed25519,
            Self::P256(_) => KeyKind::P256,
            Self::Rsa(_) => KeyKind::Rsa,
        }
    }

    /// Whether `signature` is one of the message that `parts` make, one after the other. One that is
    /// of another algorithm or shape than the key's never is.
    pub(crate) fn verify<P: AsRef<[u8]>>(
        &self,
        algorithm: SignatureAlgorithm,
        parts: &[P],
        signature: &[u8],
    ) -> bool {
        use SignatureAlgorithm as A;
        match (self, algorithm) {
            (Self::Ed25519(key), A::Ed25519) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(&joined(parts), &signature).is_ok()),
            (Self::P256(key), A::EcdsaSha256) => ecdsa::<Sha256>(key, parts, der(signature)),
            (Self::P256(key), A::EcdsaSha1) => ecdsa::<Sha1>(key, parts, der(signature)),
            (Self::P256(key), A::EcdsaSha256Fixed) => {
                ecdsa::<Sha256>(key, parts, p256::ecdsa::Signature::from_slice(signature).ok())
            }
            (Self::Rsa(key), A::RsaSha1) => {
                key.pkcs1v15_verify_prehash::<Sha1>(&hash::<Sha1>(parts), signature).is_ok()
            }
            (Self::Rsa(key), A::RsaSha256) => {
                key.pkcs1v15_verify_prehash::<Sha256>(&hash::<Sha256>(parts), signature).is_ok()
            }
            (Self::Rsa(key), A::RsaSha256Twice) => {
                key.pkcs1v15_verify::<Sha256>(&hash::<Sha256>(parts), signature).is_ok()
            }
            (Self::Rsa(key), A::RsaSha384) => {
                key.pkcs1v15_verify_prehash::<Sha384>(&hash::<Sha384>(parts), signature).is_ok()
            }
            (Self::Rsa(key), A::RsaSha512) => {
                key.pkcs1v15_verify_prehash::<Sha512>(&hash::<Sha512>(parts), signature).is_ok()
            }
            (Self::Rsa(key), A::RsaPssSha512) => {
                key.pss_verify_prehash::<Sha512>(&hash::<Sha512>(parts), signature).is_ok()
            }
            _ => false,
        }
    }

    /// The 32 bytes of an Ed25519 key; the DER of its `SubjectPublicKeyInfo` for other kinds.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let der = match self {
            Self::Ed25519(key) => return Some(key.as_bytes().to_vec()),
            Self::P256(key) => key.to_public_key_der(),
            Self::Rsa(key) => key.to_public_key_der(),
        };
        der.ok().map(rsa::pkcs8::Document::into_vec)
    }
}

fn ecdsa<D: Digest>(
    key: &p256::ecdsa::VerifyingKey,
    parts: &[impl AsRef<[u8]>],
    signature: Option<p256::ecdsa::Signature>,
) -> bool {
    signature.is_some_and(|signature| key.verify_prehash(&hash::<D>(parts), &signature).is_ok())
}

/// The signature of which this is the DER, in its one spelling.
fn der(signature: &[u8]) -> Option<p256::ecdsa::Signature> {
    p256::ecdsa::Signature::from_der(signature).ok()
}

/// The hash of the message that the parts make.
pub(crate) fn hash<D: Digest>(parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut hash = D::new();
    parts.iter().for_each(|part| hash.update(part.as_ref()));
    hash.finalize().to_vec()
}

/// The message that the parts make. Ed25519 reads it twice when it signs, so it takes it whole.
pub(crate) fn joined(parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut message = Vec::with_capacity(parts.iter().map(|part| part.as_ref().len()).sum());
    parts.iter().for_each(|part| message.extend_from_slice(part.as_ref()));
    message
}

/// The label and the bytes of the one block of PEM that a text is. Line breaks may be anywhere or
/// nowhere (eBay's keys have none), which is why no library reads it.
pub(crate) fn pem(text: &[u8]) -> Option<(&str, Vec<u8>)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (label, rest) = text.strip_prefix("-----BEGIN ")?.split_once("-----")?;
    let base64 = rest.strip_suffix("-----")?.strip_suffix(label)?.strip_suffix("-----END ")?;
    Some((label, bytes_of_base64(base64.as_bytes())?))
}

/// What a text without armour is in hexadecimal, when it is as long as a key of Ed25519 and nothing
/// else, or in base64.
pub(crate) fn bytes(text: &[u8]) -> Option<Vec<u8>> {
    let hex = || HEXLOWER_PERMISSIVE.decode(text).ok();
    let short = text.len() == 64;
    short.then(hex).flatten().or_else(|| bytes_of_base64(text))
}

/// The bytes of base64 as people copy it: in either alphabet, padded or not, wrapped or not.
fn bytes_of_base64(text: &[u8]) -> Option<Vec<u8>> {
    // It may be a private key. Room for all of it at once: a vector that grows leaves copies behind.
    let mut bare = Zeroizing::new(Vec::with_capacity(text.len()));
    bare.extend(text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()));
    let text = bare;
    let url = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let codec = match (url, text.ends_with(b"=")) {
        (false, true) => BASE64,
        (false, false) => BASE64_NOPAD,
        (true, true) => BASE64URL,
        (true, false) => BASE64URL_NOPAD,
    };
    codec.decode(&text).ok()
}

#[cfg(test)]
mod tests;
