//! The checked configuration: what the rest of the daemon works from. Every value here is valid;
//! secrets are still references, resolved by [`crate::secret`].

mod connection;
mod plugin;
mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hookyard_types::{HandlerName, Source};
use ipnet::IpNet;

use crate::schedule::{Missed, Timing};

pub(crate) use connection::*;
pub(crate) use plugin::*;
pub(crate) use route::*;

/// A whole, valid config.toml.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file it was read from.
    pub(crate) file: PathBuf,
    pub(crate) server: Server,
    pub(crate) admin: Admin,
    pub(crate) store: Store,
    pub(crate) secrets: Secrets,
    pub(crate) runtime: Runtime,
    pub(crate) outbound: Outbound,
    /// `[queue.TOPIC]` by topic.
    pub(crate) queues: BTreeMap<String, Queue>,
    /// `[plugin.NAME]` by name.
    pub(crate) plugins: BTreeMap<String, Plugin>,
    /// `[connection.NAME]` by name.
    pub(crate) connections: BTreeMap<String, Connection>,
    /// In the order of the file.
    pub(crate) routes: Vec<Route>,
    /// In the order of the file.
    pub(crate) schedules: Vec<Schedule>,
}

/// `[server]`: the public listener.
#[derive(Debug, PartialEq)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    /// The URL that providers call, without a trailing slash; some of them sign it.
    pub(crate) public_url: Option<String>,
    /// Peers whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) tls: Option<Tls>,
    pub(crate) limits: Limits,
    /// How long a stop waits for requests and attempts in flight.
    pub(crate) drain: Duration,
}

/// `[server.tls]`: PEM files, read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// `[server.limits]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limits {
    /// From the connection's (or the previous response's) end to the last header byte.
    pub(crate) header_timeout: Duration,
    /// From the last header byte to the last body byte.
    pub(crate) body_timeout: Duration,
    /// The whole TLS handshake.
    pub(crate) handshake_timeout: Duration,
    /// Bytes of a body; a route can set its own.
    pub(crate) body: u64,
    /// Bytes of request line and headers.
    pub(crate) headers: usize,
    /// Open connections in all.
    pub(crate) connections: usize,
    /// Open connections from one peer address.
    pub(crate) connections_per_client: usize,
    /// Requests being answered at one time.
    pub(crate) in_flight: usize,
}

/// `[admin]`: health, and the API.
#[derive(Debug, PartialEq)]
pub(crate) struct Admin {
    pub(crate) listen: SocketAddr,
    /// What every call of the API shows; without one the daemon makes its own.
    pub(crate) token: Option<SecretRef>,
}

/// `[store]`.
#[derive(Debug, PartialEq)]
pub(crate) struct Store {
    pub(crate) path: PathBuf,
    /// Bytes of the write-ahead log past which the writer ends a checkpoint itself.
    pub(crate) wal_max: u64,
    /// Bytes of database and log at which nothing more is taken in.
    pub(crate) max_size: Option<u64>,
    /// Bytes of free disk space under which nothing more is taken in.
    pub(crate) min_free: u64,
}

/// `[secrets]`: what encrypts the secrets in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Secrets {
    /// Encrypts and decrypts; without one nothing is kept.
    pub(crate) key: Option<SecretRef>,
    /// Decrypt what was encrypted before the key was changed.
    pub(crate) former_keys: Vec<SecretRef>,
}

/// `[runtime]`: the engine, and what a plugin gets when its own table does not say.
#[derive(Debug, PartialEq)]
pub(crate) struct Runtime {
    pub(crate) plugins_dir: PathBuf,
    /// Compiled plugins; private to the daemon.
    pub(crate) cache_dir: PathBuf,
    /// Attempts running at one time, all plugins together.
    pub(crate) concurrency: usize,
    /// Wall clock of one compilation.
    pub(crate) compile_timeout: Duration,
    /// Address space of one compilation, in bytes.
    pub(crate) compile_memory: u64,
    pub(crate) defaults: PluginLimits,
}

