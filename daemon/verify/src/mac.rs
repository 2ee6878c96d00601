//! Keyed hashes behind one type: the key is absorbed once, each message starts from a copy.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::scheme::{Algorithm, Encoding};

/// The longest signature there is, in bytes.
const LONGEST: usize = 64;

/// An HMAC with its key absorbed; wiped on drop.
#[derive(Clone)]
pub(crate) enum Keyed {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
    /// A plain hash with the key before the part at `at`.
    Digest {
        algorithm: Algorithm,
        at: usize,
        key: Zeroizing<Vec<u8>>,
    },
}

impl Keyed {
    pub(crate) fn new(algorithm: Algorithm, key: &[u8]) -> Self {
        const ANY_LENGTH: &str = "HMAC takes keys of any length";
        match algorithm {
            Algorithm::Sha1 => Self::Sha1(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
            Algorithm::Sha256 => Self::Sha256(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
            Algorithm::Sha512 => Self::Sha512(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
        }
    }

    /// The hash of the message whose parts are `parts`, one after the other, without joining them.
    pub(crate) fn hash<P: AsRef<[u8]>>(&self, parts: &[P]) -> Tag {
        fn run<M: Mac + Clone, P: AsRef<[u8]>>(mac: &M, parts: &[P]) -> Tag {
            let mut mac = mac.clone();
            parts.iter().for_each(|part| mac.update(part.as_ref()));
            Tag::from_slice(&mac.finalize().into_bytes())
        }
        fn plain<D: Digest, P: AsRef<[u8]>>(at: usize, key: &[u8], parts: &[P]) -> Tag {
            let mut hash = D::new();
            for (index, part) in parts.iter().enumerate() {
                if index == at {
                    hash.update(key);
                }
                hash.update(part.as_ref());
            }
            Tag::from_slice(&hash.finalize())
        }
        match self {
            Self::Sha1(mac) => run(mac, parts),
            Self::Sha256(mac) => run(mac, parts),
            Self::Sha512(mac) => run(mac, parts),
            Self::Digest { algorithm, at, key } => match algorithm {
                Algorithm::Sha1 => plain::<Sha1, P>(*at, key, parts),
                Algorithm::Sha256 => plain::<Sha256, P>(*at, key, parts),
                Algorithm::Sha512 => plain::<Sha512, P>(*at, key, parts),
            },
        }
    }
}

/// A signature's bytes.
#[derive(Clone)]
pub(crate) struct Tag {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Tag {
    /// At most 64 bytes.
    pub(crate) fn from_slice(slice: &[u8]) -> Self {
        let mut tag = Self { bytes: [0; LONGEST], len: slice.len().min(LONGEST) };
        if let (Some(to), Some(from)) = (tag.bytes.get_mut(..tag.len), slice.get(..tag.len)) {
            to.copy_from_slice(from);
        }
        tag
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Whether both are the same, in a time that depends on neither.
    pub(crate) fn matches(&self, other: &Self) -> Choice {
        self.words().ct_eq(&other.words()) & self.len.ct_eq(&other.len)
    }

    /// The bytes and the zeros after them. `subtle` compares item by item, and of these there are
    /// few.
    fn words(&self) -> [u64; LONGEST / 8] {
        let (words, _) = self.bytes.as_chunks::<8>();
        std::array::from_fn(|index| words.get(index).copied().map_or(0, u64::from_ne_bytes))
    }

    pub(crate) fn encode(&self, encoding: Encoding) -> String {
        encode(self.as_slice(), encoding)
    }

    /// Reads a signature of exactly `len` bytes, in its one spelling.
    pub(crate) fn decode(text: &[u8], encoding: Encoding, len: usize) -> Option<Self> {
        let codec = codec(encoding);
        let mut inner = [0; 2 * LONGEST + 2];
        let text = match encoding {
            Encoding::HexBase64 if text.len() != BASE64.encode_len(2 * len) => return None,
            Encoding::HexBase64 => {
                let room = BASE64.decode_len(text.len()).ok()?;
                let written = BASE64.decode_mut(text, inner.get_mut(..room)?).ok()?;
                inner.get(..written)?
            }
            _ => text,
        };
        if text.len() != codec.encode_len(len) {
            return None;
        }
        let mut bytes = [0; LONGEST + 2];
        let room = codec.decode_len(text.len()).ok()?;
        let written = codec.decode_mut(text, bytes.get_mut(..room)?).ok()?;
        (written == len).then(|| Self::from_slice(bytes.get(..written).unwrap_or_default()))
    }
}

/// A signature as text.
pub(crate) fn encode(bytes: &[u8], encoding: Encoding) -> String {
    let text = codec(encoding).encode(bytes);
    match encoding {
        Encoding::HexBase64 => BASE64.encode(text.as_bytes()),
        _ => text,
    }
}

pub(crate) fn codec(encoding: Encoding) -> data_encoding::Encoding {
    match encoding {
        // Of the digits that base64 is made of.
        Encoding::Hex | Encoding::HexBase64 => HEXLOWER,
        Encoding::HexUpper => HEXUPPER,
        Encoding::Base64 => BASE64,
        Encoding::Base64Url => BASE64URL_NOPAD,
    }
}

/// What a signature of `len` bytes looks like, for an error.
pub(crate) fn describe(encoding: Encoding, len: usize) -> String {
    let text = codec(encoding).encode_len(len);
    match encoding {
        Encoding::Hex => format!("{text} lower-case hexadecimal digits"),
        Encoding::HexUpper => format!("{text} capital hexadecimal digits"),
        Encoding::Base64 => format!("{text} characters of padded base64"),
        Encoding::Base64Url => format!("{text} characters of unpadded base64url"),
        Encoding::HexBase64 => {
            let outer = BASE64.encode_len(text);
            format!("{outer} characters of padded base64 of {text} hexadecimal digits")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // RFC 2202 and RFC 4231, test case 2.
        let parts: &[&[u8]] = &[b"what do ya want ", b"", b"for nothing?"];
        let hex = |algorithm| Keyed::new(algorithm, b"Jefe").hash(parts).encode(Encoding::Hex);
        assert_eq!(hex(Algorithm::Sha1), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            hex(Algorithm::Sha256),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(Algorithm::Sha512),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        );
    }

    #[test]
    fn a_signature_has_one_spelling() {
        let decode = |text: &str, encoding| Tag::decode(text.as_bytes(), encoding, 20);
        let hex = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        assert!(decode(hex, Encoding::Hex).is_some());
        assert!(decode(&hex.to_uppercase(), Encoding::Hex).is_none());
        assert!(decode(&hex.to_uppercase(), Encoding::HexUpper).is_some());
        assert!(decode(&hex[2..], Encoding::Hex).is_none());
        assert!(decode(&format!("{hex}00"), Encoding::Hex).is_none());
        assert!(decode("AAAAAAAAAAAAAAAAAAAAAAAAAAA=", Encoding::Base64).is_some());
        assert!(decode("AAAAAAAAAAAAAAAAAAAAAAAAAAB=", Encoding::Base64).is_none());
        assert!(decode("AAAAAAAAAAAAAAAAAAAAAAAAAAAA", Encoding::Base64).is_none());
        assert!(decode("AAAAAAAAAAAAAAAAAAAAAAAAAAA", Encoding::Base64Url).is_some());
        assert!(decode("", Encoding::Hex).is_none());
        let wrapped = BASE64.encode(hex.as_bytes());
        assert!(decode(&wrapped, Encoding::HexBase64).is_some());
        assert!(decode(hex, Encoding::HexBase64).is_none());
        assert!(decode(&BASE64.encode(&hex.as_bytes()[2..]), Encoding::HexBase64).is_none());
        let capitals = BASE64.encode(hex.to_uppercase().as_bytes());
        assert!(decode(&capitals, Encoding::HexBase64).is_none());
        let longest = Tag::from_slice(&[7; LONGEST]).encode(Encoding::HexBase64);
        assert!(Tag::decode(longest.as_bytes(), Encoding::HexBase64, LONGEST).is_some());
    }
}
