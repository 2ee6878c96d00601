//! Reads the tables of the daemon itself: `[server]`, `[admin]`, `[store]`, `[secrets]`, `[runtime]` and
//! `[outbound]`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use rustls::pki_types::DnsName;
use toml::de::DeValue;

use super::Build;
use super::keys;
use super::model::{Admin, Limits, Outbound, PluginLimits, Runtime, Secrets, Server, Store, Tls};
use super::plugin::plugin_limits;
use super::reader::{Entry, Problems, Table, show};
use super::references;
use super::secrets;

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

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
