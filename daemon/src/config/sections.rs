//! Reads every table but the routes and schedules: `[server]`, `[admin]`, `[store]`, `[runtime]`, `[outbound]`
//! and `[plugin.NAME]`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hookyard_types::HandlerName;
use ipnet::IpNet;
use rustls::pki_types::DnsName;
use toml::de::DeValue;

use super::Build;
use super::connection;
use super::diagnostic::Span;
use super::keys;
use super::model::{
    Admin, Breaker, Limits, MAX_PLUGIN_MEMORY, Outbound, Plugin, PluginLimits, Queue, Runtime,
    SecretRef, Secrets, Server, Store, Tls,
};
use super::queue;
use super::reader::{Entry, Problems, Table, bare, nearest, show};
use super::references;
use super::secrets;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The largest body that a route can take: a plugin's memory must hold it, and a row of the store.
pub(super) const LARGEST_BODY: u64 = 64 * MIB;

pub(super) fn server(root: &Table<'_>, base: &Path, problems: &mut Problems) -> Server {
    let table = root.table("server", &keys::SERVER, problems);
    Server {
        listen: listen(&table, ([127, 0, 0, 1], 8080).into(), problems),
        public_url: table.entry("public_url").and_then(|entry| public_url(&entry, problems)),
        trusted_proxies: trusted_proxies(&table, problems),
        tls: tls(&table, base, problems),
        limits: limits(&table, problems),
        drain: table.duration("drain", 30 * SECOND, Duration::ZERO..=HOUR, problems),
    }
}

pub(super) fn admin(
    root: &Table<'_>,
    server: &Server,
    build: &mut impl Build,
    problems: &mut Problems,
) -> Admin {
    let table = root.table("admin", &keys::ADMIN, problems);
    let listen = listen(&table, ([127, 0, 0, 1], 8081).into(), problems);
    // Port 0 is another free port each time.
    if listen == server.listen && listen.port() != 0 {
        let span = match table.entry("listen") {
            Some(entry) => entry.span,
            None => root
                .entry("server")
                .and_then(|entry| Table::open(&entry, &keys::SERVER, &mut Problems::default()))
                .and_then(|server| server.entry("listen"))
                .map_or(0..0, |entry| entry.span),
        };
        problems
            .error(span, format!("[server] and [admin] cannot both listen on {listen}"))
            .help("give [admin] a port of its own, for example `listen = \"127.0.0.1:8081\"`");
    }
    let token = table.entry("token").and_then(|entry| {
        let why = "commands show it to the daemon, and have no key to the store";
        references::secret_outside_the_store(&entry, why, problems)
    });
    let (token, place) = token.unzip();
    let admin = Admin { listen, token };
    if let Some(place) = place
        && let Err(problem) = build.admin(&admin)
    {
        secrets::note("[admin] token", place, problem, problems);
    }
    admin
}

pub(super) fn store(root: &Table<'_>, base: &Path, problems: &mut Problems) -> Store {
    let table = root.table("store", &keys::STORE, problems);
    let wal_max = table.size("wal_max", 64 * MIB, MIB..=4 * GIB, problems);
    let max_size = table
        .entry("max_size")
        .and_then(|entry| Some((problems.size(&entry, 16 * MIB..=1 << 50)?, entry.span)));
    if let Some((size, span)) = &max_size
        && *size <= wal_max
    {
        problems
            .error(span.clone(), "`max_size` must be more than `wal_max`")
            .label("it counts the write-ahead log too")
            .help("raise `max_size` or lower `wal_max` (default 64MiB)");
    }
    Store {
        path: path(&table, "path", base, problems).unwrap_or_else(|| base.join("data/hookyard.db")),
        wal_max,
        max_size: max_size.map(|(size, _)| size),
        min_free: table.size("min_free", 256 * MIB, 0..=1 << 50, problems),
    }
}

