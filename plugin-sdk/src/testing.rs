//! Running handlers on the machine that you work on, against a made-up host.
//!
//! Settings are what the test says, log lines are kept, the clock stands still and randomness is the
//! same on every run. Only on targets other than wasm32.
//!
//! ```
//! use hookyard_sdk::prelude::*;
//! use hookyard_sdk::testing;
//!
//! /// Records each push to the branch of its setting.
//! #[handler(kinds("push"))]
//! fn record(event: Event, host: Host) -> Outcome {
//!     let branch: String = host.setting("branch")?;
//!     let push: Value = event.json()?;
//!     if push["ref"] != format!("refs/heads/{branch}") {
//!         return ignore("another branch");
//!     }
//!     host.info("recorded");
//!     done()
//! }
//!
//! let push = |branch: &str| {
//!     let payload = json!({ "ref": format!("refs/heads/{branch}") });
//!     testing::event().kind("push").json(&payload).build()
//! };
//! let host = || testing::host().setting("branch", "main");
//!
//! let run = host().run(record, push("main"));
//! run.expect_done();
//! assert_eq!(run.log_messages(), ["recorded"]);
//!
//! assert_eq!(host().run(record, push("dev")).expect_ignored(), "another branch");
//! ```

mod connection;
mod firing;
mod kv;
mod message;
mod queue;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::guest::bindings::imports::hookyard::plugin::types;
use crate::log::Level;
use crate::{Done, Event, Failure, Host, Outcome, Reply, host::calls};
use connection::Services;
pub use connection::{Request, ResponseBuilder, response};
use kv::Kept;

pub use firing::{FiringBuilder, firing};
pub use message::{MessageBuilder, message};
pub use queue::Sent;

/// 2026-01-01T00:00:00Z, when every test happens unless it says otherwise.
const THEN: Duration = Duration::from_secs(1_767_225_600);

