//! What came over the wire, before anything is believed about it.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method};

/// A request as it was received. Nothing in it has been proven.
#[derive(Clone)]
pub struct Request {
    /// The method as received.
    pub method: Method,
    /// The full public URL as the provider calls it, query included: some providers sign it. Made
    /// from configuration, never from `Host` or `X-Forwarded-*`, which the sender chooses.
    pub url: String,
    /// The path as received, still percent-encoded, without the query.
    pub path: String,
    /// What follows the `?`, still percent-encoded.
    pub query: Option<String>,
    /// The parameters that the route's path matched, decoded, in their order.
    pub params: Vec<(String, String)>,
    /// All header lines, repeated ones kept apart.
    pub headers: HeaderMap,
    /// The raw body: after transfer decoding, before anything else.
    pub body: Bytes,
}

impl Request {
    /// The value of the path parameter `name`.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Headers and bodies can carry credentials and personal data, and queries and paths tokens: where a
/// sender signs nothing, the path is the secret. None of them is printed.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A moment in milliseconds since the Unix epoch. The caller reads the clock; this crate never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

impl UnixTime {
    /// The moment `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// `seconds` since the epoch; saturates at the ends.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch; negative before it.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_not_printed() {
        let request = Request {
            method: Method::POST,
            url: "https://hooks.example.com/in/sesame?token=sesame".to_owned(),
            path: "/in/sesame".to_owned(),
            query: Some("token=sesame".to_owned()),
            params: vec![("key".to_owned(), "sesame".to_owned())],
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"sesame"),
        };
        assert!(!format!("{request:?}").contains("sesame"));
    }
}
