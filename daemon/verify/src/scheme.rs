//! The ways of signing, as data. A profile's table entry and a scheme written by a user are the same
//! thing; the code that checks them is written once for each family.

mod spelling;

use std::borrow::Cow;
use std::time::Duration;

use crate::family::Takes;
use crate::jwt_scheme::JwtScheme;
use crate::location::Location;
use crate::setup::SetupError;
use crate::template::{Piece, Template};
use crate::values::BodyValues;
use crate::verifier::families;

pub use spelling::{
    Algorithm, Encoding, KeyForm, Layout, SignatureAlgorithm, TimestampFormat, TimestampPlace,
    TimestampRule,
};

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
