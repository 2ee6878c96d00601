//! A plugin that keeps breaking is left alone: its jobs wait, nothing is lost, and others are served.

use std::time::Duration;

use hookyard_tests::{
    Daemon, Request, Yard, attempts, outcomes, plugin_file, until_true, variant_of,
};
use serde_json::Value;

use super::guest::Guest;

const SOON: Duration = Duration::from_secs(20);

/// A handler that is broken, or not.
fn plugin(broken: bool) -> Vec<u8> {
    let handle = if broken { "unreachable" } else { "i32.const OUTCOME" };
    Guest { name: "fragile", ..Guest::doing(handle) }.build()
}

fn send(daemon: &Daemon, delivery: &str) -> String {
    daemon.send(&Request::github("/q", "push", delivery, "{}")).accepted()
}

/// What the API says of the plugin's pause.
fn paused(yard: &Yard, daemon: &Daemon) -> Value {
    let token = std::fs::read_to_string(yard.path("data/admin-token")).expect("a token");
    let request = Request::new("GET", "/v1/plugins")
        .header("authorization", &format!("Bearer {}", token.trim()));
    let reply = hookyard_tests::Client::connect(daemon.admin).send(&request);
    let plugins = reply.json();
    let plugins = plugins["plugins"].as_array().expect("plugins").clone();
    let found = plugins.into_iter().find(|plugin| plugin["name"] == "fragile");
    found.expect("it is loaded")["paused"].clone()
}

