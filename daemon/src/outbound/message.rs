//! What is asked and what is answered.

use std::fmt;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::error::{Failure, FetchError};
use super::target::{BadUrl, Target};

/// One request. `Debug` shows no header's value and no body.
#[derive(Clone)]
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A complete response, of any status.
#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// As it came: nothing is decompressed, and nothing else is asked for.
    pub(crate) body: Bytes,
    target: Target,
}

impl Request {
    /// A request with this body, which says nothing of its type.
    pub(crate) fn new(method: Method, url: &str, body: &Bytes) -> Result<Self, BadUrl> {
        let target = Target::parse(url)?;
        Ok(Self { method, target, headers: HeaderMap::new(), body: body.clone() })
    }

    /// A GET of `url`.
    pub(crate) fn get(url: &str) -> Result<Self, BadUrl> {
        Self::new(Method::GET, url, &Bytes::new())
    }

    /// A POST of `json`, which is sent as it is.
    pub(crate) fn post_json(url: &str, json: impl Into<Bytes>) -> Result<Self, BadUrl> {
        let request = Self { method: Method::POST, body: json.into(), ..Self::get(url)? };
        Ok(request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")))
    }

    /// With this header, instead of one of the same name. What belongs to the connection (`host`,
    /// `connection`, `content-length` and the like) and `user-agent` are the client's own.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Its headers, without the client's own.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The name or address that is asked, in lower case. A rule about hosts has to look at this: another
    /// parser can see another host in the same URL.
    #[cfg(test)]
    pub(crate) fn host(&self) -> String {
        self.target.host.to_string()
    }
}

impl Response {
    pub(super) fn new(target: &Target, parts: http::response::Parts, body: Bytes) -> Self {
        let http::response::Parts { status, headers, .. } = parts;
        Self { status, headers, body, target: target.clone() }
    }

    /// The response if its status is 2xx.
    ///
    /// # Errors
    ///
    /// [`Failure::Status`]; a redirect is one too.
    pub(crate) fn expect_success(self) -> Result<Self, FetchError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(FetchError::new(&self.target, Failure::Status(self.status)))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, headers, body } = self;
        let names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        write!(f, "{method} {target}, headers {names:?}, {} bytes", body.len())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}, {} bytes", self.status, self.target, self.body.len())
    }
}
