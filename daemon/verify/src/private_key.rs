//! Private keys, for signing as a sender would. Verification needs none of this.

use std::fmt;

use getrandom::SysRng;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use rsa::Generate;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::public_key::{KeyKind, PublicKey, bytes, hash, joined, pem};
use crate::scheme::SignatureAlgorithm;
use crate::secret::SecretError;

/// The length of the RSA keys that are made, in bits.
const RSA_BITS: usize = 2048;

/// The private half of a key pair; wiped on drop.
pub(crate) enum PrivateKey {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
    Rsa(Box<rsa::PrivateKey>),
}

impl PrivateKey {
    /// Reads a key in PEM (PKCS#8, and of RSA and P-256 their own older forms) or base64 of its
    /// PKCS#8, and for Ed25519 the seed of 32 bytes, with the public key after it or not, in
    /// hexadecimal or base64, after `whsk_` or not.
    pub(crate) fn read(text: &[u8], kind: KeyKind) -> Result<Self, SecretError> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        let key = match pem(text) {
            Some((label, der)) => {
                let der = Zeroizing::new(der);
                match label {
                    "PRIVATE KEY" => Self::from_pkcs8(&der, kind),
                    "RSA PRIVATE KEY" => {
                        rsa::PrivateKey::from_pkcs1_der(&der).ok().map(|key| Self::Rsa(key.into()))
                    }
                    "EC PRIVATE KEY" => {
                        p256::SecretKey::from_sec1_der(&der).ok().map(|key| Self::P256(key.into()))
                    }
                    _ => None,
                }
            }
            None => bytes(text.strip_prefix(b"whsk_").unwrap_or(text))
                .map(Zeroizing::new)
                .and_then(|raw| match kind {
                    KeyKind::Ed25519 if raw.len() == 32 || raw.len() == 64 => Self::from_seed(&raw),
                    _ => Self::from_pkcs8(&raw, kind),
                }),
        };
        key.filter(|key| key.kind() == kind).ok_or(SecretError::NotAPrivateKey)
    }

    fn from_pkcs8(der: &[u8], kind: KeyKind) -> Option<Self> {
        match kind {
            KeyKind::Ed25519 => {
                ed25519_dalek::SigningKey::from_pkcs8_der(der).ok().map(Self::Ed25519)
            }
            KeyKind::P256 => p256::ecdsa::SigningKey::from_pkcs8_der(der).ok().map(Self::P256),
            KeyKind::Rsa => {
                rsa::PrivateKey::from_pkcs8_der(der).ok().map(|key| Self::Rsa(key.into()))
            }
        }
    }

    /// The key of a seed, after which the public key may stand.
    fn from_seed(raw: &[u8]) -> Option<Self> {
        let (seed, public) = raw.split_first_chunk::<32>()?;
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let right = public.is_empty() || public == key.verifying_key().as_bytes();
        right.then_some(Self::Ed25519(key))
    }

    /// A new key, from the randomness of the operating system, where it has some.
    pub(crate) fn generate(kind: KeyKind) -> Option<Self> {
        Some(match kind {
            KeyKind::Ed25519 => {
                let mut seed = Zeroizing::new([0; 32]);
                getrandom::fill(seed.as_mut_slice()).ok()?;
                Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
            }
            KeyKind::P256 => {
                Self::P256(p256::ecdsa::SigningKey::try_generate_from_rng(&mut SysRng).ok()?)
            }
            KeyKind::Rsa => Self::Rsa(rsa::PrivateKey::new(&mut SysRng, RSA_BITS).ok()?.into()),
        })
    }

    fn kind(&self) -> KeyKind {
        match self {
            Self::Ed25519(_) => KeyKind::Ed25519,
            Self::P256(_) => KeyKind::P256,
            Self::Rsa(_) => KeyKind::Rsa,
        }
    }

    /// The other half.
    pub(crate) fn public(&self) -> PublicKey {
        match self {
            Self::Ed25519(key) => PublicKey::Ed25519(key.verifying_key()),
            Self::P256(key) => PublicKey::P256(*key.verifying_key()),
            Self::Rsa(key) => PublicKey::Rsa(key.to_public_key()),
        }
    }

    /// The signature of the message that `parts` make; nothing when the key is not of that
    /// algorithm. RSA draws from the operating system: against timing, and for the salt of PSS.
    pub(crate) fn sign<P: AsRef<[u8]>>(
        &self,
        algorithm: SignatureAlgorithm,
        parts: &[P],
    ) -> Option<Vec<u8>> {
        use SignatureAlgorithm as A;
        match (self, algorithm) {
            (Self::Ed25519(key), A::Ed25519) => {
                use ed25519_dalek::Signer;
                Some(key.sign(&joined(parts)).to_bytes().to_vec())
            }
            (Self::P256(key), A::EcdsaSha256) => {
                Some(ecdsa::<Sha256>(key, parts)?.to_der().as_bytes().to_vec())
            }
            (Self::P256(key), A::EcdsaSha1) => {
                Some(ecdsa::<Sha1>(key, parts)?.to_der().as_bytes().to_vec())
            }
            (Self::P256(key), A::EcdsaSha256Fixed) => {
                Some(ecdsa::<Sha256>(key, parts)?.to_bytes().to_vec())
            }
            (Self::Rsa(key), A::RsaSha1) => {
                key.pkcs1v15_sign_prehash::<Sha1>(&hash::<Sha1>(parts)).ok()
            }
            (Self::Rsa(key), A::RsaSha256) => {
                key.pkcs1v15_sign_prehash::<Sha256>(&hash::<Sha256>(parts)).ok()
            }
            (Self::Rsa(key), A::RsaSha256Twice) => {
                key.pkcs1v15_sign::<Sha256>(&hash::<Sha256>(parts)).ok()
            }
            (Self::Rsa(key), A::RsaSha384) => {
                key.pkcs1v15_sign_prehash::<Sha384>(&hash::<Sha384>(parts)).ok()
            }
            (Self::Rsa(key), A::RsaSha512) => {
                key.pkcs1v15_sign_prehash::<Sha512>(&hash::<Sha512>(parts)).ok()
            }
            (Self::Rsa(key), A::RsaPssSha512) => {
                key.pss_sign_prehash::<Sha512>(&hash::<Sha512>(parts)).ok()
            }
            _ => None,
        }
    }

    /// The 32 bytes of an Ed25519 seed; the DER of its PKCS#8 for other kinds.
    pub(crate) fn to_bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        let der = match self {
            Self::Ed25519(key) => return Some(Zeroizing::new(key.to_bytes().to_vec())),
            Self::P256(key) => key.to_pkcs8_der(),
            Self::Rsa(key) => key.to_pkcs8_der(),
        };
        Some(Zeroizing::new(der.ok()?.as_bytes().to_vec()))
    }
}

