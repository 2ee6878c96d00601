//! The checked configuration: what the rest of the daemon works from. Every value here is valid;
//! secrets are still references, resolved by [`crate::secret`].

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hookyard_types::HandlerName;
use hookyard_verify::{Location, Profile, Scheme};
use ipnet::IpNet;

/// A whole, valid config.toml.
#[derive(Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    pub server: Server,
    pub admin: Admin,
    pub store: Store,
    pub runtime: Runtime,
    /// `[plugin.NAME]` by name.
    pub plugins: BTreeMap<String, Plugin>,
    /// In the order of the file.
    pub routes: Vec<Route>,
}

/// `[server]`: the public listener.
#[derive(Debug, PartialEq)]
pub struct Server {
    pub listen: SocketAddr,
    /// The URL that providers call, without a trailing slash; some of them sign it.
    pub public_url: Option<String>,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    pub tls: Option<Tls>,
    pub limits: Limits,
    /// How long a stop waits for requests and attempts in flight.
    pub drain: Duration,
}

/// `[server.tls]`: PEM files, read again when they change.
#[derive(Debug, PartialEq)]
pub struct Tls {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// `[server.limits]`.
#[derive(Debug, PartialEq)]
pub struct Limits {
    /// From the connection's (or the previous response's) end to the last header byte.
    pub header_timeout: Duration,
    /// From the last header byte to the last body byte.
    pub body_timeout: Duration,
    /// The whole TLS handshake.
    pub handshake_timeout: Duration,
    /// Bytes of a body; a route can set its own.
    pub body: u64,
    /// Bytes of request line and headers.
    pub headers: usize,
    /// Open connections in all.
    pub connections: usize,
    /// Open connections from one peer address.
    pub connections_per_client: usize,
    /// Requests being answered at one time.
    pub in_flight: usize,
}

/// `[admin]`: health, and later the API.
#[derive(Debug, PartialEq)]
pub struct Admin {
    pub listen: SocketAddr,
}

/// `[store]`.
#[derive(Debug, PartialEq)]
pub struct Store {
    pub path: PathBuf,
    /// Bytes of the write-ahead log past which the writer ends a checkpoint itself.
    pub wal_max: u64,
    /// Bytes of database and log at which nothing more is taken in.
    pub max_size: Option<u64>,
    /// Bytes of free disk space under which nothing more is taken in.
    pub min_free: u64,
}

/// `[runtime]`: the engine, and what a plugin gets when its own table does not say.
#[derive(Debug, PartialEq)]
pub struct Runtime {
    pub plugins_dir: PathBuf,
    /// Compiled plugins; private to the daemon.
    pub cache_dir: PathBuf,
    /// Attempts running at one time, all plugins together.
    pub concurrency: usize,
    /// Wall clock of one compilation.
    pub compile_timeout: Duration,
    /// Address space of one compilation, in bytes.
    pub compile_memory: u64,
    pub defaults: PluginLimits,
}

/// What bounds one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginLimits {
    /// Wall clock of an attempt.
    pub timeout: Duration,
    /// Time inside the guest, of an attempt.
    pub cpu: Duration,
    /// Bytes of linear memory.
    pub memory: u64,
    /// Attempts running at one time.
    pub concurrency: usize,
    /// Bytes of log lines kept of an attempt.
    pub log_bytes: usize,
    /// Bytes of a reply, headers and body.
    pub reply_bytes: usize,
}

/// `[plugin.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugin {
    pub limits: PluginLimits,
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// `[[route]]`.
#[derive(Debug)]
pub struct Route {
    pub name: String,
    /// 1-based, of the `[[route]]` line; for messages.
    pub line: usize,
    pub path: String,
    pub methods: Vec<http::Method>,
    pub host: Option<String>,
    pub verify: Verify,
    /// Any of them may match. Empty only where the scheme needs none.
    pub secrets: Vec<SecretRef>,
    pub mode: Mode,
    pub handlers: Vec<RouteHandler>,
    /// Kinds that the route takes; empty for all.
    pub kinds: Vec<String>,
    /// Text with `{parameters}`.
    pub tenant: Option<String>,
    /// Where the kind is, when not where the profile says.
    pub kind: Option<Location>,
    /// Where the delivery id is, when not where the profile says.
    pub id: Option<Location>,
    /// How long a repeated id is recognised; without an id there is no dedupe.
    pub dedupe: Duration,
    pub store_ignored: bool,
    /// Bytes of a body.
    pub body: u64,
}

/// How a route checks what it receives.
#[derive(Debug)]
pub enum Verify {
    Profile(&'static Profile),
    /// `verify = { … }`.
    Scheme(Scheme),
    /// `verify = "none"`.
    None,
}

/// When the sender is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As soon as the event is durable.
    Queue,
    /// When its one handler has answered.
    Respond(Respond),
}

/// The settings of a `respond` route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respond {
    pub deadline: Duration,
    /// `fallback = "queue"`: at the deadline the running attempt becomes the queue's.
    pub fallback_to_queue: bool,
    /// `false` gives up promises 2 and 3 for the route.
    pub store: bool,
}

/// One entry of `handlers`.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteHandler {
    pub name: HandlerName,
    /// Kinds that this handler gets; empty for all that the route takes.
    pub kinds: Vec<String>,
    pub retry: Retry,
}

/// `retry = { … }`: exponential, with full jitter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// The longest wait before the second attempt; doubled for each further one.
    pub first: Duration,
    /// No wait is longer.
    pub max: Duration,
}

/// Where a secret is. Its value is never part of the configuration.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    Env(String),
    /// A file's path; it may hold the route's `{parameters}`.
    File(String),
    /// A systemd credential, under `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Credential(name) => write!(f, "credential {name}"),
        }
    }
}
