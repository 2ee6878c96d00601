//! Turns a plugin's reply into one that may be sent.

use crate::Reply;
use crate::bindings::types;
use crate::text::clip;

/// Why a reply cannot be sent, as a fragment that completes "the reply …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadReply {
    #[error("has the status {0}: a final status is 200 to 599")]
    Status(u16),
    #[error("has a header line named `{0}`, which is not a header name")]
    Name(String),
    #[error("has line breaks or control characters in its `{0}` header")]
    Value(String),
    #[error("sets `{0}`, which belongs to the connection and is set by the server: leave it out")]
    Connection(String),
    #[error("has {0} header lines: {MAX_LINES} is the most, which is fixed")]
    Many(usize),
    #[error("is {size} bytes with its header lines, more than `reply_bytes` of {limit}")]
    Large { size: usize, limit: usize },
}

/// The most header lines. A map of headers has a bound of its own and panics past it, and few clients
/// take more than a hundred.
const MAX_LINES: usize = 256;

/// Header lines that describe the connection or the message's framing, never the handler's to set.
const OF_THE_CONNECTION: [&str; 10] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Checks a reply against HTTP's rules and the plugin's `reply_bytes`.
pub(crate) fn check(reply: types::Reply, limit: usize) -> Result<Reply, BadReply> {
    let lines: usize = reply.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let size = reply.body.len() + lines;
    if size > limit {
        return Err(BadReply::Large { size, limit });
    }
    if reply.headers.len() > MAX_LINES {
        return Err(BadReply::Many(reply.headers.len()));
    }
    if !(200..=599).contains(&reply.status) {
        return Err(BadReply::Status(reply.status));
    }
    let headers = reply.headers.into_iter().map(header).collect::<Result<_, _>>()?;
    Ok(Reply { status: reply.status, headers, body: reply.body })
}

fn header((name, value): (String, Vec<u8>)) -> Result<(String, Vec<u8>), BadReply> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(BadReply::Name(clip(&name.escape_debug().to_string(), 64)));
    }
    let name = name.to_ascii_lowercase();
    if OF_THE_CONNECTION.contains(&name.as_str()) {
        return Err(BadReply::Connection(name));
    }
    if value.iter().any(|&byte| byte != b'\t' && (byte < 0x20 || byte == 0x7f)) {
        return Err(BadReply::Value(clip(&name, 64)));
    }
    Ok((name, value))
}

/// A `tchar` of RFC 9110.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, name: &str, value: &str) -> Result<Reply, BadReply> {
        let headers = vec![(name.to_owned(), value.as_bytes().to_vec())];
        check(types::Reply { status, headers, body: b"hello".to_vec() }, 100)
    }

    #[test]
    fn an_ordinary_reply_passes_with_its_names_in_lower_case() {
        let reply = reply(200, "Content-Type", "text/plain").expect("passes");
        assert_eq!(reply.headers, [("content-type".to_owned(), b"text/plain".to_vec())]);
    }

    #[test]
    fn what_http_does_not_allow_is_refused() {
        for (status, name, value) in [
            (100, "a", "b"),
            (199, "a", "b"),
            (600, "a", "b"),
            (0, "a", "b"),
            (200, "", "b"),
            (200, "a b", "b"),
            (200, "a:b", "b"),
            (200, "a\r\nb", "b"),
            (200, "a", "b\r\nset-cookie: x"),
            (200, "a", "b\n"),
            (200, "a", "\0"),
            (200, "Transfer-Encoding", "chunked"),
            (200, "content-length", "5"),
            (200, "CONNECTION", "close"),
            (200, "upgrade", "h2c"),
        ] {
            assert!(reply(status, name, value).is_err(), "{status} {name:?} {value:?}");
        }
    }

    #[test]
    fn header_lines_are_few() {
        let reply = |count: usize| {
            let headers = (0..count).map(|number| (format!("x-{number}"), Vec::new())).collect();
            check(types::Reply { status: 200, headers, body: Vec::new() }, 1 << 20)
        };
        assert_eq!(reply(256).expect("passes").headers.len(), 256);
        assert_eq!(reply(257), Err(BadReply::Many(257)));
    }

    #[test]
    fn header_lines_count_towards_the_size() {
        let error = reply(200, "a", &"b".repeat(95)).expect_err("too large");
        assert_eq!(error, BadReply::Large { size: 105, limit: 100 });
    }
}
