//! What a template's signatures are checked with: keyed hashes and public keys behind one type, and
//! the signatures that a header offers to them.

use std::borrow::Cow;

use data_encoding::BASE64;
use subtle::Choice;

use crate::mac::{self, Keyed, Tag, codec};
use crate::private_key::PrivateKey;
use crate::public_key::PublicKey;
use crate::scheme::{Construction, Encoding, KeyForm, SignatureAlgorithm, TemplateScheme};
use crate::secret::{Secret, SecretError};
use crate::template::Piece;

/// The longest name of a key.
const LONGEST_NAME: usize = 256;

/// One secret, read for the one way of its scheme that it fits.
pub(crate) struct TemplateKey {
    way: usize,
    /// Its name, where a header names the key.
    name: Option<Vec<u8>>,
    check: Check,
}

enum Check {
    Hash(Keyed),
    Public(SignatureAlgorithm, PublicKey),
}

/// What signs in the place of the sender, and the way and the key's name that it signs under.
pub(crate) struct TemplateSigner {
    pub(crate) way: usize,
    pub(crate) name: Option<Vec<u8>>,
    sign: Sign,
}

enum Sign {
    Hash(Keyed),
    Private(SignatureAlgorithm, PrivateKey),
}

/// A signature of one of the ways, decoded.
pub(crate) struct Candidate {
    way: usize,
    written: Written,
}

enum Written {
    Tag(Tag),
    Signature(Vec<u8>),
}

impl TemplateKey {
    /// Reads a secret.
    pub(crate) fn read(scheme: &TemplateScheme, secret: &Secret) -> Result<Self, SecretError> {
        let (name, secret) = named(scheme, secret)?;
        let (way, check) = first_that_fits(scheme, |construction, form| match construction {
            Construction::Hmac(_) | Construction::Digest(_) => {
                keyed(scheme, construction, form, &secret).map(Check::Hash)
            }
            Construction::KeyPair(algorithm) => {
                let kind = algorithm.key_kind();
                let key = PublicKey::read(untagged(secret.bytes(), form)?, kind)?;
                Ok(Check::Public(algorithm, key))
            }
        })?;
        Ok(Self { way, name, check })
    }

    /// Which of the scheme's ways it is a key of: 0 for its own, then the further versions.
    pub(crate) fn way(&self) -> usize {
        self.way
    }

    /// Whether it has this name.
    pub(crate) fn is_called(&self, name: &[u8]) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// Whether any of the candidates is its signature of the message. A hash is compared with all of
    /// them in constant time; what a public key says, everyone may know.
    pub(crate) fn signed(&self, message: &[Cow<'_, [u8]>], candidates: &[Candidate]) -> bool {
        let own = candidates.iter().filter(|candidate| candidate.way == self.way);
        match &self.check {
            Check::Hash(keyed) => {
                let genuine = keyed.hash(message);
                let any = own.fold(Choice::from(0), |any, candidate| match &candidate.written {
                    Written::Tag(tag) => any | genuine.matches(tag),
                    Written::Signature(_) => any,
                });
                bool::from(any)
            }
            Check::Public(algorithm, key) => {
                let mut own = own;
                own.any(|candidate| match &candidate.written {
                    Written::Signature(bytes) => key.verify(*algorithm, message, bytes),
                    Written::Tag(_) => false,
                })
            }
        }
    }
}

impl TemplateSigner {
    /// Reads the sender's side of a secret.
    pub(crate) fn read(scheme: &TemplateScheme, secret: &Secret) -> Result<Self, SecretError> {
        let (name, secret) = named(scheme, secret)?;
        let (way, sign) = first_that_fits(scheme, |construction, form| match construction {
            Construction::Hmac(_) | Construction::Digest(_) => {
                keyed(scheme, construction, form, &secret).map(Sign::Hash)
            }
            Construction::KeyPair(algorithm) => {
                let key = PrivateKey::read(secret.bytes(), algorithm.key_kind())?;
                Ok(Sign::Private(algorithm, key))
            }
        })?;
        Ok(Self { way, name, sign })
    }

    /// The signature as text. Nothing where the operating system has no randomness for it.
    pub(crate) fn sign(&self, message: &[Cow<'_, [u8]>], encoding: Encoding) -> Option<String> {
        match &self.sign {
            Sign::Hash(keyed) => Some(keyed.hash(message).encode(encoding)),
            Sign::Private(algorithm, key) => {
                Some(mac::encode(&key.sign(*algorithm, message)?, encoding))
            }
        }
    }
}

impl Candidate {
    /// Reads a signature of the way at `way`, in the one spelling that it has.
    pub(crate) fn decode(
        text: &[u8],
        encoding: Encoding,
        way: usize,
        construction: Construction,
    ) -> Option<Self> {
        let written = match construction {
            Construction::Hmac(algorithm) | Construction::Digest(algorithm) => {
                Written::Tag(Tag::decode(text, encoding, algorithm.output_len())?)
            }
            Construction::KeyPair(algorithm) => {
                Written::Signature(decode_signature(text, encoding, algorithm)?)
            }
        };
        Some(Self { way, written })
    }

