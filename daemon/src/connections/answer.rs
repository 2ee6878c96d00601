//! Reads an answer: never more of it than may be held, compressed or not.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use http::header::{self, HeaderMap};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::fault::Fault;

/// Larger answers are decompressed on a thread that may block.
const QUICK: usize = 64 << 10;

/// What is about the connection, or is not so any more once the body was read.
const LEFT_OUT: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads a body of at most `most` bytes. One that says that it is larger is not read at all.
pub(super) async fn bounded(mut body: Incoming, most: usize) -> Result<Vec<u8>, Fault> {
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > most {
        return Err(Fault::TooLarge(most));
    }
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::Network {
            message: match std::error::Error::source(&error) {
                Some(cause) => format!("the answer broke off: {error}: {cause}"),
                None => format!("the answer broke off: {error}"),
            },
            sent: true,
            transient: true,
        })?;
        // Trailers say nothing that a plugin is told.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > most.saturating_sub(read.len()) {
            return Err(Fault::TooLarge(most));
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}

/// Whether the body is compressed in the way that was asked for.
pub(super) fn is_gzip(headers: &HeaderMap) -> bool {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes());
    encoding.is_some_and(|encoding| {
        [&b"gzip"[..], b"x-gzip"].iter().any(|gzip| encoding.eq_ignore_ascii_case(gzip))
    })
}

/// Decompresses to at most `most` bytes.
pub(super) async fn decompressed(body: Vec<u8>, most: usize) -> Result<Vec<u8>, Fault> {
    if body.is_empty() {
        // The answer to a HEAD, or a 304.
        return Ok(body);
    }
    if body.len() <= QUICK && most <= QUICK {
        return decompress(&body, most);
    }
    let work = tokio::task::spawn_blocking(move || decompress(&body, most));
    work.await.unwrap_or_else(|_| Err(broken("the decompression ended inside the daemon")))
}

fn decompress(body: &[u8], most: usize) -> Result<Vec<u8>, Fault> {
    let mut plain = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(body).take(limit).read_to_end(&mut plain);
    if plain.len() > most {
        return Err(Fault::TooLarge(most));
    }
    read.map_err(|error| {
        broken(&format!("the answer is not the gzip that it says it is: {error}"))
    })?;
    Ok(plain)
}

fn broken(message: &str) -> Fault {
    Fault::Network { message: message.to_owned(), sent: true, transient: true }
}

/// The header lines that a plugin gets, in the order of the answer.
pub(super) fn lines(headers: &HeaderMap, decompressed: bool) -> Vec<(String, Vec<u8>)> {
    let kept = headers.iter().filter(|(name, _)| {
        let undone = decompressed && **name == header::CONTENT_ENCODING;
        !undone && !LEFT_OUT.contains(&name.as_str())
    });
    kept.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
