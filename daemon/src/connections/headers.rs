//! Which headers a plugin's request may have, and which it gets.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Header lines of one request, at most, besides those that the daemon adds.
const MOST: usize = 64;
/// Bytes of their names and values.
const MOST_BYTES: usize = 16 << 10;

/// What is about the connection between two hosts, and so the daemon's to say.
const RESERVED: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What another origin gets, when a redirect leads there.
const HARMLESS: [HeaderName; 4] =
    [header::ACCEPT, header::ACCEPT_LANGUAGE, header::CONTENT_TYPE, header::USER_AGENT];

pub(super) const OUR_NAME: HeaderValue =
    HeaderValue::from_static(concat!("hookyard/", env!("CARGO_PKG_VERSION")));
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Whether neither a plugin nor config.toml may set the header.
pub(crate) fn is_reserved(name: &HeaderName) -> bool {
    RESERVED.contains(&name.as_str())
}

/// A plugin's headers, checked. `taken` are those that the connection itself gives.
///
/// # Errors
///
/// A sentence for the plugin's author. No value is part of it.
pub(super) fn checked(
    given: &[(String, Vec<u8>)],
    taken: impl Fn(&HeaderName) -> bool,
    connection: &str,
) -> Result<HeaderMap, String> {
    if given.len() > MOST {
        return Err(format!("the request has {} headers: {MOST} is the most", given.len()));
    }
    let bytes: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MOST_BYTES {
        return Err(format!("the request's headers have {bytes} bytes: {MOST_BYTES} is the most"));
    }
    let mut headers = HeaderMap::with_capacity(given.len());
    for (name, value) in given {
        let shown = || name.chars().take(80).collect::<String>().escape_debug().to_string();
        let Ok(name) = HeaderName::try_from(name.as_str()) else {
            return Err(format!("`{}` is not a header's name", shown()));
        };
        let Ok(value) = HeaderValue::from_bytes(value) else {
            return Err(format!(
                "the header `{name}` has a line break or another control character in its value"
            ));
        };
        if is_reserved(&name) {
            return Err(format!("the header `{name}` is the daemon's to set"));
        }
        if taken(&name) {
            return Err(format!(
                "the header `{name}` is set by [connection.{connection}]: leave it out"
            ));
        }
        headers.append(name, value);
    }
    Ok(headers)
}

/// What is left of a request's headers at another origin.
pub(super) fn elsewhere(headers: &HeaderMap) -> HeaderMap {
    let mut left = HeaderMap::new();
    for name in HARMLESS {
        if let Some(value) = headers.get(&name) {
            left.insert(name, value.clone());
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: &[u8]) -> Result<HeaderMap, String> {
        let given = [(name.to_owned(), value.to_vec())];
        checked(&given, |name| *name == header::AUTHORIZATION, "api")
    }

    #[test]
    fn what_would_change_the_request_or_its_sender_is_refused() {
        for name in RESERVED {
            let error = of(name, b"x").expect_err(name);
            assert!(error.contains("the daemon's to set"), "{error}");
            assert_eq!(of(&name.to_uppercase(), b"x"), Err(error), "{name}");
        }
        for (name, value) in [
            ("authorization", &b"Bearer mine"[..]),
            ("Authorization", b"x"),
            ("x\r\nhost", b"evil"),
            ("x: y", b"z"),
            ("", b"z"),
            ("x y", b"z"),
            ("hé", b"z"),
            ("x-a", b"1\r\nhost: evil"),
            ("x-a", b"1\n"),
            ("x-a", b"1\0"),
        ] {
            let error = of(name, value).expect_err(name);
            assert!(!error.contains("evil") && !error.contains("mine"), "{error}");
            assert!(!error.contains(['\r', '\n']), "{error:?}");
        }
        assert_eq!(
            of("authorization", b"x"),
            Err("the header `authorization` is set by [connection.api]: leave it out".to_owned())
        );
        let good = of("X-Trace", b"caf\xc3\xa9\t1").expect("is plain");
        assert_eq!(good["x-trace"].as_bytes(), b"caf\xc3\xa9\t1");
    }

    #[test]
    fn there_are_not_too_many() {
        let many = vec![("x-a".to_owned(), Vec::new()); MOST + 1];
        let error = checked(&many, |_| false, "api").expect_err("many");
        assert_eq!(error, "the request has 65 headers: 64 is the most");
        let error = of("x-a", &vec![b'x'; MOST_BYTES]).expect_err("large");
        assert_eq!(error, "the request's headers have 16387 bytes: 16384 is the most");
    }
}