/// Runs a handler once, against a host with no settings. Short for `host().run(…)`. What it handles
/// is made by [`event`], [`message`] or [`firing`].
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn quiet(_event: Event, _host: Host) -> Outcome {
///     done()
/// }
///
/// testing::run(quiet, testing::event().build()).expect_done();
/// ```
pub fn run<I>(handler: impl FnOnce(I, Host) -> Outcome, input: I) -> Run {
    host().run(handler, input)
}

/// Begins an event: a `POST /` without kind, headers or body.
///
/// ```
/// let event = hookyard_sdk::testing::event().kind("push").text("hello").build();
/// assert_eq!((event.kind(), event.body()), ("push", &b"hello"[..]));
/// ```
pub fn event() -> EventBuilder {
    EventBuilder {
        wire: types::Event {
            id: "019b76da-a800-7000-8000-000000000001".to_owned(),
            source: "test".to_owned(),
            kind: String::new(),
            delivery_id: None,
            tenant: String::new(),
            received_at: millis(THEN),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: None,
            params: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            unauthenticated: Vec::new(),
            attributes: Vec::new(),
        },
    }
}

/// Begins a host: no settings, first attempt, the clock at 2026-01-01T00:00:00Z.
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn shout(_event: Event, host: Host) -> Outcome {
///     reply(200).text(host.setting::<String>("word")?.to_uppercase())
/// }
///
/// let run = testing::host().setting("word", "hey").run(shout, testing::event().build());
/// assert_eq!(run.expect_reply().text(), "HEY");
/// ```
pub fn host() -> HostBuilder {
    HostBuilder {
        attempt: types::Attempt {
            job_id: "019b76da-a800-7000-8000-000000000002".to_owned(),
            number: 1,
            attributes: Vec::new(),
        },
        fake: Fake {
            settings: BTreeMap::new(),
            secrets: BTreeMap::new(),
            now: THEN,
            ticks: 0,
            random: 0x9e37_79b9_7f4a_7c15,
            logs: Vec::new(),
            kept: Kept::default(),
            services: Services::default(),
            sent: Vec::new(),
            sends: 0,
        },
    }
}

/// An event that is being made up; begun by [`event`].
///
/// ```
/// let event = hookyard_sdk::testing::event()
///     .kind("push")
///     .header("x-github-event", "push")
///     .json(&serde_json::json!({ "ref": "refs/heads/main" }))
///     .build();
/// assert_eq!(event.header("content-type"), Some("application/json"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "end it with `.build()`"]
pub struct EventBuilder {
    wire: types::Event,
}

/// Setters that take text and need no more than their name to be understood.
macro_rules! text_setters {
    ($($(#[doc = $doc:literal])+ $name:ident: $field:ident = $value:literal;)+) => {$(
        $(#[doc = $doc])+
        #[doc = concat!("\n\n```\nlet event = hookyard_sdk::testing::event().", stringify!($name), "(\"", $value, "\").build();\n# let _ = event;\n```")]
        pub fn $name(mut self, value: impl Into<String>) -> Self {
            self.wire.$field = value.into();
            self
        }
    )+};
}

impl EventBuilder {
    text_setters! {
        /// The event's id.
        id: id = "019b76da-a800-7000-8000-0000000000ff";
        /// The name of the route that made it.
        source: source = "github";
        /// The provider's event type.
        kind: kind = "push";
        /// Whose event it is.
        tenant: tenant = "acme";
        /// The request's method.
        method: method = "PUT";
        /// The request's path.
        path: path = "/hooks/github";
    }

    /// The provider's own id of the delivery.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().delivery_id("72d3162e").build();
    /// assert_eq!(event.delivery_id(), Some("72d3162e"));
    /// ```
    pub fn delivery_id(mut self, id: impl Into<String>) -> Self {
        self.wire.delivery_id = Some(id.into());
        self
    }

    /// What stands after the `?` in the request line.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::event().query("a=1").build().query(), Some("a=1"));
    /// ```
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.wire.query = Some(query.into());
        self
    }

    /// When its last byte was received; cut to the millisecond, and not before 1970.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    /// assert_eq!(hookyard_sdk::testing::event().received_at(at).build().received_at(), at);
    /// ```
    pub fn received_at(mut self, at: SystemTime) -> Self {
        self.wire.received_at = millis(since_epoch(at));
        self
    }

    /// What the route's `{name}` matched.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().param("tenant", "acme").build();
    /// assert_eq!(event.param("tenant"), Some("acme"));
    /// ```
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.wire.params.push((name.into(), value.into()));
        self
    }

    /// Adds a header line.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().header("X-A", "1").build();
    /// assert_eq!(event.header("x-a"), Some("1"));
    /// ```
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.wire.headers.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }

    /// Says that the sender's signature does not cover this part.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().unauthenticated("kind").build();
    /// assert_eq!(event.unauthenticated().collect::<Vec<_>>(), ["kind"]);
    /// ```
    pub fn unauthenticated(mut self, part: impl Into<String>) -> Self {
        self.wire.unauthenticated.push(part.into());
        self
    }

    /// The body, as it is.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::event().body([0xff]).build().body(), [0xff]);
    /// ```
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.wire.body = body.as_ref().to_vec();
        self
    }

    /// A body of plain text, with its content type unless there is one.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::event().text("hello").build().body(), b"hello");
    /// ```
    pub fn text(self, text: &str) -> Self {
        self.of_type("text/plain; charset=utf-8").body(text)
    }

    /// A body of JSON, with its content type unless there is one.
    ///
    /// # Panics
    ///
    /// When `value` cannot be written as JSON.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().json(&[1, 2]).build();
    /// assert_eq!(event.body(), b"[1,2]");
    /// ```
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.of_type("application/json").body(body),
            Err(error) => panic!("the event's body cannot be written as JSON: {error}"),
        }
    }

    /// A body of form fields, with its content type unless there is one.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().form([("text", "a b")]).build();
    /// assert_eq!(event.body(), b"text=a+b");
    /// ```
    pub fn form<'a>(self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        self.of_type("application/x-www-form-urlencoded").body(body.finish())
    }

    /// The event.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::event().build().source(), "test");
    /// ```
    pub fn build(self) -> Event {
        Event::from_wire(self.wire)
    }

    fn of_type(self, content_type: &str) -> Self {
        if self.wire.headers.iter().any(|(name, _)| name == "content-type") {
            return self;
        }
        self.header("content-type", content_type)
    }
}

