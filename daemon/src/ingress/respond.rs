//! Every answer that the listener gives: the one place that knows which outcome is which status.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use hookyard_verify::HandshakeReply;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::Full;

/// An answer, whole in memory.
pub(crate) type Response = http::Response<Full<Bytes>>;

/// Why a request is not taken in. The sender sees the text of [`Problem::message`] and no more;
/// whatever else is known belongs into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// 400: the request cannot be read; the text says why, without quoting it.
    BadRequest(&'static str),
    /// 401, or what the provider's profile wants: every failed signature, whatever failed.
    Unauthorized {
        status: StatusCode,
        /// Whether the sender must not be sent a body.
        silent: bool,
    },
    /// 404: no route has this path and host.
    NotFound,
    /// 405: the route takes other methods.
    MethodNotAllowed { allow: Vec<Method> },
    /// 408: the body did not arrive in time.
    BodyTimeout,
    /// 413: the body has, or says that it has, more bytes than the route takes.
    BodyTooLarge { limit: u64 },
    /// 422, or what the provider's profile wants: the handler of a respond route rejected the event.
    Rejected { status: StatusCode },
    /// 429: this client has as many connections as it may have.
    ClientBusy,
    /// 429: the route has answered as many handshakes lately as it does.
    TooManyHandshakes { retry_after: Duration },
    /// 500: a defect of the daemon; it is in the log.
    Internal,
    /// 503: as many requests are being answered as may be.
    Overloaded,
    /// 503: the store takes nothing more in: it is full, or behind.
    StoreUnavailable { retry_after: Duration },
    /// 503: whether the request is genuine cannot be told without keys that could not be fetched.
    KeysUnavailable { retry_after: Duration },
    /// 503: the handshake's URL could not be fetched.
    Unconfirmed,
    /// 503: the handler of a respond route failed, is missing, or was too slow.
    HandlerUnavailable,
    /// 503: the plugin of a respond route broke too often in a row, and is left alone.
    HandlerPaused { retry_after: Duration },
}

impl Problem {
    /// The status that the sender sees.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized { status, .. } | Self::Rejected { status } => *status,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ClientBusy | Self::TooManyHandshakes { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Overloaded
            | Self::StoreUnavailable { .. }
            | Self::KeysUnavailable { .. }
            | Self::Unconfirmed
            | Self::HandlerUnavailable
            | Self::HandlerPaused { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the sender is told; stable, lower case.
    pub(crate) fn message(&self) -> &'static str {
        match self {
            Self::BadRequest(why) => why,
            // One text for every reason: a difference would help whoever is guessing.
            Self::Unauthorized { .. } => "verification failed",
            Self::NotFound => "no such route",
            Self::MethodNotAllowed { .. } => "method not allowed",
            Self::BodyTimeout => "the body did not arrive in time",
            Self::BodyTooLarge { .. } => "the body is too large",
            Self::Rejected { .. } => "rejected by the handler",
            Self::ClientBusy => "too many connections from this address",
            Self::TooManyHandshakes { .. } => "too many handshakes",
            Self::Internal => "internal error",
            Self::Overloaded => "too many requests at once",
            Self::StoreUnavailable { .. } => "the store takes nothing in at the moment",
            Self::KeysUnavailable { .. } => "the sender's keys are not available at the moment",
            Self::Unconfirmed => "the handshake could not be confirmed",
            Self::HandlerUnavailable | Self::HandlerPaused { .. } => "the handler is not available",
        }
    }

