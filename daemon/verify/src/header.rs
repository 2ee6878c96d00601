//! Reading the one value of a header that decides something, and writing it.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::reason::Reason;
use crate::sign::SignError;

/// The value of a header that has to be there, once, and not empty.
pub(crate) fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h [u8], Reason> {
    at_most_one(headers, name)?.ok_or_else(|| Reason::MissingHeader(name.clone()))
}

/// The value of a header that may be absent, and is there once and not empty where it is not. Two
/// lines of it are refused: software on the way joins them or picks one, and an attacker adds the
/// other.
pub(crate) fn at_most_one<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h [u8]>, Reason> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Reason::DuplicateHeader(name.clone())),
        (Some(value), None) if value.as_bytes().trim_ascii().is_empty() => {
            Err(Reason::EmptyHeader(name.clone()))
        }
        (Some(value), None) => Ok(Some(value.as_bytes())),
    }
}

/// Puts a signature or a credential in the place of what is there under this name.
pub(crate) fn insert(
    headers: &mut HeaderMap,
    name: &HeaderName,
    value: &[u8],
) -> Result<(), SignError> {
    let mut value =
        HeaderValue::from_bytes(value).map_err(|_| SignError::InvalidHeader(name.clone()))?;
    value.set_sensitive(true);
    headers.insert(name.clone(), value);
    Ok(())
}
