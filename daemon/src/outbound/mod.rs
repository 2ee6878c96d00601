//! Requests that the daemon makes: for the keys that senders sign with, to confirm their
//! subscriptions, and for plugins through connections ([`pool`], [`base`]).
//!
//! The way of one request: [`message`] (a [`Request`] with a parsed [`target`]) → [`resolve`] (the
//! host's addresses, each checked by [`guard`]) → [`connect`] (TCP and TLS to one of them, trusting
//! [`roots`]) → [`exchange`] (one response, within limits). Nothing is followed or taken from
//! the environment: no redirects, cookies or proxies. Connections are kept for another request by the
//! [`pool`] alone, whose connections are opened by the same look-up and check.

mod base;
mod connect;
mod error;
mod exchange;
mod guard;
mod message;
mod pool;
mod resolve;
mod roots;
mod target;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use tokio_rustls::TlsConnector;

use crate::config;

pub(crate) use base::{BaseUrl, without_values};
pub(crate) use error::{Failure, FetchError};
pub(crate) use guard::AddressPolicy;
pub(crate) use message::{Request, Response};
pub(crate) use pool::{NoAnswer, Peer, Pool, PoolParts};
#[cfg(test)]
pub(crate) use resolve::{Lookup, Resolve};
pub(crate) use resolve::{Resolver, SystemResolver};
pub(crate) use roots::{RootsError, client_config, identity, of_file, platform as platform_roots};
pub(crate) use target::Target;

/// Makes requests. A clone is the same client.
#[derive(Clone)]
pub(crate) struct Client {
    resolver: Resolver,
    policy: AddressPolicy,
    plain_http: bool,
    tls: TlsConnector,
    limits: FetchLimits,
}

/// What a client is made of.
#[derive(Debug)]
pub(crate) struct ClientParts {
    pub(crate) resolver: Resolver,
    pub(crate) policy: AddressPolicy,
    /// Whether `http://` URLs may be asked.
    pub(crate) plain_http: bool,
    pub(crate) roots: RootCertStore,
    pub(crate) limits: FetchLimits,
}

/// What bounds one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchLimits {
    /// To reach one address; and once more for the TLS handshake.
    pub(crate) connect: Duration,
    /// Everything, from the look-up to the last byte of the body.
    pub(crate) deadline: Duration,
    /// Bytes of status line and headers.
    pub(crate) header_bytes: usize,
    /// Header lines.
    pub(crate) header_count: usize,
    /// Bytes of the body.
    pub(crate) body: usize,
}

impl Default for FetchLimits {
    /// For keys and certificates: a few kilobytes, while the sender of a webhook waits.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            deadline: Duration::from_secs(8),
            header_bytes: 32 << 10,
            header_count: 100,
            body: 256 << 10,
        }
    }
}

impl Client {
    /// # Errors
    ///
    /// When rustls cannot be set up.
    pub(crate) fn new(parts: ClientParts) -> Result<Self, RootsError> {
        let ClientParts { resolver, policy, plain_http, roots, limits } = parts;
        let tls = TlsConnector::from(roots::client_config(roots, None)?);
        Ok(Self { resolver, policy, plain_http, tls, limits })
    }

    /// The client for what `[outbound]` says: https to public addresses, and to those that it names,
    /// trusting `roots`.
    ///
    /// # Errors
    ///
    /// When rustls cannot be set up.
    pub(crate) fn from_config(
        config: &config::Outbound,
        roots: RootCertStore,
    ) -> Result<Self, RootsError> {
        Self::new(ClientParts {
            resolver: Resolver::new(Arc::new(SystemResolver)).naming(config.resolve.clone()),
            policy: AddressPolicy::public_only().naming("`[outbound] resolve`"),
            plain_http: false,
            roots,
            limits: FetchLimits::default(),
        })
    }

    /// Makes one request and reads the whole response, whatever its status.
    ///
    /// Dropping the future ends the request and closes its connection.
    ///
    /// # Errors
    ///
    /// One that says whether the same request can succeed later.
    pub(crate) async fn fetch(&self, request: Request) -> Result<Response, FetchError> {
        let within = self.limits.deadline;
        tokio::time::timeout(within, self.attempt(&request))
            .await
            .unwrap_or(Err(Failure::Deadline { within }))
            .map_err(|failure| FetchError::new(&request.target, failure))
    }

    async fn attempt(&self, request: &Request) -> Result<Response, Failure> {
        let target = &request.target;
        if !target.https && !self.plain_http {
            return Err(Failure::NotHttps);
        }
        let addresses = self.resolver.find(target, &self.policy).await?;
        let (tcp, address) = connect::tcp(&addresses, self.limits.connect).await?;
        if !target.https {
            return exchange::exchange(tcp, request, &self.limits).await;
        }
        let name = target.host.server_name();
        let tls = connect::tls(&self.tls, name, tcp, address, self.limits.connect).await?;
        exchange::exchange(tls, request, &self.limits).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resolver, policy, plain_http, tls: _, limits } = self;
        f.debug_struct("Client")
            .field("resolver", resolver)
            .field("policy", policy)
            .field("plain_http", plain_http)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}

/// Whom the configuration trusts: the platform's roots and its own. Blocks on the file system.
///
/// # Errors
///
/// When its `ca` cannot be used; a person should know which setting that is.
pub(crate) fn trusted_roots(config: &config::Outbound) -> Result<RootCertStore, RootsError> {
    let mut roots = platform_roots();
    if let Some(extra) = extra_roots(config)? {
        roots.extend(extra.roots);
    }
    Ok(roots)
}

/// The trust roots in the configuration's own file. Blocks on the file system.
pub(crate) fn extra_roots(config: &config::Outbound) -> Result<Option<RootCertStore>, RootsError> {
    config.ca.as_deref().map(roots::of_file).transpose()
}
