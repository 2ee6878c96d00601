//! What the schemes are made of: hashes and signatures, how they are written and where they sit, and
//! what else is told of them. Each has a word in configuration where a user may choose it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::DEFAULT_TOLERANCE;
use crate::names::UnknownName;
use crate::public_key::KeyKind;

/// The hash under the HMAC. It is fixed by the scheme: no header of a request can choose another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Only for senders that know nothing better. HMAC-SHA-1 is not broken as SHA-1 is.
    Sha1,
    /// What most senders use.
    Sha256,
    /// A few senders use it.
    Sha512,
}

impl Algorithm {
    /// The length of a signature in bytes.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// How a key pair signs. It is fixed by the scheme: no header of a request can choose another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// Ed25519, verified strictly: no weak keys, one form of each signature.
    Ed25519,
    /// ECDSA on P-256 with SHA-256, the signature in DER. Of each signature of ECDSA everyone can
    /// make a second that holds as well: tell deliveries apart by their ids, not by this.
    EcdsaSha256,
    /// ECDSA on P-256 with SHA-1, the signature in DER. Only for senders that know nothing better:
    /// who can choose what they sign could have two bodies of one signature made.
    EcdsaSha1,
    /// ECDSA on P-256 with SHA-256, the signature as its two numbers of 32 bytes each.
    EcdsaSha256Fixed,
    /// RSA with PKCS#1 v1.5 and SHA-1. Only for senders that know nothing better, as
    /// [`EcdsaSha1`](Self::EcdsaSha1).
    RsaSha1,
    /// RSA with PKCS#1 v1.5 and SHA-256.
    RsaSha256,
    /// As [`RsaSha256`](Self::RsaSha256), of the SHA-256 of the message in place of the message.
    RsaSha256Twice,
    /// RSA with PKCS#1 v1.5 and SHA-384.
    RsaSha384,
    /// RSA with PKCS#1 v1.5 and SHA-512.
    RsaSha512,
    /// RSA with PSS and SHA-512, with a salt of 64 bytes.
    RsaPssSha512,
}

impl SignatureAlgorithm {
    /// The lengths in bytes that a signature can have.
    pub(crate) const fn signature_len(self) -> (usize, usize) {
        match self {
            Self::Ed25519 | Self::EcdsaSha256Fixed => (64, 64),
            Self::EcdsaSha256 | Self::EcdsaSha1 => (8, 72),
            // As long as the modulus, of 2048 to 8192 bits.
            Self::RsaSha1
            | Self::RsaSha256
            | Self::RsaSha256Twice
            | Self::RsaSha384
            | Self::RsaSha512
            | Self::RsaPssSha512 => (256, 1024),
        }
    }

    /// What its keys are.
    pub(crate) const fn key_kind(self) -> KeyKind {
        match self {
            Self::Ed25519 => KeyKind::Ed25519,
            Self::EcdsaSha256 | Self::EcdsaSha1 | Self::EcdsaSha256Fixed => KeyKind::P256,
            Self::RsaSha1
            | Self::RsaSha256
            | Self::RsaSha256Twice
            | Self::RsaSha384
            | Self::RsaSha512
            | Self::RsaPssSha512 => KeyKind::Rsa,
        }
    }
}

/// How a signature's bytes are written. Each form is read strictly, so that a signature has exactly
/// one spelling: a flipped bit never goes unnoticed, not even one of letter case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// Hexadecimal in lower case, which is what senders send.
    Hex,
    /// Hexadecimal in capitals.
    HexUpper,
    /// The standard alphabet, padded.
    Base64,
    /// The URL-safe alphabet, without padding.
    Base64Url,
    /// Base64, padded, of the lower-case hexadecimal digits.
    HexBase64,
}

/// How signatures sit in their header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// The whole value is one signature.
    Single,
    /// The value is a list of named entries, such as `t=1700000000,v1=abc,v1=def` or
    /// `v1,abc v1,def`. Any entry called `version` may match; other entries and malformed ones are
    /// passed over, because senders add versions and rotate keys.
    Entries {
        /// What stands between entries; spaces around an entry are dropped.
        between: char,
        /// What stands between an entry's name and its value: its first occurrence counts.
        joint: char,
        /// The name of the entries that are checked. No other version is ever accepted.
        version: Cow<'static, str>,
    },
    /// Up to four lists as of [`Entries`](Self::Entries), one for each key in use, each with its
    /// own timestamp. Any of them may match.
    Groups {
        /// What stands between lists.
        apart: char,
        /// What stands between the entries of a list.
        between: char,
        /// What stands between an entry's name and its value.
        joint: char,
        /// The name of the entries that are checked.
        version: Cow<'static, str>,
    },
    /// The value is the timestamp and then one or more signatures, without names.
    Positional {
        /// What stands between them; spaces around them are dropped.
        between: char,
    },
    /// The value is a label and the timestamp, and then one signature, such as
    /// `t=1700000000000;abc`. The timestamp is not signed there: it has to be the one of
    /// [`TimestampPlace::Body`].
    Beside {
        /// What stands before the timestamp.
        label: Cow<'static, str>,
        /// What stands between the timestamp and the signature.
        between: char,
    },
}

/// Where the signed timestamp is, how it is written, and how old or new it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampRule {
    /// Where its text is.
    pub at: TimestampPlace,
    /// How its text is written.
    pub format: TimestampFormat,
    /// The greatest distance from now, in the past and in the future, the limit itself included.
    pub tolerance: Duration,
}