/// `[outbound]`: requests that the daemon makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outbound {
    /// Hosts, in lower case, that are not looked up, and where they are. Private addresses too: the
    /// operator named them.
    pub(crate) resolve: BTreeMap<String, SocketAddr>,
    /// A PEM file of trust roots beside the platform's.
    pub(crate) ca: Option<PathBuf>,
}

/// `[queue.TOPIC]`.
#[derive(Debug)]
pub(crate) struct Queue {
    /// 1-based, of its table; for messages.
    pub(crate) line: usize,
    pub(crate) handlers: Vec<RouteHandler>,
    /// Attempts of the topic's messages that run at one time.
    pub(crate) concurrency: usize,
    /// Most messages that wait or run, for each plugin that handles them.
    pub(crate) max_pending: u64,
}

/// A part of config.toml that makes events: a route, a topic, a schedule.
#[derive(Debug)]
pub(crate) struct Feed<'c> {
    pub(crate) source: Source,
    /// 1-based, of its table; for messages.
    pub(crate) line: usize,
    pub(crate) handlers: &'c [RouteHandler],
}

/// One entry of `handlers`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RouteHandler {
    pub(crate) name: HandlerName,
    /// Kinds that this handler gets; empty for all that the route takes.
    pub(crate) kinds: Vec<String>,
    pub(crate) retry: Retry,
}

/// `retry = { … }`: exponential, with full jitter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    /// Attempts in all, the first included.
    pub(crate) max_attempts: u32,
    /// The longest wait before the second attempt; doubled for each further one.
    pub(crate) first: Duration,
    /// No wait is longer.
    pub(crate) max: Duration,
}

/// `[[schedule]]`.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) name: String,
    /// 1-based, of the `[[schedule]]` line; for messages.
    pub(crate) line: usize,
    pub(crate) timing: Timing,
    /// The most that a firing is put off.
    pub(crate) jitter: Duration,
    /// Of no kinds.
    pub(crate) handlers: Vec<RouteHandler>,
    pub(crate) overlap: Overlap,
    pub(crate) missed: Missed,
    /// What the handlers get.
    pub(crate) data: Option<serde_json::Value>,
}

/// What a firing does while a run of the schedule is still going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// It is left out.
    Skip,
    /// Its handlers are run after it.
    Queue,
    /// Its handlers are run beside it.
    Allow,
}

impl Overlap {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Allow => "allow",
        }
    }
}

/// Where a secret is. Its value is never part of the configuration.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum SecretRef {
    Env(String),
    /// A file's path; it may hold the route's `{parameters}`.
    File(String),
    /// A systemd credential, under `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// In the store, encrypted; the name may hold the route's `{parameters}`.
    Stored(String),
}

impl SecretRef {
    /// Whether the place depends on a request's parameters, so that the value cannot be read before
    /// one comes.
    pub(crate) fn has_params(&self) -> bool {
        matches!(self, Self::File(text) | Self::Stored(text) if text.contains('{'))
    }

    /// Whether it may stand for the stored secret of this name.
    pub(crate) fn may_be_stored(&self, name: &str) -> bool {
        matches!(self, Self::Stored(pattern) if fits(pattern, name))
    }
}

/// Whether `pattern` is `name` for some values of its `{parameters}`, none of which is empty.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('{') else { return pattern == name };
    let Some(name) = name.strip_prefix(before) else { return false };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    let ends = name.char_indices().map(|(at, c)| at + c.len_utf8());
    ends.filter_map(|end| name.get(end..)).any(|left| fits(after, left))
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::Stored(name) => write!(f, "stored secret {name}"),
        }
    }
}

impl Limits {
    /// For the admin listener: small requests from few clients.
    pub(crate) const ADMIN: Self = Self {
        header_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(10),
        handshake_timeout: Duration::from_secs(10),
        body: 64 << 10,
        headers: 32 << 10,
        connections: 256,
        connections_per_client: 256,
        in_flight: 64,
    };
}

