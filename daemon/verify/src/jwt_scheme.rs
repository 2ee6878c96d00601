//! JSON Web Tokens as data: where the token is, whose key it is signed with, and what it has to say.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::scheme::{Encoding, SignatureAlgorithm, TimestampRule};

/// How far the clocks of a sender and a receiver may be apart, unless a scheme says otherwise.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(60);

/// A token in compact form (RFC 7519), or a signature of the same make whose text is the body
/// (RFC 7515, appendix F). Header names are case-insensitive.
///
/// Whatever a scheme asks for, a token's `exp`, `nbf` and `iat` are looked at when they are there.
///
/// What [`sign`](crate::sign()) makes names the key `hookyard`, where the key is one of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtScheme {
    /// Where the token is.
    pub place: TokenPlace,
    /// The one algorithm; a token that names another is refused.
    pub algorithm: TokenAlgorithm,
    /// Whose keys count.
    pub keys: TokenKeys,
    /// What is signed.
    pub form: TokenForm,
    /// What the token has to say.
    pub claims: Cow<'static, [Claim]>,
    /// How far the clocks may be apart, for `exp`, `nbf` and `iat`.
    pub leeway: Duration,
}

impl JwtScheme {
    /// A token with claims, none of them required. Change the fields that differ.
    pub fn new(place: TokenPlace, algorithm: TokenAlgorithm, keys: TokenKeys) -> Self {
        Self::with(place, algorithm, keys)
    }

    /// As [`new`](Self::new), for a table of constants.
    pub(crate) const fn with(
        place: TokenPlace,
        algorithm: TokenAlgorithm,
        keys: TokenKeys,
    ) -> Self {
        let claims = Cow::Borrowed(&[] as &[Claim]);
        Self { place, algorithm, keys, form: TokenForm::Claims, claims, leeway: DEFAULT_LEEWAY }
    }

    /// Whether the token has the public URL in it.
    pub(crate) fn signs_url(&self) -> bool {
        self.claims
            .iter()
            .any(|claim| matches!(claim, Claim::UrlHash { .. } | Claim::SettingOrUrl { .. }))
    }
}

/// Where the token is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenPlace {
    /// It is the whole value of this header.
    Header(Cow<'static, str>),
    /// `Authorization: Bearer TOKEN`.
    Bearer,
    /// It is the whole body.
    Body {
        /// The claim that has what would be the body otherwise. Only signing looks at it.
        content: Cow<'static, str>,
    },
}

/// How a token is signed. There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenAlgorithm {
    /// HMAC-SHA256.
    Hs256,
    /// RSA with PKCS #1 v1.5 and SHA-256.
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl TokenAlgorithm {
    /// Its name in a token's header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// How a key pair signs; nothing where the key is shared.
    pub(crate) const fn key_pair(self) -> Option<SignatureAlgorithm> {
        match self {
            Self::Hs256 => None,
            Self::Rs256 => Some(SignatureAlgorithm::RsaSha256),
            Self::Es256 => Some(SignatureAlgorithm::EcdsaSha256Fixed),
            Self::EdDsa => Some(SignatureAlgorithm::Ed25519),
        }
    }
}

impl fmt::Display for TokenAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose keys count. Where they are fetched from is never up to the token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenKeys {
    /// Those that are configured: the text of a shared secret, or public keys, as the algorithm
    /// takes them.
    Configured,
    /// The JSON Web Key Set at this `https` URL; the token says which key of it.
    Jwks(Cow<'static, str>),
    /// The same, at the URL that this setting has.
    JwksSetting(&'static str),
    /// Plaid's, which are asked for one by one with the credentials of an account.
    Plaid,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenForm {
    /// The token's own claims.
    Claims,
    /// Nothing of the token but its header: the claims' place is empty, and what stands there when
    /// it is signed is base64url of `TIMESTAMP.` and base64url of the body.
    Detached {
        /// Where the timestamp is; it has to be a header.
        timestamp: TimestampRule,
        /// A header that names the key too. It has to name the same one.
        key_id: Cow<'static, str>,
    },
}

/// Something that a token has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// `exp` is there. The moment itself is over.
    Expires,
    /// `nbf` is there.
    NotBefore,
    /// `iat` is there and no further from now than this, in either direction.
    Issued {
        /// The limit itself is included.
        within: Duration,
    },
    /// One of these texts.
    OneOf {
        /// Its name.
        claim: &'static str,
        /// Any of them will do.
        texts: &'static [&'static str],
    },
    /// The text that a setting has.
    Setting {
        /// Its name.
        claim: &'static str,
        /// Nothing can be verified without it.
        setting: &'static str,
    },
    /// The same, or a list of texts with it among them, as an audience may be. Where the setting is
    /// not set, the public URL with or without its query.
    SettingOrUrl {
        /// Its name.
        claim: &'static str,
        /// The setting's name.
        setting: &'static str,
    },
    /// True.
    True {
        /// Its name.
        claim: &'static str,
    },
    /// The SHA-256 of the body.
    BodyHash {
        /// Its name.
        claim: &'static str,
        /// How the hash is written.
        encoding: Encoding,
        /// Whether the claim is missing, and has to be, where the body is empty.
        unless_empty: bool,
    },
    /// The SHA-256 of the public URL, with its query.
    UrlHash {
        /// Its name.
        claim: &'static str,
        /// How the hash is written.
        encoding: Encoding,
    },
    /// A text that the sender uses once. It may be missing.
    Once {
        /// Its name.
        claim: &'static str,
    },
}
