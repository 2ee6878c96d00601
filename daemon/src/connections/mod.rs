//! Connections: other services' HTTP APIs, which plugins ask by name.
//!
//! The way of a call: [`call`] (method, path and [`headers`] checked; the turn that [`rate`] gives;
//! the [`credential`], of [`oauth`] where it is a token; tries until one is good enough) → the pool of
//! [`crate::outbound`] (guarded addresses, kept connections) → [`answer`] (bounded, decompressed).

mod answer;
mod call;
mod credential;
mod fault;
mod headers;
mod oauth;
mod rate;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hookyard_runtime::{Call, CallError, Called, Connections};
use rustls::RootCertStore;

use crate::config::{self, SecretProblem};
use crate::live::Live;
use crate::outbound::{self, AddressPolicy, Pool, PoolParts, Resolver, RootsError, SystemResolver};
use crate::secret::{self, Places, Stamp};
pub(crate) use call::Done;
use credential::Resolved;
pub(crate) use headers::is_reserved;
use rate::Rate;

/// To reach one address; and once more for the TLS handshake.
const CONNECT: Duration = Duration::from_secs(5);
/// What errors about a guarded address say.
const HOW_TO_ALLOW: &str = "`allow` or `allow_private` in the connection's table";

/// One connection, with what its requests share: kept connections, rate, token.
pub(crate) struct Connection {
    name: String,
    config: config::Connection,
    outbound: config::Outbound,
    resolved: Resolved,
    pool: Pool,
    rate: Option<Arc<Rate>>,
    /// The states of the files that it was made of.
    stamps: Vec<Option<Stamp>>,
}

/// All connections of a configuration, by name.
pub(crate) type Set = BTreeMap<String, Arc<Connection>>;

impl Connection {
    /// Reads its secret, from one of `places`, and its files. `roots` are the platform's. Blocks on the file system.
    ///
    /// # Errors
    ///
    /// What is wrong with which key.
    pub(crate) fn build(
        name: &str,
        config: &config::Connection,
        outbound: &config::Outbound,
        roots: &RootCertStore,
        places: &Places,
    ) -> Result<Self, (&'static str, SecretProblem)> {
        let lookup = Resolver::new(Arc::new(SystemResolver));
        Self::build_with(lookup, name, config, outbound, roots, places)
    }

    /// As [`build`](Self::build), with what looks names up.
    fn build_with(
        lookup: Resolver,
        name: &str,
        config: &config::Connection,
        outbound: &config::Outbound,
        roots: &RootCertStore,
        places: &Places,
    ) -> Result<Self, (&'static str, SecretProblem)> {
        // Looked at before they are read: a change in between is then seen as one more.
        let stamps = stamps(config, &places.base);
        let resolved =
            Resolved::read(config.auth.as_ref(), places).map_err(|problem| ("auth", problem))?;
        let file = |key: &'static str| move |error: RootsError| (key, problem(&error));
        let mut roots = roots.clone();
        for ca in outbound.ca.iter().chain(&config.ca) {
            roots.extend(outbound::of_file(ca).map_err(file("ca"))?.roots);
        }
        let tls = outbound::client_config(roots.clone(), None).map_err(file("ca"))?;
        let identified = match &config.client {
            None => None,
            Some(config::Tls { cert, key }) => {
                let identity = outbound::identity(cert, key).map_err(file("client_cert"))?;
                let tls = outbound::client_config(roots, Some(identity));
                Some((config.base_url.origin(), tls.map_err(file("client_key"))?))
            }
        };
        let mut policy = AddressPolicy::public_only()
            .naming_for_all(HOW_TO_ALLOW)
            .allowing(config.allow.iter().copied());
        if config.allow_private {
            policy = policy.allowing_private();
        }
        let resolver = lookup.naming(outbound.resolve.clone());
        let proving = config.auth.as_ref().map(|auth| match auth {
            config::Auth::OAuth2(oauth) => {
                vec![config.base_url.origin(), oauth.token_url.origin()]
            }
            _ => vec![config.base_url.origin()],
        });
        let proving = proving.unwrap_or_default();
        let connect = CONNECT;
        let pool = Pool::new(PoolParts { resolver, policy, tls, identified, proving, connect });
        Ok(Self {
            name: name.to_owned(),
            config: config.clone(),
            outbound: outbound.clone(),
            resolved,
            pool,
            rate: config.rate.map(|rate| Arc::new(Rate::new(rate))),
            stamps,
        })
    }

    /// Whether `other` would do the same in every respect.
    fn is_same(&self, other: &Self) -> bool {
        self.config == other.config
            && self.outbound == other.outbound
            && self.resolved.is_same(&other.resolved)
            && self.stamps == other.stamps
    }
}

/// Goes on with what was there: a connection that has not changed stays, with all that it keeps, and
/// a changed one still counts what was sent before.
pub(crate) fn inherit(now: &mut Set, before: &Set) {
    for (name, connection) in now {
        let Some(old) = before.get(name) else { continue };
        if connection.is_same(old) {
            *connection = Arc::clone(old);
        } else if let (Some(rate), Some(new)) = (&old.rate, Arc::get_mut(connection))
            && new.config.rate == Some(rate.config())
        {
            new.rate = Some(Arc::clone(rate));
        }
    }
}

/// The states of the files that a connection is made of. Blocks on the file system.
pub(crate) fn stamps(config: &config::Connection, base: &Path) -> Vec<Option<Stamp>> {
    let secret = config.auth.as_ref().map(|auth| secret::stamp(auth.secret(), base));
    let client = config.client.iter().flat_map(|config::Tls { cert, key }| [cert, key]);
    let files = config.ca.iter().chain(client).map(|path| secret::stamp_of(path));
    secret.into_iter().chain(files).collect()
}

fn problem(error: &RootsError) -> SecretProblem {
    SecretProblem { message: error.to_string(), label: None, help: Vec::new() }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("name", &self.name)
            .field("base_url", &self.config.base_url)
            .field("credential", &self.resolved)
            .finish_non_exhaustive()
    }
}

/// The connections of the configuration in force at each request.
pub(crate) struct LiveConnections(pub(crate) Arc<Live>);

impl fmt::Debug for LiveConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveConnections").finish_non_exhaustive()
    }
}

#[async_trait]
impl Connections for LiveConnections {
    async fn request(&self, call: Call) -> Called {
        let generation = self.0.load();
        let error = match generation.connections.get(&call.connection).map(Arc::clone) {
            Some(connection) => {
                drop(generation);
                return connection.call(call).await.called;
            }
            None if generation.config.connections.contains_key(&call.connection) => {
                CallError::Credential("its stored secret was removed".to_owned())
            }
            None => CallError::Unknown,
        };
        Called { url: String::new(), tries: 0, status: None, received: 0, outcome: Err(error) }
    }
}
