//! Messages from one handler to another: once for each event, whatever becomes of the attempts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hookyard_tests::{Config, Daemon, Request, Sent, Yard, attempts, until_true};

/// Two rounds of kills here; the heavy tests have 1,000 events.
const ROUNDS: u64 = 3;
const EACH: u64 = 30;

#[test]
fn an_event_sends_once_however_often_it_is_tried() {
    let yard = Yard::with_plugins(&["courier"]);
    once_for_each_event(&yard, ROUNDS, EACH);
}

/// Sends events whose handlers count, send to a topic, and then trap, loop or are killed with the
/// daemon, as do the consumers; afterwards there is one of everything for each event.
pub fn once_for_each_event(yard: &Yard, rounds: u64, each: u64) {
    let config = config(yard).set("plugin.courier", r#"cpu = "50ms""#);
    let mut daemon = yard.start(&config);
    let mut all = Sent::default();
    let mut kills = 0;
    for round in 0..rounds {
        let mut sent = Sent::default();
        let mut client = daemon.client();
        for number in 0..each {
            let delivery = format!("{round}-{number}");
            let body = format!(r#"{{"failures":{}}}"#, number % 3);
            let request = Request::github("/send", "push", &delivery, body);
            sent.acknowledged.insert(delivery, client.send(&request).accepted());
        }
        // Any moment: while some of them run, some wait to be tried again, and some have sent.
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..150_000)));
        daemon.kill();
        kills += 1;
        daemon = yard.restart();
        all.acknowledged.extend(sent.acknowledged);
    }
    yard.until_all_succeeded(&all);
    let total = all.acknowledged.len();
    until_handled(&daemon, total);

    let counts = list(&daemon, "");
    let total = total.to_string();
    assert_eq!(counts.get("sent"), Some(&total), "after {kills} kills");
    assert_eq!(counts.get("handled"), Some(&total), "after {kills} kills");
    for id in all.acknowledged.values() {
        assert_eq!(counts.get(&format!("event/{id}")).map(String::as_str), Some("1"), "{id}");
    }
    let causes: BTreeSet<&String> =
        counts.iter().filter(|(key, _)| key.starts_with("message/")).map(|(_, id)| id).collect();
    assert_eq!(causes, all.acknowledged.values().collect(), "one message for each event");
    daemon.stop();
}