impl TimestampRule {
    /// Unix seconds in a header, within [`DEFAULT_TOLERANCE`].
    pub fn header(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            at: TimestampPlace::Header(name.into()),
            format: TimestampFormat::Seconds,
            tolerance: DEFAULT_TOLERANCE,
        }
    }

    /// Unix seconds in the entry `name` of the signature header, within [`DEFAULT_TOLERANCE`].
    pub fn entry(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            at: TimestampPlace::Entry(name.into()),
            format: TimestampFormat::Seconds,
            tolerance: DEFAULT_TOLERANCE,
        }
    }
}

/// Where the timestamp is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimestampPlace {
    /// The whole value of a header.
    Header(Cow<'static, str>),
    /// An entry of the signature header, such as `t`; needs [`Layout::Entries`].
    Entry(Cow<'static, str>),
    /// The first item of the signature header; needs [`Layout::Positional`].
    First,
    /// A value in the JSON body, by its pointer. The body has to be signed; the template has no
    /// `{timestamp}`. It is read after the signature has held.
    Body(Cow<'static, str>),
}

/// How a timestamp is written. Numbers are digits only, without sign, space or leading zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimestampFormat {
    /// Seconds since the Unix epoch.
    Seconds,
    /// Milliseconds since the Unix epoch.
    Millis,
    /// Date and time of RFC 3339 with `Z` or an offset, such as `2025-06-15T15:06:40Z`.
    Rfc3339,
    /// Date and time as HTTP has them, such as `Sun, 15 Jun 2025 15:06:40 GMT`.
    HttpDate,
    /// Seconds or milliseconds since the Unix epoch. Which of them is told by the size: no moment
    /// between 1973 and 5138 is both.
    SecondsOrMillis,
}

/// How a secret's text becomes the key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyForm {
    /// The text itself, as UTF-8 bytes.
    Text,
    /// The text itself, where the sender says how long it is.
    Sized {
        /// The fewest bytes that it has.
        shortest: usize,
        /// The most bytes that it has.
        longest: usize,
    },
    /// Base64 of the key, padded or not, after a prefix that may be missing. The key has at least
    /// 16 bytes.
    Base64 { prefix: Cow<'static, str> },
    /// Base64 of the key after a tag that has to be there. A secret without the tag is its own
    /// text where the sender takes it so, and is refused where not.
    TaggedBase64 {
        /// Such as `whsec_`.
        tag: Cow<'static, str>,
        /// Whether a secret without the tag is taken as text.
        or_text: bool,
    },
    /// The text in Unicode's normalization form KD, as UTF-8 bytes.
    Nfkd,
    /// Hexadecimal, in either case.
    Hex,
    /// A public key as its sender hands it out: in PEM, as base64 of its DER, and for Ed25519 also its
    /// 32 bytes in hexadecimal or base64. It is the only form for the signature of a key pair.
    PublicKey {
        /// What has to stand before it, such as `whpk_`; may be empty.
        tag: Cow<'static, str>,
    },
}

macro_rules! words {
    ($type:ident, $what:literal, $($word:literal => $value:ident),+ $(,)?) => {
        impl $type {
            /// The words that parse, in the order of the variants.
            pub const NAMES: &'static [&'static str] = &[$($word),+];

            /// The word for it in configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word),+ }
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text {
                    $($word => Ok(Self::$value),)+
                    _ => Err(UnknownName::new($what, text, Self::NAMES)),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(Algorithm, "algorithm", "sha1" => Sha1, "sha256" => Sha256, "sha512" => Sha512);
words!(
    SignatureAlgorithm, "algorithm",
    "ed25519" => Ed25519, "ecdsa-sha256" => EcdsaSha256, "ecdsa-sha1" => EcdsaSha1,
    "ecdsa-sha256-fixed" => EcdsaSha256Fixed, "rsa-sha1" => RsaSha1, "rsa-sha256" => RsaSha256,
    "rsa-sha256-twice" => RsaSha256Twice, "rsa-sha384" => RsaSha384, "rsa-sha512" => RsaSha512,
    "rsa-pss-sha512" => RsaPssSha512,
);
words!(
    Encoding, "encoding",
    "hex" => Hex, "hex-upper" => HexUpper, "base64" => Base64, "base64url" => Base64Url,
    "hex-base64" => HexBase64,
);
words!(
    TimestampFormat, "timestamp format",
    "seconds" => Seconds, "milliseconds" => Millis, "rfc3339" => Rfc3339,
    "http-date" => HttpDate, "seconds-or-milliseconds" => SecondsOrMillis,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_printing_and_parsing_and_slips_are_named() {
        for name in Algorithm::NAMES {
            assert_eq!(name.parse::<Algorithm>().expect(name).as_str(), *name);
        }
        for name in SignatureAlgorithm::NAMES {
            assert_eq!(name.parse::<SignatureAlgorithm>().expect(name).as_str(), *name);
        }
        for name in Encoding::NAMES {
            assert_eq!(name.parse::<Encoding>().expect(name).as_str(), *name);
        }
        for name in TimestampFormat::NAMES {
            assert_eq!(name.parse::<TimestampFormat>().expect(name).as_str(), *name);
        }
        assert_eq!(
            "sha-256".parse::<Algorithm>().expect_err("not a name").to_string(),
            "unknown algorithm `sha-256`; did you mean `sha256`?; known: sha1, sha256, sha512"
        );
        assert_eq!(
            "zzz".parse::<Encoding>().expect_err("not a name").to_string(),
            "unknown encoding `zzz`; known: hex, hex-upper, base64, base64url, hex-base64"
        );
    }
}
