//! Attempts that would take all there is: time, memory, stack, and what the host copies for them.

use hookyard_tests::{Request, attempts};

use super::guest::{Guest, KV_SET, LOG, Outcome as Answer, RANDOM};
use super::pen::{Case, Pen, wanted};

const LOOP: &str = "(loop $again (br $again)) unreachable";
/// Where a large guest's memory is empty: zeros are text.
const EMPTY: u32 = 4 << 20;
const QUICK: &[&str] = &[r#"cpu = "200ms""#, r#"timeout = "20s""#];
const LONG: &[&str] = &[r#"cpu = "20s""#, r#"timeout = "20s""#];

/// Logs `count` fields at `fields`, each of which is `8` bytes of name and `8` of value.
fn log_fields(setup: &str, count: u32) -> Guest {
    Guest {
        imports: LOG.into(),
        pages: 600,
        handle: format!(
            "(local $i i32) {setup}
             (call $log (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 131072)
                (i32.const {count}))
             i32.const OUTCOME"
        ),
        ..Guest::default()
    }
}

fn logging(level: u32, at: i64, length: i64, pages: u32) -> Guest {
    Guest {
        imports: LOG.into(),
        pages,
        handle: format!(
            "(loop $again
                (call $log (i32.const {level}) (i32.const {at}) (i32.const {length}) (i32.const 0)
                    (i32.const 0))
                (br $again))
             unreachable"
        ),
        ..Guest::default()
    }
}

/// Sets a key in a namespace `n`, `$i` being the number of the call.
fn keeping(calls: u32, key_bytes: u32, value_bytes: u32) -> Guest {
    Guest {
        imports: KV_SET.into(),
        fields: r#"(data (i32.const 64) "n") (data (i32.const 131072) "key00000")"#.into(),
        pages: 64,
        handle: format!(
            "(local $i i32)
             (memory.fill (i32.const 131080) (i32.const 107) (i32.const 65536))
             (loop $again
                (i32.store (i32.const 131074)
                    (i32.add (i32.const 0x61616161) (i32.and (local.get $i) (i32.const 0x0f0f0f0f))))
                (call $set (i32.const 0) (i32.const 64) (i32.const 1)
                    (i32.const 131072) (i32.const {key_bytes})
                    (i32.const 262144) (i32.const {value_bytes})
                    (i32.const 0) (i64.const 0))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $i) (i32.const {calls}))))
             i32.const OUTCOME"
        ),
        ..Guest::default()
    }
}

fn reply_of(bytes: u32, pages: u32) -> Guest {
    let outcome = Answer::Reply { status: 200, headers: vec![], body: (0, bytes) };
    Guest { outcome, pages, ..Guest::default() }
}

#[test]
fn time() {
    let post_return = format!(
        r#"(func (export "cabi_post_hookyard:plugin/webhook@0.1.0#handle") (param i32)
            {LOOP})"#
    );
    let recursive = "(func $down (param i64 i64 i64 i64) (result i64)
        (i64.add (local.get 0) (call $down (local.get 1) (local.get 2) (local.get 3)
            (i64.add (local.get 0) (i64.const 1)))))";
    let indirect = "(table $t 1 funcref) (elem (table $t) (i32.const 0) func $round)
        (type $round (func)) (func $round (type $round)
            (call_indirect $t (type $round) (i32.const 0)))";
    Pen::run(vec![
        Case::new(
            "loop-clock",
            Guest::doing(LOOP),
            &[r#"timeout = "300ms""#, r#"cpu = "20s""#],
            "timeout",
            "`timeout` of 300ms…raise `timeout` under `[plugin.loop-clock]`",
        ),
        Case::new(
            "loop-cpu",
            Guest::doing(LOOP),
            QUICK,
            "timeout",
            "`cpu` of 200ms…raise `cpu` under `[plugin.loop-cpu]`",
        ),
        Case::new(
            "loop-in-realloc",
            Guest { realloc: Some(LOOP.into()), ..Guest::default() },
            QUICK,
            "timeout",
            "`cpu` of 200ms…raise `cpu`",
        ),
        Case::new(
            "loop-in-post-return",
            Guest { fields: post_return, ..Guest::default() },
            QUICK,
            "timeout",
            "`cpu` of 200ms…raise `cpu`",
        ),
        Case::new(
            "loop-of-calls",
            Guest {
                imports: RANDOM.into(),
                realloc: Some("(i32.const 262144)".into()),
                pages: 8,
                handle: "(loop $again (call $random (i32.const 65536) (i32.const 64)) (br $again))
                    unreachable"
                    .into(),
                ..Guest::default()
            },
            QUICK,
            "timeout",
            "`cpu` of 200ms…raise `cpu`",
        ),
        Case::new(
            "recursion",
            Guest {
                fields: recursive.into(),
                handle:
                    "(drop (call $down (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))
                    unreachable"
                        .into(),
                ..Guest::default()
            },
            LONG,
            "trap",
            "call stack exhausted…524288 bytes of stack…fixed",
        ),
        Case::new(
            "recursion-by-table",
            Guest {
                fields: indirect.into(),
                handle: "(call $round) unreachable".into(),
                ..Guest::default()
            },
            LONG,
            "trap",
            "call stack exhausted…524288 bytes of stack…fixed",
        ),
    ]);
}

