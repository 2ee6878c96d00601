//! Requests on connections that are kept open for the next ones: for services that are asked often.
//!
//! The pool is hyper-util's. Each connection that it opens goes the way of all others here: the
//! host's addresses are looked up and checked at that moment, and one of the checked ones is
//! connected to.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::{Method, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;

use super::error::{Chain, Failure};
use super::guard::AddressPolicy;
use super::resolve::Resolver;
use super::target::Target;
use super::{connect, roots};

/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(60);
/// How many of them for one host and port.
const MOST_IDLE: usize = 16;
/// Bytes of an answer's status line and headers that are taken in any case. Where they come in one
/// piece, up to twice as many are.
const HEADER_BYTES: usize = 32 << 10;
/// Header lines of an answer.
const HEADER_COUNT: usize = 128;

/// What a pool is made of.
pub(crate) struct PoolParts {
    pub(crate) resolver: Resolver,
    pub(crate) policy: AddressPolicy,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    /// Shown to this origin alone.
    pub(crate) identified: Option<(String, Arc<rustls::ClientConfig>)>,
    /// Origins that are shown a credential: over http, only where the policy allows it explicitly.
    pub(crate) proving: Vec<String>,
    /// To reach one address; and once more for the TLS handshake.
    pub(crate) connect: Duration,
}

/// Makes requests. A clone is the same pool.
#[derive(Clone)]
pub(crate) struct Pool(Client<Connector, Full<Bytes>>);

/// Whom a request reached; among the extensions of its answer.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The version of TLS.
    pub(crate) tls: Option<&'static str>,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) enum NoAnswer {
    /// No connection: nothing was sent.
    Unsent(Arc<Failure>),
    /// Something may have been sent.
    Broken(String),
}

impl Pool {
    pub(crate) fn new(parts: PoolParts) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(HEADER_BYTES)
            .http1_max_headers(HEADER_COUNT)
            .set_host(false);
        Self(builder.build(Connector(Arc::new(parts))))
    }

    /// Sends a request; the answer's body is still to be read. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// One that says whether anything can have been sent.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &Target,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, NoAnswer> {
        let uri = target.to_uri().map_err(|error| NoAnswer::Broken(error.to_string()))?;
        let mut request = http::Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        // A parsed host has no character that a header cannot have.
        if let Ok(host) = HeaderValue::from_str(&target.authority()) {
            request.headers_mut().insert(HOST, host);
        }
        self.0.request(request).await.map_err(no_answer)
    }
}

fn no_answer(error: hyper_util::client::legacy::Error) -> NoAnswer {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(Unconnected(failure)) = inner.downcast_ref() {
            return NoAnswer::Unsent(Arc::clone(failure));
        }
        if let Some(hyper) = inner.downcast_ref::<hyper::Error>() {
            let what = if hyper.is_parse_too_large() {
                format!(
                    "the answer's headers are more than is taken ({} KiB, {HEADER_COUNT} lines)",
                    HEADER_BYTES >> 10
                )
            } else if hyper.is_parse() {
                format!("the answer is not HTTP/1: {}", Chain(hyper))
            } else {
                format!("the connection broke: {}", Chain(hyper))
            };
            return NoAnswer::Broken(what);
        }
        cause = inner.source();
    }
    NoAnswer::Broken(error.to_string())
}

/// Why there is no connection, in a shape that comes through the pool.
#[derive(Debug)]
struct Unconnected(Arc<Failure>);

impl fmt::Display for Unconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Unconnected {}

/// Opens connections to checked addresses.
#[derive(Clone)]
struct Connector(Arc<PoolParts>);

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = Unconnected;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let parts = Arc::clone(&self.0);
        Box::pin(async move {
            let stream = parts.open(&uri).await;
            stream.map(TokioIo::new).map_err(|failure| Unconnected(Arc::new(failure)))
        })
    }
}

impl PoolParts {
    async fn open(&self, uri: &Uri) -> Result<Stream, Failure> {
        let target = Target::parse(&uri.to_string())
            .map_err(|error| Failure::Lookup(io::Error::other(error)))?;
        let addresses = if !target.https && self.proving.contains(&target.origin()) {
            self.resolver.find(&target, &self.policy.clone().closed()).await?
        } else {
            self.resolver.find(&target, &self.policy).await?
        };
        let (tcp, address) = connect::tcp(&addresses, self.connect).await?;
        let _ = tcp.set_nodelay(true);
        if !target.https {
            return Ok(Stream { io: Box::pin(tcp), peer: Peer { address, tls: None } });
        }
        let config = match &self.identified {
            Some((origin, config)) if *origin == target.origin() => config,
            _ => &self.tls,
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let name = target.host.server_name();
        let tls = connect::tls(&connector, name, tcp, address, self.connect).await?;
        let version = tls.get_ref().1.protocol_version().map(roots::version_name);
        let peer = Peer { address, tls: Some(version.unwrap_or("TLS")) };
        Ok(Stream { io: Box::pin(tls), peer })
    }
}

trait Io: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

/// A connection of either kind.
struct Stream {
    io: Pin<Box<dyn Io>>,
    peer: Peer,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.peer.clone())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.as_mut().poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
