//! The ways of signing, as data. A profile's table entry and a scheme written by a user are the same
//! thing; the code that checks them is written once for each family.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::family::Takes;
use crate::jwt_scheme::JwtScheme;
use crate::location::Location;
use crate::names::UnknownName;
use crate::public_key::KeyKind;
use crate::setup::SetupError;
use crate::template::{Piece, Template};
use crate::values::BodyValues;
use crate::verifier::families;

/// How far a timestamp may be from now, in either direction, unless a scheme says otherwise.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

/// What is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// A keyed hash or the signature of a key pair over a template.
    Template(TemplateScheme),
    /// The secret itself in a header of its own. It says who sends and protects no content.
    Token {
        /// The header whose whole value is the secret.
        header: Cow<'static, str>,
    },
    /// `Authorization: Bearer SECRET`. It says who sends and protects no content.
    Bearer,
    /// `Authorization: Basic base64(USER:SECRET)`. It says who sends and protects no content.
    Basic {
        /// The user name; a colon in it is an error of set-up.
        user: Cow<'static, str>,
    },
    /// `Authorization: Basic base64(SECRET)`, where the secret is `USER:PASSWORD`. It says who sends
    /// and protects no content.
    BasicPair,
    /// What Twilio does: an HMAC of the public URL and a form's sorted parameters, in base64 in
    /// `X-Twilio-Signature`; of another body the URL has the hash. The form is protected by what it
    /// says, not byte for byte.
    Twilio,
    /// A keyed hash over values in the body, which has the signature as well. The rest of the body is
    /// not protected.
    BodyHmac(BodyHmacScheme),
    /// The secret itself in the body. It says who sends and protects no content.
    BodySecret {
        /// The objects that have it. When there are several, each has to.
        values: BodyValues,
        /// Its name in them.
        name: Cow<'static, str>,
    },
    /// What Braintree does: a form with a payload in base64 and, for each key, the key's public name
    /// and an HMAC-SHA1 of the payload. The setting `public_key` says which name counts.
    Braintree,
    /// What Exact Online does: a JSON object of two members, the content and, in capital hexadecimal
    /// digits, the HMAC-SHA256 of its bytes.
    ExactOnline,
    /// What Mandrill does: an HMAC-SHA1 of the public URL and the form's sorted parameters, in base64
    /// in `X-Mandrill-Signature`. The form is protected by what it says, not byte for byte.
    Mandrill,
    /// What Unisender Go does: a plain MD5 of the JSON body, in which it stands in the place that the
    /// secret had.
    UnisenderGo,
    /// What WeChat does: a plain SHA-1 of the sorted secret, timestamp and nonce, all but the first in
    /// the query. The body is not protected.
    WeChat {
        /// The greatest distance of the timestamp from now, in both directions.
        tolerance: Duration,
    },
    /// What eBay does: ECDSA with SHA-1 of the body, in a JSON object in base64 in `X-EBAY-SIGNATURE`
    /// that names the key, which eBay's Notification API gives out. It takes no secret.
    Ebay,
    /// A JSON Web Token that goes with the request.
    Jwt(JwtScheme),
    /// What PayPal does: an RSA signature of the transmission's id and time, the setting `webhook_id`
    /// and the body's CRC-32, by a certificate that PayPal serves and that has to lead to a
    /// [root](crate::Keyring::trusting). Signed here, it is that at
    /// `https://api.paypal.com/v1/notifications/certs/CERT-hookyard`.
    Paypal,
    /// What Amazon SNS does: an RSA signature of members of a JSON envelope, by a certificate that
    /// Amazon serves. The topic has to be one of the setting `topic_arn`. Signed here, a body that is
    /// no envelope becomes the message of one, and the certificate is that at
    /// `https://sns.us-east-1.amazonaws.com/SimpleNotificationService-hookyard.pem`.
    Sns,
    /// Several ways in which one sender sends, best first. The first of which the request carries
    /// the signature header, and the fixed headers, decides alone: when it fails, no other is tried.
    /// Which headers are there is up to whoever sends: all of them together are only as strong as the
    /// weakest whose signature a genuine request carries as well, since the others can be left out.
    /// A secret counts for those that it fits, and has to fit one.
    FirstOf(Cow<'static, [Scheme]>),
    /// Nothing. Whoever knows the URL is believed.
    None,
}

