//! The listener over real sockets.

mod drain;
mod http1;
mod http2;
mod limits;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::StatusCode;
use ipnet::IpNet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::respond::{Problem, reply};
use super::{Answer, Body, Drain, Listener, Peer, Response, ServeOptions, TlsReloader, serve};
use crate::config::Limits;

/// Longer than anything here takes; what runs into it hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a body that the test's answers take.
const BODY: u64 = 1000;

/// Answers by path: `/hold` when it is let go, `/panic` never, `/unread` without reading the body, and
/// all others with the body that was sent.
#[derive(Debug)]
struct Paths {
    /// A permit for each request that has arrived at `/hold`.
    holding: Semaphore,
    /// A permit lets one of them go.
    release: Semaphore,
    body_timeout: Duration,
}

impl Answer for Paths {
    async fn answer(&self, request: http::Request<Body>, peer: Peer) -> Response {
        match request.uri().path() {
            "/hold" => {
                self.holding.add_permits(1);
                self.release.acquire().await.unwrap().forget();
                reply(200, [("x-was", &b"held"[..])], Bytes::new())
            }
            "/panic" => panic!("asked for"),
            "/unread" => Problem::NotFound.into_response(),
            "/peer" => reply(200, [], format!("{} {}", peer.address, peer.tls).into()),
            _ => match request.into_body().read(BODY, self.body_timeout).await {
                Ok(body) => reply(200, [], body),
                Err(problem) => problem.into_response(),
            },
        }
    }
}

/// A listener on a free port, with generous limits for a test to narrow.
struct Setup {
    limits: Limits,
    body_timeout: Duration,
    trusted: Vec<IpNet>,
    tls: Option<Arc<TlsReloader>>,
}

struct Serving {
    address: SocketAddr,
    drain: Drain,
    paths: Arc<Paths>,
    limits: Arc<ArcSwap<Limits>>,
    served: JoinHandle<()>,
}

impl Default for Setup {
    fn default() -> Self {
        let limits = Limits {
            header_timeout: PATIENCE,
            body_timeout: PATIENCE,
            handshake_timeout: PATIENCE,
            body: BODY,
            headers: 4096,
            connections: 100,
            connections_per_client: 100,
            in_flight: 100,
        };
        Self { limits, body_timeout: PATIENCE, trusted: Vec::new(), tls: None }
    }
}

impl Setup {
    fn start(self) -> Serving {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr();
        let drain = Drain::new();
        let limits = Arc::new(ArcSwap::from_pointee(self.limits));
        let paths = Arc::new(Paths {
            holding: Semaphore::new(0),
            release: Semaphore::new(0),
            body_timeout: self.body_timeout,
        });
        let options = ServeOptions {
            name: "test",
            limits: Arc::clone(&limits),
            trusted_proxies: Arc::new(ArcSwap::from_pointee(self.trusted)),
            tls: self.tls,
            drain: drain.token(),
        };
        let served = tokio::spawn(serve(listener, options, Arc::clone(&paths)));
        Serving { address, drain, paths, limits, served }
    }
}

impl Serving {
    async fn connect(&self) -> Wire {
        Wire(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends `bytes` over a connection of its own and gives all that comes back until its end.
    async fn send(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut wire = self.connect().await;
        wire.write(bytes).await;
        wire.rest().await
    }

    /// Waits until one more request is at `/hold`.
    async fn holds(&self) {
        patiently(self.paths.holding.acquire()).await.unwrap().forget();
    }

    fn release(&self) {
        self.paths.release.add_permits(1);
    }

    async fn ended(self) {
        patiently(self.served).await.unwrap();
    }
}

/// One end of a connection, in bytes.
struct Wire(TcpStream);

impl Wire {
    async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// One answer with its body, on a connection that stays open.
    async fn answer(&mut self) -> String {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            text.push(patiently(self.0.read_u8()).await.unwrap().into());
        }
        let length = header(&text, "content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        patiently(self.0.read_exact(&mut body)).await.unwrap();
        text + &String::from_utf8(body).unwrap()
    }

    /// All that comes until the other side closes. A reset is not an end: it could have destroyed
    /// what was sent.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        patiently(self.0.read_to_end(&mut bytes)).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

async fn patiently<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

/// The status of an HTTP/1 answer.
#[track_caller]
fn status(answer: &str) -> StatusCode {
    answer.get(9..12).unwrap_or_else(|| panic!("no answer: {answer:?}")).parse().unwrap()
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}