fn ecdsa<D: Digest>(
    key: &p256::ecdsa::SigningKey,
    parts: &[impl AsRef<[u8]>],
) -> Option<p256::ecdsa::Signature> {
    key.sign_prehash(&hash::<D>(parts)).ok()
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({:?}, …)", self.kind())
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, HEXLOWER};

    use super::*;

    const KINDS: [KeyKind; 3] = [KeyKind::Ed25519, KeyKind::P256, KeyKind::Rsa];

    #[test]
    fn new_keys_are_read_from_what_they_are_written_as() {
        for kind in KINDS {
            let key = PrivateKey::generate(kind).expect("randomness");
            let text = BASE64.encode(&key.to_bytes().expect("encodable"));
            let read = PrivateKey::read(text.as_bytes(), kind).expect("a key");
            assert_eq!(read.public(), key.public());
            let another = PrivateKey::generate(kind).expect("randomness");
            assert_ne!(another.public(), key.public());
            assert!(!format!("{key:?}").contains(&text));
        }
    }

    #[test]
    fn a_seed_is_read_with_and_without_what_stands_around_it() {
        let seed = [7; 32];
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let pair = key.to_keypair_bytes();
        let read = |text: String| {
            PrivateKey::read(text.as_bytes(), KeyKind::Ed25519).map(|key| key.public())
        };
        let right = Ok(PublicKey::Ed25519(key.verifying_key()));
        for text in [
            HEXLOWER.encode(&seed),
            BASE64.encode(&seed),
            format!("whsk_{}", BASE64.encode(&seed)),
            format!("whsk_{}", BASE64.encode(&pair)),
            BASE64.encode(&pair),
        ] {
            assert_eq!(read(text.clone()), right, "{text}");
        }
        let other = [&seed[..], &[7; 32]].concat();
        for text in [BASE64.encode(&other), BASE64.encode(&seed[1..]), String::from("?")] {
            assert_eq!(read(text), Err(SecretError::NotAPrivateKey));
        }
        assert_eq!(read(String::new()), Err(SecretError::Empty));
    }

    /// RFC 8410, section 10.3, and a key that OpenSSL wrote in the older form.
    #[test]
    fn pem_is_read() {
        let ed25519 = "-----BEGIN PRIVATE KEY-----\n\
                       MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                       -----END PRIVATE KEY-----";
        let key = PrivateKey::read(ed25519.as_bytes(), KeyKind::Ed25519).expect("a key");
        let PublicKey::Ed25519(public) = key.public() else { panic!("the kind") };
        let right = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
        assert_eq!(HEXLOWER.encode(public.as_bytes()), right);
        let sec1 = "-----BEGIN EC PRIVATE KEY-----\n\
                    MHcCAQEEICVU9MXklbE+lCM628VHMPmQhPJEaT7p1H/Ytp05jywyoAoGCCqGSM49\n\
                    AwEHoUQDQgAEA5akc7bBKROROh1X4BmskyX7krUmneR1mLlAVBuJ8txyWtmv/jj9\n\
                    qU2QpC9zB6WfP10wFuqcDvu7ZDzK+Wd41w==\n\
                    -----END EC PRIVATE KEY-----";
        let key = PrivateKey::read(sec1.as_bytes(), KeyKind::P256).expect("a key");
        let pkcs8 = include_str!("../tests/keys/p256.pem");
        let same = PrivateKey::read(pkcs8.as_bytes(), KeyKind::P256).expect("a key");
        assert_eq!(key.public(), same.public());
        let another = PrivateKey::read(sec1.as_bytes(), KeyKind::Rsa);
        assert_eq!(another.expect_err("another kind"), SecretError::NotAPrivateKey);
    }
}
