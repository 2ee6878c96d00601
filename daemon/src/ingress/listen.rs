//! The listening socket and its accept loop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use arc_swap::ArcSwap;
use http_body_util::BodyExt;
use ipnet::IpNet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::is_trusted;
use super::connection::{self, Shared};
use super::connections::Connections;
use super::respond::Problem;
use super::{Answer, DrainToken, Peer, TlsReloader};
use crate::config::Limits;

/// Connections that the kernel holds for us while the accept loop is busy, or full.
const BACKLOG: u32 = 1024;
/// The shortest and the longest pause after an accept that failed for want of something.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// Connections being told that their client has too many. Past it they are closed without a word, so
/// that refusing costs less than serving would.
const REFUSALS: usize = 64;
/// How long such a client may take to hear it.
const REFUSAL_TIME: Duration = Duration::from_millis(500);
/// The least time between two warnings of the same kind.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// A bound socket that listens already: who connects before [`serve`] waits in the kernel's queue.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds now; port 0 takes a free one. Must be called inside the runtime.
    ///
    /// # Errors
    ///
    /// What the system says: the address in use, not ours, or not allowed.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restarted daemon must not wait for the old one's connections to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let socket = socket.listen(BACKLOG)?;
        Ok(Self { address: socket.local_addr()?, socket })
    }

    /// Where it listens, with the real port.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

/// How a listener serves.
#[derive(Debug)]
pub(crate) struct ServeOptions {
    /// For the log: `public`, `admin`.
    pub(crate) name: &'static str,
    /// Loaded for each connection; `in_flight` for each request.
    pub(crate) limits: Arc<ArcSwap<Limits>>,
    /// Peers to which `connections_per_client` does not apply: behind them are many clients.
    pub(crate) trusted_proxies: Arc<ArcSwap<Vec<IpNet>>>,
    /// `None` for cleartext.
    pub(crate) tls: Option<Arc<TlsReloader>>,
    pub(crate) drain: DrainToken,
}

/// Accepts and serves until the drain: HTTP/1.1 and HTTP/2, told apart by ALPN with TLS and by the
/// first bytes without.
///
/// No error ends it. When `connections` are open it stops accepting: the next ones wait in the kernel's
/// queue. One connection more of a client than `connections_per_client` is answered 429 (HTTP/1) and
/// closed; with TLS it is closed at once, because the words would cost a handshake.
///
/// When the drain begins, the socket is closed, idle connections are closed, the others are told that
/// they end with their open requests. It returns when all have ended, or at the drain's deadline,
/// which drops what is left.
pub(crate) async fn serve<A: Answer>(listener: Listener, options: ServeOptions, answer: Arc<A>) {
    let ServeOptions { name, limits, trusted_proxies, tls, mut drain } = options;
    let token = drain.clone();
    let connections = Arc::new(Connections::default());
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let shared = Arc::new(Shared { answer, limits, tls, in_flight: AtomicUsize::new(0) });
    let mut tasks = JoinSet::new();
    let mut back_off = BACK_OFF.0;
    let mut full_warning = Warning::default();
    let mut accept_warning = Warning::default();

    loop {
        let limit = shared.limits.load().connections;
        if connections.is_full(limit) && full_warning.is_due() {
            tracing::warn!(
                listener = name,
                "all {limit} connections are in use; more have to wait (`connections`)"
            );
        }
        let next = async {
            connections.room(|| shared.limits.load().connections).await;
            listener.socket.accept().await
        };
        let accepted = tokio::select! {
            biased;
            () = drain.begun() => break,
            // Ended tasks are let go of as they end; what they have to say, they have logged.
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
            accepted = next => accepted,
        };
        let (tcp, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(pause) = pause_after(&error, &mut back_off) {
                    if accept_warning.is_due() {
                        tracing::warn!(listener = name, "cannot accept connections: {error}");
                    }
                    tokio::select! {
                        () = drain.begun() => break,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                continue;
            }
        };
        back_off = BACK_OFF.0;
        // Answers are small and written whole: waiting for more to send only delays them.
        let _ = tcp.set_nodelay(true);

        let exempt = is_trusted(address.ip().to_canonical(), &trusted_proxies.load());
        let share = (!exempt).then(|| shared.limits.load().connections_per_client);
        match connections.admit(address.ip(), share) {
            Ok(admitted) => {
                let peer = Peer { address, tls: shared.tls.is_some() };
                let serving = connection::run(tcp, peer, Arc::clone(&shared), token.clone());
                tasks.spawn(async move {
                    serving.await;
                    drop(admitted);
                });
            }
            Err(_) => {
                tracing::debug!(listener = name, peer = %address, "too many connections of one client");
                if shared.tls.is_none()
                    && let Ok(permit) = Arc::clone(&refusals).try_acquire_owned()
                {
                    tasks.spawn(async move {
                        let _ = tokio::time::timeout(REFUSAL_TIME, refuse(tcp)).await;
                        drop(permit);
                    });
                }
            }
        }
    }

    drop(listener);
    tracing::debug!(listener = name, open = tasks.len(), "draining");
    tokio::select! {
        () = async { while tasks.join_next().await.is_some() {} } => {}
        () = drain.ended() => {
            tracing::warn!(
                listener = name,
                "{} connections were still open at the end of the drain; dropped",
                tasks.len()
            );
            tasks.shutdown().await;
        }
    }
}

/// How long to wait after an accept that failed; `None` when only that connection is gone.
fn pause_after(error: &io::Error, back_off: &mut Duration) -> Option<Duration> {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return None;
    }
    // Out of file descriptors or memory: trying again at once would only burn the processor.
    let pause = *back_off;
    *back_off = (pause * 2).min(BACK_OFF.1);
    Some(pause)
}

/// Says 429 to a client whose request is not going to be read.
async fn refuse(mut tcp: TcpStream) -> io::Result<()> {
    let (head, body) = Problem::ClientBusy.into_response().into_parts();
    let Ok(body) = body.collect().await;
    let body = body.to_bytes();
    let mut text = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(
        format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()).as_bytes(),
    );
    text.extend_from_slice(&body);
    tcp.write_all(&text).await?;
    tcp.shutdown().await?;
    // Closing over unread bytes would reset the connection, and take the answer with it.
    let mut space = [0; 1024];
    while tcp.read(&mut space).await? > 0 {}
    Ok(())
}

/// Keeps a warning from filling the log.
#[derive(Debug, Default)]
struct Warning {
    last: Option<Instant>,
}

impl Warning {
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.last.is_none_or(|last| now.duration_since(last) >= WARN_EVERY);
        if due {
            self.last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_accept_is_waited_for_only_when_waiting_helps() {
        let mut back_off = BACK_OFF.0;
        let aborted = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert_eq!(pause_after(&aborted, &mut back_off), None);
        let no_files = io::Error::from_raw_os_error(24);
        let pauses: Vec<_> =
            (0..9).map(|_| pause_after(&no_files, &mut back_off).unwrap().as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[tokio::test]
    async fn an_address_in_use_is_an_error_and_port_0_is_not() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(first.local_addr().port(), 0);
        let error = Listener::bind(first.local_addr()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
