//! What the admin API refuses, as problem details (RFC 9457).

use bytes::Bytes;
use hookyard_store::StoreError;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::Full;
use serde_json::json;

use crate::ingress::Response;

/// One refusal.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// For a person: what is wrong and what to do.
    pub(super) detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), header: None }
    }

    pub(super) fn unauthorized() -> Self {
        let detail = "every call of the API needs `Authorization: Bearer TOKEN`, with the token of \
             [admin] or, when it names none, that of the file `admin-token` beside the store";
        let challenge = HeaderValue::from_static("Bearer");
        Self {
            header: Some((header::WWW_AUTHENTICATE, challenge)),
            ..Self::new(StatusCode::UNAUTHORIZED, detail)
        }
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        Self {
            header: Some((header::ALLOW, HeaderValue::from_static(allow))),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this takes {allow}"))
        }
    }

    pub(super) fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
        *response.status_mut() = self.status;
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}
