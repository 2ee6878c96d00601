//! Plugins that go wrong hurt only themselves.
//!
//! Here are those that go wrong by mistake; the modules have those that are written to do harm, each in
//! a table by its subject. tests/hostile.md says what each did with its limit removed.

mod answers;
mod attempts;
mod bombs;
mod breaker;
mod files;
#[path = "../../../daemon/runtime/tests/guest/mod.rs"]
mod guest;
mod loading;
mod pen;

use std::fs;

use hookyard_tests::{Daemon, Request, Yard, attempts, outcomes, plugin_file, variant_of};
use serde_json::Value;

const ONCE: &str = "retry = { max_attempts = 1 }";

/// Sends one delivery to a handler of `misbehave` and returns what becomes of it, given these
/// limits.
fn dead_letter_of(handler: &str, limits: &[&str]) -> (Yard, Daemon, Value) {
    let yard = Yard::with_plugins(&["misbehave", "echo"]);
    let mut config = yard.config().route("bad", &format!("misbehave/{handler}"), &[ONCE]).route(
        "good",
        "echo/echo",
        &[r#"mode = "respond""#],
    );
    for limit in limits {
        config = config.set("plugin.misbehave", limit);
    }
    let daemon = yard.start(&config);
    let id = daemon.send(&Request::github("/bad", "push", "1", "{}")).accepted();
    let shown = yard.until_state(&id, "dead-letter");
    assert_eq!(attempts(&shown).len(), 1);
    let message = attempts(&shown)[0]["message"].as_str().unwrap();
    assert!(!message.is_empty(), "a person can read what went wrong");
    let reply = daemon.send(&Request::github("/good", "push", "2", "{}"));
    assert_eq!(reply.status, 200, "everybody else is served: {reply:?}");
    (yard, daemon, shown)
}

#[test]
fn a_plugin_that_loops_is_stopped_at_its_cpu_limit() {
    let (_yard, _daemon, shown) = dead_letter_of("loop", &[r#"cpu = "300ms""#]);
    assert_eq!(outcomes(&shown), ["timeout"]);
    let took = attempts(&shown)[0]["duration_ms"].as_f64().unwrap();
    assert!(took >= 250.0, "{took} ms");
}

#[test]
fn a_plugin_that_loops_is_stopped_at_its_wall_clock_limit() {
    let limits = [r#"cpu = "1h""#, r#"timeout = "400ms""#];
    let (_yard, _daemon, shown) = dead_letter_of("loop", &limits);
    assert_eq!(outcomes(&shown), ["timeout"]);
}

#[test]
fn a_plugin_that_eats_memory_is_stopped_at_its_limit() {
    let (_yard, daemon, shown) =
        dead_letter_of("eat_memory", &[r#"memory = "16MiB""#, r#"cpu = "20s""#]);
    let outcome = outcomes(&shown)[0];
    assert!(["limit", "trap"].contains(&outcome), "{outcome}");
    let message = attempts(&shown)[0]["message"].as_str().unwrap();
    assert!(message.contains("memory"), "{message}");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 512 * 1024, "the daemon's own memory stayed small: {kib} KiB");
}

#[test]
fn a_plugin_that_frees_what_it_allocates_may_allocate_more_than_its_memory() {
    let yard = Yard::with_plugins(&["keeper"]);
    let config = yard
        .config()
        .set("plugin.keeper", "kv = { shared = [\"customers\"] }")
        .set("plugin.keeper", r#"memory = "4MiB""#)
        .set("plugin.keeper", r#"cpu = "20s""#)
        .route("churn", "keeper/churn", &[ONCE]);
    let daemon = yard.start(&config);
    let id = daemon.send(&Request::github("/churn", "push", "1", "{}")).accepted();
    let shown = yard.until_state(&id, "succeeded");
    assert_eq!(outcomes(&shown), ["done"]);
    assert_eq!(attempts(&shown)[0]["message"], "all blocks held what was put there");
}

#[test]
fn a_plugin_that_traps_fails_its_attempt() {
    let (_yard, _daemon, shown) = dead_letter_of("trap", &[]);
    assert_eq!(outcomes(&shown), ["trap"]);
}

#[test]
fn a_reply_over_its_limit_fails_the_attempt() {
    let (_yard, _daemon, shown) = dead_letter_of("big_reply", &[r#"reply_bytes = "64KiB""#]);
    assert_eq!(outcomes(&shown), ["limit"]);
}

#[test]
fn log_lines_over_their_limit_are_dropped_and_counted() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard
        .config()
        .set("plugin.misbehave", r#"log_bytes = "8KiB""#)
        .set("plugin.misbehave", r#"cpu = "10s""#)
        .route("q", "misbehave/big_log", &[]);
    let daemon = yard.start(&config);

    let id = daemon.send(&Request::github("/q", "push", "1", "{}")).accepted();
    let shown = yard.until_state(&id, "succeeded");

    let attempt = &attempts(&shown)[0];
    let kept = attempt["log"].as_array().unwrap().len() as u64;
    assert!((1..100).contains(&kept), "{kept} lines are kept");
    assert_eq!(kept + attempt["log_dropped"].as_u64().unwrap(), 10_000);
}

#[test]
fn a_file_that_is_not_wasm_is_refused_and_the_old_version_serves() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().route("ask", "misbehave/reply", &[r#"mode = "respond""#]);
    let daemon = yard.start(&config);
    let ask = |n: u32| daemon.send(&Request::github("/ask", "push", &format!("a{n}"), "{}"));
    assert!(ask(1).text().contains("variant 000000"));

    for (n, bytes) in
        [&b"#!/bin/sh\necho hello\n"[..], b"", b"\0asm\x01\0\0\0", b"\0asm"].into_iter().enumerate()
    {
        let mark = daemon.mark();
        yard.swap_plugin("misbehave", bytes);
        let line = daemon.until_logged_text(mark, "misbehave.wasm");
        assert!(["WARN", "ERROR"].contains(&line["level"].as_str().unwrap()), "{n}: {line}");
        let reply = ask(10 + n as u32);
        assert_eq!(reply.status, 200, "{n}: the last good version serves");
        assert!(reply.text().contains("variant 000000"), "{n}: {}", reply.text());
    }

    // And a good one takes over as if nothing had been.
    let good = fs::read(plugin_file("misbehave")).unwrap();
    yard.swap_plugin("misbehave", &variant_of(&good, 7));
    let mut n = 100;
    hookyard_tests::until_true("variant 7", std::time::Duration::from_secs(30), || {
        n += 1;
        let reply = ask(n);
        assert_eq!(reply.status, 200);
        reply.text().contains("variant 000007")
    });
}

#[test]
fn other_files_in_the_plugins_folder_are_left_alone() {
    let yard = Yard::with_plugins(&["misbehave"]);
    for name in ["README.md", ".misbehave.wasm.swp", "misbehave.wasm~", "misbehave.cwasm"] {
        fs::write(yard.path("plugins").join(name), "not a plugin").unwrap();
    }
    fs::create_dir(yard.path("plugins/folder.wasm")).unwrap();
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));

    let id = daemon.send(&Request::github("/q", "push", "1", "{}")).accepted();
    yard.until_state(&id, "succeeded");
}

#[test]
fn two_files_of_one_name_are_refused_naming_both() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));
    let mark = daemon.mark();
    fs::copy(plugin_file("misbehave"), yard.path("copy.tmp")).unwrap();
    fs::rename(yard.path("copy.tmp"), yard.path("plugins/second.wasm")).unwrap();

    daemon.until_logged(mark, "both files", |line| {
        let line = line.to_string();
        line.contains("second.wasm") && line.contains("misbehave.wasm")
    });
    let id = daemon.send(&Request::github("/q", "push", "1", "{}")).accepted();
    yard.until_state(&id, "succeeded");
}
