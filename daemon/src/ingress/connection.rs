//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::{self, HeaderValue};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::respond::Problem;
use super::stream::{Protocol, Stream, Transport};
use super::tls::TlsReloader;
use super::{Answer, Body, DrainToken, Peer, Response};
use crate::config::Limits;

/// Requests that an HTTP/2 client may have open on one connection.
const STREAMS: u32 = 128;
/// Body bytes that an HTTP/2 client may send ahead, for one request and for a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How often a quiet HTTP/2 client is asked whether it is still there, and how long it may think.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// An HTTP/1 connection's buffer for reading, when the headers' limit does not make it larger.
const READ_BUFFER: usize = 64 * 1024;

/// What the connections of a listener share.
pub(super) struct Shared<A> {
    pub(super) answer: Arc<A>,
    pub(super) limits: Arc<ArcSwap<Limits>>,
    pub(super) tls: Option<Arc<TlsReloader>>,
    /// Requests being answered.
    pub(super) in_flight: AtomicUsize,
}

/// Serves a connection until either side ends it, it is quiet for too long, or the drain has begun
/// and its open requests are answered.
pub(super) async fn run<A: Answer>(
    tcp: TcpStream,
    peer: Peer,
    shared: Arc<Shared<A>>,
    mut drain: DrainToken,
) {
    let (header_timeout, handshake_timeout, header_bytes) = {
        let limits = shared.limits.load();
        (limits.header_timeout, limits.handshake_timeout, limits.headers)
    };

    let begin = async {
        let transport = match &shared.tls {
            None => Transport::Plain(tcp),
            Some(tls) => {
                let handshake = tls.acceptor().accept(tcp);
                let stream = tokio::time::timeout(handshake_timeout, handshake)
                    .await
                    .map_err(|_| "the TLS handshake took too long".to_owned())?
                    .map_err(|error| format!("the TLS handshake failed: {error}"))?;
                Transport::Tls(Box::new(stream))
            }
        };
        // The headers' time begins here: behind the handshake, which has its own.
        let activity = Arc::new(Activity::new(Instant::now()));
        let mut stream = Stream::new(transport, Arc::clone(&activity.unread));
        let protocol = tokio::time::timeout(header_timeout, stream.protocol())
            .await
            .map_err(|_| "nothing was sent in time".to_owned())?
            .map_err(|error| format!("the first bytes could not be read: {error}"))?
            .ok_or("closed by the client before it sent a request")?;
        Ok::<_, String>((stream, protocol, activity))
    };
    let (stream, protocol, activity) = tokio::select! {
        begun = begin => match begun {
            Ok(begun) => begun,
            Err(why) => {
                tracing::debug!(peer = %peer.address, "connection ended: {why}");
                return;
            }
        },
        // Nothing was asked yet, so nothing is owed.
        () = drain.begun() => return,
    };

    let connection = Arc::new(Connection { shared, peer, activity: Arc::clone(&activity) });
    let service = service_fn(move |request| {
        let connection = Arc::clone(&connection);
        async move { Ok::<_, Infallible>(connection.answer(request).await) }
    });
    let io = TokioIo::new(stream);
    let ended = match protocol {
        Protocol::Http1 => {
            let mut http = http1::Builder::new();
            // The time limits are `watch`'s: hyper's would arm a timer for every request.
            http.header_read_timeout(None)
                .max_header_size(header_bytes)
                .max_buf_size(READ_BUFFER.max(header_bytes.saturating_add(8 * 1024)));
            let conn = http.serve_connection(io, service);
            watch(
                conn,
                http1::Connection::graceful_shutdown,
                Idle::Cut,
                &activity,
                header_timeout,
                drain,
            )
            .await
        }
        Protocol::Http2 => {
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS)
                .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .keep_alive_interval(PING_INTERVAL)
                .keep_alive_timeout(PING_TIMEOUT);
            let conn = http.serve_connection(io, service);
            watch(
                conn,
                http2::Connection::graceful_shutdown,
                Idle::SayGoodbye,
                &activity,
                header_timeout,
                drain,
            )
            .await
        }
    };
    if let Err(why) = ended {
        tracing::debug!(peer = %peer.address, "connection ended: {why}");
    }
}

