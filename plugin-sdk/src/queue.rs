//! What consumers handle later: messages to a topic.

use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::Failure;
use crate::guest::bindings::imports::hookyard::plugin::queue as wire;
use crate::host::calls;

/// For how long a key of [`Queue::dedupe`] is known.
const WINDOW: Duration = Duration::from_secs(24 * 3600);

/// A topic to send to; from [`Host::queue`](crate::Host::queue).
///
/// Messages are sent with the attempt's outcome: all of them when it is done (or has ignored its
/// event), and none when it fails, so that an event that is tried again does not send twice. Each is
/// stored as an event of its own and handled by the consumers that `[queue.TOPIC]` of config.toml
/// names, with its own retries.
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// #[derive(Deserialize, Serialize)]
/// struct Email { to: String }
///
/// /// Writes to whoever ordered, and once more a week later.
/// #[handler(kinds("order.created"))]
/// fn ordered(event: Event, host: Host) -> Outcome {
///     let email: Email = event.json()?;
///     host.queue("emails").send(&email)?;
///     host.queue("reminders").after(Duration::from_secs(7 * 24 * 3600)).send(&email)?;
///     done()
/// }
///
/// /// Sends an email.
/// #[handler]
/// fn write(message: Message, host: Host) -> Outcome {
///     let email: Email = message.json()?;
///     host.info(format!("to {}", email.to));
///     done()
/// }
///
/// hookyard_sdk::plugin!(ordered, consumers(write), topics(emails, reminders));
///
/// # fn main() {
/// let event = testing::event().json(&json!({ "to": "ada@example.com" })).build();
/// let run = testing::run(ordered, event);
/// run.expect_done();
/// assert_eq!(run.sent().len(), 2);
/// assert_eq!(run.sent()[0].json(), json!({ "to": "ada@example.com" }));
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "end it with `.send(…)`"]
pub struct Queue {
    topic: String,
    due: wire::Due,
    dedupe: Option<wire::Dedupe>,
    /// The native fake belongs to the thread that runs the handler.
    not_send: PhantomData<*const ()>,
}

impl Queue {
    pub(crate) fn new(topic: &str) -> Self {
        Self { topic: topic.to_owned(), due: wire::Due::Now, dedupe: None, not_send: PhantomData }
    }

    /// To be handled after this time; at most a year.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn later(_event: Event, host: Host) -> Outcome {
    ///     host.queue("reminders").after(Duration::from_secs(60)).send("hello")?;
    ///     done()
    /// }
    ///
    /// let run = testing::run(later, testing::event().build());
    /// let now = testing::event().build().received_at();
    /// assert_eq!(run.sent()[0].not_before(), Some(now + Duration::from_secs(60)));
    /// ```
    pub fn after(mut self, time: Duration) -> Self {
        self.due = wire::Due::AfterMs(millis(time));
        self
    }

    /// To be handled at this moment, at once when it has passed; at most a year from now.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn later(event: Event, host: Host) -> Outcome {
    ///     host.queue("reminders").at(event.received_at()).send("hello")?;
    ///     done()
    /// }
    ///
    /// let event = testing::event().build();
    /// let at = event.received_at();
    /// assert_eq!(testing::run(later, event).sent()[0].not_before(), Some(at));
    /// ```
    pub fn at(mut self, moment: SystemTime) -> Self {
        let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.due = wire::Due::AtMs(millis(since));
        self
    }

    /// Not to be sent when the topic got a message with this key in the last 24 hours, from any
    /// plugin, handled or not. A message belongs to the tenant of the event that it is sent for, and
    /// keys of different tenants are different ones. The daemon decides it when the attempt is
    /// committed, so the sender is not told. A key has 1 to 512 bytes.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn twice(event: Event, host: Host) -> Outcome {
    ///     for _ in 0..2 {
    ///         host.queue("emails").dedupe(event.id()).send("hello")?;
    ///     }
    ///     done()
    /// }
    ///
    /// assert_eq!(testing::run(twice, testing::event().build()).sent().len(), 1);
    /// ```
    pub fn dedupe(self, key: &str) -> Self {
        self.dedupe_for(key, WINDOW)
    }

    /// As [`dedupe`](Self::dedupe), with another time than 24 hours; at most a year.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn hourly(event: Event, host: Host) -> Outcome {
    ///     let hour = Duration::from_secs(3600);
    ///     host.queue("reports").dedupe_for("report", hour).send("now")?;
    ///     done()
    /// }
    ///
    /// assert_eq!(testing::run(hourly, testing::event().build()).sent().len(), 1);
    /// ```
    pub fn dedupe_for(mut self, key: &str, window: Duration) -> Self {
        self.dedupe = Some(wire::Dedupe { key: key.to_owned(), window_ms: millis(window) });
        self
    }

    /// Sends a value as JSON; returns the message's id. One that [`dedupe`](Self::dedupe) keeps back
    /// is never seen under it.
    ///
    /// # Errors
    /// A reject, when the value cannot be written as JSON.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn number(_event: Event, host: Host) -> Outcome {
    ///     host.queue("numbers").send(&7)?;
    ///     done()
    /// }
    ///
    /// assert_eq!(testing::run(number, testing::event().build()).sent()[0].body(), b"7");
    /// ```
    pub fn send<T: Serialize + ?Sized>(self, value: &T) -> Result<String, Failure> {
        let body = serde_json::to_vec(value).map_err(|error| {
            Failure::reject(format!(
                "the message to `{}` cannot be written as JSON: {error}",
                self.topic
            ))
        })?;
        Ok(self.send_bytes(body))
    }

    /// As [`send`](Self::send), of bytes as they are.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn forward(event: Event, host: Host) -> Outcome {
    ///     host.queue("raw").send_bytes(event.body());
    ///     done()
    /// }
    ///
    /// let run = testing::run(forward, testing::event().body([1, 2]).build());
    /// assert_eq!(run.sent()[0].body(), [1, 2]);
    /// ```
    pub fn send_bytes(self, body: impl AsRef<[u8]>) -> String {
        calls::queue_send(&self.topic, body.as_ref(), self.due, self.dedupe.as_ref())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
