//! Parts of what is signed that are not in the request byte for byte.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};

use crate::header::single;
use crate::reason::Reason;
use crate::request::Request;

/// What `%XX` may stand for in [`decoded_url`]; other escapes stay.
const DECODED: &[u8] = b":/?@!$'()*,;";

/// A URL in which escaped punctuation is written as itself.
pub(crate) fn decoded_url(url: &str) -> Cow<'_, [u8]> {
    if !url.contains('%') {
        return Cow::Borrowed(url.as_bytes());
    }
    let mut decoded = Vec::with_capacity(url.len());
    let mut rest = url.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after
            .split_at_checked(2)
            .filter(|_| byte == b'%')
            .and_then(|(digits, after)| Some((hex(digits)?, after)))
            .filter(|(decoded, _)| DECODED.contains(decoded));
        let (byte, after) = escaped.unwrap_or((byte, after));
        decoded.push(byte);
        rest = after;
    }
    Cow::Owned(decoded)
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Whether the body is said to be a urlencoded form. A body that is said to be two things is refused.
pub(crate) fn is_form(headers: &HeaderMap) -> Result<bool, Reason> {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let value = match (lines.next(), lines.next()) {
        (_, Some(_)) => return Err(Reason::DuplicateHeader(CONTENT_TYPE)),
        (value, None) => value.map(|value| value.as_bytes()).unwrap_or_default(),
    };
    let media = value.split(|byte| *byte == b';').next().unwrap_or_default();
    Ok(media.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded"))
}

/// The raw body; of a form, the decoded value of `field`. A form with anything beside that field is
/// refused: nobody would have signed the rest.
pub(crate) fn only_field<'r>(request: &'r Request, field: &str) -> Result<Cow<'r, [u8]>, Reason> {
    if !is_form(&request.headers)? {
        return Ok(Cow::Borrowed(&request.body));
    }
    let mut fields = form_urlencoded::parse(&request.body);
    match (fields.next(), fields.next()) {
        (Some((name, Cow::Borrowed(value))), None) if name == field => {
            Ok(Cow::Borrowed(value.as_bytes()))
        }
        (Some((name, Cow::Owned(value))), None) if name == field => {
            Ok(Cow::Owned(value.into_bytes()))
        }
        _ => Err(Reason::MalformedForm { field: field.to_owned() }),
    }
}

/// The headers that the header `list` names, as `name:value;name:value`. Each has to be there once,
/// and those in `required` have to be named. Each name is taken once, which bounds what is hashed.
pub(crate) fn listed_headers(
    headers: &HeaderMap,
    list: &HeaderName,
    required: &[&HeaderName],
) -> Result<Vec<u8>, Reason> {
    let malformed = || Reason::MalformedSignature {
        header: list.clone(),
        expected: "a list of headers, each once and in lower case".to_owned(),
    };
    let mut names: Vec<HeaderName> = Vec::new();
    let mut text = Vec::new();
    for written in single(headers, list)?.split(|byte| *byte == b',') {
        let written = written.trim_ascii();
        let name = HeaderName::from_bytes(written).map_err(|_| malformed())?;
        if name.as_str().as_bytes() != written || names.contains(&name) {
            return Err(malformed());
        }
        if !names.is_empty() {
            text.push(b';');
        }
        text.extend_from_slice(written);
        text.push(b':');
        text.extend_from_slice(single(headers, &name)?);
        names.push(name);
    }
    match required.iter().find(|name| !names.contains(name)) {
        Some(missing) => Err(Reason::UnlistedHeader { header: (*missing).clone() }),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_some_punctuation_is_decoded() {
        let decoded = |url| String::from_utf8(decoded_url(url).into_owned()).expect(url);
        assert_eq!(decoded("https://x/a?b=c%3Ad&e=f%2fg"), "https://x/a?b=c:d&e=f/g");
        assert_eq!(decoded("%3F%40%21%24%27%28%29%2A%2C%3B"), "?@!$'()*,;");
        assert_eq!(decoded("%20%25%3"), "%20%25%3");
        assert_eq!(decoded("%+3%%3A%"), "%+3%:%");
    }
}
