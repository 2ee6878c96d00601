//! Capability `queue`, as one attempt uses it. Nothing is sent here; what the attempt wants to send
//! goes back to the caller, who commits it with the outcome.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hookyard_types::{EventId, Timestamp};

use crate::Limits;
use crate::bindings::queue;
use crate::state::{LimitReached, Misuse, State};
use crate::text::clip;

/// What a message counts besides its bytes: bounds how many of them one commit stores.
const MESSAGE_COST: usize = 1 << 10;
/// The longest key, as the interface says.
const MAX_KEY: usize = 512;
/// The longest delay and window, as the interface says.
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// A message that an attempt wants to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Of the event that it becomes.
    pub id: EventId,
    pub topic: String,
    pub body: Bytes,
    /// When it is to be handled; at once without it.
    pub not_before: Option<Timestamp>,
    pub dedupe: Option<SendKey>,
}

/// How a message is recognised that the topic has had already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendKey {
    pub key: String,
    pub window: Duration,
}

/// What the attempts of one plugin may send.
#[derive(Debug)]
pub(crate) struct Topics {
    plugin: String,
    granted: BTreeSet<String>,
    /// The topics that the plugin's manifest names.
    named: BTreeSet<String>,
    message_bytes: usize,
    attempt_bytes: usize,
}

impl Topics {
    pub(crate) fn new(
        plugin: &str,
        granted: BTreeSet<String>,
        named: BTreeSet<String>,
        limits: &Limits,
    ) -> Self {
        Self {
            plugin: plugin.to_owned(),
            granted,
            named,
            message_bytes: limits.queue_message_bytes,
            attempt_bytes: limits.queue_attempt_bytes,
        }
    }

    /// The most bytes that one call may rightly pass.
    pub(crate) fn most_passed(&self) -> usize {
        self.message_bytes
    }
}

/// What one attempt sends.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    topics: Option<Arc<Topics>>,
    /// Counted of `queue_attempt_bytes`.
    used: usize,
    sendings: Vec<Sending>,
}

impl Outbox {
    pub(crate) fn new(topics: Option<Arc<Topics>>) -> Self {
        Self { topics, ..Self::default() }
    }

    /// Whether the plugin may use it.
    pub(crate) fn is_open(&self) -> bool {
        self.topics.is_some()
    }

    pub(crate) fn into_sendings(self) -> Vec<Sending> {
        self.sendings
    }

    fn send(
        &mut self,
        topic: String,
        body: Vec<u8>,
        due: queue::Due,
        dedupe: Option<queue::Dedupe>,
    ) -> wasmtime::Result<EventId> {
        let Some(topics) = self.topics.clone() else {
            return misuse("queue cannot be used here".to_owned());
        };
        let Topics { plugin, message_bytes, attempt_bytes, .. } = &*topics;
        if !topics.granted.contains(&topic) {
            return misuse(format!(
                "queue: plugin `{plugin}` sends to the topic `{topic}`, which [plugin.{plugin}] does \
                 not grant: add `topics = [\"{topic}\"]`",
                topic = clip(&topic, 80)
            ));
        }
        if !topics.named.contains(&topic) {
            return misuse(format!(
                "queue: plugin `{plugin}` sends to the topic `{topic}`, which its manifest does not \
                 name: add `topics({topic})` to `plugin!(…)`"
            ));
        }
        if body.len() > *message_bytes {
            return limit(format!(
                "queue: a message of {} bytes is more than its `queue_message_bytes` of \
                 {message_bytes}: send less, or raise `queue_message_bytes` under `[plugin.{plugin}]`",
                body.len()
            ));
        }
        self.used = self.used.saturating_add(body.len()).saturating_add(MESSAGE_COST);
        if self.used > *attempt_bytes {
            return limit(format!(
                "queue: sent more than its `queue_attempt_bytes` of {attempt_bytes} allows: send less \
                 in one attempt, or raise `queue_attempt_bytes` under `[plugin.{plugin}]`"
            ));
        }
        let not_before = not_before(&due, Timestamp::now())?;
        let dedupe = dedupe.map(key).transpose()?;
        let id = EventId::new();
        self.sendings.push(Sending { id, topic, body: body.into(), not_before, dedupe });
        Ok(id)
    }
}

