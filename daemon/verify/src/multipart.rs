//! Forms in parts (RFC 7578), read strictly.
//!
//! The crates for this are asynchronous and written for uploads: they read leniently, so that a part
//! can be one thing to them and another to whoever reads the body next. A verifier has the whole body
//! at hand and takes only what can be read in one way.

use std::borrow::Cow;

use memchr::memmem::Finder;

use crate::form::{Field, MOST_FIELDS};

/// The most bytes of one part's headers.
const MOST_HEAD: usize = 8192;

/// The body can be read in more than one way, or in none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The boundary that a media type names; nothing when it is not that of a form in parts.
pub(crate) fn boundary(media: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let name = media.split(|byte| *byte == b';').next().unwrap_or_default();
    if !name.trim_ascii().eq_ignore_ascii_case(b"multipart/form-data") {
        return Ok(None);
    }
    let (_, parameters) = parameters(media)?;
    let mut found = parameters.into_iter().filter(|(name, _)| name == b"boundary");
    match (found.next(), found.next()) {
        (Some((_, boundary)), None) if is_boundary(&boundary) => Ok(Some(boundary)),
        _ => Err(Malformed),
    }
}

/// What RFC 2046 lets a boundary consist of.
fn is_boundary(text: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    (1..=70).contains(&text.len()) && text.iter().all(fits) && !text.ends_with(b" ")
}

/// The fields of a form in parts. There is nothing before the first part, nothing but a line break
/// after the last, and each has one name.
pub(crate) fn read<'r>(boundary: &[u8], body: &'r [u8]) -> Result<Vec<Field<'r>>, Malformed> {
    let delimiter = [b"\r\n--", boundary].concat();
    let finder = Finder::new(&delimiter);
    let opening = delimiter.strip_prefix(b"\r\n").unwrap_or(&delimiter);
    let mut rest = body.strip_prefix(opening).ok_or(Malformed)?;
    let mut fields = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            return if matches!(end, b"" | b"\r\n") { Ok(fields) } else { Err(Malformed) };
        }
        let part = rest.strip_prefix(b"\r\n").ok_or(Malformed)?;
        if fields.len() == MOST_FIELDS {
            return Err(Malformed);
        }
        let end = finder.find(part).ok_or(Malformed)?;
        let (part, after) = part.split_at_checked(end).ok_or(Malformed)?;
        fields.push(field(part)?);
        rest = after.get(delimiter.len()..).ok_or(Malformed)?;
    }
}

/// The body that consists of `fields`, none of which contains the boundary.
pub(crate) fn write(boundary: &[u8], fields: &[Field<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for Field { name, value, head, .. } in fields {
        let new = format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        let head = head.unwrap_or(new.as_bytes());
        body.extend_from_slice(&[b"--", boundary, b"\r\n", head, value, b"\r\n"].concat());
    }
    body.extend_from_slice(&[b"--", boundary, b"--\r\n"].concat());
    body
}

/// One part: its headers, an empty line, and its value.
fn field(part: &[u8]) -> Result<Field<'_>, Malformed> {
    let end = part.windows(4).take(MOST_HEAD).position(|four| four == b"\r\n\r\n");
    let (head, value) = end.and_then(|end| part.split_at_checked(end + 4)).ok_or(Malformed)?;
    let mut name = None;
    let mut plain = true;
    for line in Lines(head.strip_suffix(b"\r\n\r\n").unwrap_or(head)) {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed)?;
        let (header, text) = line.split_at_checked(colon).ok_or(Malformed)?;
        let text = text.strip_prefix(b":").unwrap_or(text).trim_ascii();
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let broken = line.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
        // A line that goes on from the one before has no name either.
        if header.is_empty() || !header.iter().all(token) || broken {
            return Err(Malformed);
        }
        if header.eq_ignore_ascii_case(b"content-disposition") {
            let (found, file) = disposition(text)?;
            if name.replace(found).is_some() {
                return Err(Malformed);
            }
            plain &= !file;
        } else if header.eq_ignore_ascii_case(b"content-transfer-encoding") {
            let identity: [&[u8]; 3] = [b"7bit", b"8bit", b"binary"];
            plain &= identity.iter().any(|word| text.eq_ignore_ascii_case(word));
        }
    }
    let name = Cow::Owned(name.ok_or(Malformed)?);
    Ok(Field { name, value: Cow::Borrowed(value), plain, head: Some(head) })
}

