//! Firings that are made up.

use std::time::SystemTime;

use serde::Serialize;

use super::{THEN, millis, since_epoch};
use crate::Firing;
use crate::guest::bindings::imports::hookyard::plugin::types;

/// Begins a firing: of the schedule `test`, due at 2026-01-01T00:00:00Z and made at once, without
/// data.
///
/// ```
/// let firing = hookyard_sdk::testing::firing().schedule("nightly").build();
/// assert_eq!((firing.schedule(), firing.reason()), ("nightly", "due"));
/// ```
pub fn firing() -> FiringBuilder {
    FiringBuilder {
        wire: types::Firing {
            id: "019b76da-a800-7000-8000-000000000004".to_owned(),
            schedule: "test".to_owned(),
            scheduled_at: millis(THEN),
            fired_at: millis(THEN),
            reason: "due".to_owned(),
            body: Vec::new(),
            attributes: Vec::new(),
        },
    }
}

/// A firing that is being made up; begun by [`firing`].
///
/// ```
/// let firing = hookyard_sdk::testing::firing().reason("manual").build();
/// assert_eq!(firing.reason(), "manual");
/// ```
#[derive(Clone, Debug)]
#[must_use = "end it with `.build()`"]
pub struct FiringBuilder {
    wire: types::Firing,
}

impl FiringBuilder {
    /// The firing's id.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::firing().id("f-1").build().id(), "f-1");
    /// ```
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.wire.id = id.into();
        self
    }

    /// The schedule's name.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::firing().schedule("nightly").build().schedule(), "nightly");
    /// ```
    pub fn schedule(mut self, schedule: impl Into<String>) -> Self {
        self.wire.schedule = schedule.into();
        self
    }

    /// The moment that the schedule names; cut to the millisecond, and not before 1970.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    /// assert_eq!(hookyard_sdk::testing::firing().scheduled_at(at).build().scheduled_at(), at);
    /// ```
    pub fn scheduled_at(mut self, at: SystemTime) -> Self {
        self.wire.scheduled_at = millis(since_epoch(at));
        self
    }

    /// When it was made; cut to the millisecond, and not before 1970.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    /// assert_eq!(hookyard_sdk::testing::firing().fired_at(at).build().fired_at(), at);
    /// ```
    pub fn fired_at(mut self, at: SystemTime) -> Self {
        self.wire.fired_at = millis(since_epoch(at));
        self
    }

    /// Why it was made: `due`, `missed` or `manual`.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::firing().reason("missed").build().reason(), "missed");
    /// ```
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.wire.reason = reason.into();
        self
    }

    /// The schedule's `data`.
    ///
    /// # Panics
    ///
    /// When `value` cannot be written as JSON.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::firing().json(&[1, 2]).build().body(), b"[1,2]");
    /// ```
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.wire.body = body,
            Err(error) => panic!("the schedule's data cannot be written as JSON: {error}"),
        }
        self
    }

    /// The firing.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::firing().build().schedule(), "test");
    /// ```
    pub fn build(self) -> Firing {
        Firing::from_wire(self.wire)
    }
}