fn not_before(due: &queue::Due, now: Timestamp) -> wasmtime::Result<Option<Timestamp>> {
    let at = match due {
        queue::Due::Now => return Ok(None),
        queue::Due::AfterMs(after) => now.saturating_add(Duration::from_millis(*after)),
        queue::Due::AtMs(at) => Timestamp::from_millis(i64::try_from(*at).unwrap_or(i64::MAX)),
    };
    if at.saturating_since(now) > YEAR {
        return misuse(
            "queue: a message is to be handled in more than a year, which is the most".to_owned(),
        );
    }
    Ok(Some(at))
}

fn key(dedupe: queue::Dedupe) -> wasmtime::Result<SendKey> {
    let queue::Dedupe { key, window_ms } = dedupe;
    if !(1..=MAX_KEY).contains(&key.len()) {
        return misuse(format!(
            "queue: a dedupe key has {} bytes: it must have 1 to {MAX_KEY}",
            key.len()
        ));
    }
    let window = Duration::from_millis(window_ms);
    if window > YEAR {
        return misuse("queue: a dedupe key is for more than a year, which is the most".to_owned());
    }
    Ok(SendKey { key, window })
}

fn misuse<T>(message: String) -> wasmtime::Result<T> {
    Err(Misuse(message).into())
}

fn limit<T>(message: String) -> wasmtime::Result<T> {
    Err(LimitReached(message).into())
}

impl queue::Host for State {
    fn send(
        &mut self,
        topic: String,
        body: Vec<u8>,
        due: queue::Due,
        dedupe: Option<queue::Dedupe>,
    ) -> wasmtime::Result<String> {
        Ok(self.outbox.send(topic, body, due, dedupe)?.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        let topics = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (granted, named) = (topics(&["emails", "unnamed"]), topics(&["emails", "ungranted"]));
        Outbox::new(Some(Arc::new(Topics::new("p", granted, named, &Limits::default()))))
    }

    fn send(outbox: &mut Outbox, topic: &str, bytes: usize) -> Result<EventId, String> {
        let sent = outbox.send(topic.to_owned(), vec![0; bytes], queue::Due::Now, None);
        sent.map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_both_sides_name_is_sent_to() {
        let mut outbox = outbox();
        send(&mut outbox, "emails", 1).expect("is granted and named");
        let why = send(&mut outbox, "ungranted", 1).expect_err("is not granted");
        assert!(why.contains("[plugin.p] does not grant: add `topics = [\"ungranted\"]`"), "{why}");
        let why = send(&mut outbox, "unnamed", 1).expect_err("is not named");
        assert!(why.contains("add `topics(unnamed)` to `plugin!(…)`"), "{why}");
        let why = send(&mut Outbox::default(), "emails", 1).expect_err("has no grant");
        assert!(why.contains("cannot be used here"), "{why}");
        assert_eq!(outbox.into_sendings().len(), 1);
    }

    #[test]
    fn a_message_and_an_attempt_are_bounded() {
        let mut outbox = outbox();
        let why = send(&mut outbox, "emails", (64 << 10) + 1).expect_err("is too large");
        assert!(
            why.contains("65537 bytes is more than its `queue_message_bytes` of 65536"),
            "{why}"
        );
        let mut sent = 0;
        let why = loop {
            match send(&mut outbox, "emails", 0) {
                Ok(_) => sent += 1,
                Err(why) => break why,
            }
        };
        assert!(why.contains("more than its `queue_attempt_bytes` of 262144 allows"), "{why}");
        assert_eq!(sent, 256);
    }

    #[test]
    fn delays_and_keys_are_bounded() {
        let now = Timestamp::from_millis(1_000);
        let at = |due| not_before(&due, now).map_err(|error| error.to_string());
        assert_eq!(at(queue::Due::Now), Ok(None));
        assert_eq!(at(queue::Due::AfterMs(5)), Ok(Some(Timestamp::from_millis(1_005))));
        assert_eq!(at(queue::Due::AtMs(7)), Ok(Some(Timestamp::from_millis(7))));
        for due in [queue::Due::AfterMs(u64::MAX), queue::Due::AtMs(u64::MAX)] {
            assert!(at(due).is_err_and(|why| why.contains("more than a year")));
        }
        let taken = |key: String, window_ms| super::key(queue::Dedupe { key, window_ms }).is_ok();
        assert!(taken("k".to_owned(), 1) && taken("k".repeat(512), 1));
        assert!(!taken(String::new(), 1) && !taken("k".repeat(513), 1));
        assert!(!taken("k".to_owned(), u64::MAX));
    }
}
