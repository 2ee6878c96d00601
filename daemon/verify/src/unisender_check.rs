//! Unisender Go's own way: a hash of the body in which the secret stands in the place of the hash.
//!
//! MD5 can be extended by someone who knows one hash; what is appended, padding first, leaves no
//! JSON, so that the check that the body is JSON is part of the protection. Bodies with the same hash
//! can be made by whoever writes both of them, which here is the sender alone.

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use memchr::memmem;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::family::{Family, Seen, matching};
use crate::json_items;
use crate::mac::{Tag, describe};
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::Encoding;
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::sign::SignError;
use crate::template::Piece;
use crate::values::{BodyValues, reason};

/// The member that has the hash.
const AUTH: &str = "auth";

/// The bytes of an MD5.
const LEN: usize = 16;

/// Unisender Go's scheme; there is nothing to set up.
#[derive(Debug)]
pub(crate) struct UnisenderCheck;

/// The hash of `before`, the secret, and `after`.
fn hash(before: &[u8], secret: &[u8], after: &[u8]) -> Tag {
    let hash = Md5::new().chain_update(before).chain_update(secret).chain_update(after);
    Tag::from_slice(&hash.finalize())
}

/// What stands before and after the only place where `text` is in `body`.
fn around<'r>(body: &'r [u8], text: &str) -> Option<(&'r [u8], &'r [u8])> {
    let mut places = memmem::find_iter(body, text);
    match (places.next(), places.next()) {
        (Some(at), None) => Some((body.get(..at)?, body.get(at + text.len()..)?)),
        _ => None,
    }
}

fn malformed() -> Reason {
    let expected = format!("{}, and nowhere else", describe(Encoding::Hex, LEN));
    Reason::MalformedValue { at: format!("json:/{AUTH}"), expected }
}

impl Family for UnisenderCheck {
    type Key = Zeroizing<Vec<u8>>;

    fn key(&self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        Ok(Zeroizing::new(secret.checked()?.to_vec()))
    }

    fn is_carried(&self, request: &Request) -> bool {
        BodyValues::Json("".into()).has_any(request, &[AUTH])
    }

    fn check(&self, keys: &[Zeroizing<Vec<u8>>], seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        let body = &seen.request.body;
        let items = json_items::items(body, "", &[AUTH]).map_err(reason)?;
        let missing = || Reason::MissingValue { at: format!("json:/{AUTH}") };
        let auth = items.into_iter().flatten().next().flatten().ok_or_else(missing)?;
        let candidate = Tag::decode(auth.as_bytes(), Encoding::Hex, LEN).ok_or_else(malformed)?;
        let (before, after) = around(body, &auth).ok_or_else(malformed)?;
        matching(keys, |key| hash(before, key, after).matches(&candidate)).map(Some)
    }

    fn covers(&self, piece: &Piece) -> bool {
        *piece == Piece::Body
    }

    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        _: UnixTime,
        _: &Settings,
    ) -> Result<Request, SignError> {
        let key = self.key(secret)?;
        let not_json = Reason::MalformedBody { expected: "a JSON object" };
        let mut value: Value =
            serde_json::from_slice(&request.body).map_err(|_| not_json.clone())?;
        // Something that is nowhere else in the body marks the place.
        let mark = HEXLOWER.encode(&Md5::digest(&request.body));
        let object = value.as_object_mut().ok_or(not_json)?;
        object.insert(AUTH.to_owned(), mark.as_str().into());
        let body = value.to_string().into_bytes();
        let (before, after) = around(&body, &mark).ok_or_else(malformed)?;
        let auth = hash(before, &key, after).encode(Encoding::Hex);
        request.body = [before, auth.as_bytes(), after].concat().into();
        Ok(request)
    }
}
