//! One request and one response on a connection of its own, within limits.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HOST, HeaderName, USER_AGENT};
use http::{HeaderValue, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::FetchLimits;
use super::error::Failure;
use super::message::{Request, Response};

const OUR_NAME: HeaderValue =
    HeaderValue::from_static(concat!("hookyard/", env!("CARGO_PKG_VERSION")));
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What is about the connection, and so the client's to say.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Sends the request and reads the response to its end.
pub(super) async fn exchange<I>(
    io: I,
    request: &Request,
    limits: &FetchLimits,
) -> Result<Response, Failure>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let failed = |error| failure(error, limits);
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(limits.header_count)
        .max_header_size(limits.header_bytes)
        .handshake(TokioIo::new(io))
        .await
        .map_err(failed)?;
    let exchanged = async {
        let answer = sender.send_request(to_send(request)).await.map_err(failed)?;
        let (parts, mut body) = answer.into_parts();
        let body = read(&mut body, limits).await?;
        Ok(Response::new(&request.target, parts, body))
    };
    // Driven here and not by a task: a request that is dropped leaves nothing behind.
    let (mut connection, mut exchanged) = (pin!(connection), pin!(exchanged));
    tokio::select! {
        biased;
        response = &mut exchanged => response,
        // What it read, or why it ended, has been handed over.
        _ = &mut connection => exchanged.await,
    }
}

fn to_send(request: &Request) -> http::Request<Full<Bytes>> {
    let mut sent = http::Request::new(Full::new(request.body.clone()));
    *sent.method_mut() = request.method.clone();
    *sent.uri_mut() = request.target.path_and_query();
    let headers = sent.headers_mut();
    *headers = request.headers.clone();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    // A parsed host has no character that a header cannot have.
    if let Ok(host) = HeaderValue::from_str(&request.target.authority()) {
        headers.insert(HOST, host);
    }
    headers.insert(USER_AGENT, OUR_NAME);
    headers.insert(CONNECTION, CLOSE);
    sent
}

/// Reads a body that is at most as large as its limit. One that says it is larger is not read at all;
/// never more than the limit is held.
async fn read(body: &mut Incoming, limits: &FetchLimits) -> Result<Bytes, Failure> {
    let too_large = || Failure::BodyTooLarge { limit: limits.body };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limits.body {
        return Err(too_large());
    }
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failure(error, limits))?;
        // Trailers say nothing that anybody asks for.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limits.body.saturating_sub(read.len()) {
            return Err(too_large());
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

fn failure(error: hyper::Error, limits: &FetchLimits) -> Failure {
    if error.is_parse_too_large() {
        let FetchLimits { header_bytes: bytes, header_count: count, .. } = *limits;
        Failure::HeadersTooLarge { bytes, count }
    } else if error.is_parse() {
        Failure::Malformed(error)
    } else {
        Failure::Broken(error)
    }
}