/// What happens to a connection that is quiet for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idle {
    /// It is closed. HTTP/1: either its headers are late, or nothing is under way.
    Cut,
    /// It is told first, so that no request of a good client is lost, and closed after the same time.
    SayGoodbye,
}

/// Drives a connection; ends it when for `quiet` no request is being answered: none sent, headers
/// not complete, or an answer that the client does not read. On drain it is told to finish.
async fn watch<C>(
    conn: C,
    finish: impl Fn(Pin<&mut C>),
    idle: Idle,
    activity: &Activity,
    quiet: Duration,
    mut drain: DrainToken,
) -> Result<(), String>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut conn = pin!(conn);
    let mut begun = pin!(drain.begun());
    let mut alarm = pin!(tokio::time::sleep_until(activity.opened + quiet));
    let mut draining = false;
    let mut told = false;
    loop {
        tokio::select! {
            biased;
            ended = conn.as_mut() => return ended.map_err(|error| error.to_string()),
            () = begun.as_mut(), if !draining => {
                draining = true;
                finish(conn.as_mut());
            }
            () = alarm.as_mut() => {
                let now = Instant::now();
                let next = match activity.quiet_since() {
                    None => now + quiet,
                    Some(since) if since + quiet > now => since + quiet,
                    Some(_) if idle == Idle::SayGoodbye && !told => {
                        told = true;
                        finish(conn.as_mut());
                        now + quiet
                    }
                    Some(_) => return Err("quiet for too long".to_owned()),
                };
                alarm.as_mut().reset(next);
            }
        }
    }
}

/// What a connection is doing.
struct Activity {
    opened: Instant,
    /// Requests being answered.
    open: AtomicUsize,
    /// When the last of them was answered: microseconds after `opened`.
    answered: AtomicU64,
    /// A body was left unread: an HTTP/1 connection cannot go on.
    unread: Arc<AtomicBool>,
}

impl Activity {
    fn new(opened: Instant) -> Self {
        Self {
            opened,
            open: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            unread: Arc::default(),
        }
    }

    /// Since when no request is being answered; `None` while one is.
    fn quiet_since(&self) -> Option<Instant> {
        if self.open.load(Ordering::Acquire) > 0 {
            return None;
        }
        Some(self.opened + Duration::from_micros(self.answered.load(Ordering::Acquire)))
    }
}

struct Connection<A> {
    shared: Arc<Shared<A>>,
    peer: Peer,
    activity: Arc<Activity>,
}

impl<A: Answer> Connection<A> {
    async fn answer(self: Arc<Self>, request: http::Request<Incoming>) -> Response {
        let _busy = Busy::new(&self.activity);
        let keeps_one_request = request.version() <= http::Version::HTTP_11;
        let request =
            request.map(|incoming| Body::new(incoming, Arc::clone(&self.activity.unread)));

        let in_flight = InFlight::new(&self.shared.in_flight);
        let mut response = if in_flight.count > self.shared.limits.load().in_flight {
            drop(request);
            Problem::Overloaded.into_response()
        } else {
            catch_panic(self.shared.answer.answer(request, self.peer)).await.unwrap_or_else(|| {
                tracing::error!(peer = %self.peer.address, "a request's task panicked; answered 500");
                Problem::Internal.into_response()
            })
        };
        if keeps_one_request && self.activity.unread.load(Ordering::Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Counts a request of the connection, however it ends.
struct Busy<'a>(&'a Activity);

impl<'a> Busy<'a> {
    fn new(activity: &'a Activity) -> Self {
        activity.open.fetch_add(1, Ordering::AcqRel);
        Self(activity)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let after = u64::try_from(self.0.opened.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.answered.store(after, Ordering::Release);
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Counts a request of the listener.
struct InFlight<'a> {
    all: &'a AtomicUsize,
    /// With this one.
    count: usize,
}

impl<'a> InFlight<'a> {
    fn new(all: &'a AtomicUsize) -> Self {
        let count = all.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        Self { all, count }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::AcqRel);
    }
}

/// `None` when `future` panics. It is not polled again; what it shares with others must be fit to be
/// seen after a panic, as it must be for any task.
async fn catch_panic<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}
