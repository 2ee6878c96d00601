//! The checked configuration: what the rest of the daemon works from. Every value here is valid;
//! secrets are still references, resolved by [`crate::secret`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hookyard_types::{HandlerName, Source};
use hookyard_verify::{Location, Profile, Scheme, SuccessBody};
use ipnet::IpNet;

use crate::outbound::BaseUrl;
use crate::schedule::{Missed, Timing};

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
    /// Bytes that its lines may add to the daemon's log in a second.
    pub(crate) log_rate: u64,
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
    /// Requests through connections, of an attempt.
    pub(crate) requests: u32,
    /// Bytes of those and of their answers.
    pub(crate) request_bytes: usize,
    /// Bytes of a message.
    pub(crate) queue_message_bytes: usize,
    /// Bytes of the messages of an attempt.
    pub(crate) queue_attempt_bytes: usize,
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
        log_rate: 64 << 10,
        reply_bytes: 1 << 20,
        kv_key_bytes: 512,
        kv_value_bytes: 64 << 10,
        kv_attempt_bytes: 256 << 10,
        kv_bytes: 16 << 20,
        requests: 20,
        request_bytes: 4 << 20,
        queue_message_bytes: 64 << 10,
        queue_attempt_bytes: 256 << 10,
        breaker: Some(Breaker::BUILT_IN),
    };
}

/// `[plugin.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plugin {
    pub(crate) limits: PluginLimits,
    /// Whether it may keep things, and the namespaces that it shares.
    pub(crate) kv: Option<BTreeSet<String>>,
    /// The connections that it may use.
    pub(crate) connections: BTreeSet<String>,
    /// The secrets that it may read, by the names under which it asks for them.
    pub(crate) secrets: BTreeMap<String, SecretRef>,
    /// The topics that it may send to; each has a table.
    pub(crate) topics: BTreeSet<String>,
    pub(crate) settings: BTreeMap<String, serde_json::Value>,
}

/// `[connection.NAME]`: another service, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) base_url: BaseUrl,
    pub(crate) auth: Option<Auth>,
    /// Of one try, from the look-up of the name to the last byte.
    pub(crate) timeout: Duration,
    /// How often a request is sent at most.
    pub(crate) max_attempts: u32,
    /// Whether the service knows requests again by their `Idempotency-Key`.
    pub(crate) idempotent: bool,
    pub(crate) rate: Option<Rate>,
    /// Bytes of an answer's body.
    pub(crate) max_response: usize,
    /// How many redirects are followed.
    pub(crate) redirects: u32,
    /// Sent with every request; names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// Networks that are no public ones and may be reached.
    pub(crate) allow: Vec<IpNet>,
    /// Whether every private address may be.
    pub(crate) allow_private: bool,
    /// A PEM file of trust roots beside the platform's.
    pub(crate) ca: Option<PathBuf>,
    /// PEM files that prove who asks.
    pub(crate) client: Option<Tls>,
}

/// So many requests in any span of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) requests: usize,
    pub(crate) per: Duration,
}

/// How a connection proves who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    Bearer(SecretRef),
    Basic {
        user: String,
        password: SecretRef,
    },
    /// The value after `prefix`.
    Header {
        name: String,
        prefix: String,
        value: SecretRef,
    },
    Query {
        name: String,
        value: SecretRef,
    },
    OAuth2(OAuth2),
}

/// OAuth 2 client credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OAuth2 {
    pub(crate) token_url: BaseUrl,
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretRef,
    pub(crate) scopes: Vec<String>,
    pub(crate) audience: Option<String>,
    /// Whether id and secret are sent in the form; else as the header of Basic.
    pub(crate) in_body: bool,
}

impl Auth {
    /// Where its secret is.
    pub(crate) fn secret(&self) -> &SecretRef {
        match self {
            Self::Bearer(secret)
            | Self::Basic { password: secret, .. }
            | Self::Header { value: secret, .. }
            | Self::Query { value: secret, .. }
            | Self::OAuth2(OAuth2 { client_secret: secret, .. }) => secret,
        }
    }
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