/// A host that is being made up; begun by [`host`].
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn late(_event: Event, host: Host) -> Outcome {
///     if host.attempt().number() > 2 { ignore("too late") } else { retry("not yet") }
/// }
///
/// let host = testing::host().setting("word", "hey").attempt(3);
/// host.run(late, testing::event().build()).expect_ignored();
/// ```
#[derive(Clone, Debug)]
#[must_use = "end it with `.run(handler, event)`"]
pub struct HostBuilder {
    attempt: types::Attempt,
    fake: Fake,
}

impl HostBuilder {
    /// Grants a secret, as config.toml would.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn sign(event: Event, host: Host) -> Outcome {
    ///     let key = host.secret("signing_key")?;
    ///     reply(200).text(format!("{} bytes", key.len() + event.body().len()))
    /// }
    ///
    /// let run = testing::host().secret("signing_key", "k3y-of-12-by").run(sign, testing::event().build());
    /// assert_eq!(run.expect_reply().text(), "12 bytes");
    /// ```
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.fake.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets a setting, as config.toml would.
    ///
    /// # Panics
    ///
    /// When `value` cannot be written as JSON.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn limit(_event: Event, host: Host) -> Outcome {
    ///     done().message(host.setting::<u32>("limit")?)
    /// }
    ///
    /// let run = testing::host().setting("limit", 3).run(limit, testing::event().build());
    /// assert_eq!(run.expect_done().message(), Some("3"));
    /// ```
    #[track_caller]
    pub fn setting(mut self, name: &str, value: impl Serialize) -> Self {
        match serde_json::to_string(&value) {
            Ok(text) => self.fake.settings.insert(name.to_owned(), text),
            Err(error) => panic!("the setting `{name}` cannot be written as JSON: {error}"),
        };
        self
    }

    /// Sets the clock; it stands still, but for [`Host::monotonic`], which goes on by a millisecond
    /// each time that it is asked.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    /// use std::time::SystemTime;
    ///
    /// fn tell(_event: Event, host: Host) -> Outcome {
    ///     let since = host.now().duration_since(SystemTime::UNIX_EPOCH).or_reject("before 1970")?;
    ///     done().message(since.as_secs())
    /// }
    ///
    /// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
    /// let run = testing::host().now(at).run(tell, testing::event().build());
    /// assert_eq!(run.expect_done().message(), Some("60"));
    /// ```
    pub fn now(mut self, now: SystemTime) -> Self {
        self.fake.now = since_epoch(now);
        self
    }

    /// Begins another sequence of random bytes; without it they are the same on every run.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn token(_event: Event, host: Host) -> Outcome {
    ///     reply(200).bytes(host.random_bytes(16))
    /// }
    ///
    /// let with_seed = |seed| testing::host().seed(seed).run(token, testing::event().build());
    /// assert_eq!(with_seed(1).expect_reply(), with_seed(1).expect_reply());
    /// assert_ne!(with_seed(1).expect_reply(), with_seed(2).expect_reply());
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.fake.random = seed;
        self
    }

    /// Sets the number of the attempt, which begins at 1.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn number(_event: Event, host: Host) -> Outcome {
    ///     done().message(host.attempt().number())
    /// }
    ///
    /// let run = testing::host().attempt(2).run(number, testing::event().build());
    /// assert_eq!(run.expect_done().message(), Some("2"));
    /// ```
    pub fn attempt(mut self, number: u32) -> Self {
        self.attempt.number = number;
        self
    }

    /// Sets the id of the job.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn key(_event: Event, host: Host) -> Outcome {
    ///     done().message(host.attempt().job_id())
    /// }
    ///
    /// let run = testing::host().job_id("j-1").run(key, testing::event().build());
    /// assert_eq!(run.expect_done().message(), Some("j-1"));
    /// ```
    pub fn job_id(mut self, id: impl Into<String>) -> Self {
        self.attempt.job_id = id.into();
        self
    }

    /// Runs a handler once. A handler that panics panics here.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn quiet(_event: Event, _host: Host) -> Outcome {
    ///     done()
    /// }
    ///
    /// testing::host().run(quiet, testing::event().build()).expect_done();
    /// ```
    pub fn run<I>(self, handler: impl FnOnce(I, Host) -> Outcome, input: I) -> Run {
        let host = Host::new(self.attempt);
        let before = self.fake.kept.clone();
        let (outcome, fake) = calls::with_fake(self.fake, || handler(input, host));
        let (kept, sent) =
            if outcome.is_ok() { (fake.kept, fake.sent) } else { (before, Vec::new()) };
        Run { outcome, logs: fake.logs, kept, sent, services: fake.services }
    }
}

