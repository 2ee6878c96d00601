//! The message that a consumer handles.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::guest::bindings::imports::hookyard::plugin::types;
use crate::{Failure, event};

/// What a handler sent to a topic, for the consumers that config.toml gives the topic: stored before
/// a consumer sees it, and the same on every attempt.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Email { to: String }
///
/// /// Writes down whom to write to.
/// #[handler]
/// fn work(message: Message, host: Host) -> Outcome {
///     let email: Email = message.json()?;
///     host.info(format!("{} for {}", message.topic(), email.to));
///     done()
/// }
///
/// hookyard_sdk::plugin!(consumers(work));
/// # fn main() {}
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    wire: types::Message,
}

impl Message {
    pub(crate) fn from_wire(wire: types::Message) -> Self {
        Self { wire }
    }

    /// The message's id, a UUIDv7; the same on every attempt.
    ///
    /// ```
    /// let message = hookyard_sdk::testing::message().id("0198c0de-0000-7000-8000-000000000001").build();
    /// assert_eq!(message.id(), "0198c0de-0000-7000-8000-000000000001");
    /// ```
    pub fn id(&self) -> &str {
        &self.wire.id
    }

    /// The topic that it was sent to.
    ///
    /// ```
    /// let message = hookyard_sdk::testing::message().topic("emails").build();
    /// assert_eq!(message.topic(), "emails");
    /// ```
    pub fn topic(&self) -> &str {
        &self.wire.topic
    }

    /// When the attempt that sent it was committed, to the millisecond. With a delay it is handled
    /// later.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    /// assert_eq!(hookyard_sdk::testing::message().sent_at(at).build().sent_at(), at);
    /// ```
    pub fn sent_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.wire.sent_at)
    }

    /// The id of the event (or message, or firing) whose handler sent it.
    ///
    /// ```
    /// let message = hookyard_sdk::testing::message().caused_by("e-1").build();
    /// assert_eq!(message.caused_by(), Some("e-1"));
    /// ```
    pub fn caused_by(&self) -> Option<&str> {
        self.wire.caused_by.as_deref()
    }

    /// The body, exactly as it was sent.
    ///
    /// ```
    /// let message = hookyard_sdk::testing::message().body([1, 2, 3]).build();
    /// assert_eq!(message.body(), [1, 2, 3]);
    /// ```
    pub fn body(&self) -> &[u8] {
        &self.wire.body
    }

    /// The body as text. A body that is not UTF-8 is a reject.
    ///
    /// ```
    /// let message = hookyard_sdk::testing::message().body("hello").build();
    /// assert_eq!(message.text().expect("is text"), "hello");
    /// ```
    pub fn text(&self) -> Result<&str, Failure> {
        event::text(self.body())
    }

    /// The body, parsed as JSON. A body that is not JSON, or of another shape, is a reject whose
    /// reason says where.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn double(message: Message, _host: Host) -> Outcome {
    ///     let number: u32 = message.json()?;
    ///     done().message(number * 2)
    /// }
    ///
    /// let run = testing::run(double, testing::message().json(&21).build());
    /// assert_eq!(run.expect_done().message(), Some("42"));
    /// testing::run(double, testing::message().body("?").build()).expect_rejected();
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(self.body()).map_err(Failure::from)
    }
}
