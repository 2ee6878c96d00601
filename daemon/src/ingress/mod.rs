//! The HTTP listener: sockets, TLS, protocol limits, and the words of its answers. What a request
//! means is decided behind [`Answer`].

mod body;
mod client;
mod connection;
mod connections;
mod drain;
mod handshake;
mod listen;
mod prove;
mod receive;
mod respond;
mod stream;
mod tls;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

pub(crate) use body::Body;
pub(crate) use drain::{Drain, DrainToken};
pub(crate) use listen::{Listener, ServeOptions, serve};
pub(crate) use receive::Receiver;
pub(crate) use respond::Response;
pub(crate) use tls::TlsReloader;

/// Answers requests. One is made for a listener and shared by all of its connections.
pub(crate) trait Answer: Send + Sync + 'static {
    /// Answers one request. The future is dropped at whatever `.await` it has reached when the client
    /// goes away or a drain ends: what must be finished belongs into a task of its own. A panic in it
    /// is answered 500.
    fn answer(
        &self,
        request: http::Request<Body>,
        peer: Peer,
    ) -> impl Future<Output = Response> + Send;
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// As the socket says: a proxy's address, where there is one.
    pub(crate) address: SocketAddr,
    /// Whether the connection is encrypted by this listener.
    pub(crate) tls: bool,
}