    /// When the sender should try again, where trying again can help.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ClientBusy | Self::Overloaded | Self::Unconfirmed | Self::HandlerUnavailable => {
                Some(Duration::from_secs(1))
            }
            Self::TooManyHandshakes { retry_after }
            | Self::HandlerPaused { retry_after }
            | Self::StoreUnavailable { retry_after }
            | Self::KeysUnavailable { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// The answer: `{"error":"…"}`, with `Allow` and `Retry-After` (whole seconds, at least 1) where
    /// they belong. `Connection: close` is added by the listener wherever a body was left unread.
    pub(crate) fn into_response(self) -> Response {
        let body = match self {
            // The common ones are constants: a flood of them allocates nothing.
            Self::Unauthorized { status, silent: true } => return empty(status),
            Self::Unauthorized { .. } => {
                Bytes::from_static(b"{\"error\":\"verification failed\"}\n")
            }
            Self::NotFound => Bytes::from_static(b"{\"error\":\"no such route\"}\n"),
            Self::Overloaded => Bytes::from_static(b"{\"error\":\"too many requests at once\"}\n"),
            ref other => Bytes::from(format!("{{\"error\":{}}}\n", Quoted(other.message()))),
        };
        let mut response = json(self.status(), body);
        if let Some(wait) = self.retry_after() {
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Self::MethodNotAllowed { allow } = &self {
            let names: Vec<&str> = allow.iter().map(Method::as_str).collect();
            // Method names are tokens, so this cannot fail; without them the answer stays true.
            if let Ok(names) = HeaderValue::try_from(names.join(", ")) {
                response.headers_mut().insert(header::ALLOW, names);
            }
        }
        response
    }
}

/// The event is durable: `status` (202, or what the profile demands) and `{"id":"…"}`.
pub(crate) fn accepted(status: StatusCode, event: impl fmt::Display) -> Response {
    json(status, Bytes::from(format!("{{\"id\":\"{event}\"}}\n")))
}

/// The delivery was here before, as `event`: `{"id":"…","duplicate":true}`.
pub(crate) fn duplicate(status: StatusCode, event: impl fmt::Display) -> Response {
    json(status, Bytes::from(format!("{{\"id\":\"{event}\",\"duplicate\":true}}\n")))
}

/// A genuine event that no target wants: 200 and `{"ignored":true}`.
pub(crate) fn ignored() -> Response {
    json(StatusCode::OK, Bytes::from_static(b"{\"ignored\":true}\n"))
}

/// All that is to be said is in the status.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = http::Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// The event was taken, told in the words that its sender looks for.
pub(crate) fn text(status: StatusCode, text: &'static str) -> Response {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    ours(status, plain, Bytes::from_static(text.as_bytes()))
}

/// The exact answer to a handshake. It can echo what anyone has sent: no browser may take it for a
/// page.
pub(crate) fn handshake(reply: HandshakeReply) -> Response {
    let HandshakeReply { status, headers, body } = reply;
    let mut response = http::Response::new(Full::new(body));
    *response.status_mut() = status;
    for (name, value) in headers {
        response.headers_mut().append(name, value);
    }
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// What a handler replied. Its header lines go out as they are, except those that describe the
/// connection or the body's framing, which are the listener's, and those that are no valid header.
/// A status that is no final one (below 200 or above 599) becomes 500.
pub(crate) fn reply<'a>(
    status: u16,
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    body: Bytes,
) -> Response {
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = if is_bodiless(status) { Bytes::new() } else { body };
    let mut response = http::Response::new(Full::new(body));
    *response.status_mut() = status;
    for (name, value) in headers {
        append_end_to_end(response.headers_mut(), name, value);
    }
    response
}

fn append_end_to_end(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    const OURS: [HeaderName; 8] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::DATE,
        HeaderName::from_static("keep-alive"),
    ];
    let (Ok(name), Ok(value)) =
        (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
    else {
        return;
    };
    if !OURS.contains(&name) {
        headers.append(name, value);
    }
}

fn json(status: StatusCode, body: Bytes) -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    ours(status, JSON, body)
}

fn ours(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = http::Response::new(Full::default());
    *response.status_mut() = status;
    if !is_bodiless(status) {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        *response.body_mut() = Full::new(body);
    }
    response
}

/// Answers of these have no body, whatever is to be said.
fn is_bodiless(status: StatusCode) -> bool {
    matches!(status.as_u16(), 204 | 205 | 304)
}

