//! Encrypts what the store keeps: XChaCha20-Poly1305, with a random nonce for each value, and the
//! secret's name and the form's version authenticated with it, so that no value can stand for another.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::SecretValue;

/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a nonce: so many that random ones do not repeat.
const NONCE: usize = 24;
/// The first byte of what is stored: how the rest is to be read.
const VERSION: u8 = 1;

/// Encrypts and decrypts. Wiped when it goes; `Debug` shows its fingerprint.
pub(crate) struct MasterKey {
    bytes: Zeroizing<[u8; KEY]>,
    fingerprint: String,
}

impl MasterKey {
    /// Reads a key: 64 hexadecimal digits.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(text: &[u8]) -> Result<Self, &'static str> {
        const WRONG: &str = "it is not 64 hexadecimal digits";
        let decoded = HEXLOWER_PERMISSIVE.decode(text.trim_ascii()).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| WRONG)?;
        let mut bytes = Zeroizing::new([0; KEY]);
        if decoded.len() != KEY {
            return Err(WRONG);
        }
        bytes.copy_from_slice(&decoded);
        if bytes.iter().all(|byte| Some(byte) == bytes.first()) {
            return Err("all its bytes are the same: it is an example, and no key");
        }
        let mut hash = Sha256::new();
        hash.update(b"hookyard: fingerprint of a key of secrets\0");
        hash.update(bytes.as_slice());
        let fingerprint = HEXLOWER.encode(hash.finalize().get(..8).unwrap_or_default());
        Ok(Self { bytes, fingerprint })
    }

    /// A new key, as text.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub(crate) fn make() -> Result<Zeroizing<String>, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; KEY]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Zeroizing::new(HEXLOWER.encode(bytes.as_slice())))
    }

    /// Tells keys apart, and says nothing of them.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Encrypts the secret of this name.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub(crate) fn seal(&self, name: &str, value: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)?;
        let payload = Payload { msg: value, aad: &associated(name) };
        let encrypted = self
            .cipher()
            .and_then(|cipher| cipher.encrypt(&XNonce::from(nonce), payload).ok())
            .ok_or_else(|| anyhow::anyhow!("a secret could not be encrypted"))?;
        let mut sealed = Vec::with_capacity(1 + NONCE + encrypted.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&encrypted);
        Ok(sealed)
    }

    /// Decrypts the secret of this name; nothing when it is not as this key sealed it.
    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> Option<SecretValue> {
        let (version, sealed) = sealed.split_first()?;
        if *version != VERSION {
            return None;
        }
        let (nonce, encrypted) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: encrypted, aad: &associated(name) };
        let value = self.cipher()?.decrypt(&XNonce::from(*nonce), payload).ok()?;
        Some(Zeroizing::new(value))
    }

    fn cipher(&self) -> Option<XChaCha20Poly1305> {
        XChaCha20Poly1305::new_from_slice(self.bytes.as_slice()).ok()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MasterKey").field(&self.fingerprint).finish()
    }
}

fn associated(name: &str) -> Vec<u8> {
    let mut associated = b"hookyard: a stored secret\0".to_vec();
    associated.push(VERSION);
    associated.extend_from_slice(name.as_bytes());
    associated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digit: &str) -> MasterKey {
        MasterKey::read(format!("{}00", digit.repeat(62)).as_bytes()).expect("a key")
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_under_its_name_alone() {
        let (one, two) = (key("1"), key("2"));
        let sealed = one.seal("stripe", b"hunter2").expect("seals");
        assert_eq!(one.open("stripe", &sealed).expect("opens").as_slice(), b"hunter2");
        assert!(one.open("github", &sealed).is_none(), "under another name");
        assert!(two.open("stripe", &sealed).is_none(), "with another key");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(one.open("stripe", &changed).is_none(), "byte {at} was changed");
            assert!(one.open("stripe", &sealed[..at]).is_none(), "cut after {at} bytes");
        }
        assert_ne!(sealed, one.seal("stripe", b"hunter2").expect("seals"), "a nonce came twice");
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
    }

    /// What was written by one version must be read by all later ones.
    #[test]
    fn what_an_earlier_version_sealed_opens() {
        let sealed = HEXLOWER.decode(RECORDED.as_bytes()).expect("hexadecimal");
        assert_eq!(key("1").open("stripe", &sealed).expect("opens").as_slice(), b"hunter2");
        assert_eq!(key("1").fingerprint(), FINGERPRINT);
    }

    const RECORDED: &str = "01b2633b553782a4475a54602d5e9cad586744716dd36e4385b7b3a25223494f3f31d949f96f\
                            36683613be302db54c43";
    const FINGERPRINT: &str = "8363ea5467334f32";

    #[test]
    fn a_key_is_64_digits() {
        let made = MasterKey::make().expect("makes");
        let read = MasterKey::read(format!("{}\n", made.as_str()).as_bytes()).expect("reads");
        assert!(!format!("{read:?}").contains(made.as_str()));
        assert_ne!(made, MasterKey::make().expect("makes"));
        for wrong in ["", "hunter2", &made[1..], &format!("{}0", made.as_str()), &"0".repeat(64)] {
            let error = MasterKey::read(wrong.as_bytes()).expect_err(wrong);
            assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
        }
    }
}