/// Lines that end with CR LF.
struct Lines<'r>(&'r [u8]);

impl<'r> Iterator for Lines<'r> {
    type Item = &'r [u8];

    fn next(&mut self) -> Option<&'r [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.windows(2).position(|two| two == b"\r\n");
        let line = self.0.get(..end.unwrap_or(self.0.len()))?;
        self.0 = self.0.get(line.len() + 2..).unwrap_or_default();
        Some(line)
    }
}

/// The name that a part's disposition gives it, and whether the part is a file.
fn disposition(text: &[u8]) -> Result<(String, bool), Malformed> {
    let (kind, parameters) = parameters(text)?;
    let mut name = None;
    let mut file = false;
    for (key, value) in parameters {
        match key.as_slice() {
            b"name" if name.is_none() => name = Some(value),
            // A second name, or one in another encoding, which some readers prefer.
            b"name" | b"name*" => return Err(Malformed),
            b"filename" | b"filename*" => file = true,
            _ => {}
        }
    }
    let name = name.and_then(|name| String::from_utf8(name).ok()).ok_or(Malformed)?;
    // Readers disagree about whether a backslash and a percent sign stand for themselves here.
    let odd = |char: char| char.is_control() || matches!(char, '\\' | '%' | '"');
    if !kind.eq_ignore_ascii_case(b"form-data") || name.is_empty() || name.contains(odd) {
        return Err(Malformed);
    }
    Ok((name, file))
}

/// A parameter's name in lower case, and its value.
type Parameter = (Vec<u8>, Vec<u8>);

