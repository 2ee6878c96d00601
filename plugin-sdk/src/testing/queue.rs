//! What is sent to the made-up host.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{Fake, Run};
use crate::guest::bindings::imports::hookyard::plugin::queue as wire;

/// A message that a handler sent; from [`Run::sent`].
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn tell(_event: Event, host: Host) -> Outcome {
///     host.queue("emails").send("hello")?;
///     done()
/// }
///
/// let run = testing::run(tell, testing::event().build());
/// assert_eq!((run.sent()[0].topic(), run.sent()[0].json()), ("emails", json!("hello")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    topic: String,
    body: Vec<u8>,
    not_before: Option<SystemTime>,
    key: Option<String>,
}

impl Sent {
    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The body, as it was sent.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body, parsed as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("the message to `{}` is not JSON: {error}", self.topic),
        }
    }

    /// When it is to be handled; `None` for at once.
    pub fn not_before(&self) -> Option<SystemTime> {
        self.not_before
    }

    /// The key by which it would be recognised.
    pub fn dedupe_key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

impl Run {
    /// What the handler sent, in order; nothing when it failed. Of several with one key to one topic
    /// the first.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn fail(_event: Event, host: Host) -> Outcome {
    ///     host.queue("emails").send("hello")?;
    ///     retry("not yet")
    /// }
    ///
    /// assert!(testing::run(fail, testing::event().build()).sent().is_empty());
    /// ```
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }
}

impl Fake {
    pub(crate) fn queue_send(
        &mut self,
        topic: &str,
        body: &[u8],
        due: wire::Due,
        dedupe: Option<&wire::Dedupe>,
    ) -> String {
        self.sends += 1;
        let id = format!("019b76da-a800-7000-8001-{:012x}", self.sends);
        let key = dedupe.map(|dedupe| dedupe.key.clone());
        let known = |sent: &Sent| sent.topic == topic && sent.key == key;
        if key.is_some() && self.sent.iter().any(known) {
            return id;
        }
        let at = match due {
            wire::Due::Now => None,
            wire::Due::AfterMs(after) => Some(self.now + Duration::from_millis(after)),
            wire::Due::AtMs(at) => Some(Duration::from_millis(at)),
        };
        let not_before = at.map(|at| SystemTime::UNIX_EPOCH + at);
        self.sent.push(Sent { topic: topic.to_owned(), body: body.to_vec(), not_before, key });
        id
    }
}
