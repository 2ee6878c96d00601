//! The checked configuration: what the rest of the daemon works from. Every value here is valid;
//! secrets are still references, resolved by [`crate::secret`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hookyard_types::HandlerName;
use hookyard_verify::{Location, Profile, Scheme, SuccessBody};
use ipnet::IpNet;

/// A whole, valid config.toml.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file it was read from.
    pub(crate) file: PathBuf,
    pub(crate) server: Server,
    pub(crate) admin: Admin,
    pub(crate) store: Store,
    pub(crate) runtime: Runtime,
    pub(crate) outbound: Outbound,
    /// `[plugin.NAME]` by name.
    pub(crate) plugins: BTreeMap<String, Plugin>,
    /// In the order of the file.
    pub(crate) routes: Vec<Route>,
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
#[derive(Debug, PartialEq)]
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

/// The most that a plugin's `memory` can be. One instruction can fill it, and none can be
/// interrupted: a plugin must not hold an I/O thread for longer than a moment.
pub(crate) const MAX_PLUGIN_MEMORY: u64 = 1 << 30;

/// When a plugin that keeps breaking is left alone, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Breaker {
    /// Attempts in a row that trap or cross a limit.
    pub(crate) failures: u32,
    /// Until one attempt is tried; doubled for each of those in a row that breaks.
    pub(crate) pause: Duration,
    /// No pause is longer.
    pub(crate) max_pause: Duration,
}

impl Breaker {
    /// What there is without a word in the configuration.
    pub(crate) const BUILT_IN: Self =
        Self { failures: 10, pause: Duration::from_secs(30), max_pause: Duration::from_secs(600) };
}

/// What bounds one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginLimits {
    /// Wall clock of an attempt.
    pub(crate) timeout: Duration,
    /// Time inside the guest, of an attempt.
    pub(crate) cpu: Duration,
    /// Bytes of linear memory.
    pub(crate) memory: u64,
    /// Attempts running at one time.
    pub(crate) concurrency: usize,
    /// Bytes of log lines kept of an attempt.
    pub(crate) log_bytes: usize,
    /// Bytes of a reply, headers and body.
    pub(crate) reply_bytes: usize,
    /// Bytes of a key.
    pub(crate) kv_key_bytes: usize,
    /// Bytes of a value.
    pub(crate) kv_value_bytes: usize,
    /// Bytes that an attempt reads and changes.
    pub(crate) kv_attempt_bytes: usize,
    /// Bytes of all that it keeps, and of each shared namespace that it makes grow.
    pub(crate) kv_bytes: u64,
    /// `None` where a plugin that keeps breaking is tried all the same.
    pub(crate) breaker: Option<Breaker>,
}

impl PluginLimits {
    /// What there is without a word in the configuration.
    pub(crate) const BUILT_IN: Self = Self {
        timeout: Duration::from_secs(10),
        cpu: Duration::from_secs(1),
        memory: 64 << 20,
        concurrency: 32,
        log_bytes: 64 << 10,
        reply_bytes: 1 << 20,
        kv_key_bytes: 512,
        kv_value_bytes: 64 << 10,
        kv_attempt_bytes: 256 << 10,
        kv_bytes: 16 << 20,
        breaker: Some(Breaker::BUILT_IN),
    };
}

/// `[plugin.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plugin {
    pub(crate) limits: PluginLimits,
    /// Whether it may keep things, and the namespaces that it shares.
    pub(crate) kv: Option<BTreeSet<String>>,
    pub(crate) settings: BTreeMap<String, serde_json::Value>,
}

/// `[[route]]`.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: String,
    /// 1-based, of the `[[route]]` line; for messages.
    pub(crate) line: usize,
    pub(crate) path: String,
    pub(crate) methods: Vec<http::Method>,
    pub(crate) host: Option<String>,
    pub(crate) verify: Verify,
    /// Any of them may match. Empty only where the scheme needs none, or the provider teaches it.
    pub(crate) keys: Vec<Key>,
    pub(crate) mode: Mode,
    pub(crate) handlers: Vec<RouteHandler>,
    /// Kinds that the route takes; empty for all.
    pub(crate) kinds: Vec<String>,
    /// Text with `{parameters}`.
    pub(crate) tenant: Option<String>,
    /// Where the kind is, when not where the profile says.
    pub(crate) kind: Option<Location>,
    /// Where the delivery id is, when not where the profile says.
    pub(crate) id: Option<Location>,
    /// How long a repeated id is recognised; without an id there is no dedupe.
    pub(crate) dedupe: Duration,
    pub(crate) store_ignored: bool,
    /// Bytes of a body.
    pub(crate) body: u64,
}

impl Route {
    /// The status that tells the route's sender that its event is durable.
    pub(crate) fn accepted_status(&self) -> http::StatusCode {
        let wanted = self.profile().map(|profile| profile.success_status);
        let wanted = wanted.and_then(|status| http::StatusCode::from_u16(status).ok());
        wanted.unwrap_or(http::StatusCode::ACCEPTED)
    }