#[test]
fn jobs_of_a_plugin_that_keeps_breaking_wait_until_it_is_mended() {
    let yard = Yard::new();
    yard.swap_plugin("fragile", &plugin(true));
    let good = Guest { name: "good", ..Guest::default() };
    yard.swap_plugin("good", &good.build());
    let config = yard
        .config()
        .set("plugin.fragile", r#"breaker = { failures = 3, pause = "1h" }"#)
        .route("q", "fragile/run", &["retry = { max_attempts = 1 }"])
        .route("ask", "fragile/run", &[r#"mode = "respond""#])
        .route("tell", "fragile/run", &[r#"mode = "respond""#, r#"fallback = "queue""#])
        .route("good", "good/run", &[r#"mode = "respond""#]);
    let daemon = yard.start(&config);
    assert_eq!(paused(&yard, &daemon), Value::Null);
    let mark = daemon.mark();
    for number in 0..3 {
        let id = send(&daemon, &format!("broken-{number}"));
        yard.until_state(&id, "dead-letter");
    }
    let line = daemon.until_logged_text(mark, "plugin paused");
    assert_eq!(line["plugin"], "fragile");
    assert_eq!(line["failures"], 3);
    assert!(line["last"].as_str().is_some_and(|last| last.contains("unreachable")), "{line}");

    // It waits without an attempt, and so do those that come meanwhile.
    let waiting: Vec<String> = (0..5).map(|n| send(&daemon, &format!("waits-{n}"))).collect();
    let refused = daemon.send(&Request::github("/ask", "push", "ask", "{}"));
    assert_eq!(refused.status, 503, "{refused:?}");
    let after: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).unwrap_or(0);
    assert!(after > 3000, "the sender is told when: {refused:?}");
    let taken = daemon.send(&Request::github("/tell", "push", "tell", "{}"));
    assert_eq!(taken.status, 202, "its route leaves it to the queue: {taken:?}");
    assert_eq!(daemon.send(&Request::github("/good", "push", "1", "{}")).status, 200);
    let ready = daemon.admin("/readyz");
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert!(ready.text().contains("plugin `fragile` is paused"), "{}", ready.text());
    let status = paused(&yard, &daemon);
    assert_eq!(status["failures"], 3, "{status}");
    assert!(status["for_ms"].as_u64().is_some_and(|ms| ms > 3_000_000), "{status}");
    for id in &waiting {
        let shown = yard.show(id);
        assert_eq!(attempts(&shown).len(), 0, "{shown}");
    }

    // Another configuration for other plugins changes nothing; a mended file does.
    let other = config.set("plugin.good", r#"timeout = "1s""#);
    let mark = daemon.mark();
    yard.write_config(&other);
    daemon.until_logged_text(mark, "configuration reloaded");
    assert_eq!(paused(&yard, &daemon)["failures"], 3);
    yard.swap_plugin("fragile", &plugin(false));
    for id in &waiting {
        assert_eq!(outcomes(&yard.until_state(id, "succeeded")), ["done"], "first attempt");
    }
    assert_eq!(paused(&yard, &daemon), Value::Null);
    assert_eq!(daemon.send(&Request::github("/ask", "push", "ask", "{}")).status, 200);
}

#[test]
fn after_the_pause_one_attempt_is_tried_and_what_it_says_decides() {
    let yard = Yard::with_plugins(&["misbehave"]);
    // Whole when the body says so: the plugin stays the same all the time.
    let config = yard
        .config()
        .set(
            "plugin.misbehave",
            r#"breaker = { failures = 2, pause = "300ms", max_pause = "600ms" }"#,
        )
        .route("trap", "misbehave/trap", &["retry = { max_attempts = 1 }"])
        .route("q", "misbehave/ok", &["retry = { max_attempts = 1 }"]);
    let daemon = yard.start(&config);
    let mark = daemon.mark();
    let trap = |n: u32| {
        daemon.send(&Request::github("/trap", "push", &format!("trap-{n}"), "{}")).accepted()
    };
    let ids: Vec<String> = (0..4).map(trap).collect();
    for id in &ids {
        yard.until_state(id, "dead-letter");
    }
    let text = daemon.log_text();
    let pauses: Vec<&str> = text.lines().filter(|line| line.contains("plugin paused")).collect();
    assert!(pauses.len() >= 2, "the probes broke, too: {pauses:?}");
    assert!(pauses[0].contains("300ms") && pauses[1].contains("600ms"), "{pauses:?}");
    let good: Vec<String> = (0..20)
        .map(|n| daemon.send(&Request::github("/q", "push", &format!("ok-{n}"), "{}")).accepted())
        .collect();
    for id in &good {
        yard.until_state(id, "succeeded");
    }
    daemon.until_logged_text(mark, "plugin goes on");
}

#[test]
fn retries_and_rejects_do_not_pause_a_plugin_nor_anything_when_it_is_off() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard
        .config()
        .set("plugin.misbehave", r#"breaker = { failures = 2, pause = "1h" }"#)
        .route("reject", "misbehave/reject", &[])
        .route("flaky", "misbehave/flaky", &[r#"retry = { max_attempts = 9, first = "10ms" }"#])
        .route("trap", "misbehave/trap", &["retry = { max_attempts = 1 }"]);
    let daemon = yard.start(&config);
    for number in 0..5 {
        let delivery = format!("reject-{number}");
        let id = daemon.send(&Request::github("/reject", "push", &delivery, "{}")).accepted();
        yard.until_state(&id, "dead-letter");
    }
    let body = r#"{"failures": 6}"#;
    let id = daemon.send(&Request::github("/flaky", "push", "flaky", body)).accepted();
    assert_eq!(attempts(&yard.until_state(&id, "succeeded")).len(), 7);

    let off = config.set("plugin.misbehave", "breaker = false");
    let mark = daemon.mark();
    yard.write_config(&off);
    daemon.until_logged_text(mark, "configuration reloaded");
    let ids: Vec<String> = (0..6)
        .map(|n| daemon.send(&Request::github("/trap", "push", &format!("t-{n}"), "{}")).accepted())
        .collect();
    for id in &ids {
        yard.until_state(id, "dead-letter");
    }
    assert!(!daemon.log_text().contains("plugin paused"));
    // A variant is another file of the same plugin: nothing about it is paused.
    let bytes = std::fs::read(plugin_file("misbehave")).expect("is built");
    yard.swap_plugin("misbehave", &variant_of(&bytes, 1));
    until_true("it serves", SOON, || daemon.log_text().matches("plugin serves").count() >= 2);
}