impl Scheme {
    /// What a route of this scheme has to be given. Where alternatives differ, something secret.
    ///
    /// # Errors
    /// The scheme contradicts itself.
    pub fn takes(&self) -> Result<Takes, SetupError> {
        let takes: Vec<Takes> =
            families(self.clone())?.iter().map(|family| family.takes()).collect();
        Ok(match takes.as_slice() {
            [first, rest @ ..] if rest.iter().all(|other| other == first) => *first,
            _ => Takes::Secret,
        })
    }

    /// Whether a public key is, or can be among, what it takes.
    pub fn takes_public_key(&self) -> bool {
        match self {
            Self::Template(template) => template
                .ways()
                .any(|(construction, _)| matches!(construction, Construction::KeyPair(_))),
            Self::FirstOf(schemes) => schemes.iter().any(Self::takes_public_key),
            _ => false,
        }
    }

    /// Whether the signature, in each alternative, covers what is at `location`.
    ///
    /// # Errors
    /// The scheme contradicts itself.
    pub fn covers(&self, location: &Location) -> Result<bool, SetupError> {
        Ok(families(self.clone())?.iter().all(|family| family.covers_location(location)))
    }

    /// Whether what is signed has the public URL in it, so that the URL has to be configured exactly
    /// as the sender knows it.
    pub fn signs_url(&self) -> bool {
        match self {
            Self::Template(template) => {
                let pieces = template.signed.pieces();
                pieces.contains(&Piece::Url) || pieces.contains(&Piece::DecodedUrl)
            }
            Self::FirstOf(schemes) => schemes.iter().any(Self::signs_url),
            Self::Token { .. } | Self::Bearer | Self::Basic { .. } | Self::BasicPair => false,
            Self::BodyHmac(_) | Self::BodySecret { .. } => false,
            Self::Braintree | Self::ExactOnline | Self::UnisenderGo | Self::WeChat { .. } => false,
            Self::Mandrill | Self::Twilio => true,
            Self::Jwt(token) => token.signs_url(),
            Self::Ebay | Self::Paypal | Self::Sns | Self::None => false,
        }
    }
}

/// A keyed hash or the signature of a key pair over a template, and how a request carries it. Header
/// names are case-insensitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateScheme {
    /// What is done with the key and the template; no request can choose otherwise.
    pub construction: Construction,
    /// The header that carries the signature.
    pub header: Cow<'static, str>,
    /// How the signature is written as text.
    pub encoding: Encoding,
    /// What stands before each signature, such as `sha256=`; required when it is not empty.
    pub prefix: Cow<'static, str>,
    /// Whether the header holds one signature or a list.
    pub layout: Layout,
    /// The bytes that are signed.
    pub signed: Template,
    /// The signed timestamp, when there is one.
    pub timestamp: Option<TimestampRule>,
    /// The header that `{id}` stands for.
    pub id_header: Option<Cow<'static, str>>,
    /// How a secret's text becomes a key.
    pub key: KeyForm,
    /// Further versions of signatures in the same list, over the same bytes. An entry is checked with
    /// the secrets of its own version and no others.
    pub versions: Cow<'static, [Version]>,
    /// The header that names the key. A secret is the key's name, a colon and the key then, and only
    /// keys of that name are tried.
    pub key_id_header: Option<Cow<'static, str>>,
    /// Further headers that may carry a signature, for senders that use one header a key. Each may
    /// be absent; what holds for `header` holds for them.
    pub also: Cow<'static, [Cow<'static, str>]>,
    /// Whether a signature without the prefix counts too.
    pub prefix_optional: bool,
    /// Headers that have to be there with exactly these values, such as the signature's version.
    pub fixed: Cow<'static, [(Cow<'static, str>, Cow<'static, str>)]>,
    /// Where there is a signed text that the sender uses once, when the body is not signed: see
    /// [`Verified::one_time_token`](crate::Verified::one_time_token).
    pub one_time: Option<Location>,
}

impl TemplateScheme {
    /// One HMAC of the body in `header`: lower-case hexadecimal, no prefix, no timestamp, the
    /// secret's text as the key. Change the fields that differ.
    ///
    /// ```
    /// use hookyard_verify::{Algorithm, TemplateScheme, TimestampRule};
    ///
    /// let mut scheme = TemplateScheme::new(Algorithm::Sha256, "x-signature");
    /// scheme.prefix = "sha256=".into();
    /// scheme.signed = "{timestamp}.{body}".parse()?;
    /// scheme.timestamp = Some(TimestampRule::header("x-timestamp"));
    /// # Ok::<(), hookyard_verify::TemplateError>(())
    /// ```
    pub fn new(algorithm: Algorithm, header: impl Into<Cow<'static, str>>) -> Self {
        Self::with(Construction::Hmac(algorithm), header.into())
    }

