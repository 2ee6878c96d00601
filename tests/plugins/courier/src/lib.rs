//! A plugin for the end-to-end tests: what attempts send, and how consumers take it.
#![forbid(unsafe_code)]

use std::hint::black_box;

use hookyard_sdk::prelude::*;

/// What the handlers read from the body, and hand on.
#[derive(Deserialize, Serialize, Default)]
#[serde(default)]
struct Orders {
    /// How many attempts fail after they have changed and sent something.
    failures: u32,
    topic: String,
    /// How many messages are sent.
    messages: u32,
    /// Of each message, in bytes; JSON of these orders without it.
    bytes: usize,
    after_ms: u64,
    dedupe: String,
    /// How long a consumer works.
    work_ms: u64,
    prefix: String,
}

/// Counts the event, sends what it is told to, and fails as often as it is told to.
#[handler]
fn send(event: Event, host: Host) -> Outcome {
    let orders: Orders = event.json()?;
    host.kv("counts").increment("sent", 1);
    let topic = if orders.topic.is_empty() { "work" } else { &orders.topic };
    for _ in 0..orders.messages.max(1) {
        let mut queue = host.queue(topic).after(Duration::from_millis(orders.after_ms));
        if !orders.dedupe.is_empty() {
            queue = queue.dedupe(&orders.dedupe);
        }
        match orders.bytes {
            0 => queue.send(&orders)?,
            bytes => queue.send_bytes(vec![b'x'; bytes]),
        };
    }
    fail(&host, orders.failures)?;
    done()
}

/// Counts the message, for the event that sent it.
#[handler]
fn work(message: Message, host: Host) -> Outcome {
    let orders: Orders = message.json().unwrap_or_default();
    let event = message.caused_by().or_reject("nobody sent it")?;
    let counts = host.kv("counts");
    counts.increment("handled", 1);
    counts.increment(&format!("event/{event}"), 1);
    counts.set(&format!("message/{}", message.id()), event);
    let begin = host.monotonic();
    while host.monotonic() - begin < Duration::from_millis(orders.work_ms) {
        black_box(begin);
    }
    fail(&host, orders.failures)?;
    done().message(format!("from {}", message.topic()))
}

/// What was counted, as lines `key value`.
#[handler]
fn list(event: Event, host: Host) -> Outcome {
    let orders: Orders = event.json()?;
    let (mut lines, mut after) = (String::new(), None);
    loop {
        let page = host.kv("counts").list(&orders.prefix, after.as_deref(), 1000);
        for entry in &page.entries {
            lines += &format!("{} {}\n", entry.key, String::from_utf8_lossy(&entry.value));
        }
        after = page.next;
        if after.is_none() {
            return reply(200).text(lines);
        }
    }
}

/// Fails the first attempts, in three ways by turns.
fn fail(host: &Host, failures: u32) -> Result<(), Failure> {
    let number = host.attempt().number();
    if number > failures {
        return Ok(());
    }
    match number % 3 {
        1 => panic!("courier fails on purpose"),
        2 => loop {
            black_box(number);
        },
        _ => Err(Failure::retry("not yet")),
    }
}

hookyard_sdk::plugin!(send, list, consumers(work), topics(work));