pub(super) fn secrets(
    root: &Table<'_>,
    store: &Store,
    build: &mut impl Build,
    problems: &mut Problems,
) -> Secrets {
    let table = root.table("secrets", &keys::SECRETS, problems);
    let why = "it is what opens the store of secrets";
    let mut places = Vec::new();
    let mut read = |entry: &Entry<'_>, problems: &mut Problems| {
        let (key, place) = references::secret_outside_the_store(entry, why, problems)?;
        places.push((key.clone(), place));
        Some(key)
    };
    let key = table.entry("key").and_then(|entry| read(&entry, problems));
    let mut former_keys = Vec::new();
    if let Some(entry) = table.entry("former_keys") {
        for element in problems.one_or_many(&entry) {
            former_keys.extend(read(&element, problems));
        }
        if table.entry("key").is_none() {
            problems
                .error(entry.key_span, "[secrets] has `former_keys` and no `key`")
                .help("what they opened is encrypted again with `key`: `hookyard secrets rekey`");
        }
    }
    let secrets = Secrets { key, former_keys };
    for (reference, problem) in build.secrets(&secrets, store) {
        let place = places.iter().find(|(known, _)| *known == reference);
        let span = place.map_or(table.span.clone(), |(_, place)| place.clone());
        secrets::note("[secrets]", span, problem, problems);
    }
    secrets
}

pub(super) fn runtime(
    root: &Table<'_>,
    base: &Path,
    store: &Store,
    problems: &mut Problems,
) -> Runtime {
    let table = root.table("runtime", &keys::RUNTIME, problems);
    let plugins_dir =
        path(&table, "plugins_dir", base, problems).unwrap_or_else(|| base.join("plugins"));
    let cache_dir = path(&table, "cache_dir", base, problems)
        .unwrap_or_else(|| store.path.with_file_name("plugin-cache"));
    if cache_dir.starts_with(&plugins_dir) {
        let span = table.entry("cache_dir").map_or(table.span.clone(), |entry| entry.span);
        problems
            .error(span, "`cache_dir` must not be inside `plugins_dir`")
            .label("only the daemon may write here")
            .help("leave `cache_dir` out: it is `plugin-cache` beside the store");
    }
    Runtime {
        plugins_dir,
        cache_dir,
        concurrency: table.count("concurrency", 64, 1..=4_096, problems),
        compile_timeout: table.duration("compile_timeout", 60 * SECOND, SECOND..=HOUR, problems),
        compile_memory: table.size("compile_memory", 4 * GIB, 256 * MIB..=1 << 40, problems),
        defaults: plugin_limits(&table, "plugin_concurrency", &PluginLimits::BUILT_IN, problems),
    }
}

pub(super) fn outbound(
    root: &Table<'_>,
    base: &Path,
    build: &mut impl Build,
    problems: &mut Problems,
) -> Outbound {
    let table = root.table("outbound", &keys::OUTBOUND, problems);
    let outbound = Outbound {
        resolve: table.entry("resolve").map(|entry| hosts(&entry, problems)).unwrap_or_default(),
        ca: path(&table, "ca", base, problems),
    };
    if outbound.ca.is_some()
        && let Some(entry) = table.entry("ca")
        && let Err(wrong) = build.outbound(&outbound)
    {
        problems.error(entry.span, format!("`ca`: {wrong}")).help(
            "it is a PEM file with the certificates of the authorities to trust besides the \
             system's",
        );
    }
    outbound
}

/// Host names, each with the address and port that stands for it.
fn hosts(entry: &Entry<'_>, problems: &mut Problems) -> BTreeMap<String, SocketAddr> {
    const EXAMPLE: &str = "{ \"keys.example.com\" = \"10.0.0.5:443\" }";
    let mut hosts = BTreeMap::new();
    let DeValue::Table(entries) = entry.value else {
        problems.wrong_type(entry, "a table of hosts", EXAMPLE);
        return hosts;
    };
    for (host, value) in entries {
        let name = host.get_ref();
        let valid = DnsName::try_from(name.as_ref()).ok().filter(|_| !name.ends_with('.'));
        if valid.is_none() {
            let message = format!("`resolve`: {} is not a host name", show(name));
            problems
                .error(host.span(), message)
                .help(
                    "without scheme and port; addresses are not looked up, so they cannot be here",
                )
                .help(format!("for example `resolve = {EXAMPLE}`"));
        }
        let address = match value.get_ref() {
            DeValue::String(text) => text.parse::<SocketAddr>().ok(),
            _ => None,
        };
        let Some(address) = address.filter(|address| address.port() != 0) else {
            problems
                .error(
                    value.span(),
                    format!("`resolve`: the address of {} cannot be read", show(name)),
                )
                .label("not an address and a port, as text")
                .help(format!("for example `resolve = {EXAMPLE}`"));
            continue;
        };
        let Some(name) = valid.map(|name| name.to_lowercase_owned()) else { continue };
        if hosts.insert(name.as_ref().to_owned(), address).is_some() {
            let message = format!("`resolve` has the host {} twice", show(name.as_ref()));
            problems.error(host.span(), message).help("upper and lower case are the same host");
        }
    }
    hosts
}