impl Config {
    /// The limits of a plugin: its table's, else the defaults.
    pub(crate) fn plugin_limits(&self, name: &str) -> &PluginLimits {
        self.plugins.get(name).map_or(&self.runtime.defaults, |plugin| &plugin.limits)
    }

    pub(crate) fn schedule(&self, name: &str) -> Option<&Schedule> {
        self.schedules.iter().find(|schedule| schedule.name == name)
    }

    /// Everything that makes events, with the handlers that get them.
    pub(crate) fn feeds(&self) -> Vec<Feed<'_>> {
        let routes = self.routes.iter().map(|route| Feed {
            source: Source::Route(route.name.clone()),
            line: route.line,
            handlers: &route.handlers,
        });
        let schedules = self.schedules.iter().map(|schedule| Feed {
            source: Source::Schedule(schedule.name.clone()),
            line: schedule.line,
            handlers: &schedule.handlers,
        });
        let queues = self.queues.iter().map(|(topic, queue)| Feed {
            source: Source::Queue(topic.clone()),
            line: queue.line,
            handlers: &queue.handlers,
        });
        routes.chain(queues).chain(schedules).collect()
    }

    /// A plugin's table; one with the defaults when it has none.
    pub(crate) fn plugin(&self, name: &str) -> Plugin {
        self.plugins.get(name).cloned().unwrap_or_else(|| Plugin {
            limits: self.runtime.defaults.clone(),
            kv: None,
            connections: BTreeSet::new(),
            secrets: BTreeMap::new(),
            topics: BTreeSet::new(),
            settings: BTreeMap::new(),
        })
    }

    /// The plugins that get events, each once.
    pub(crate) fn plugins_used(&self) -> Vec<String> {
        let feeds = self.feeds();
        let names = feeds.iter().flat_map(|feed| feed.handlers);
        let names: BTreeSet<_> = names.map(|handler| &handler.name.plugin).collect();
        names.into_iter().cloned().collect()
    }

    /// Who refers to the stored secret of this name, each as a person would look for it in the file.
    pub(crate) fn users_of_secret(&self, name: &str) -> Vec<String> {
        let routes = self
            .routes
            .iter()
            .filter(|route| route.references().any(|reference| reference.may_be_stored(name)));
        let plugins = self.plugins.iter().filter(|(_, plugin)| {
            plugin.secrets.values().any(|reference| reference.may_be_stored(name))
        });
        let connections = self.connections.iter().filter(|(_, connection)| {
            connection.auth.as_ref().is_some_and(|auth| auth.secret().may_be_stored(name))
        });
        routes
            .map(|route| format!("route {}", route.name))
            .chain(plugins.map(|(plugin, _)| format!("plugin {plugin}")))
            .chain(connections.map(|(connection, _)| format!("connection {connection}")))
            .collect()
    }

    /// The folder to which relative paths of secrets are relative.
    pub(crate) fn base(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    /// How a source's handler is tried again; the defaults when the source is gone.
    pub(crate) fn retry(&self, source: &Source, handler: &HandlerName) -> Retry {
        let handlers = match source {
            Source::Route(name) => {
                self.routes.iter().find(|route| route.name == *name).map(|route| &route.handlers)
            }
            Source::Schedule(name) => self.schedule(name).map(|schedule| &schedule.handlers),
            Source::Queue(topic) => self.queues.get(topic).map(|queue| &queue.handlers),
        };
        let handler = handlers.and_then(|handlers| handlers.iter().find(|h| h.name == *handler));
        handler.map(|handler| handler.retry.clone()).unwrap_or_default()
    }
}

impl Default for Retry {
    /// Twelve attempts over about two and a half hours at the longest waits.
    fn default() -> Self {
        Self { max_attempts: 12, first: Duration::from_secs(5), max: Duration::from_secs(3600) }
    }
}
