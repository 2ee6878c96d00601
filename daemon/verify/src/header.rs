//! Reading the one value of a header that decides something.

use http::{HeaderMap, HeaderName};

use crate::reason::Reason;

/// The value of a header that has to be there, once, and not empty. Two lines of it are refused:
/// software on the way joins them or picks one, and an attacker adds the other.
pub(crate) fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h [u8], Reason> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Err(Reason::MissingHeader(name.clone())),
        (Some(_), Some(_)) => Err(Reason::DuplicateHeader(name.clone())),
        (Some(value), None) if value.as_bytes().trim_ascii().is_empty() => {
            Err(Reason::EmptyHeader(name.clone()))
        }
        (Some(value), None) => Ok(value.as_bytes()),
    }
}