/// What a plugin can be granted by name, as the same file has it.
pub(super) struct Granted<'a> {
    pub(super) connections: &'a BTreeSet<&'a str>,
    pub(super) queues: &'a BTreeMap<String, Queue>,
}

pub(super) fn plugins(
    root: &Table<'_>,
    defaults: &PluginLimits,
    of: Granted<'_>,
    build: &mut impl Build,
    problems: &mut Problems,
) -> BTreeMap<String, Plugin> {
    let mut plugins = BTreeMap::new();
    let Some(entry) = root.entry("plugin") else { return plugins };
    let DeValue::Table(tables) = entry.value else {
        problems
            .error(entry.key_span, "`plugin` must be tables by name")
            .help("write a table `[plugin.NAME]` for each plugin");
        return plugins;
    };
    for (name, value) in tables {
        let plugin = name.get_ref();
        if !HandlerName::is_valid_part(plugin) {
            problems
                .error(name.span(), format!("{} cannot name a plugin", show(plugin)))
                .help("a name is 1 to 64 lower-case letters, digits, `-` and `_`");
        }
        let DeValue::Table(entries) = value.get_ref() else {
            let message = format!("`{}` is not the table of a plugin", bare(plugin));
            problems.error(name.span(), message).help(
                match nearest(plugin, keys::PLUGIN.names.iter().copied()) {
                    Some(key) => {
                        format!("`{key}` belongs in the table of one plugin: `[plugin.NAME]`")
                    }
                    None => format!("write `[plugin.{}]` and its keys under it", bare(plugin)),
                },
            );
            continue;
        };
        let table = Table::of(entries, value.span(), &keys::PLUGIN, problems);
        let limits = plugin_limits(&table, "concurrency", defaults, problems);
        let kv = table.entry("kv").and_then(|entry| kv(&entry, problems));
        let connections = connection::granted(&table, of.connections, problems);
        let granted = granted_secrets(&table, problems);
        for (secret, (reference, place)) in &granted {
            if let Err(problem) = build.plugin_secret(plugin, secret, reference) {
                secrets::note(secret, place.clone(), problem, problems);
            }
        }
        let secrets = granted.into_iter().map(|(name, (reference, _))| (name, reference)).collect();
        let topics = table.entry("topics").map(|entry| queue::topics(&entry, of.queues, problems));
        let topics = topics.unwrap_or_default();
        let settings = settings(&table, problems);
        plugins.insert(
            plugin.to_string(),
            Plugin { limits, kv, connections, secrets, topics, settings },
        );
    }
    plugins
}

/// `true` for namespaces of its own, a table for those and shared ones.
fn kv(entry: &Entry<'_>, problems: &mut Problems) -> Option<BTreeSet<String>> {
    const SHARED: &str = "[\"customers\"]";
    match entry.value {
        DeValue::Boolean(granted) => granted.then(BTreeSet::new),
        DeValue::Table(_) => {
            let table = Table::open(entry, &keys::KV, problems)?;
            let mut shared = BTreeSet::new();
            let Some(list) = table.entry("shared") else { return Some(shared) };
            for (name, element) in problems.texts(&list, SHARED) {
                if !HandlerName::is_valid_part(name) {
                    let what = format!(
                        "{} cannot name a namespace, which has 1 to 64 lower-case letters, digits, \
                         `-` and `_`",
                        show(name)
                    );
                    problems.invalid(&element, what, SHARED);
                }
                shared.insert(name.to_owned());
            }
            Some(shared)
        }
        _ => {
            problems.wrong_type(entry, "a boolean or a table", "true");
            None
        }
    }
}