/// What stands before the first semicolon, and the parameters after it. In quotes, a backslash goes
/// with the quote after it, and stands for itself before anything else.
fn parameters(text: &[u8]) -> Result<(&[u8], Vec<Parameter>), Malformed> {
    let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
    let (first, mut rest) = text.split_at_checked(end).ok_or(Malformed)?;
    let mut parameters = Vec::new();
    while !rest.is_empty() {
        rest = rest.strip_prefix(b";").ok_or(Malformed)?.trim_ascii_start();
        let equals = rest.iter().position(|byte| *byte == b'=').ok_or(Malformed)?;
        let name = rest.get(..equals).unwrap_or_default().to_ascii_lowercase();
        rest = rest.get(equals + 1..).unwrap_or_default();
        if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b';') {
            return Err(Malformed);
        }
        let mut value = Vec::new();
        if let Some(mut quoted) = rest.strip_prefix(b"\"") {
            loop {
                match quoted {
                    [b'\\', b'"', after @ ..] => {
                        value.extend_from_slice(b"\\\"");
                        quoted = after;
                    }
                    [b'"', after @ ..] => {
                        rest = after;
                        break;
                    }
                    [byte, after @ ..] => {
                        value.push(*byte);
                        quoted = after;
                    }
                    [] => return Err(Malformed),
                }
            }
        } else {
            let end = rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len());
            let (bare, after) = rest.split_at_checked(end).ok_or(Malformed)?;
            let bare = bare.trim_ascii_end();
            if bare.is_empty() || !bare.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'"')
            {
                return Err(Malformed);
            }
            value.extend_from_slice(bare);
            rest = after;
        }
        rest = rest.trim_ascii_start();
        parameters.push((name, value));
    }
    Ok((first.trim_ascii(), parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of parts with these headers and values.
    fn body(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut body: String =
            parts.iter().map(|(head, value)| format!("--b\r\n{head}\r\n\r\n{value}\r\n")).collect();
        body.push_str("--b--\r\n");
        body.into()
    }

    fn named(parameters: &str) -> String {
        format!("Content-Disposition: form-data; {parameters}")
    }

    fn names(body: &[u8]) -> Result<Vec<(String, Vec<u8>, bool)>, Malformed> {
        let fields = read(b"b", body)?;
        let field = |field: &Field<'_>| (field.name.to_string(), field.value.to_vec(), field.plain);
        Ok(fields.iter().map(field).collect())
    }

    #[test]
    fn parts_have_a_name_and_a_value() {
        let parts = [
            (named("name=\"token\""), "one\r\n--other\r\n-"),
            (named("NAME=bare ; x=\"a;b\"") + "\r\nContent-Type: text/plain", ""),
            (named("filename=\"a\\\"; name=\\\"token\\\".pdf\"; name=\"file\""), "\0\u{1}"),
            (named("name=\"coded\"") + "\r\nContent-Transfer-Encoding: base64", "eA=="),
            (named("name=\"eight\"") + "\r\ncontent-transfer-encoding:8Bit", "x"),
        ];
        let parts: Vec<_> = parts.iter().map(|(head, value)| (head.as_str(), *value)).collect();
        let read = names(&body(&parts)).expect("readable");
        let expected = [
            ("token", "one\r\n--other\r\n-", true),
            ("bare", "", true),
            ("file", "\0\u{1}", false),
            ("coded", "eA==", false),
            ("eight", "x", true),
        ];
        let expected = expected.map(|(name, value, plain)| (name.to_owned(), value.into(), plain));
        assert_eq!(read, expected);
        assert_eq!(names(b"--b--"), Ok(vec![]));
    }

    #[test]
    fn what_could_be_read_in_another_way_is_malformed() {
        let good = String::from_utf8(body(&[(&named("name=\"a\""), "1")])).expect("text");
        assert!(names(good.as_bytes()).is_ok());
        for (from, to) in [
            ("--b\r\nC", "preamble\r\n--b\r\nC"),
            ("--b\r\nC", "--b \r\nC"),
            ("--b\r\nC", "--b\nC"),
            ("--b\r\nC", "--bb\r\nC"),
            ("--b--\r\n", "--b--\r\nepilogue"),
            ("--b--\r\n", "--b"),
            ("--b--\r\n", "--b\r\n"),
            ("\r\n\r\n1", "\n\n1"),
            ("\r\n\r\n1\r\n", "\r\n"),
            ("form-data", "attachment"),
            ("form-data", "\r\n form-data"),
            ("Content-Disposition: ", "Content-Disposition : "),
            ("Content-Disposition: ", "Content-Dispositions: "),
            ("Content-Disposition: ", "X: y\nContent-Disposition: form-data; name=\"b\"\r\nZ: "),
            ("name=\"a\"", "name=\"a\"; name=\"b\""),
            ("name=\"a\"", "name=\"a\"; name*=utf-8''b"),
            ("name=\"a\"", "name=\"a"),
            ("name=\"a\"", "name=\"\""),
            ("name=\"a\"", "name="),
            ("name=\"a\"", "name"),
            ("name=\"a\"", "name=\"\\a\""),
            ("name=\"a\"", "name=\"%61\""),
            ("name=\"a\"", "name=\"a\"x"),
            ("name=\"a\"", "filename=\"a\""),
            ("name=\"a\"", "name=\"a\"\r\nContent-Disposition: form-data; name=\"a\""),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from:?}");
            assert_eq!(names(bad.as_bytes()), Err(Malformed), "{bad:?}");
        }
        assert_eq!(names(b""), Err(Malformed));
    }

    #[test]
    fn parts_and_their_headers_are_bounded() {
        let head = named("name=\"a\"");
        assert!(names(&body(&vec![(head.as_str(), ""); MOST_FIELDS])).is_ok());
        assert_eq!(names(&body(&vec![(head.as_str(), ""); MOST_FIELDS + 1])), Err(Malformed));
        let long = format!("{head}\r\nX: {}", "y".repeat(MOST_HEAD));
        assert_eq!(names(&body(&[(&long, "")])), Err(Malformed));
    }

    #[test]
    fn boundaries_are_those_of_the_rfc() {
        let found = |media: &str| boundary(media.as_bytes());
        let some = |text: &str| Ok(Some(text.as_bytes().to_vec()));
        assert_eq!(found("multipart/form-data; boundary=a-1"), some("a-1"));
        assert_eq!(found("Multipart/Form-Data;charset=x; Boundary=\"a b:c\""), some("a b:c"));
        assert_eq!(found("application/json; boundary=a"), Ok(None));
        assert_eq!(found("multipart/mixed; boundary=a"), Ok(None));
        for media in
            ["", "; boundary=", "; boundary=a; boundary=b", "; boundary=\"a\\\"\"", "; boundary"]
        {
            assert_eq!(found(&format!("multipart/form-data{media}")), Err(Malformed), "{media}");
        }
        let long = "x".repeat(71);
        assert_eq!(found(&format!("multipart/form-data; boundary={long}")), Err(Malformed));
        assert_eq!(found("multipart/form-data; boundary=\"a \""), Err(Malformed));
    }
}