#[test]
fn memory() {
    let grow = "(loop $again
        (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        (memory.fill (i32.const 131072) (i32.const 1)
            (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 131072)))";
    let table = "(loop $again
        (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))
        unreachable";
    Pen::run(vec![
        Case::new(
            "memory-past",
            Guest::doing(&format!("{grow} unreachable")),
            &[r#"memory = "16MiB""#],
            "limit",
            "`memory` of 16777216…raise `memory` under `[plugin.memory-past]`",
        ),
        Case::new(
            "memory-to-the-limit",
            Guest::doing(&format!("{grow} i32.const OUTCOME")),
            &[r#"memory = "16MiB""#],
            "done",
            "",
        ),
        Case::new(
            "memory-at-once",
            Guest::doing("(drop (memory.grow (i32.const 60000))) unreachable"),
            &[r#"memory = "16MiB""#],
            "limit",
            "`memory` of 16777216…raise `memory`",
        ),
        Case::new(
            "memory-past-all",
            Guest::doing("(drop (memory.grow (i32.const 20000))) unreachable"),
            &[r#"memory = "1GiB""#],
            "limit",
            "`memory` of 1073741824…raise `memory`",
        ),
        Case::new(
            "memory-at-the-start",
            Guest { pages: 8192, ..Guest::default() },
            &[r#"memory = "16MiB""#],
            "limit",
            "`memory` of 16777216…raise `memory`",
        ),
        Case::new(
            "memory-in-two",
            Guest {
                fields: "(memory $other 0)".into(),
                handle: "(drop (memory.grow 0 (i32.const 200)))
                    (drop (memory.grow $other (i32.const 200))) unreachable"
                    .into(),
                ..Guest::default()
            },
            &[r#"memory = "16MiB""#],
            "limit",
            "`memory` of 16777216…raise `memory`",
        ),
        Case::new(
            "table-growth",
            Guest {
                fields: "(table $t 0 funcref)".into(),
                handle: table.into(),
                ..Guest::default()
            },
            LONG,
            "limit",
            "table elements: 100000 is the most…fixed",
        ),
    ]);
}

#[test]
fn floods() {
    // 8,000 fields, each of which is the same 64 KiB.
    let aliased = "(loop $again
        (i32.store (i32.add (i32.const 131072) (i32.mul (local.get $i) (i32.const 8)))
            (i32.const 4194304))
        (i32.store offset=4 (i32.add (i32.const 131072) (i32.mul (local.get $i) (i32.const 8)))
            (i32.const 65536))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 16000))))";
    let log_bytes = &[r#"log_bytes = "4KiB""#, r#"cpu = "300ms""#, r#"timeout = "20s""#];
    Pen::run(vec![
        Case::new(
            "reply-of-a-gigabyte",
            reply_of(0x3fff_0000, 16384),
            &[r#"memory = "1GiB""#],
            "limit",
            "`reply_bytes` of 1048576…raise `reply_bytes` under `[plugin.reply-of-a-gigabyte]`",
        ),
        Case::new(
            "reply-of-a-bit-more",
            reply_of(1025, 2),
            &[r#"reply_bytes = "1KiB""#],
            "limit",
            "1025 bytes…`reply_bytes` of 1024…[plugin.reply-of-a-bit-more]",
        ),
        Case::new(
            "reason-of-32-megabytes",
            Guest {
                outcome: Answer::Raw(
                    [1, 0, EMPTY, 32_000_000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
                        .iter()
                        .flat_map(|word: &u32| word.to_le_bytes())
                        .collect(),
                ),
                pages: 600,
                ..Guest::default()
            },
            LONG,
            "limit",
            "`reply_bytes` of 1048576…raise `reply_bytes`",
        ),
        // It would log for ever; ten million lines are a few seconds.
        Case::new("log-flood", logging(1, 64, 4, 2), log_bytes, "timeout", "`cpu` of 300ms"),
        Case::new(
            "log-line-of-32-megabytes",
            logging(1, EMPTY.into(), 32_000_000, 600),
            LONG,
            "limit",
            "`reply_bytes` of 1048576…raise `reply_bytes`",
        ),
        Case::new(
            "log-of-empty-fields",
            log_fields("", 1_900_000),
            LONG,
            "limit",
            "`reply_bytes` of 1048576…raise `reply_bytes`",
        ),
        Case::new(
            "log-of-the-same-again",
            log_fields(aliased, 8_000),
            LONG,
            "limit",
            "`reply_bytes` of 1048576…raise `reply_bytes`",
        ),
        Case::new(
            "random-flood",
            Guest {
                imports: RANDOM.into(),
                handle: "(call $random (i32.const -1) (i32.const 64)) unreachable".into(),
                ..Guest::default()
            },
            LONG,
            "limit",
            "4294967295 random bytes at once: 65536 is the most…fixed",
        ),
        Case::new(
            "key-flood",
            keeping(100_000, 8, 8),
            &["kv = true", r#"cpu = "20s""#],
            "limit",
            "`kv_attempt_bytes` of 262144…raise `kv_attempt_bytes` under `[plugin.key-flood]`",
        ),
        Case::new(
            "key-of-60-kilobytes",
            keeping(1, 60_000, 8),
            &["kv = true"],
            "limit",
            "a key of 60000 bytes…`kv_key_bytes` of 512…raise `kv_key_bytes`",
        ),
        Case::new(
            "value-of-a-megabyte",
            keeping(1, 8, 1 << 20),
            &["kv = true"],
            "limit",
            "a value of 1048576 bytes…`kv_value_bytes` of 65536…raise `kv_value_bytes`",
        ),
        Case::new(
            "keys-past-the-total",
            keeping(10, 8, 8),
            &["kv = true", r#"kv_bytes = "4KiB""#],
            "limit",
            "`kv_bytes` of 4096…raise `kv_bytes` under `[plugin.keys-past-the-total]`",
        ),
    ]);
}

/// How many of ten attempts that never end by themselves run at the same time, at most.
fn crowd(concurrency: &str) -> usize {
    let pen = Pen::new(|yard, config| {
        yard.swap_plugin("crowd", &Guest { name: "crowd", ..Guest::doing(LOOP) }.build());
        [concurrency, "breaker = false", r#"timeout = "300ms""#, r#"cpu = "20s""#]
            .iter()
            .fold(config, |config, line| config.set("plugin.crowd", line))
            .route("crowd", "crowd/run", &["retry = { max_attempts = 1 }"])
    });
    let ids: Vec<String> = (0..10)
        .map(|number| {
            let request = Request::github("/crowd", "push", &number.to_string(), "{}");
            pen.daemon.send(&request).accepted()
        })
        .collect();
    let mut spans = Vec::new();
    for id in &ids {
        let shown = pen.yard.until_state(id, "dead-letter");
        let attempt = &attempts(&shown)[0];
        let begun = attempt["started_at"].as_str().and_then(millis).expect("a moment");
        let took = attempt["duration_ms"].as_f64().expect("a duration");
        spans.push((begun, begun + took));
    }
    pen.end();
    let running = |at: f64| spans.iter().filter(|(begin, end)| *begin <= at && at < *end).count();
    spans.iter().map(|(begin, _)| running(begin + 1.0)).max().unwrap_or(0)
}

/// Milliseconds of the day of a moment such as `2026-11-28T04:34:13.782Z`.
fn millis(moment: &str) -> Option<f64> {
    let time = moment.split('T').nth(1)?.trim_end_matches('Z');
    let parts: Vec<f64> = time.split(':').filter_map(|part| part.parse().ok()).collect();
    let [hours, minutes, seconds] = parts[..] else { return None };
    Some(((hours * 60.0 + minutes) * 60.0 + seconds) * 1000.0)
}

#[test]
fn a_plugin_has_no_more_attempts_at_one_time_than_it_may() {
    if !wanted("crowd") {
        return;
    }
    let few = crowd("concurrency = 2");
    assert!(few <= 2, "{few} at one time");
    let many = crowd("concurrency = 32");
    assert!(many > 2, "with another limit there are more: {many}");
}