/// A table of references, by the names under which the plugin asks for what they refer to.
fn granted_secrets(
    plugin: &Table<'_>,
    problems: &mut Problems,
) -> BTreeMap<String, (SecretRef, Span)> {
    const EXAMPLE: &str = "{ api_key = { env = \"API_KEY\" } }";
    let mut granted = BTreeMap::new();
    let Some(entry) = plugin.entry("secrets") else { return granted };
    let DeValue::Table(entries) = entry.value else {
        // It may be the secret itself.
        problems.hide(entry.span.clone());
        problems.wrong_type(&entry, "a table of references", EXAMPLE);
        return granted;
    };
    for (name, value) in entries {
        let named = Entry {
            key: name.get_ref(),
            key_span: name.span(),
            span: value.span(),
            value: value.get_ref(),
        };
        if !HandlerName::is_valid_part(named.key) {
            problems
                .error(name.span(), format!("{} cannot name a plugin's secret", show(named.key)))
                .help("a name is 1 to 64 lower-case letters, digits, `-` and `_`")
                .help(format!("for example `secrets = {EXAMPLE}`"));
        }
        if let Some(read) = references::fixed_secret(&named, problems) {
            granted.insert(named.key.to_owned(), read);
        }
    }
    granted
}

fn plugin_limits(
    table: &Table<'_>,
    concurrency: &'static str,
    defaults: &PluginLimits,
    problems: &mut Problems,
) -> PluginLimits {
    let PluginLimits { timeout, cpu, memory, log_bytes, reply_bytes, .. } = *defaults;
    let PluginLimits { queue_message_bytes, queue_attempt_bytes, .. } = *defaults;
    let PluginLimits { kv_key_bytes, kv_value_bytes, kv_attempt_bytes, kv_bytes, .. } = *defaults;
    let PluginLimits { requests, request_bytes, .. } = *defaults;
    PluginLimits {
        timeout: table.duration("timeout", timeout, 10 * MS..=HOUR, problems),
        cpu: table.duration("cpu", cpu, 10 * MS..=HOUR, problems),
        memory: table.size("memory", memory, MIB..=MAX_PLUGIN_MEMORY, problems),
        concurrency: table.count(concurrency, defaults.concurrency, 1..=4_096, problems),
        log_bytes: bytes(table, "log_bytes", log_bytes, 0..=16 * MIB, problems),
        log_rate: table.size("log_rate", defaults.log_rate, KIB..=GIB, problems),
        reply_bytes: bytes(table, "reply_bytes", reply_bytes, KIB..=64 * MIB, problems),
        kv_key_bytes: bytes(table, "kv_key_bytes", kv_key_bytes, 16..=4 * KIB, problems),
        kv_value_bytes: bytes(table, "kv_value_bytes", kv_value_bytes, KIB..=MIB, problems),
        kv_attempt_bytes: bytes(
            table,
            "kv_attempt_bytes",
            kv_attempt_bytes,
            4 * KIB..=MIB,
            problems,
        ),
        kv_bytes: table.size("kv_bytes", kv_bytes, 4 * KIB..=1 << 40, problems),
        requests: u32::try_from(table.count("requests", requests as usize, 1..=1000, problems))
            .unwrap_or(requests),
        request_bytes: bytes(table, "request_bytes", request_bytes, 4 * KIB..=64 * MIB, problems),
        queue_message_bytes: bytes(
            table,
            "queue_message_bytes",
            queue_message_bytes,
            KIB..=MIB,
            problems,
        ),
        queue_attempt_bytes: bytes(
            table,
            "queue_attempt_bytes",
            queue_attempt_bytes,
            4 * KIB..=MIB,
            problems,
        ),
        breaker: match table.entry("breaker") {
            Some(entry) => breaker(&entry, defaults.breaker, problems),
            None => defaults.breaker,
        },
    }
}

