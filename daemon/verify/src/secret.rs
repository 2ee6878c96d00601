//! Secrets: wiped when they go, never printed, refused when they cannot be right.

use std::fmt;

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::scheme::KeyForm;

/// The shortest key that a base64 secret may decode to. Standard Webhooks asks for 24 to 64 bytes;
/// a little slack for senders that do not, none for text that is not a key.
const SHORTEST_BASE64_KEY: usize = 16;

/// A secret as its owner wrote it. Its memory is wiped on drop; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the secret's bytes. A file's last line break has to be gone: white space at either end
    /// is refused when a verifier is made.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The secret itself, for whoever has to keep it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What every secret must pass, whatever the scheme does with it.
    pub(crate) fn checked(&self) -> Result<&[u8], SecretError> {
        let bytes = self.bytes();
        let trimmed = bytes.trim_ascii();
        if trimmed.is_empty() {
            return Err(SecretError::Empty);
        }
        if trimmed.len() != bytes.len() {
            return Err(SecretError::SurroundingWhitespace);
        }
        Ok(bytes)
    }

    /// The key that the secret stands for.
    pub(crate) fn key(&self, form: &KeyForm) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let bytes = self.checked()?;
        match form {
            KeyForm::Text => Ok(Zeroizing::new(bytes.to_vec())),
            KeyForm::Sized { shortest, longest } => {
                match (*shortest..=*longest).contains(&bytes.len()) {
                    true => Ok(Zeroizing::new(bytes.to_vec())),
                    false => Err(SecretError::Size { shortest: *shortest, longest: *longest }),
                }
            }
            KeyForm::Hex => HEXLOWER_PERMISSIVE
                .decode(bytes)
                .map(Zeroizing::new)
                .map_err(|_| SecretError::NotHex),
            KeyForm::Nfkd => {
                let text = std::str::from_utf8(bytes).map_err(|_| SecretError::NotText)?;
                let mut key = Zeroizing::new(String::with_capacity(text.len() * LONGEST_NFKD));
                text.nfkd().for_each(|char| key.push(char));
                Ok(Zeroizing::new(key.as_bytes().to_vec()))
            }
            KeyForm::Base64 { prefix } => {
                from_base64(bytes.strip_prefix(prefix.as_bytes()).unwrap_or(bytes), bytes, prefix)
            }
            KeyForm::TaggedBase64 { tag, or_text } => match bytes.strip_prefix(tag.as_bytes()) {
                Some(text) => from_base64(text, bytes, tag),
                None if *or_text => Ok(Zeroizing::new(bytes.to_vec())),
                None => Err(SecretError::MissingTag { tag: tag.clone().into_owned() }),
            },
            // No key of a hash; `TemplateCheck` reads it and has seen to that.
            KeyForm::PublicKey { .. } => Err(SecretError::Asymmetric),
        }
    }
}

/// How much longer a text can become in normalization form KD, in bytes for each byte.
const LONGEST_NFKD: usize = 11;

/// The key that `text` is base64 of; `whole` is all of the secret, which may be another kind of key.
fn from_base64(text: &[u8], whole: &[u8], prefix: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    if whole.starts_with(b"whpk_") || whole.starts_with(b"whsk_") {
        return Err(SecretError::Asymmetric);
    }
    let key =
        lenient_base64(text).ok_or_else(|| SecretError::NotBase64 { prefix: prefix.to_owned() })?;
    if key.len() < SHORTEST_BASE64_KEY {
        return Err(SecretError::TooShort { bytes: key.len() });
    }
    Ok(key)
}

