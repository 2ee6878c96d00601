//! The plugin `courier`, whose handlers send to a topic: once for each event, whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::{Config, Daemon, Request, Sent, Yard, until_true};

/// Sends events whose handlers count, send to a topic, and then trap, loop or are killed with the
/// daemon, as do the consumers; afterwards there is one of everything for each event.
///
/// # Panics
/// When there is not.
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

/// A configuration with the plugin `courier`: `/send` counts and sends to the topic `work`, whose
/// consumer counts as well, and `/list` lists what was counted.
pub fn config(yard: &Yard) -> Config {
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
pub fn list(daemon: &Daemon, prefix: &str) -> BTreeMap<String, String> {
    let wanted = serde_json::json!({ "prefix": prefix }).to_string();
    let delivery = format!("ask-{}", fastrand::u64(..));
    let reply = daemon.send(&Request::github("/list", "push", &delivery, wanted));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = reply.text();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Waits until the consumer has counted as many messages.
#[track_caller]
pub fn until_handled(daemon: &Daemon, count: usize) {
    until_true(&format!("{count} messages are handled"), Duration::from_secs(60), || {
        let handled = list(daemon, "handled").get("handled").and_then(|n| n.parse().ok());
        handled.unwrap_or(0_usize) >= count
    });
}
