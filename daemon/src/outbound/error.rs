//! Why an outgoing request failed, and whether to try again.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;

use super::guard::Refused;
use super::target::Target;

/// A request that got no usable response. `Display` completes "failed to …" and names the URL without
/// its query; neither it nor `Debug` shows headers or bodies.
#[derive(Debug, thiserror::Error)]
#[error("fetch {target}: {failure}")]
pub(crate) struct FetchError {
    target: Box<Target>,
    #[source]
    failure: Failure,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("only https is allowed")]
    NotHttps,
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the name cannot be looked up: {0}")]
    Lookup(#[source] io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("cannot connect to {address}: {source}")]
    Connect { address: SocketAddr, source: io::Error },
    #[error("no connection to {address} within {}", humantime::format_duration(*within))]
    ConnectTimeout { address: SocketAddr, within: Duration },
    #[error("the server's certificate is refused: {0}")]
    Certificate(#[source] rustls::Error),
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[source] io::Error),
    #[error("no complete response within {}", humantime::format_duration(*within))]
    Deadline { within: Duration },
    #[error("the response's headers are more than is taken ({bytes} bytes, {count} headers)")]
    HeadersTooLarge { bytes: usize, count: usize },
    #[error("the response's body is more than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("the response is not HTTP/1: {}", Chain(.0))]
    Malformed(#[source] hyper::Error),
    #[error("the connection broke: {}", Chain(.0))]
    Broken(#[source] hyper::Error),
    #[error("answered {}{}", .0, redirects(*.0))]
    Status(StatusCode),
}

impl FetchError {
    pub(super) fn new(target: &Target, failure: Failure) -> Self {
        Self { target: Box::new(target.clone()), failure }
    }

    #[cfg(test)]
    pub(crate) fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Whether the same request can succeed later without anybody mending something first.
    pub(crate) fn is_transient(&self) -> bool {
        self.failure.is_transient()
    }
}

impl Failure {
    /// As [`FetchError::is_transient`].
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Lookup(_)
            | Self::NoAddress
            | Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::Handshake(_)
            | Self::Deadline { .. }
            | Self::Broken(_) => true,
            Self::NotHttps
            | Self::Refused(_)
            | Self::Certificate(_)
            | Self::HeadersTooLarge { .. }
            | Self::BodyTooLarge { .. }
            | Self::Malformed(_) => false,
            Self::Status(status) => match *status {
                StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_EARLY
                | StatusCode::TOO_MANY_REQUESTS => true,
                StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => false,
                status => status.is_server_error(),
            },
        }
    }
}

fn redirects(status: StatusCode) -> &'static str {
    if status.is_redirection() { ", and redirects are not followed" } else { "" }
}

/// hyper's errors leave what caused them to `source`, and that is what a person can act on.
pub(super) struct Chain<'a>(pub(super) &'a hyper::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_whether_to_try_again() {
        let target = Target::parse("https://keys.test/certs?token=s3cret").expect("a URL");
        let error = |status: u16| {
            let status = StatusCode::from_u16(status).expect("a status");
            FetchError::new(&target, Failure::Status(status))
        };
        for status in [408, 425, 429, 500, 502, 503, 504, 507, 599] {
            assert!(error(status).is_transient(), "{status}");
        }
        for status in [204, 301, 304, 400, 401, 403, 404, 410, 501, 505] {
            assert!(!error(status).is_transient(), "{status}");
        }
        assert_eq!(error(404).to_string(), "fetch https://keys.test/certs: answered 404 Not Found");
        assert_eq!(
            error(302).to_string(),
            "fetch https://keys.test/certs: answered 302 Found, and redirects are not followed"
        );
        assert!(!format!("{:?}", error(404)).contains("s3cret"));
    }
}