    /// One signature of the body by a key pair in `header`: base64, no prefix, no timestamp. The
    /// public key takes the place of the secret. Change the fields that differ.
    ///
    /// ```
    /// use hookyard_verify::{Scheme, Secret, SignatureAlgorithm, TemplateScheme, Verifier};
    ///
    /// let mut scheme = TemplateScheme::key_pair(SignatureAlgorithm::Ed25519, "x-signature");
    /// scheme.encoding = "hex".parse()?;
    /// let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    /// let verifier = Verifier::new(Scheme::Template(scheme), [Secret::from(key)])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn key_pair(algorithm: SignatureAlgorithm, header: impl Into<Cow<'static, str>>) -> Self {
        Self::with(Construction::KeyPair(algorithm), header.into())
    }

    /// Its own way of signing and those of the further versions, with the form of their keys.
    pub(crate) fn ways(&self) -> impl Iterator<Item = (Construction, &KeyForm)> {
        let more = self.versions.iter().map(|version| (version.construction, &version.key));
        std::iter::once((self.construction, &self.key)).chain(more)
    }

    /// Either of these, for a table of constants.
    pub(crate) const fn with(construction: Construction, header: Cow<'static, str>) -> Self {
        let (encoding, key) = match construction {
            Construction::Hmac(_) | Construction::Digest(_) => (Encoding::Hex, KeyForm::Text),
            Construction::KeyPair(_) => {
                (Encoding::Base64, KeyForm::PublicKey { tag: Cow::Borrowed("") })
            }
        };
        Self {
            construction,
            header,
            encoding,
            prefix: Cow::Borrowed(""),
            layout: Layout::Single,
            signed: Template::body(),
            timestamp: None,
            id_header: None,
            key,
            versions: Cow::Borrowed(&[]),
            key_id_header: None,
            also: Cow::Borrowed(&[]),
            prefix_optional: false,
            fixed: Cow::Borrowed(&[]),
            one_time: None,
        }
    }
}

/// A keyed hash over values in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyHmacScheme {
    /// The hash; no request can choose another.
    pub algorithm: Algorithm,
    /// How the signature is written as text.
    pub encoding: Encoding,
    /// How a secret's text becomes a key.
    pub key: KeyForm,
    /// The objects that have the values and a signature. When there are several, each has to have a
    /// genuine one.
    pub values: BodyValues,
    /// The values that are signed, in their order.
    pub signed: Cow<'static, [SignedValue]>,
    /// What stands between them when they are signed.
    pub between: Cow<'static, str>,
    /// The names under which a signature may be. Any of them may match.
    pub signatures: Cow<'static, [Cow<'static, str>]>,
    /// The signed timestamp, when there is one.
    pub timestamp: Option<BodyTimestamp>,
    /// The name of a signed value that the sender uses once.
    pub one_time: Option<Cow<'static, str>>,
}

/// A value of a [`BodyHmacScheme`] that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedValue {
    /// Its name: a pointer without its first slash.
    pub name: Cow<'static, str>,
    /// Whether it has to be there and not be empty. One that is not there is signed as empty.
    pub needed: bool,
    /// Whether it may contain what stands between the values. Of one scheme at most one value may:
    /// with two, the same text could be cut into other values.
    pub free: bool,
}

/// The timestamp of a [`BodyHmacScheme`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyTimestamp {
    /// Its name among the signed values.
    pub name: Cow<'static, str>,
    /// How its text is written.
    pub format: TimestampFormat,
    /// The greatest distance from now, in the past and in the future, the limit itself included.
    pub tolerance: Duration,
}

/// What is done with the key and the bytes that the template stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Construction {
    /// HMAC, as it should be.
    Hmac(Algorithm),
    /// A plain hash over a template in which `{secret}` stands once. Senders that came up with it
    /// themselves do that. With the secret in front, someone who knows one signature could make the
    /// message longer. Where `{body}` stands after the secret, a body therefore has to be one JSON
    /// text in UTF-8, which what makes it longer cannot be in, or empty.
    Digest(Algorithm),
    /// The signature of a key pair: the sender has the private key, and here is the public one.
    KeyPair(SignatureAlgorithm),
}

/// A version of signatures beside that of the scheme: `v1a` of Standard Webhooks beside `v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The name of its entries in the list.
    pub name: Cow<'static, str>,
    /// What is done with its keys.
    pub construction: Construction,
    /// How a secret's text becomes one of its keys.
    pub key: KeyForm,
}

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
