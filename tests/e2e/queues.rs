//! Messages from one handler to another: once for each event, whatever becomes of the attempts.

use std::time::{Duration, Instant};

use hookyard_tests::courier::{config, list, once_for_each_event, until_handled};
use hookyard_tests::{Config, Request, Yard, attempts, until_true};

/// The heavy tests have 1,000 events.
const ROUNDS: u64 = 3;
const EACH: u64 = 30;

#[test]
fn an_event_sends_once_however_often_it_is_tried() {
    let yard = Yard::with_plugins(&["courier"]);
    once_for_each_event(&yard, ROUNDS, EACH);
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
    assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
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
