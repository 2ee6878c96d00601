//! One JSON text in the spellings that common libraries give it, members in their order.

use std::fmt::Write as _;
use std::io;

use serde_json::Deserializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Without any space.
pub(super) fn compact(json: &[u8]) -> Option<String> {
    rewritten(json, CompactFormatter)
}

/// With a space after each comma and colon, as Python writes it.
pub(super) fn spaced(json: &[u8]) -> Option<String> {
    rewritten(json, Spaced)
}

/// Over many lines, each level indented by `indent`.
pub(super) fn indented(json: &[u8], indent: &[u8]) -> Option<String> {
    rewritten(json, PrettyFormatter::with_indent(indent))
}

/// With every character outside of ASCII as `\uXXXX`, as PHP and Python write it.
pub(super) fn ascii(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_ascii() {
            escaped.push(char);
        } else {
            for unit in char.encode_utf16(&mut [0; 2]) {
                // Writing into a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

fn rewritten(json: &[u8], formatter: impl Formatter) -> Option<String> {
    let mut reader = Deserializer::from_slice(json);
    let mut bytes = Vec::with_capacity(json.len());
    let mut writer = Serializer::with_formatter(&mut bytes, formatter);
    serde_transcode::transcode(&mut reader, &mut writer).ok()?;
    reader.end().ok()?;
    String::from_utf8(bytes).ok()
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order() {
        let json = "{ \"b\":[1,2.5 ,{}],\"a\":\"\u{e9}/\u{1f600}\"}".as_bytes();
        assert_eq!(compact(json).as_deref(), Some("{\"b\":[1,2.5,{}],\"a\":\"\u{e9}/\u{1f600}\"}"));
        assert_eq!(
            spaced(json).as_deref(),
            Some("{\"b\": [1, 2.5, {}], \"a\": \"\u{e9}/\u{1f600}\"}")
        );
        assert_eq!(indented(b"[1]", b"    ").as_deref(), Some("[\n    1\n]"));
        assert_eq!(ascii("\u{e9}/\u{1f600}"), "\\u00e9/\\ud83d\\ude00");
        for broken in [&b"{"[..], b"", b"{} x", b"\xff"] {
            assert_eq!(compact(broken), None);
        }
    }
}