/// Padded or not, and with any trailing bits: keys typed by people have them, and every sender's
/// library takes them. (Signatures are read strictly.)
fn lenient_base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut form = if text.ends_with(b"=") { BASE64 } else { BASE64_NOPAD }.specification();
    form.check_trailing_bits = false;
    form.encoding().ok()?.decode(text).ok().map(Zeroizing::new)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// Why a secret cannot be right. Nothing of the secret is in the message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SecretError {
    #[error("it is empty: anyone could sign with it")]
    Empty,
    #[error(
        "it starts or ends with white space, which is never part of a secret; remove it, a last \
         line break included"
    )]
    SurroundingWhitespace,
    #[error("it is not base64{}", after_prefix(prefix))]
    NotBase64 { prefix: String },
    #[error("it is not hexadecimal")]
    NotHex,
    #[error("it does not start with `{tag}`, as this sender's secrets do")]
    MissingTag { tag: String },
    #[error("it is not text in UTF-8")]
    NotText,
    #[error("it is not a user name, a colon and a password")]
    NotAPair,
    #[error("it does not have the {shortest} to {longest} characters of this sender's secrets")]
    Size { shortest: usize, longest: usize },
    #[error("it decodes to a key of {bytes} bytes, where senders use 24 to 64")]
    TooShort { bytes: usize },
    #[error(
        "it is one half of an asymmetric key pair (`whpk_`, `whsk_`), which this scheme does not \
         use; take the `whsec_` secret"
    )]
    Asymmetric,
    #[error("it has characters that no header can carry")]
    NotAHeaderValue,
    #[error("it is not the key's name, a colon and the key")]
    NoKeyId,
    #[error("it is not {expected}")]
    NotAPublicKey { expected: &'static str },
    #[error("it is a private key, which nobody but the sender should have; take the public one")]
    PrivateKey,
    #[error("it is a weak public key, for which anyone can sign")]
    WeakKey,
    #[error("it is an RSA key of {bits} bits, and less than 2048 can be broken")]
    ShortRsaKey { bits: u32 },
    #[error("it is not a private key of the kind that this scheme signs with")]
    NotAPrivateKey,
}

fn after_prefix(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { format!(" after its prefix `{prefix}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHSEC: KeyForm = KeyForm::Base64 { prefix: std::borrow::Cow::Borrowed("whsec_") };

    fn error(secret: &str, form: &KeyForm) -> SecretError {
        Secret::from(secret).key(form).expect_err("a bad secret")
    }

    #[test]
    fn keys_are_what_their_form_says() {
        let key = |text: &str, form| Secret::from(text).key(form).expect(text).to_vec();
        assert_eq!(key("whsec_QUJD", &KeyForm::Text), b"whsec_QUJD");
        assert_eq!(key("whsec_MDEyMzQ1Njc4OWFiY2RlZg==", &WHSEC), b"0123456789abcdef");
        assert_eq!(key("whsec_MDEyMzQ1Njc4OWFiY2RlZg", &WHSEC), b"0123456789abcdef");
        assert_eq!(key("MDEyMzQ1Njc4OWFiY2RlZg", &WHSEC), b"0123456789abcdef");
        assert_eq!(key("00fFa0", &KeyForm::Hex), [0, 255, 160]);
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        for form in [&KeyForm::Text, &WHSEC, &KeyForm::Hex] {
            for empty in ["", " ", "\n\t "] {
                assert_eq!(error(empty, form), SecretError::Empty);
            }
            assert_eq!(error("abcd\n", form), SecretError::SurroundingWhitespace);
        }
        assert_eq!(error("whsec_", &WHSEC), SecretError::TooShort { bytes: 0 });
        assert_eq!(error("whsec_QUJD", &WHSEC), SecretError::TooShort { bytes: 3 });
        assert_eq!(
            error("whsec_it's not", &WHSEC).to_string(),
            "it is not base64 after its prefix `whsec_`"
        );
        assert_eq!(error("whpk_MDEyMzQ1Njc4OWFiY2RlZg", &WHSEC), SecretError::Asymmetric);
        assert_eq!(error("xyz", &KeyForm::Hex), SecretError::NotHex);
        let sized = KeyForm::Sized { shortest: 3, longest: 4 };
        for wrong in ["ab", "abcde"] {
            assert_eq!(error(wrong, &sized), SecretError::Size { shortest: 3, longest: 4 });
        }
        assert!(
            Secret::from("abc").key(&sized).is_ok() && Secret::from("abcd").key(&sized).is_ok()
        );
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret(…)");
    }
}