    /// Whether a public key has to be tried with it, which costs more than a comparison.
    pub(crate) fn is_of_key_pair(&self) -> bool {
        matches!(self.written, Written::Signature(_))
    }
}

/// The bytes of a key pair's signature, when their length can be right and no other text means them.
pub(crate) fn decode_signature(
    text: &[u8],
    encoding: Encoding,
    algorithm: SignatureAlgorithm,
) -> Option<Vec<u8>> {
    let codec = codec(encoding);
    let (shortest, longest) = algorithm.signature_len();
    let (digits, longest) = match encoding {
        Encoding::HexBase64 => (Some(BASE64), BASE64.encode_len(codec.encode_len(longest))),
        _ => (None, codec.encode_len(longest)),
    };
    if text.len() > longest {
        return None;
    }
    let bytes = match digits {
        Some(base64) => codec.decode(&base64.decode(text).ok()?).ok()?,
        None => codec.decode(text).ok()?,
    };
    // Padding in the middle decodes as well.
    let right = bytes.len() >= shortest && mac::encode(&bytes, encoding).as_bytes() == text;
    right.then_some(bytes)
}

/// What a signature looks like, for an error.
pub(crate) fn describe(encoding: Encoding, construction: Construction) -> String {
    let len = match construction {
        Construction::Hmac(algorithm) | Construction::Digest(algorithm) => algorithm.output_len(),
        Construction::KeyPair(algorithm) => match algorithm.signature_len() {
            (shortest, longest) if shortest == longest => longest,
            _ => return format!("a signature in {encoding}"),
        },
    };
    mac::describe(encoding, len)
}

/// The first of the scheme's ways for which `read` makes something of a secret.
fn first_that_fits<T>(
    scheme: &TemplateScheme,
    read: impl Fn(Construction, &KeyForm) -> Result<T, SecretError>,
) -> Result<(usize, T), SecretError> {
    let mut problem = None;
    for (way, (construction, form)) in scheme.ways().enumerate() {
        match read(construction, form) {
            Ok(made) => return Ok((way, made)),
            // That it is of another way says less than what is wrong with it in its own.
            Err(SecretError::MissingTag { .. }) if problem.is_some() => {}
            Err(error) => match problem {
                None | Some(SecretError::MissingTag { .. } | SecretError::Asymmetric) => {
                    problem = Some(error);
                }
                Some(_) => {}
            },
        }
    }
    Err(problem.unwrap_or(SecretError::Empty))
}

fn keyed(
    scheme: &TemplateScheme,
    construction: Construction,
    form: &KeyForm,
    secret: &Secret,
) -> Result<Keyed, SecretError> {
    let key = secret.key(form)?;
    Ok(match construction {
        Construction::Digest(algorithm) => {
            // `TemplateCheck` has seen to it that there is one.
            let place = scheme.signed.pieces().iter().position(|piece| *piece == Piece::Secret);
            Keyed::Digest { algorithm, at: place.unwrap_or_default(), key }
        }
        Construction::Hmac(algorithm) => Keyed::new(algorithm, &key),
        Construction::KeyPair(_) => return Err(SecretError::Asymmetric),
    })
}

/// The name of a key and the rest of the secret, where a header names keys.
fn named(
    scheme: &TemplateScheme,
    secret: &Secret,
) -> Result<(Option<Vec<u8>>, Secret), SecretError> {
    if scheme.key_id_header.is_none() {
        return Ok((None, secret.clone()));
    }
    if secret.bytes().trim_ascii().is_empty() {
        return Err(SecretError::Empty);
    }
    let colon = secret.bytes().iter().position(|byte| *byte == b':');
    colon
        .and_then(|at| Some((secret.bytes().get(..at)?, secret.bytes().get(at + 1..)?)))
        .filter(|(name, _)| (1..=LONGEST_NAME).contains(&name.len()))
        .filter(|(name, _)| name.iter().all(u8::is_ascii_graphic))
        .map(|(name, key)| (Some(name.to_vec()), Secret::new(key)))
        .ok_or(SecretError::NoKeyId)
}

/// What stands after the tag of a public key.
fn untagged<'s>(text: &'s [u8], form: &KeyForm) -> Result<&'s [u8], SecretError> {
    let KeyForm::PublicKey { tag } = form else { return Err(SecretError::Asymmetric) };
    let text = text.trim_ascii();
    match text.strip_prefix(tag.as_bytes()) {
        Some(rest) => Ok(rest),
        None if text.is_empty() => Err(SecretError::Empty),
        None => Err(SecretError::MissingTag { tag: tag.clone().into_owned() }),
    }
}