#[test]
fn a_message_is_an_event_of_its_own_and_comes_when_it_is_due() {
    let yard = Yard::with_plugins(&["courier"]);
    let daemon = yard.start(&config(&yard));
    let send = |body: &str| {
        let delivery = format!("d-{}", fastrand::u64(..));
        daemon.send(&Request::github("/send", "push", &delivery, body)).accepted()
    };
    let begin = Instant::now();
    let cause = send(r#"{"after_ms":1500}"#);
    yard.until_state(&cause, "succeeded");
    let message = until_message(&yard, &cause);
    assert_eq!(message["source"], "queue");
    assert_eq!(message["queue"], "work");
    assert_eq!(message["state"], "pending");
    let id = message["id"].as_str().expect("an id");
    let shown = yard.until_state(id, "succeeded");
    assert!(begin.elapsed() >= Duration::from_millis(1500), "{:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(shown["event"]["caused_by"], cause.as_str());
    assert_eq!(attempts(&shown)[0]["message"], "from work");

    // Without a delay it is handed over at once, and a key lets one through.
    let (one, two) = (send(r#"{"dedupe":"k"}"#), send(r#"{"dedupe":"k"}"#));
    yard.until_state(&one, "succeeded");
    yard.until_state(&two, "succeeded");
    until_handled(&daemon, 2);
    let caused: Vec<bool> =
        [&one, &two].iter().map(|id| messages_of(&yard, id).len() == 1).collect();
    assert_eq!(caused.iter().filter(|sent| **sent).count(), 1, "{caused:?}");
    daemon.stop();
}

#[test]
fn a_topic_runs_no_more_attempts_than_its_concurrency() {
    const MESSAGES: usize = 6;
    let yard = Yard::with_plugins(&["courier"]);
    let config =
        config(&yard).set("plugin.courier", r#"cpu = "2s""#).set("queue.work", "concurrency = 1");
    let daemon = yard.start(&config);
    let body = format!(r#"{{"messages":{MESSAGES},"work_ms":40}}"#);
    daemon.send(&Request::github("/send", "push", "d", body)).accepted();
    until_handled(&daemon, MESSAGES);
    // No two of them at one time.
    let mut spans: Vec<(String, f64)> = Vec::new();
    for event in yard.events().iter().filter(|event| event["source"] == "queue") {
        let shown = yard.show(event["id"].as_str().expect("an id"));
        let last = attempts(&shown).last().expect("an attempt").clone();
        let started = last["started_at"].as_str().expect("a moment").to_owned();
        spans.push((started, last["duration_ms"].as_f64().expect("a time")));
    }
    spans.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(spans.len(), MESSAGES);
    for pair in spans.windows(2) {
        let gap = millis_of(&pair[1].0) - millis_of(&pair[0].0);
        // To the millisecond that moments are shown with.
        assert!(gap + 2.0 >= pair[0].1, "{pair:?}");
    }
    daemon.stop();
}

#[test]
fn topic_flooding_ends_at_the_limits_and_says_which() {
    let yard = Yard::with_plugins(&["courier"]);
    let config = config(&yard)
        .set("queue.work", "max_pending = 5")
        .set("plugin.courier", r#"queue_message_bytes = "1KiB""#)
        .set("plugin.courier", r#"queue_attempt_bytes = "64KiB""#);
    let daemon = yard.start(&config);
    let failed = |body: &str| {
        let delivery = format!("d-{}", fastrand::u64(..));
        let id = daemon.send(&Request::github("/send", "push", &delivery, body)).accepted();
        let shown = until_first_attempt(&yard, &id);
        let first = &attempts(&shown)[0];
        assert_eq!(first["outcome"], "limit", "{first}");
        first["message"].as_str().expect("a message").to_owned()
    };
    for (body, expected) in [
        (
            r#"{"messages":6,"after_ms":60000}"#,
            "`max_pending` of 5: send less, handle them faster, or raise `max_pending` under \
             `[queue.work]`",
        ),
        (
            r#"{"bytes":1025}"#,
            "a message of 1025 bytes is more than its `queue_message_bytes` of 1024: send less, or \
             raise `queue_message_bytes` under `[plugin.courier]`",
        ),
        (
            r#"{"messages":1000000,"bytes":1}"#,
            "more than its `queue_attempt_bytes` of 65536 allows: send less in one attempt, or raise \
             `queue_attempt_bytes` under `[plugin.courier]`",
        ),
    ] {
        let message = failed(body);
        assert!(message.contains(expected), "{message}");
    }
    assert!(yard.events().iter().all(|event| event["source"] != "queue"), "nothing was sent");
    assert!(list(&daemon, "sent").is_empty(), "nothing was counted");
    daemon.stop();
}

#[test]
fn what_config_does_not_grant_or_a_handler_of_the_wrong_trigger_is_refused() {
    let yard = Yard::with_plugins(&["courier"]);
    let without = |config: Config, expected: &str| {
        let daemon = yard.start(&config);
        let log = daemon.log_text();
        assert!(log.contains(expected), "`{expected}` is not in {log}");
        daemon.stop();
    };
    let base = || yard.config().set("plugin.courier", "kv = true");
    let queue = |handler: &str| format!("handlers = [{handler:?}]");
    without(
        base().set("queue.work", &queue("courier/work")).route("send", "courier/send", &[]),
        "plugin `courier` sends to the topic `work`",
    );
    let granted = || base().set("plugin.courier", r#"topics = ["work"]"#);
    without(
        granted().set("queue.work", &queue("courier/work")).route("in", "courier/work", &[]),
        "needs a `webhook`, and its handler `courier/work` is a `consumer`",
    );
    without(
        granted().set("queue.work", &queue("courier/send")).route("send", "courier/send", &[]),
        "needs a `consumer`, and its handler `courier/send` is a `webhook`",
    );
}

fn config(yard: &Yard) -> Config {
    let soon = r#"retry = { max_attempts = 9, first = "20ms", max = "50ms" }"#;
    yard.config()
        .set("plugin.courier", "kv = true")
        .set("plugin.courier", r#"topics = ["work"]"#)
        .set("queue.work", r#"handlers = ["courier/work"]"#)
        .set("queue.work", soon)
        .route("send", "courier/send", &[soon])
        .route("list", "courier/list", &[r#"mode = "respond""#])
}

/// What was counted under keys with the prefix.
#[track_caller]
fn list(daemon: &Daemon, prefix: &str) -> BTreeMap<String, String> {
    let wanted = serde_json::json!({ "prefix": prefix }).to_string();
    let delivery = format!("ask-{}", fastrand::u64(..));
    let reply = daemon.send(&Request::github("/list", "push", &delivery, wanted));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = reply.text();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[track_caller]
fn until_handled(daemon: &Daemon, count: usize) {
    until_true(&format!("{count} messages are handled"), Duration::from_secs(60), || {
        let handled = list(daemon, "handled").get("handled").and_then(|n| n.parse().ok());
        handled.unwrap_or(0_usize) >= count
    });
}

/// The messages that an event sent, as `events list` shows them.
fn messages_of(yard: &Yard, cause: &str) -> Vec<serde_json::Value> {
    let mut messages = yard.events();
    messages.retain(|event| {
        event["source"] == "queue"
            && yard.show(event["id"].as_str().expect("an id"))["event"]["caused_by"] == cause
    });
    messages
}

#[track_caller]
fn until_message(yard: &Yard, cause: &str) -> serde_json::Value {
    let mut found = None;
    until_true("a message is stored", Duration::from_secs(10), || {
        found = messages_of(yard, cause).pop();
        found.is_some()
    });
    found.expect("was found")
}

#[track_caller]
fn until_first_attempt(yard: &Yard, id: &str) -> serde_json::Value {
    let mut shown = serde_json::Value::Null;
    until_true("an attempt is recorded", Duration::from_secs(10), || {
        shown = yard.show(id);
        !attempts(&shown).is_empty()
    });
    shown
}

/// Of a moment as it is shown, within its day.
#[track_caller]
fn millis_of(moment: &str) -> f64 {
    let time = moment.split('T').nth(1).expect("a time").trim_end_matches('Z');
    let parts: Vec<f64> = time.split(':').map(|part| part.parse().expect("a number")).collect();
    (parts[0] * 3600.0 + parts[1] * 60.0 + parts[2]) * 1000.0
}
