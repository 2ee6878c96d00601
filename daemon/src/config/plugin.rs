//! Reads `[plugin.NAME]`, and what `[runtime]` says for those that have none.

use std::collections::{BTreeMap, BTreeSet};

use hookyard_types::HandlerName;
use toml::de::DeValue;

use super::Build;
use super::connection;
use super::diagnostic::Span;
use super::keys;
use super::model::{Breaker, MAX_PLUGIN_MEMORY, Plugin, PluginLimits, Queue, SecretRef};
use super::queue;
use super::reader::{Entry, Problems, Table, bare, nearest, show};
use super::references;
use super::secrets;
use super::sections::{GIB, HOUR, KIB, MIB, MS, bytes, json};

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

pub(super) fn plugin_limits(
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