/// A JSON string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::Value::from(self.0).to_string())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn body(response: Response) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.into()).unwrap()
    }

    #[tokio::test]
    async fn every_problem_has_its_status_a_json_body_and_its_headers() {
        let wait =
            |millis| Problem::StoreUnavailable { retry_after: Duration::from_millis(millis) };
        for (problem, status, retry) in [
            (Problem::BadRequest("the body is broken"), 400, None),
            (Problem::Unauthorized { status: StatusCode::UNAUTHORIZED, silent: false }, 401, None),
            (Problem::Unauthorized { status: StatusCode::FORBIDDEN, silent: false }, 403, None),
            (Problem::NotFound, 404, None),
            (Problem::MethodNotAllowed { allow: vec![Method::POST] }, 405, None),
            (Problem::BodyTimeout, 408, None),
            (Problem::BodyTooLarge { limit: 5 }, 413, None),
            (Problem::Rejected { status: StatusCode::UNPROCESSABLE_ENTITY }, 422, None),
            (Problem::ClientBusy, 429, Some("1")),
            (Problem::TooManyHandshakes { retry_after: Duration::from_millis(70) }, 429, Some("1")),
            (Problem::Internal, 500, None),
            (Problem::Overloaded, 503, Some("1")),
            (wait(0), 503, Some("1")),
            (wait(1500), 503, Some("2")),
            (wait(5000), 503, Some("5")),
            (Problem::KeysUnavailable { retry_after: Duration::from_secs(60) }, 503, Some("60")),
            (Problem::Unconfirmed, 503, Some("1")),
            (Problem::HandlerUnavailable, 503, Some("1")),
        ] {
            let message = problem.message();
            let response = problem.clone().into_response();
            assert_eq!(response.status().as_u16(), status, "{problem:?}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
            let found = response.headers().get(header::RETRY_AFTER).map(|v| v.to_str().unwrap());
            assert_eq!(found, retry, "{problem:?}");
            let text = body(response).await;
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value, serde_json::json!({ "error": message }));
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let allow = vec![Method::GET, Method::POST];
        let response = Problem::MethodNotAllowed { allow }.into_response();
        assert_eq!(response.headers()[header::ALLOW], "GET, POST");
    }

    #[tokio::test]
    async fn failed_signatures_cannot_be_told_apart() {
        let status = StatusCode::UNAUTHORIZED;
        let text = body(Problem::Unauthorized { status, silent: false }.into_response()).await;
        assert_eq!(text, "{\"error\":\"verification failed\"}\n");
    }

    #[tokio::test]
    async fn successes_name_the_event() {
        let id = "0198c1f2-7d3a-7cc0-a1b2-0123456789ab";
        let response = accepted(StatusCode::ACCEPTED, id);
        assert_eq!(response.status(), 202);
        assert_eq!(body(response).await, format!("{{\"id\":\"{id}\"}}\n"));
        let again = body(duplicate(StatusCode::OK, id)).await;
        assert_eq!(again, format!("{{\"id\":\"{id}\",\"duplicate\":true}}\n"));
        assert_eq!(body(ignored()).await, "{\"ignored\":true}\n");
        let bodiless = accepted(StatusCode::NO_CONTENT, id);
        assert!(bodiless.headers().is_empty());
        assert_eq!(body(bodiless).await, "");
    }

    #[tokio::test]
    async fn a_handshake_is_answered_as_its_sender_wants_it_and_is_no_page() {
        let reply = HandshakeReply {
            status: StatusCode::OK,
            headers: vec![(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))],
            body: Bytes::from_static(b"<script>"),
        };
        let response = handshake(reply);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain");
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(
            (response.status(), body(response).await.as_str()),
            (StatusCode::OK, "<script>")
        );
    }

    #[tokio::test]
    async fn a_reply_keeps_its_own_headers_and_none_of_the_connections() {
        let headers: [(&str, &[u8]); 9] = [
            ("content-type", b"text/xml"),
            ("set-cookie", b"a=1"),
            ("set-cookie", b"b=2"),
            ("x-bytes", b"\xe9"),
            ("Content-Length", b"9999"),
            ("transfer-encoding", b"chunked"),
            ("connection", b"upgrade"),
            ("no such name", b"x"),
            ("x-split", b"a\r\nb: c"),
        ];
        let response = reply(201, headers, Bytes::from_static(b"<Response/>"));
        assert_eq!(response.status(), 201);
        let names: Vec<_> = response.headers().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content-type", "set-cookie", "set-cookie", "x-bytes"]);
        assert_eq!(body(response).await, "<Response/>");
    }

    #[tokio::test]
    async fn a_reply_that_cannot_be_sent_is_mended() {
        for status in [0, 99, 100, 101, 199, 600, 999, 1000] {
            assert_eq!(reply(status, [], Bytes::new()).status(), 500, "{status}");
        }
        for status in [204, 205, 304] {
            assert_eq!(body(reply(status, [], Bytes::from_static(b"x"))).await, "");
        }
    }
}
