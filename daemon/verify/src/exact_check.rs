//! Exact Online's own way: an object of the content and an HMAC of the content's bytes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::family::{Family, Seen, matching};
use crate::mac::{Keyed, Tag, describe};
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::{Algorithm, Encoding};
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::sign::SignError;
use crate::template::Piece;
use crate::values::BodyValues;

const CONTENT: &str = "Content";
const HASH_CODE: &str = "HashCode";

/// The bytes of a SHA-256.
const LEN: usize = 32;

/// Exact Online's scheme; there is nothing to set up.
#[derive(Debug)]
pub(crate) struct ExactCheck;

/// A body that has been read.
struct Envelope<'r> {
    /// The bytes of the content, without the white space around it.
    content: &'r str,
    hash: Cow<'r, str>,
}

impl<'r> Envelope<'r> {
    fn read(body: &'r [u8]) -> Result<Self, Reason> {
        let expected = "an object of `Content` and `HashCode` alone, each once";
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let read = deserializer.deserialize_map(Reader).ok();
        let read = read.filter(|_| deserializer.end().is_ok());
        read.ok_or(Reason::MalformedBody { expected })
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    /// Another member would be one that nobody has signed.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let (mut content, mut hash) = (None, None);
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let again = match &*key {
                CONTENT => content.replace(map.next_value::<&'de RawValue>()?).is_some(),
                HASH_CODE => hash.replace(map.next_value::<Cow<'de, str>>()?).is_some(),
                _ => true,
            };
            if again {
                return Err(A::Error::custom("not one of the two members, or the second one"));
            }
        }
        match (content, hash) {
            (Some(content), Some(hash)) => Ok(Envelope { content: content.get(), hash }),
            _ => Err(A::Error::custom("one of the two members is missing")),
        }
    }
}

impl Family for ExactCheck {
    type Key = Keyed;

    fn key(&self, secret: &Secret) -> Result<Keyed, SecretError> {
        Ok(Keyed::new(Algorithm::Sha256, secret.checked()?))
    }

    fn is_carried(&self, request: &Request) -> bool {
        BodyValues::Json("".into()).has_any(request, &[HASH_CODE])
    }

    fn check(&self, keys: &[Keyed], seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        let Envelope { content, hash } = Envelope::read(&seen.request.body)?;
        let malformed = || Reason::MalformedValue {
            at: format!("json:/{HASH_CODE}"),
            expected: describe(Encoding::HexUpper, LEN),
        };
        let candidate =
            Tag::decode(hash.as_bytes(), Encoding::HexUpper, LEN).ok_or_else(malformed)?;
        matching(keys, |key| key.hash(&[content]).matches(&candidate)).map(Some)
    }

    /// All of it but the white space around the content.
    fn covers(&self, piece: &Piece) -> bool {
        *piece == Piece::Body
    }

    /// The body is an envelope, of which the content is signed anew, or the content itself.
    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        _: UnixTime,
        _: &Settings,
    ) -> Result<Request, SignError> {
        let key = self.key(secret)?;
        let content: &str = match Envelope::read(&request.body) {
            Ok(envelope) => envelope.content,
            Err(_) => serde_json::from_slice::<&RawValue>(&request.body)
                .map_err(|_| Reason::MalformedBody { expected: "JSON" })?
                .get(),
        };
        let hash = key.hash(&[content]).encode(Encoding::HexUpper);
        request.body = format!("{{\"{CONTENT}\":{content},\"{HASH_CODE}\":\"{hash}\"}}").into();
        Ok(request)
    }
}
