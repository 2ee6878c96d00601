//! A request's body, read within its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use super::respond::Problem;

/// Memory taken for a body before its first byte: what a sender announces is not what it sends.
const FIRST_CHUNK: usize = 64 * 1024;

/// A request's body, not read yet. Dropped with bytes left in it, it makes the listener close the
/// HTTP/1 connection after the answer, which says so.
#[derive(Debug)]
pub(crate) struct Body {
    incoming: Incoming,
    unread: Unread,
}

impl Body {
    pub(super) fn new(incoming: Incoming, unread: Arc<AtomicBool>) -> Self {
        let left = !incoming.is_end_stream();
        Self { incoming, unread: Unread { left, flag: unread } }
    }

    /// The bytes as they were sent, after transfer decoding: chunks are joined, nothing is
    /// decompressed. `timeout` is for all of it.
    ///
    /// A body that says it is larger than `limit` is refused before any of it is read (a sender that
    /// waits for `100 Continue` is not asked for it); one that does not say so as soon as it is, and
    /// never more than `limit` bytes are held.
    ///
    /// # Errors
    ///
    /// [`Problem::BodyTooLarge`], [`Problem::BodyTimeout`], or [`Problem::BadRequest`] when the body
    /// is cut short or its chunks are not well-formed.
    pub(crate) async fn read(mut self, limit: u64, timeout: Duration) -> Result<Bytes, Problem> {
        if !self.unread.left {
            return Ok(Bytes::new());
        }
        let bytes = tokio::time::timeout(timeout, collect(&mut self.incoming, limit))
            .await
            .unwrap_or(Err(Problem::BodyTimeout))?;
        self.unread.left = false;
        Ok(bytes)
    }
}

/// Tells the connection that a body was left unread.
#[derive(Debug)]
struct Unread {
    left: bool,
    flag: Arc<AtomicBool>,
}

impl Drop for Unread {
    fn drop(&mut self) {
        if self.left {
            self.flag.store(true, Ordering::Relaxed);
        }
    }
}

async fn collect<B>(body: &mut B, limit: u64) -> Result<Bytes, Problem>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let too_large = Problem::BodyTooLarge { limit };
    let announced = body.size_hint().lower();
    if announced > limit {
        return Err(too_large);
    }
    // Most bodies arrive in one piece, which is passed on as it is.
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::BadRequest("the body is cut short or malformed"))?;
        let Ok(chunk) = frame.into_data() else { continue };
        let held = first.len().max(joined.len());
        if (held as u64).saturating_add(chunk.len() as u64) > limit {
            return Err(too_large);
        }
        if held == 0 {
            first = chunk;
            continue;
        }
        if joined.is_empty() {
            let announced = usize::try_from(announced).unwrap_or(usize::MAX).min(FIRST_CHUNK);
            joined.reserve(announced.max(first.len().saturating_add(chunk.len())));
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&chunk);
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::{Body as HttpBody, Frame, SizeHint};

    use super::*;

    /// Gives its frames one by one, and counts how many were taken.
    struct Frames {
        announced: u64,
        left: VecDeque<io::Result<Frame<Bytes>>>,
        taken: usize,
    }

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            self.taken += 1;
            Poll::Ready(self.left.pop_front())
        }

        fn size_hint(&self) -> SizeHint {
            let mut hint = SizeHint::new();
            hint.set_lower(self.announced);
            hint
        }
    }

    fn frames(announced: u64, chunks: &[&'static [u8]]) -> Frames {
        let left = chunks.iter().map(|chunk| Ok(Frame::data(Bytes::from_static(chunk)))).collect();
        Frames { announced, left, taken: 0 }
    }

    #[tokio::test]
    async fn chunks_are_joined_as_they_came() {
        let tables: [&[&'static [u8]]; 5] =
            [&[], &[b""], &[b"\xff\0a"], &[b"", b"ab"], &[b"a", b"", b"bc", b"d"]];
        for chunks in tables {
            let whole = chunks.concat();
            let bytes = collect(&mut frames(0, chunks), whole.len() as u64).await.unwrap();
            assert_eq!(bytes, whole, "{chunks:?}");
        }
    }

    #[tokio::test]
    async fn the_last_byte_allowed_is_allowed_and_the_next_is_not() {
        assert_eq!(collect(&mut frames(4, &[b"ab", b"cd"]), 4).await.unwrap(), "abcd");
        let mut more = frames(0, &[b"ab", b"cd", b"e", b"never asked for"]);
        let refused = collect(&mut more, 4).await;
        assert_eq!(refused, Err(Problem::BodyTooLarge { limit: 4 }));
        assert_eq!(more.taken, 3);
        let refused = collect(&mut frames(0, &[b"a"]), 0).await;
        assert_eq!(refused, Err(Problem::BodyTooLarge { limit: 0 }));
    }

    #[tokio::test]
    async fn an_announced_excess_is_refused_unread() {
        let mut body = frames(5, &[b"abcde"]);
        assert_eq!(collect(&mut body, 4).await, Err(Problem::BodyTooLarge { limit: 4 }));
        assert_eq!(body.taken, 0);
    }

    #[tokio::test]
    async fn a_broken_body_is_no_body() {
        let mut body = frames(0, &[b"ab"]);
        body.left.push_back(Err(io::Error::other("reset")));
        assert!(matches!(collect(&mut body, 9).await, Err(Problem::BadRequest(_))));
    }

    #[tokio::test]
    async fn trailers_are_no_part_of_it() {
        let mut body = frames(0, &[b"ab"]);
        body.left.push_back(Ok(Frame::trailers(http::HeaderMap::new())));
        assert_eq!(collect(&mut body, 9).await.unwrap(), "ab");
    }
}
