//! Messages that are made up.

use std::time::SystemTime;

use serde::Serialize;

use super::{THEN, millis, since_epoch};
use crate::Message;
use crate::guest::bindings::imports::hookyard::plugin::types;

/// Begins a message: of the topic `test`, without a body.
///
/// ```
/// let message = hookyard_sdk::testing::message().topic("emails").json(&[1, 2]).build();
/// assert_eq!((message.topic(), message.body()), ("emails", &b"[1,2]"[..]));
/// ```
pub fn message() -> MessageBuilder {
    MessageBuilder {
        wire: types::Message {
            id: "019b76da-a800-7000-8000-000000000003".to_owned(),
            topic: "test".to_owned(),
            body: Vec::new(),
            sent_at: millis(THEN),
            caused_by: None,
            attributes: Vec::new(),
        },
    }
}

/// A message that is being made up; begun by [`message`].
///
/// ```
/// let message = hookyard_sdk::testing::message().body("hello").build();
/// assert_eq!(message.text().expect("is text"), "hello");
/// ```
#[derive(Clone, Debug)]
#[must_use = "end it with `.build()`"]
pub struct MessageBuilder {
    wire: types::Message,
}

impl MessageBuilder {
    /// The message's id.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::message().id("m-1").build().id(), "m-1");
    /// ```
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.wire.id = id.into();
        self
    }

    /// The topic that it was sent to.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::message().topic("emails").build().topic(), "emails");
    /// ```
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.wire.topic = topic.into();
        self
    }

    /// When it was sent; cut to the millisecond, and not before 1970.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    /// assert_eq!(hookyard_sdk::testing::message().sent_at(at).build().sent_at(), at);
    /// ```
    pub fn sent_at(mut self, at: SystemTime) -> Self {
        self.wire.sent_at = millis(since_epoch(at));
        self
    }

    /// The id of the event whose handler sent it.
    ///
    /// ```
    /// let message = hookyard_sdk::testing::message().caused_by("e-1").build();
    /// assert_eq!(message.caused_by(), Some("e-1"));
    /// ```
    pub fn caused_by(mut self, event: impl Into<String>) -> Self {
        self.wire.caused_by = Some(event.into());
        self
    }

    /// The body, as it is.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::message().body([0xff]).build().body(), [0xff]);
    /// ```
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.wire.body = body.as_ref().to_vec();
        self
    }

    /// A body of JSON.
    ///
    /// # Panics
    ///
    /// When `value` cannot be written as JSON.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::message().json(&[1, 2]).build().body(), b"[1,2]");
    /// ```
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body(body),
            Err(error) => panic!("the message's body cannot be written as JSON: {error}"),
        }
    }

    /// The message.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::message().build().topic(), "test");
    /// ```
    pub fn build(self) -> Message {
        Message::from_wire(self.wire)
    }
}