    /// The status that tells the route's sender that its request did not prove where it is from.
    pub(crate) fn refusal_status(&self) -> http::StatusCode {
        let wanted = self.profile().map(|profile| profile.refusal_status);
        let wanted = wanted.and_then(|status| http::StatusCode::from_u16(status).ok());
        wanted.unwrap_or(http::StatusCode::UNAUTHORIZED)
    }

    /// What the route's sender wants to see when its event was taken.
    pub(crate) fn success_body(&self) -> SuccessBody {
        self.profile().map_or(SuccessBody::Any, |profile| profile.success_body)
    }

    /// The methods of handshakes that are not those of events too.
    pub(crate) fn handshake_methods(&self) -> Vec<http::Method> {
        self.verify.handshake_methods(&self.methods)
    }

    /// What is known about the route's sender, when it was named.
    pub(crate) fn profile(&self) -> Option<&'static Profile> {
        self.verify.profile()
    }

    /// Every reference to a secret, those of the provider's settings first.
    pub(crate) fn references(&self) -> impl Iterator<Item = &SecretRef> {
        let settings = self.verify.settings().iter().filter_map(|setting| match &setting.value {
            SettingValue::Secret(reference) => Some(reference),
            SettingValue::Text(_) => None,
        });
        let keys = self.keys.iter().filter_map(|key| match key {
            Key::At(reference) => Some(reference),
            Key::Public(_) => None,
        });
        settings.chain(keys)
    }
}

/// How a route checks what it receives.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each route, made once and never moved")]
pub(crate) enum Verify {
    Profile(&'static Profile, Vec<Setting>),
    /// `verify = { … }`.
    Scheme(Scheme),
    /// `verify = "none"`.
    None,
}

impl Verify {
    pub(crate) fn profile(&self) -> Option<&'static Profile> {
        match self {
            Self::Profile(profile, _) => Some(profile),
            Self::Scheme(_) | Self::None => None,
        }
    }

    /// What the provider was told besides its keys.
    pub(crate) fn settings(&self) -> &[Setting] {
        match self {
            Self::Profile(_, settings) => settings,
            Self::Scheme(_) | Self::None => &[],
        }
    }

    /// The methods of handshakes that are none of `methods`, which a route takes events with.
    pub(crate) fn handshake_methods(&self, methods: &[http::Method]) -> Vec<http::Method> {
        let mut others = Vec::new();
        for method in self.profile().into_iter().flat_map(Profile::handshake_methods) {
            if !methods.contains(&method) && !others.contains(&method) {
                others.push(method);
            }
        }
        others
    }
}

/// What a route's requests are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Whatever the scheme takes, a public key included.
    At(SecretRef),
    /// A public key, as it was written into the file.
    Public(String),
}

/// A setting of a provider, such as the topic that events have to be of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) value: SettingValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SettingValue {
    Text(String),
    /// Of those that are confidential.
    Secret(SecretRef),
}

/// When the sender is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As soon as the event is durable.
    Queue,
    /// When its one handler has answered.
    Respond(Respond),
}

/// The settings of a `respond` route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Respond {
    pub(crate) deadline: Duration,
    /// `fallback = "queue"`: at the deadline the running attempt becomes the queue's.
    pub(crate) fallback_to_queue: bool,
    /// `false` gives up promises 2 and 3 for the route.
    pub(crate) store: bool,
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

/// Where a secret is. Its value is never part of the configuration.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum SecretRef {
    Env(String),
    /// A file's path; it may hold the route's `{parameters}`.
    File(String),
    /// A systemd credential, under `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

impl SecretRef {
    /// Whether the place depends on a request's parameters, so that the value cannot be read before
    /// one comes.
    pub(crate) fn has_params(&self) -> bool {
        matches!(self, Self::File(path) if path.contains('{'))
    }
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

    /// A plugin's table; one with the defaults when it has none.
    pub(crate) fn plugin(&self, name: &str) -> Plugin {
        self.plugins.get(name).cloned().unwrap_or_else(|| Plugin {
            limits: self.runtime.defaults.clone(),
            kv: None,
            settings: BTreeMap::new(),
        })
    }

    /// The plugins that routes send events to, each once.
    pub(crate) fn plugins_used(&self) -> Vec<String> {
        let names = self.routes.iter().flat_map(|route| &route.handlers);
        let names: std::collections::BTreeSet<_> =
            names.map(|handler| &handler.name.plugin).collect();
        names.into_iter().cloned().collect()
    }

    /// How a route's handler is tried again; the defaults when the route is gone.
    pub(crate) fn retry(&self, route: &str, handler: &HandlerName) -> Retry {
        let route = self.routes.iter().find(|candidate| candidate.name == route);
        let handler = route.and_then(|route| route.handlers.iter().find(|h| h.name == *handler));
        handler.map(|handler| handler.retry.clone()).unwrap_or_default()
    }
}

impl Default for Retry {
    /// Twelve attempts over about two and a half hours at the longest waits.
    fn default() -> Self {
        Self { max_attempts: 12, first: Duration::from_secs(5), max: Duration::from_secs(3600) }
    }
}
