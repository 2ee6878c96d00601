//! From a host to the addresses that a connection may go to.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use super::error::Failure;
use super::guard::AddressPolicy;
use super::target::{Host, Target};

/// Addresses that one connection tries, at most: a name with many must not use up the deadline.
const MOST_TRIED: usize = 4;

/// What a [`Resolve`] answers with.
pub(crate) type Lookup<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Looks names up.
pub(crate) trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of `host`, a DNS name in lower case, best first.
    fn resolve<'a>(&'a self, host: &'a str) -> Lookup<'a>;
}

/// As every program on this machine does: `/etc/hosts`, the name servers of `/etc/resolv.conf`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Lookup<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Where hosts are: where the operator says, else where they are looked up.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    named: BTreeMap<String, SocketAddr>,
    lookup: Arc<dyn Resolve>,
}

/// Addresses that a connection may go to, best first. Only [`Resolver::find`] makes it, and connecting
/// takes nothing else: what was checked is what is connected to, without a second look-up in which
/// the name could be somewhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked(Vec<SocketAddr>);

impl Resolver {
    pub(crate) fn new(lookup: Arc<dyn Resolve>) -> Self {
        Self { named: BTreeMap::new(), lookup }
    }

    /// These hosts, in lower case, are at these addresses and ports, whatever the URL's port, and
    /// whatever the policy: somebody who may configure the daemon named them.
    pub(crate) fn naming(mut self, named: BTreeMap<String, SocketAddr>) -> Self {
        self.named = named;
        self
    }

    /// Looks the target's host up and checks every address.
    ///
    /// One refused address refuses the name. To leave it out would be as safe, since the others are
    /// what is connected to; but no honest public name is at a public and a guarded address, and
    /// what works by the order of answers fails another day without a word of why.
    pub(super) async fn find(
        &self,
        target: &Target,
        policy: &AddressPolicy,
    ) -> Result<Checked, Failure> {
        let name = match &target.host {
            Host::Address(address) => {
                policy.check(&address.to_string(), *address)?;
                return Ok(Checked(vec![SocketAddr::new(*address, target.port)]));
            }
            Host::Name(name) => name.as_ref(),
        };
        if let Some(address) = self.named.get(name) {
            return Ok(Checked(vec![*address]));
        }
        let found = self.lookup.resolve(name).await.map_err(Failure::Lookup)?;
        for address in &found {
            policy.check(name, *address)?;
        }
        if found.is_empty() {
            return Err(Failure::NoAddress);
        }
        let tried = found.into_iter().take(MOST_TRIED);
        Ok(Checked(tried.map(|address| SocketAddr::new(address, target.port)).collect()))
    }
}

impl Checked {
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().copied()
    }
}