/// `false` never pauses the plugin, `true` does as usual, a table says when and for how long.
fn breaker(
    entry: &Entry<'_>,
    default: Option<Breaker>,
    problems: &mut Problems,
) -> Option<Breaker> {
    const EXAMPLE: &str = "{ failures = 10, pause = \"30s\" }";
    let usual = default.unwrap_or(Breaker::BUILT_IN);
    match entry.value {
        DeValue::Boolean(on) => on.then_some(usual),
        DeValue::Table(_) => {
            let table = Table::open(entry, &keys::BREAKER, problems)?;
            let failures = table.count("failures", usual.failures as usize, 1..=1_000, problems);
            let pause = table.duration("pause", usual.pause, 100 * MS..=24 * HOUR, problems);
            let longest = usual.max_pause.max(pause);
            let max_pause = table.duration("max_pause", longest, 100 * MS..=24 * HOUR, problems);
            if max_pause < pause {
                let span = table.entry("max_pause").map_or(table.span.clone(), |entry| entry.span);
                problems
                    .error(span, "`breaker`: `max_pause` must not be less than `pause`")
                    .help("`pause` is the first pause, `max_pause` the longest of them");
            }
            let failures = u32::try_from(failures).unwrap_or(usual.failures);
            Some(Breaker { failures, pause, max_pause })
        }
        _ => {
            problems.wrong_type(entry, "a boolean or a table", EXAMPLE);
            default
        }
    }
}

fn limits(server: &Table<'_>, problems: &mut Problems) -> Limits {
    let table = server.table("limits", &keys::LIMITS, problems);
    let bounds = || 100 * MS..=10 * 60 * SECOND;
    let limits = Limits {
        header_timeout: table.duration("header_timeout", 10 * SECOND, bounds(), problems),
        body_timeout: table.duration("body_timeout", 30 * SECOND, bounds(), problems),
        handshake_timeout: table.duration("handshake_timeout", 10 * SECOND, bounds(), problems),
        body: table.size("body", MIB, KIB..=LARGEST_BODY, problems),
        headers: bytes(&table, "headers", 32 << 10, 8 * KIB..=MIB, problems),
        connections: table.count("connections", 10_000, 1..=1_000_000, problems),
        connections_per_client: table.count("connections_per_client", 256, 1..=1_000_000, problems),
        in_flight: table.count("in_flight", 1024, 1..=100_000, problems),
    };
    if let Some(entry) = table.entry("connections_per_client")
        && limits.connections_per_client > limits.connections
    {
        let total = limits.connections;
        problems
            .error(entry.span, "`connections_per_client` must not be more than `connections`")
            .label(format!("there are {total} in all"));
    }
    limits
}

fn tls(server: &Table<'_>, base: &Path, problems: &mut Problems) -> Option<Tls> {
    let entry = server.entry("tls")?;
    let table = Table::open(&entry, &keys::TLS, problems)?;
    for (key, other) in [("cert", "key"), ("key", "cert")] {
        if table.entry(key).is_none() {
            problems
                .error(table.span.clone(), format!("[server.tls] has no `{key}`"))
                .help(format!("`{key}` and `{other}` are both needed, each a PEM file"));
        }
    }
    let cert = path(&table, "cert", base, problems);
    let key = path(&table, "key", base, problems);
    Some(Tls { cert: cert?, key: key? })
}

fn listen(table: &Table<'_>, default: SocketAddr, problems: &mut Problems) -> SocketAddr {
    let example = format!("\"{default}\"");
    let Some(entry) = table.entry("listen") else { return default };
    let Some(text) = problems.text(&entry, &example) else { return default };
    text.parse().unwrap_or_else(|_| {
        let what = format!("{} is not an address and a port", show(text));
        let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        let draft = problems.invalid(&entry, what, &example);
        if let Some(port) = port {
            draft.help(format!(
                "`\"0.0.0.0:{port}\"` listens on every IPv4 address, `\"[::]:{port}\"` on all"
            ));
        }
        default
    })
}

