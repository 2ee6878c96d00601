//! What the defaults add up to, as docs/limits.md tells it.

use std::path::Path;

use hookyard_runtime::fixed;

use super::{Config, parse};

const MIB: u64 = 1 << 20;

/// The rows of the table: what, how, and how many bytes.
fn rows(config: &Config) -> Vec<(&'static str, String, u64)> {
    let runtime = &config.runtime;
    let limits = &runtime.defaults;
    let server = &config.server.limits;
    let count = |count: usize| u64::try_from(count).expect("is small");
    let attempts = count(runtime.concurrency);
    let slots = attempts + count(fixed::MAX_WORKERS);
    let kept_tables = 64 << 10;
    let kept = u64::from(fixed::MAX_MEMORIES) * count(fixed::KEEP_RESIDENT)
        + u64::from(fixed::MAX_TABLES) * kept_tables;
    let call = count(limits.reply_bytes)
        .max(2 * count(limits.kv_value_bytes) + count(limits.kv_key_bytes))
        .max(count(limits.request_bytes))
        .max(count(limits.queue_message_bytes))
        + count(fixed::COPY_SLACK);
    let request = server.body + count(server.headers);
    vec![
        (
            "memory of the attempts",
            format!("{attempts} `concurrency` × {} `memory`", mib(limits.memory)),
            attempts * limits.memory,
        ),
        (
            "tables",
            format!("{slots} slots × {} elements × 8 bytes", fixed::MAX_TABLE_ELEMENTS),
            slots * count(fixed::MAX_TABLE_ELEMENTS) * 8,
        ),
        (
            "stacks",
            format!("{slots} slots × {}", mib(count(fixed::STACK))),
            slots * count(fixed::STACK),
        ),
        (
            "kept between attempts",
            format!(
                "{slots} slots × ({} memories × 1 + {} tables × 1/16)",
                fixed::MAX_MEMORIES,
                fixed::MAX_TABLES
            ),
            slots * kept,
        ),
        (
            "what calls pass to the host",
            format!("{attempts} × ({} `request_bytes` + 1/4)", mib(count(limits.request_bytes))),
            attempts * call,
        ),
        (
            "replies until they are committed and sent",
            format!("{attempts} × {} `reply_bytes`", mib(count(limits.reply_bytes))),
            attempts * count(limits.reply_bytes),
        ),
        (
            "logs of the attempts",
            format!("{attempts} × 1/16 `log_bytes`"),
            attempts * count(limits.log_bytes),
        ),
        (
            "what `kv` reads and changes",
            format!("{attempts} × 1/4 `kv_attempt_bytes`"),
            attempts * count(limits.kv_attempt_bytes),
        ),
        (
            "requests through connections, and their answers",
            format!("{attempts} × {} `request_bytes`", mib(count(limits.request_bytes))),
            attempts * count(limits.request_bytes),
        ),
        (
            "messages to topics",
            format!("{attempts} × 1/4 `queue_attempt_bytes`"),
            attempts * count(limits.queue_attempt_bytes),
        ),
        (
            "events of the attempts",
            format!("{attempts} × ({} `body` + 1/32 `headers`)", mib(server.body)),
            attempts * request,
        ),
        (
            "requests that are being answered",
            format!(
                "{} `in_flight` × ({} `body` + 1/32 `headers`)",
                server.in_flight,
                mib(server.body)
            ),
            count(server.in_flight) * request,
        ),
    ]
}

fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(MIB)
}

#[test]
fn the_documentation_adds_up() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let docs = std::fs::read_to_string(folder.join("limits.md")).expect("readable");
    let (config, _) = parse(Path::new("config.toml"), "").expect("is valid");
    let rows = rows(&config);
    let total: u64 = rows.iter().map(|(_, _, bytes)| bytes).sum();
    let mut lines: Vec<String> = rows
        .iter()
        .map(|(what, how, bytes)| format!("| {what} | {how} | {} |", mib(*bytes)))
        .collect();
    lines.push(format!("| **all of it** | | **{}** |", mib(total)));
    for line in &lines {
        assert!(
            docs.contains(line.as_str()),
            "docs/limits.md lacks a line; all are\n{}",
            lines.join("\n")
        );
    }
}

/// The other tables say the defaults that there are.
#[test]
fn the_documentation_has_the_defaults() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let docs = std::fs::read_to_string(folder.join("limits.md")).expect("readable");
    let (config, _) = parse(Path::new("config.toml"), "").expect("is valid");
    let runtime = &config.runtime;
    let limits = &runtime.defaults;
    let size = |bytes: u64| match bytes {
        bytes if bytes % (1 << 30) == 0 => format!("{}GiB", bytes >> 30),
        bytes if bytes % MIB == 0 => format!("{}MiB", bytes >> 20),
        bytes if bytes % 1024 == 0 => format!("{}KiB", bytes >> 10),
        bytes => format!("{bytes}B"),
    };
    let of = |bytes: usize| size(u64::try_from(bytes).expect("is small"));
    let breaker = limits.breaker.expect("is on");
    for row in [
        format!("`timeout` | {:?} |", limits.timeout),
        format!("`cpu` | {:?} |", limits.cpu),
        format!("`memory` | {} |", size(limits.memory)),
        format!("`log_bytes` | {} |", of(limits.log_bytes)),
        format!("`reply_bytes` | {} |", of(limits.reply_bytes)),
        format!(
            "`kv_key_bytes`, `kv_value_bytes` | {}, {} |",
            of(limits.kv_key_bytes),
            of(limits.kv_value_bytes)
        ),
        format!("`kv_attempt_bytes` | {} |", of(limits.kv_attempt_bytes)),
        format!("`kv_bytes` | {} |", size(limits.kv_bytes)),
        format!("`requests` | {} |", limits.requests),
        format!("`request_bytes` | {} |", of(limits.request_bytes)),
        format!("`queue_message_bytes` | {} |", of(limits.queue_message_bytes)),
        format!("`queue_attempt_bytes` | {} |", of(limits.queue_attempt_bytes)),
        format!("`log_rate` | {} |", size(limits.log_rate)),
        format!("handles, all kinds together | | {} |", fixed::MAX_HANDLES),
        format!("table elements, all tables together | | {} |", fixed::MAX_TABLE_ELEMENTS),
        format!("stack of calls | | {} |", of(fixed::MAX_STACK)),
        format!(
            "memories, tables, core instances | | {}, {}, {} |",
            fixed::MAX_MEMORIES,
            fixed::MAX_TABLES,
            fixed::MAX_CORE_INSTANCES
        ),
        format!("memory at the start | | {} |", size(super::MAX_PLUGIN_MEMORY)),
        format!("`concurrency` | {} |", limits.concurrency),
        format!("`breaker` | {} | it is paused for {:?}", breaker.failures, breaker.pause),
        format!("`[runtime] compile_timeout` | {:?} |", runtime.compile_timeout),
        format!("`[runtime] compile_memory` | {} |", size(runtime.compile_memory)),
    ] {
        assert!(docs.contains(&row), "docs/limits.md lacks `{row}`");
    }
}