/// What a handler did: its outcome and its log lines.
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn tell(_event: Event, _host: Host) -> Outcome {
///     info!(rows = 3; "recorded");
///     done()
/// }
///
/// let run = testing::run(tell, testing::event().build());
/// run.expect_done();
/// assert_eq!(run.logs()[0].field("rows"), Some("3"));
/// ```
#[derive(Clone, Debug)]
pub struct Run {
    outcome: Outcome,
    logs: Vec<LogLine>,
    kept: Kept,
    services: Services,
    sent: Vec<Sent>,
}

/// A line that a handler logged.
///
/// ```
/// use hookyard_sdk::log::Level;
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn tell(_event: Event, _host: Host) -> Outcome {
///     warn!(rows = 0; "nothing to record");
///     done()
/// }
///
/// let run = testing::run(tell, testing::event().build());
/// let line = &run.logs()[0];
/// assert_eq!((line.level, line.message.as_str()), (Level::Warn, "nothing to record"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// The text.
    pub message: String,
    /// Names and values, in their order.
    pub fields: Vec<(String, String)>,
}

impl LogLine {
    /// The value of a field.
    ///
    /// ```
    /// use hookyard_sdk::log::Level;
    ///
    /// let line = hookyard_sdk::testing::LogLine {
    ///     level: Level::Info,
    ///     message: "recorded".into(),
    ///     fields: vec![("rows".into(), "3".into())],
    /// };
    /// assert_eq!(line.field("rows"), Some("3"));
    /// ```
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Run {
    /// What the handler returned.
    ///
    /// ```
    /// use hookyard_sdk::testing;
    ///
    /// let run = testing::run(|_, _| hookyard_sdk::outcome::done(), testing::event().build());
    /// assert!(run.outcome().is_ok());
    /// ```
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The lines that it logged, in their order.
    ///
    /// ```
    /// use hookyard_sdk::testing;
    ///
    /// let run = testing::run(|_, _| hookyard_sdk::outcome::done(), testing::event().build());
    /// assert!(run.logs().is_empty());
    /// ```
    pub fn logs(&self) -> &[LogLine] {
        &self.logs
    }

    /// The texts of the lines that it logged.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn tell(_event: Event, host: Host) -> Outcome {
    ///     host.info("one");
    ///     host.warn("two");
    ///     done()
    /// }
    ///
    /// let run = testing::run(tell, testing::event().build());
    /// assert_eq!(run.log_messages(), ["one", "two"]);
    /// ```
    pub fn log_messages(&self) -> Vec<&str> {
        self.logs.iter().map(|line| line.message.as_str()).collect()
    }

    /// What was done.
    ///
    /// # Panics
    ///
    /// When the outcome is another, and says which.
    ///
    /// ```
    /// use hookyard_sdk::testing;
    ///
    /// let run = testing::run(|_, _| hookyard_sdk::outcome::done(), testing::event().build());
    /// assert_eq!(run.expect_done().message(), None);
    /// ```
    #[track_caller]
    pub fn expect_done(&self) -> &Done {
        match &self.outcome {
            Ok(done) if done.ignored().is_none() => done,
            other => panic!("the handler was expected to be done, and returned {other:?}"),
        }
    }

    /// The reply of what was done.
    ///
    /// # Panics
    ///
    /// When the outcome is another or has no reply, and says which.
    ///
    /// ```
    /// use hookyard_sdk::outcome::reply;
    /// use hookyard_sdk::testing;
    ///
    /// let run = testing::run(|_, _| reply(200).text("hello"), testing::event().build());
    /// assert_eq!(run.expect_reply().text(), "hello");
    /// ```
    #[track_caller]
    pub fn expect_reply(&self) -> &Reply {
        match &self.outcome {
            Ok(done) if done.reply().is_some() => done.reply().expect("it is there"),
            other => panic!("the handler was expected to reply, and returned {other:?}"),
        }
    }

    /// Why the event was ignored.
    ///
    /// # Panics
    ///
    /// When the outcome is another, and says which.
    ///
    /// ```
    /// use hookyard_sdk::outcome::ignore;
    /// use hookyard_sdk::testing;
    ///
    /// let run = testing::run(|_, _| ignore("a draft"), testing::event().build());
    /// assert_eq!(run.expect_ignored(), "a draft");
    /// ```
    #[track_caller]
    pub fn expect_ignored(&self) -> &str {
        match &self.outcome {
            Ok(done) if done.ignored().is_some() => done.ignored().expect("it is there"),
            other => panic!("the handler was expected to ignore this, and returned {other:?}"),
        }
    }

    /// The retry that was asked for.
    ///
    /// # Panics
    ///
    /// When the outcome is another, and says which.
    ///
    /// ```
    /// use hookyard_sdk::outcome::retry;
    /// use hookyard_sdk::testing;
    ///
    /// let run = testing::run(|_, _| retry("busy"), testing::event().build());
    /// assert_eq!(run.expect_retry().message(), "busy");
    /// ```
    #[track_caller]
    pub fn expect_retry(&self) -> &Failure {
        match &self.outcome {
            Err(failure) if failure.is_retry() => failure,
            other => panic!("the handler was expected to ask for a retry, and returned {other:?}"),
        }
    }

    /// Why the event was rejected.
    ///
    /// # Panics
    ///
    /// When the outcome is another, and says which.
    ///
    /// ```
    /// use hookyard_sdk::outcome::reject;
    /// use hookyard_sdk::testing;
    ///
    /// let run = testing::run(|_, _| reject("no amount"), testing::event().build());
    /// assert_eq!(run.expect_rejected(), "no amount");
    /// ```
    #[track_caller]
    pub fn expect_rejected(&self) -> &str {
        match &self.outcome {
            Err(failure) if !failure.is_retry() => failure.message(),
            other => panic!("the handler was expected to reject this, and returned {other:?}"),
        }
    }
}

/// The host that the calls reach.
#[derive(Clone, Debug)]
pub(crate) struct Fake {
    /// JSON text by name, as the daemon gives them.
    settings: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    /// Since the Unix epoch.
    now: Duration,
    /// How often the monotonic clock was asked.
    ticks: u64,
    random: u64,
    logs: Vec<LogLine>,
    kept: Kept,
    services: Services,
    sent: Vec<Sent>,
    /// How many, those that were known included.
    sends: u64,
}

impl Fake {
    pub(crate) fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) {
        self.logs.push(LogLine { level, message, fields });
    }

    pub(crate) fn secret(&self, name: &str) -> Option<String> {
        self.secrets.get(name).cloned()
    }

    pub(crate) fn setting_text(&self, name: &str) -> Option<String> {
        self.settings.get(name).cloned()
    }

    pub(crate) fn now_millis(&self) -> u64 {
        millis(self.now)
    }

    pub(crate) fn next_monotonic(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks * 1_000_000
    }

    /// SplitMix64: enough to look random and to be the same each time.
    pub(crate) fn random(&mut self, len: usize) -> Vec<u8> {
        std::iter::from_fn(|| {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.random;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            Some((word ^ (word >> 31)).to_le_bytes())
        })
        .flatten()
        .take(len)
        .collect()
    }
}

fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