fn public_url(entry: &Entry<'_>, problems: &mut Problems) -> Option<String> {
    const EXAMPLE: &str = "\"https://hooks.example.com\"";
    let text = problems.text(entry, EXAMPLE)?;
    if text.contains(['@', '?', '#']) {
        // There may be a password or a token in it.
        problems.hide(entry.span.clone());
        let what = "the URL must have no user, query or fragment";
        problems.invalid(entry, what, EXAMPLE);
        return None;
    }
    let is_url = text.parse::<http::Uri>().is_ok_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.authority().is_some_and(|authority| !authority.host().is_empty())
    });
    if !is_url {
        problems.invalid(entry, format!("{} is not an http or https URL", show(text)), EXAMPLE);
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn trusted_proxies(server: &Table<'_>, problems: &mut Problems) -> Vec<IpNet> {
    const EXAMPLE: &str = "[\"127.0.0.1/32\", \"10.0.0.0/8\"]";
    let Some(entry) = server.entry("trusted_proxies") else { return Vec::new() };
    let mut nets = Vec::new();
    for (text, element) in problems.texts(&entry, EXAMPLE) {
        let net =
            text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        match net {
            Some(net) => nets.push(net),
            None => {
                let what = format!("{} is not an address or a network", show(text));
                problems.invalid(&element, what, EXAMPLE);
            }
        }
    }
    nets
}

/// A path in the file is relative to the file's folder.
pub(super) fn path(
    table: &Table<'_>,
    key: &'static str,
    base: &Path,
    problems: &mut Problems,
) -> Option<PathBuf> {
    let entry = table.entry(key)?;
    let example = match key {
        "path" => "\"data/hookyard.db\"",
        "plugins_dir" => "\"plugins\"",
        "cache_dir" => "\"data/plugin-cache\"",
        "cert" => "\"tls/cert.pem\"",
        "ca" => "\"ca.pem\"",
        "client_cert" => "\"tls/client.pem\"",
        _ => "\"tls/key.pem\"",
    };
    let text = problems.text(&entry, example)?;
    if text.is_empty() || text.contains('\0') {
        problems.invalid(&entry, "the path is empty or has a NUL in it", example);
        return None;
    }
    if key == "path" && text.ends_with('/') {
        problems.invalid(&entry, "the path is that of a folder; name a file in it", example);
        return None;
    }
    Some(base.join(text))
}

/// A size that is held in memory.
pub(super) fn bytes(
    table: &Table<'_>,
    key: &'static str,
    default: usize,
    bounds: std::ops::RangeInclusive<u64>,
    problems: &mut Problems,
) -> usize {
    usize::try_from(table.size(key, default as u64, bounds, problems)).unwrap_or(default)
}

fn settings(plugin: &Table<'_>, problems: &mut Problems) -> BTreeMap<String, serde_json::Value> {
    let Some(entry) = plugin.entry("settings") else { return BTreeMap::new() };
    let DeValue::Table(entries) = entry.value else {
        problems.wrong_type(&entry, "a table", "{ branch = \"main\" }");
        return BTreeMap::new();
    };
    let mut settings = BTreeMap::new();
    for (name, value) in entries {
        let entry = Entry {
            key: name.get_ref(),
            key_span: name.span(),
            span: value.span(),
            value: value.get_ref(),
        };
        if let Some(value) = json(&entry, problems) {
            settings.insert(entry.key.to_owned(), value);
        }
    }
    settings
}

/// A TOML value as JSON; dates and times as text.
pub(super) fn json(entry: &Entry<'_>, problems: &mut Problems) -> Option<serde_json::Value> {
    use serde_json::Value;
    Some(match entry.value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(moment) => Value::String(moment.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::from(number),
            Err(_) => {
                let what = "the number does not fit into 64 bits";
                problems.invalid(entry, what, "9007199254740991");
                return None;
            }
        },
        DeValue::Float(number) => {
            let number = number.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            let Some(number) = number else {
                problems.invalid(entry, "JSON has no such number", "1.5");
                return None;
            };
            Value::Number(number)
        }
        DeValue::Array(list) => Value::Array(
            list.iter().filter_map(|value| json(&entry.element(value), problems)).collect(),
        ),
        DeValue::Table(entries) => Value::Object(
            entries
                .iter()
                .filter_map(|(name, value)| {
                    let entry = Entry {
                        key: name.get_ref(),
                        key_span: name.span(),
                        span: value.span(),
                        value: value.get_ref(),
                    };
                    Some((entry.key.to_owned(), json(&entry, problems)?))
                })
                .collect(),
        ),
    })
}
