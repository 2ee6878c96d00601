//! A connection's bytes: TCP, or TLS over it; what was read to tell the protocol; and an end that
//! lets the last answer arrive.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

/// What every HTTP/2 client sends first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long, and for how many bytes, a sender may go on after an answer that left its body unread.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

pub(super) struct Stream {
    transport: Transport,
    /// Read already; given out before anything else.
    start: [u8; PREFACE.len()],
    given: usize,
    filled: usize,
    linger: Linger,
}

/// A socket closed with unread bytes in it is reset, and a reset destroys what the peer has not read
/// yet: the very 413 that told it why. So after an unread body only the writing half is closed at
/// first, and what still comes is thrown away, for a bounded while.
struct Linger {
    unread: Arc<AtomicBool>,
    until: Option<Pin<Box<Sleep>>>,
    discarded: usize,
}

impl Stream {
    /// `unread` says at the end whether a body was left unread.
    pub(super) fn new(transport: Transport, unread: Arc<AtomicBool>) -> Self {
        let linger = Linger { unread, until: None, discarded: 0 };
        Self { transport, start: [0; PREFACE.len()], given: 0, filled: 0, linger }
    }

    /// Tells the protocol from the first bytes, which are kept. `None` when the peer left before it
    /// could be told. Waits for as long as the peer does.
    pub(super) async fn protocol(&mut self) -> io::Result<Option<Protocol>> {
        if let Transport::Tls(tls) = &self.transport {
            match tls.get_ref().1.alpn_protocol() {
                Some(b"h2") => return Ok(Some(Protocol::Http2)),
                Some(_) => return Ok(Some(Protocol::Http1)),
                None => {}
            }
        }
        loop {
            let (filled, rest) = self.start.split_at_mut(self.filled);
            if !PREFACE.starts_with(filled) {
                return Ok(Some(Protocol::Http1));
            }
            if rest.is_empty() {
                return Ok(Some(Protocol::Http2));
            }
            let read = match &mut self.transport {
                Transport::Plain(tcp) => tcp.read(rest).await?,
                Transport::Tls(tls) => tls.read(rest).await?,
            };
            if read == 0 {
                return Ok(None);
            }
            self.filled += read;
        }
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let until = self.linger.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut space = [0; 4096];
        while self.linger.discarded < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut space);
            // Whatever goes wrong with a connection that is over is its end.
            if ready!(self.transport.poll_read(cx, &mut buffer)).is_err()
                || buffer.filled().is_empty()
            {
                break;
            }
            self.linger.discarded += buffer.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

impl Transport {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.given < this.filled {
            let kept = this.start.get(this.given..this.filled).unwrap_or_default();
            let (now, _) = kept.split_at(kept.len().min(buffer.remaining()));
            buffer.put_slice(now);
            this.given += now.len();
            return Poll::Ready(Ok(()));
        }
        this.transport.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Transport::Tls(tls) => Pin::new(&mut **tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Transport::Tls(tls) => Pin::new(&mut **tls).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(tcp) => tcp.is_write_vectored(),
            Transport::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Transport::Tls(tls) => Pin::new(&mut **tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.until.is_none() {
            ready!(match &mut this.transport {
                Transport::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
                Transport::Tls(tls) => Pin::new(&mut **tls).poll_shutdown(cx),
            })?;
            if !this.linger.unread.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        this.poll_linger(cx)
    }
}
