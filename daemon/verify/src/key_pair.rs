//! New key pairs, for demonstrations and for sending signed requests to oneself.

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::jwt_scheme::TokenKeys;
use crate::private_key::PrivateKey;
use crate::public_key::KeyKind;
use crate::scheme::{Construction, Encoding, KeyForm, Scheme, TemplateScheme};
use crate::secret::Secret;

/// The two halves of a key pair, as texts of one line in the forms that its scheme takes.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// What a route is configured with.
    pub public: String,
    /// What [`sign`](crate::sign()) takes as the secret.
    pub private: Secret,
}

/// Why there is no new key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyPairError {
    /// The scheme has no key pair, or one that only the sender can have.
    #[error("this scheme signs with no key pair that could be made")]
    NoKeyPair,
    /// The operating system has none to give.
    #[error("the operating system gives no randomness")]
    NoRandomness,
}

/// Makes a key pair for `scheme`; of alternatives, for the first that has one. RSA keys have 2048 bits
/// and take up to a few seconds. With [`sign`](crate::sign()) for RSA, it is the only thing in this
/// crate that asks the operating system for randomness.
///
/// Where a header names the key, both halves have a name before them, as the scheme wants it.
///
/// ```
/// use hookyard_verify::{Secret, Settings, Verifier, generate_key_pair, profile};
///
/// let discord = profile("discord")?;
/// let pair = generate_key_pair(discord.scheme)?;
/// assert_eq!(pair.public.len(), 64);
/// Verifier::for_profile(discord, [Secret::from(pair.public)], Settings::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn generate_key_pair(scheme: &Scheme) -> Result<KeyPair, KeyPairError> {
    match scheme {
        Scheme::Template(scheme) => template(scheme),
        Scheme::Jwt(scheme) if scheme.keys == TokenKeys::Configured => {
            let algorithm = scheme.algorithm.key_pair().ok_or(KeyPairError::NoKeyPair)?;
            let (private, public) = make(algorithm.key_kind())?;
            let private = Zeroizing::new(BASE64.encode(&private));
            Ok(KeyPair { public: BASE64.encode(&public), private: Secret::new(private.as_bytes()) })
        }
        Scheme::FirstOf(ways) => {
            let mut pairs = ways.iter().map(generate_key_pair);
            let found = pairs.find(|pair| !matches!(pair, Err(KeyPairError::NoKeyPair)));
            found.unwrap_or(Err(KeyPairError::NoKeyPair))
        }
        _ => Err(KeyPairError::NoKeyPair),
    }
}

fn template(scheme: &TemplateScheme) -> Result<KeyPair, KeyPairError> {
    let (algorithm, tag) = scheme
        .ways()
        .find_map(|way| match way {
            (Construction::KeyPair(algorithm), KeyForm::PublicKey { tag }) => {
                Some((algorithm, tag))
            }
            _ => None,
        })
        .ok_or(KeyPairError::NoKeyPair)?;
    let kind = algorithm.key_kind();
    let (private, public) = make(kind)?;
    let codec = match (kind, scheme.encoding) {
        (KeyKind::Ed25519, Encoding::Hex | Encoding::HexUpper) => HEXLOWER,
        _ => BASE64,
    };
    // Where a header names the key, any name will do.
    let name = match &scheme.key_id_header {
        Some(_) => {
            let hash = HEXLOWER.encode(&Sha256::digest(&public));
            format!("{}:", hash.get(..16).unwrap_or_default())
        }
        None => String::new(),
    };
    let private_tag = if tag == "whpk_" { "whsk_" } else { "" };
    let private = Zeroizing::new(codec.encode(&private));
    let private = Zeroizing::new(format!("{name}{private_tag}{}", private.as_str()));
    let public = format!("{name}{tag}{}", codec.encode(&public));
    Ok(KeyPair { public, private: Secret::new(private.as_bytes()) })
}

/// The private and the public half of a new pair.
fn make(kind: KeyKind) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), KeyPairError> {
    let made = || {
        let private = PrivateKey::generate(kind)?;
        Some((private.to_bytes()?, private.public().to_bytes()?))
    };
    made().ok_or(KeyPairError::NoRandomness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Takes;
    use crate::{Request, Settings, UnixTime, Verifier, profiles, sign};

    #[test]
    fn what_a_new_pair_signs_its_public_half_verifies() {
        let now = UnixTime::from_secs(1_750_000_000);
        let mut made = 0;
        for profile in profiles() {
            let name = profile.name;
            let pair = match generate_key_pair(profile.scheme) {
                Ok(pair) => pair,
                Err(error) => {
                    let takes = profile.scheme.takes().expect(name);
                    assert_eq!(error, KeyPairError::NoKeyPair, "{name}");
                    assert_ne!(takes, Takes::PublicKey, "{name}");
                    continue;
                }
            };
            assert!(!format!("{pair:?}").contains(&*String::from_utf8_lossy(pair.private.bytes())));
            let mut headers = http::HeaderMap::new();
            for header in ["webhook-id", "svix-id", "wechatpay-nonce"] {
                headers.insert(header, http::HeaderValue::from_static("1"));
            }
            let request = Request {
                method: http::Method::POST,
                url: "https://example.com/in".to_owned(),
                path: "/in".to_owned(),
                query: None,
                params: Vec::new(),
                headers,
                body: bytes::Bytes::from_static(b"{}"),
            };
            let none = Settings::default();
            let signed = sign(profile.scheme, &pair.private, request, now, &none).expect(name);
            let verifier = Verifier::new(profile.scheme.clone(), [Secret::from(pair.public)]);
            verifier.expect(name).verify(signed, now).expect(name);
            made += 1;
        }
        assert!(made >= 10, "{made}");
    }
}
