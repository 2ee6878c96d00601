//! What plugins keep: once for each event, whatever becomes of the attempts.

use std::collections::BTreeSet;
use std::time::Duration;

use hookyard_tests::{Config, Daemon, Reply, Request, Sent, Yard, attempts, outcomes, until_true};

const RESPOND: &str = r#"mode = "respond""#;
const SOON: &str = r#"retry = { max_attempts = 6, first = "20ms", max = "50ms" }"#;
const GRANT: &str = r#"kv = { shared = ["customers"] }"#;

fn config(yard: &Yard) -> Config {
    yard.config().set("plugin.keeper", GRANT).route("tell", "keeper/tell", &[RESPOND]).route(
        "list",
        "keeper/list",
        &[RESPOND],
    )
}

fn ask(daemon: &Daemon, path: &str, body: &serde_json::Value) -> Reply {
    let delivery = format!("ask-{}", fastrand::u64(..));
    daemon.send(&Request::github(path, "push", &delivery, body.to_string()))
}

/// What a namespace holds, as lines `key value`.
#[track_caller]
fn list(daemon: &Daemon, namespace: &str, prefix: &str) -> Vec<String> {
    let wanted = serde_json::json!({ "namespace": namespace, "key": prefix });
    let reply = ask(daemon, "/list", &wanted);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text().lines().map(str::to_owned).collect()
}

#[track_caller]
fn tell(daemon: &Daemon, namespace: &str, key: &str) -> Option<String> {
    let wanted = serde_json::json!({ "namespace": namespace, "key": key });
    let reply = ask(daemon, "/tell", &wanted);
    (reply.status == 200).then(|| reply.text())
}

/// Handlers that increment and then trap, loop, ask for a retry, or are killed with the daemon.
#[test]
fn an_event_is_counted_once_however_often_it_is_tried() {
    const ROUNDS: u64 = 6;
    const EACH: u64 = 50;
    let yard = Yard::with_plugins(&["keeper"]);
    let config = config(&yard).set("plugin.keeper", r#"cpu = "50ms""#).route(
        "count",
        "keeper/count",
        &[SOON],
    );
    let mut daemon = yard.start(&config);
    let mut all = Sent::default();
    for round in 0..ROUNDS {
        let mut sent = Sent::default();
        let mut client = daemon.client();
        for number in 0..EACH {
            let delivery = format!("{round}-{number}");
            let body = format!(r#"{{"failures":{}}}"#, number % 4);
            let request = Request::github("/count", "push", &delivery, body);
            sent.acknowledged.insert(delivery, client.send(&request).accepted());
        }
        // While some of them run, and some wait to be run again.
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..80_000)));
        daemon.kill();
        daemon = yard.restart();
        yard.until_all_succeeded(&sent);
        all.acknowledged.extend(sent.acknowledged);
    }

    let total = (ROUNDS * EACH).to_string();
    assert_eq!(tell(&daemon, "counts", "all").as_deref(), Some(total.as_str()));
    let counted = list(&daemon, "counts", "event/");
    let once: BTreeSet<String> =
        all.acknowledged.values().map(|id| format!("event/{id} 1")).collect();
    assert_eq!(counted.into_iter().collect::<BTreeSet<_>>(), once);
    // Something did go wrong on the way, in each way.
    let mut ways: BTreeSet<String> = BTreeSet::new();
    for id in all.acknowledged.values() {
        let shown = yard.show(id);
        ways.extend(outcomes(&shown).iter().map(|&way| way.to_owned()));
    }
    for way in ["done", "interrupted", "retry", "timeout", "trap"] {
        assert!(ways.contains(way), "no attempt ended as {way}: {ways:?}");
    }
    daemon.stop();
}

