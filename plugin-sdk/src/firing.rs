//! The firing that a schedule's handler handles.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::Failure;
use crate::guest::bindings::imports::hookyard::plugin::types;

/// One time that a schedule of config.toml fired: stored before the handler sees it, and the same on
/// every attempt.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// /// Says what time it is.
/// #[handler]
/// fn nightly(firing: Firing, host: Host) -> Outcome {
///     host.info(format!("{} fired, as it was {}", firing.schedule(), firing.reason()));
///     done()
/// }
///
/// hookyard_sdk::plugin!(schedules(nightly));
/// # fn main() {}
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    wire: types::Firing,
}

impl Firing {
    pub(crate) fn from_wire(wire: types::Firing) -> Self {
        Self { wire }
    }

    /// The firing's id, a UUIDv7; the same on every attempt.
    ///
    /// ```
    /// let firing = hookyard_sdk::testing::firing().id("0198c0de-0000-7000-8000-000000000001").build();
    /// assert_eq!(firing.id(), "0198c0de-0000-7000-8000-000000000001");
    /// ```
    pub fn id(&self) -> &str {
        &self.wire.id
    }

    /// The schedule's name.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::firing().schedule("nightly").build().schedule(), "nightly");
    /// ```
    pub fn schedule(&self) -> &str {
        &self.wire.schedule
    }

    /// The moment that the schedule names, to the millisecond. What is to be done once a day belongs
    /// to this day, however late it is done.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    /// assert_eq!(hookyard_sdk::testing::firing().scheduled_at(at).build().scheduled_at(), at);
    /// ```
    pub fn scheduled_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.wire.scheduled_at)
    }

    /// When it was made, to the millisecond; later than [`scheduled_at`](Self::scheduled_at) by the
    /// schedule's jitter, or by the time for which the daemon was down.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    /// assert_eq!(hookyard_sdk::testing::firing().fired_at(at).build().fired_at(), at);
    /// ```
    pub fn fired_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.wire.fired_at)
    }

    /// Why it was made: `due`, `missed` (its time passed while the daemon was down) or `manual` (a
    /// person asked for it).
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::firing().build().reason(), "due");
    /// ```
    pub fn reason(&self) -> &str {
        &self.wire.reason
    }

    /// The schedule's `data` as JSON; empty when it has none.
    ///
    /// ```
    /// assert!(hookyard_sdk::testing::firing().build().body().is_empty());
    /// ```
    pub fn body(&self) -> &[u8] {
        &self.wire.body
    }

    /// The schedule's `data`. No data, or data of another shape, is a reject whose reason says
    /// where.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// #[derive(Deserialize)]
    /// struct Check { url: String }
    ///
    /// fn check(firing: Firing, _host: Host) -> Outcome {
    ///     let Check { url } = firing.json()?;
    ///     done().message(url)
    /// }
    ///
    /// let firing = testing::firing().json(&json!({ "url": "https://example.com" })).build();
    /// let run = testing::run(check, firing);
    /// assert_eq!(run.expect_done().message(), Some("https://example.com"));
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if self.body().is_empty() {
            let schedule = self.schedule();
            return Err(Failure::reject(format!(
                "the schedule `{schedule}` has no `data` in config.toml, which this handler reads"
            )));
        }
        serde_json::from_slice(self.body()).map_err(Failure::from)
    }
}