#[test]
fn handlers_that_read_and_then_write_are_as_if_one_came_after_the_other() {
    const EVENTS: usize = 80;
    let yard = Yard::with_plugins(&["keeper"]);
    let config = config(&yard)
        .set("plugin.keeper", "concurrency = 8")
        .set("plugin.keeper", r#"timeout = "60s""#)
        .route("chain", "keeper/chain", &[]);
    let daemon = yard.start(&config);
    let mut sent = Sent::default();
    let mut client = daemon.client();
    for number in 0..EVENTS {
        let delivery = number.to_string();
        let request = Request::github("/chain", "push", &delivery, "{}");
        sent.acknowledged.insert(delivery, client.send(&request).accepted());
    }
    yard.until_all_succeeded(&sent);

    let entries = list(&daemon, "chain", "entry/");
    assert_eq!(entries.len(), EVENTS);
    let mut before = String::new();
    for (number, entry) in entries.iter().enumerate() {
        let rest = entry.strip_prefix(&format!("entry/{number:04} {before} "));
        let id = rest.unwrap_or_else(|| panic!("{entry} is not number {number} after {before}"));
        before = id.to_owned();
    }
    assert_eq!(tell(&daemon, "chain", "last"), Some(before));
    assert_eq!(tell(&daemon, "chain", "length"), Some(EVENTS.to_string()));
    // Running again is no failed attempt.
    for id in sent.acknowledged.values() {
        assert_eq!(outcomes(&yard.show(id)), ["done"]);
    }
    daemon.stop();
}

#[test]
fn an_attempt_sees_its_own_changes_and_others_see_them_with_its_outcome() {
    let yard = Yard::with_plugins(&["keeper"]);
    let unstored = [RESPOND, "store = false"];
    let config = config(&yard).route("own", "keeper/own_changes", &[RESPOND]).route(
        "unstored",
        "keeper/own_changes",
        &unstored,
    );
    let daemon = yard.start(&config);
    for (path, counted) in [("/own", 6), ("/unstored", 12)] {
        let reply = ask(&daemon, path, &serde_json::json!({}));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let expected = serde_json::json!({
            "keys": ["a/1", "a/2"],
            "counted": counted,
            "one": "uno",
            "swapped": [true, false],
        });
        assert_eq!(reply.json(), expected);
        // The reply came after the commit.
        assert_eq!(tell(&daemon, "own", "a/2"), Some(counted.to_string()));
    }
    assert_eq!(list(&daemon, "own", ""), ["a/1 uno", "a/2 12"]);
}

#[test]
fn what_plugins_keep_can_be_looked_at() {
    let yard = Yard::with_plugins(&["keeper"]);
    let config = config(&yard).route("own", "keeper/own_changes", &[RESPOND]);
    let daemon = yard.start(&config);
    assert_eq!(ask(&daemon, "/own", &serde_json::json!({})).status, 200);

    let said = |arguments: &[&str]| {
        let output = yard.command(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    assert_eq!(said(&["kv", "get", "keeper/own", "a/1"]), (Some(0), "uno".to_owned()));
    let (code, text) = said(&["kv", "list", "keeper/own", "a/", "--limit", "1", "--json"]);
    let page: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(code, Some(0));
    let first = serde_json::json!({ "key": "a/1", "value": "uno" });
    assert_eq!(page, serde_json::json!({ "entries": [first], "next": "a/1" }));
    let (code, text) = said(&["kv", "list", "keeper/own", "--cursor", "a/1"]);
    assert_eq!((code, text.as_str()), (Some(0), "a/2  6\n"));
    // A shared namespace is another one.
    assert_eq!(said(&["kv", "get", "own", "a/1"]).0, Some(1));
    assert_eq!(said(&["kv", "get", "Keeper/own", "a/1"]).0, Some(2));
}

#[test]
fn each_limit_names_itself_its_value_and_its_setting() {
    let yard = Yard::with_plugins(&["keeper"]);
    let once = "retry = { max_attempts = 1 }";
    let config = config(&yard)
        .set("plugin.keeper", r#"kv_key_bytes = "64B""#)
        .set("plugin.keeper", r#"kv_value_bytes = "2KiB""#)
        .set("plugin.keeper", r#"kv_attempt_bytes = "32KiB""#)
        .set("plugin.keeper", r#"kv_bytes = "16KiB""#)
        .route("write", "keeper/write", &[once])
        .route("miscount", "keeper/miscount", &[once]);
    let daemon = yard.start(&config);
    let key = "k".repeat(65);
    let cases = [
        (serde_json::json!({ "key": key }), "limit", "a key of 65 bytes", "`kv_key_bytes` of 64"),
        (
            serde_json::json!({ "key": "k", "bytes": 2049 }),
            "limit",
            "a value of 2049 bytes",
            "`kv_value_bytes` of 2048",
        ),
        (
            serde_json::json!({ "key": "k", "bytes": 4_000_000 }),
            "limit",
            "more data in one call",
            "`kv_value_bytes` of 2048",
        ),
        (
            serde_json::json!({ "key": "k", "keys": 600 }),
            "limit",
            "read and changed more",
            "`kv_attempt_bytes` of 32768",
        ),
        (
            serde_json::json!({ "key": "k", "keys": 10, "bytes": 2000 }),
            "limit",
            "would have 30260 bytes",
            "`kv_bytes` of 16384",
        ),
        (serde_json::json!({ "key": "" }), "trap", "a key cannot be empty", ""),
    ];
    for (number, (mut body, outcome, what, limit)) in cases.into_iter().enumerate() {
        body["namespace"] = "n".into();
        let request = Request::github("/write", "push", &number.to_string(), body.to_string());
        let id = daemon.send(&request).accepted();
        let shown = yard.until_state(&id, "dead-letter");
        assert_eq!(outcomes(&shown), [outcome], "{shown}");
        let message = attempts(&shown)[0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(what) && message.contains(limit), "{message}");
        if outcome == "limit" {
            assert!(message.contains("`[plugin.keeper]`"), "{message}");
        }
    }
    assert!(list(&daemon, "n", "").is_empty(), "nothing of it is kept");

    let words = serde_json::json!({ "namespace": "words", "key": "word", "bytes": 3 });
    let request = Request::github("/write", "push", "words", words.to_string());
    yard.until_state(&daemon.send(&request).accepted(), "succeeded");
    let id = daemon.send(&Request::github("/miscount", "push", "m", "{}")).accepted();
    let shown = yard.until_state(&id, "dead-letter");
    let message = attempts(&shown)[0]["message"].as_str().unwrap();
    assert!(message.contains("`word` in `words` is not a number"), "{message}");
}

#[test]
fn a_plugin_that_keeps_things_needs_the_grant() {
    let yard = Yard::with_plugins(&["keeper"]);
    let route = |config: Config| config.route("share", "keeper/share", &[]);
    let daemon = yard.start(&route(yard.config()));
    let id = daemon.send(&Request::github("/share", "push", "1", "{}")).accepted();
    let log = daemon.log_text();
    assert!(
        log.contains("plugin `keeper` uses `kv`, which") && log.contains("[plugin.keeper]"),
        "{log}"
    );

    let mark = daemon.mark();
    yard.write_config(&route(yard.config().set("plugin.keeper", "kv = true")));
    let line = daemon
        .until_logged(mark, "the refusal", |line| line.to_string().contains("shared namespace"));
    let line = line.to_string();
    assert!(line.contains("plugin `keeper` uses the shared namespace `customers`"), "{line}");
    assert_eq!(yard.state(&id).as_deref(), Some("pending"));

    yard.write_config(&route(yard.config().set("plugin.keeper", GRANT)));
    until_true("the event is handled", Duration::from_secs(30), || {
        yard.state(&id).as_deref() == Some("succeeded")
    });
}
