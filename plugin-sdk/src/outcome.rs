//! How an attempt ends.
//!
//! | a handler returns | and the event is |
//! |---|---|
//! | [`done()`](done), [`reply(…)…`](reply) | handled |
//! | [`ignore(reason)`](ignore) | not for this handler; the reason is kept |
//! | [`retry(why)`](retry) | tried again, after the route's back-off or `.after(…)` |
//! | [`reject(why)`](reject) | a dead letter at once: kept, and listed for a person |
//!
//! A panic, a timeout or a limit is a failed attempt and is tried again.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::guest::bindings::imports::hookyard::plugin::types;

/// What a handler returns.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// fn sizes(event: Event, _host: Host) -> Outcome {
///     match event.body().len() {
///         0 => reject("an empty body cannot become better"),
///         1..=9 => ignore("too small to care"),
///         10..=99 => done(),
///         _ => retry("too much just now").after(Duration::from_secs(60)),
///     }
/// }
///
/// let run = hookyard_sdk::testing::run(sizes, hookyard_sdk::testing::event().build());
/// assert_eq!(run.expect_rejected(), "an empty body cannot become better");
/// ```
pub type Outcome = Result<Done, Failure>;

/// The event was handled, or is not for this handler.
///
/// Made by [`done`], [`ignore`] and [`reply`]; the accessors are for tests.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// let handled = done().message("stored").unwrap();
/// assert_eq!(handled.message(), Some("stored"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    ending: Ending,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    Handled { reply: Option<Reply>, message: Option<String> },
    Ignored { reason: String },
}

impl Done {
    /// What was done, for a person.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// assert_eq!(done().message("3 rows").unwrap().message(), Some("3 rows"));
    /// ```
    pub fn message(&self) -> Option<&str> {
        match &self.ending {
            Ending::Handled { message, .. } => message.as_deref(),
            Ending::Ignored { .. } => None,
        }
    }

    /// The answer for the sender.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// assert_eq!(reply(201).empty().unwrap().reply().unwrap().status(), 201);
    /// ```
    pub fn reply(&self) -> Option<&Reply> {
        match &self.ending {
            Ending::Handled { reply, .. } => reply.as_ref(),
            Ending::Ignored { .. } => None,
        }
    }

    /// Why the event is not for this handler, when it is not.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// assert_eq!(ignore("a draft").unwrap().ignored(), Some("a draft"));
    /// ```
    pub fn ignored(&self) -> Option<&str> {
        match &self.ending {
            Ending::Ignored { reason } => Some(reason),
            Ending::Handled { .. } => None,
        }
    }
}

/// The event could not be handled: now, or ever.
///
/// [`retry`] and [`reject`] return one as the `Err` of any result; this type is for `map_err` and
/// for functions of your own that return `Result<T, Failure>`. JSON errors become rejects by `?`;
/// for any other error [`OrFail`] makes you say which of the two it is.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// fn port(text: &str) -> Result<u16, Failure> {
///     text.parse().map_err(|error| Failure::reject(format!("`{text}` is no port: {error}")))
/// }
///
/// assert_eq!(port("80"), Ok(80));
/// assert!(!port("http").unwrap_err().is_retry());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    retry: Option<Retry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Retry {
    after: Option<Duration>,
}

impl Failure {
    /// Try again later.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// assert!(Failure::retry("the other side is down").is_retry());
    /// ```
    pub fn retry(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), retry: Some(Retry { after: None }) }
    }

    /// Never try again.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// assert_eq!(Failure::reject("no such customer").message(), "no such customer");
    /// ```
    pub fn reject(reason: impl fmt::Display) -> Self {
        Self { message: reason.to_string(), retry: None }
    }

    /// Not before `delay` from now, to the millisecond. A reject stays a reject.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// let failure = Failure::retry("busy").after(Duration::from_secs(5));
    /// assert_eq!(failure.retry_after(), Some(Duration::from_secs(5)));
    /// ```
    pub fn after(mut self, delay: Duration) -> Self {
        if let Some(retry) = &mut self.retry {
            retry.after = Some(delay);
        }
        self
    }

    /// What a person will read.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// assert_eq!(Failure::retry("busy").message(), "busy");
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the event is tried again.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// assert!(!Failure::reject("gone").is_retry());
    /// ```
    pub fn is_retry(&self) -> bool {
        self.retry.is_some()
    }

    /// The delay that was asked for.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// assert_eq!(Failure::retry("busy").retry_after(), None);
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry.and_then(|retry| retry.after)
    }
}

/// JSON that does not parse will not parse the next time either: a reject.
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::reject(format!("the JSON is not what was expected: {error}"))
    }
}

/// An HTTP answer for the sender; only a `respond` route sends it.
///
/// Written by [`reply`]; the daemon bounds its size. The accessors are for tests.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// let outcome = reply(200).header("x-count", "3").json(&json!({ "count": 3 }));
/// let done = outcome.unwrap();
/// assert_eq!(done.reply().unwrap().body(), br#"{"count":3}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// A [`Reply`] that is being written; made by [`reply`].
///
/// [`json`](Self::json), [`text`](Self::text), [`bytes`](Self::bytes) or [`empty`](Self::empty)
/// ends it and gives the [`Outcome`].
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// /// Answers in plain text.
/// #[handler]
/// fn answer(_event: Event, _host: Host) -> Outcome {
///     reply(200).header("cache-control", "no-store").text("remembered")
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
#[must_use = "end it with `.json(…)`, `.text(…)`, `.bytes(…)` or `.empty()` and return that"]
pub struct ReplyBuilder {
    reply: Reply,
}

impl Reply {
    /// The HTTP status.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// assert_eq!(reply(201).empty().unwrap().reply().unwrap().status(), 201);
    /// ```
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header of that name, in any case, when its value is UTF-8.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// let done = reply(200).header("x-count", "3").empty().unwrap();
    /// assert_eq!(done.reply().unwrap().header("X-Count"), Some("3"));
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The body.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// assert_eq!(reply(200).bytes([1, 2]).unwrap().reply().unwrap().body(), [1, 2]);
    /// ```
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text, with U+FFFD for what is not UTF-8.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// assert_eq!(reply(200).text("hello").unwrap().reply().unwrap().text(), "hello");
    /// ```
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, parsed as JSON.
    ///
    /// # Panics
    ///
    /// When the body is not a `T` in JSON: it is the handler under test that wrote it.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// let done = reply(200).json(&json!({ "count": 3 })).unwrap();
    /// assert_eq!(done.reply().unwrap().json::<Value>()["count"], 3);
    /// ```
    #[cfg(not(target_arch = "wasm32"))]
    #[track_caller]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("the reply is not the JSON expected: {error}: {}", self.text()),
        }
    }
}

impl ReplyBuilder {
    /// Adds a header line. Names are sent in lower case.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// let done = reply(200).header("X-Count", "3").empty().unwrap();
    /// assert_eq!(done.reply().unwrap().header("x-count"), Some("3"));
    /// ```
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.reply.headers.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }

    /// Answers with `value` as JSON. A value that JSON cannot say (a map whose keys are no text) is
    /// a reject.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// let done = reply(200).json(&json!({ "ok": true })).unwrap();
    /// assert_eq!(done.reply().unwrap().header("content-type"), Some("application/json"));
    /// ```
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Outcome {
        match serde_json::to_vec(value) {
            Ok(body) => self.of_type("application/json").bytes(body),
            Err(error) => reject(format!("the reply cannot be written as JSON: {error}")),
        }
    }

    /// Answers with plain text.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// let done = reply(200).text("remembered").unwrap();
    /// assert_eq!(done.reply().unwrap().text(), "remembered");
    /// ```
    pub fn text(self, text: impl Into<String>) -> Outcome {
        self.of_type("text/plain; charset=utf-8").bytes(text.into())
    }

    /// Answers with these bytes; say their type with [`header`](Self::header).
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// let done = reply(200).header("content-type", "text/xml").bytes("<Response/>").unwrap();
    /// assert_eq!(done.reply().unwrap().body(), b"<Response/>");
    /// ```
    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Outcome {
        self.reply.body = body.into();
        self.empty()
    }

    /// Answers without a body.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// assert_eq!(reply(204).empty().unwrap().reply().unwrap().status(), 204);
    /// ```
    pub fn empty(self) -> Outcome {
        Ok(Done { ending: Ending::Handled { reply: Some(self.reply), message: None } })
    }

    fn of_type(self, content_type: &str) -> Self {
        if self.reply.header("content-type").is_some() {
            return self;
        }
        self.header("content-type", content_type)
    }
}

/// The event was handled.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// fn quiet(_event: Event, _host: Host) -> Outcome {
///     done()
/// }
/// # hookyard_sdk::testing::run(quiet, hookyard_sdk::testing::event().build()).expect_done();
/// ```
pub fn done() -> Outcome {
    Ok(Done { ending: Ending::Handled { reply: None, message: None } })
}

/// The event is not for this handler; the reason is kept with the attempt.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// fn pushes(event: Event, _host: Host) -> Outcome {
///     if event.kind() != "push" {
///         return ignore(format!("`{}` is not a push", event.kind()));
///     }
///     done()
/// }
///
/// let run = hookyard_sdk::testing::run(pushes, hookyard_sdk::testing::event().kind("star").build());
/// assert_eq!(run.expect_ignored(), "`star` is not a push");
/// ```
pub fn ignore(reason: impl fmt::Display) -> Outcome {
    Ok(Done { ending: Ending::Ignored { reason: reason.to_string() } })
}

/// The event cannot be handled now: try again, after the route's back-off or `.after(…)`.
///
/// It is the `Err` of any result, so that functions of your own can return it too.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// fn later(_event: Event, _host: Host) -> Outcome {
///     retry("the ledger is closed until noon").after(Duration::from_secs(600))
/// }
///
/// let run = hookyard_sdk::testing::run(later, hookyard_sdk::testing::event().build());
/// assert_eq!(run.expect_retry().retry_after(), Some(Duration::from_secs(600)));
/// ```
pub fn retry<T>(message: impl fmt::Display) -> Result<T, Failure> {
    Err(Failure::retry(message))
}

/// No further attempt can succeed: straight to the dead letters, with the reason.
///
/// It is the `Err` of any result, so that functions of your own can return it too.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// fn amount(text: &str) -> Result<u64, Failure> {
///     if text.is_empty() {
///         return reject("no amount");
///     }
///     text.parse().or_reject("the amount is not a number")
/// }
///
/// assert_eq!(amount("").unwrap_err().message(), "no amount");
/// ```
pub fn reject<T>(reason: impl fmt::Display) -> Result<T, Failure> {
    Err(Failure::reject(reason))
}

/// Begins an HTTP answer: `reply(200).json(&value)`. Only a `respond` route sends it.
///
/// `status` is 200 to 599. Headers that belong to the connection (`content-length`,
/// `transfer-encoding`, …) are the server's to set. A reply that breaks these rules, or is larger
/// than the plugin's `reply_bytes`, is a failed attempt.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// fn pong(_event: Event, _host: Host) -> Outcome {
///     reply(200).header("x-powered-by", "coffee").json(&json!({ "type": 1 }))
/// }
///
/// let run = hookyard_sdk::testing::run(pong, hookyard_sdk::testing::event().build());
/// assert_eq!(run.expect_reply().text(), r#"{"type":1}"#);
/// ```
pub fn reply(status: u16) -> ReplyBuilder {
    ReplyBuilder { reply: Reply { status, headers: Vec::new(), body: Vec::new() } }
}

/// What can be added to an [`Outcome`] that was just made.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// let later: Outcome = retry("busy").after(Duration::from_secs(30));
/// let recorded: Outcome = reply(201).empty().message("recorded one row");
/// # assert!(later.is_err() && recorded.is_ok());
/// ```
pub trait OutcomeExt: Sized {
    /// Not before `delay` from now, to the millisecond. Only a retry has a delay: anything else
    /// stays as it is.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// let outcome: Outcome = retry("busy").after(Duration::from_millis(1500));
    /// assert_eq!(outcome.unwrap_err().retry_after(), Some(Duration::from_millis(1500)));
    /// ```
    #[must_use]
    fn after(self, delay: Duration) -> Self;

    /// Says what was done, for the person who reads the attempt. What is not done stays as it is:
    /// it has its reason.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// let outcome = reply(200).text("thanks").message("thanked the sender");
    /// assert_eq!(outcome.unwrap().message(), Some("thanked the sender"));
    /// ```
    #[must_use]
    fn message(self, message: impl fmt::Display) -> Self;
}

impl OutcomeExt for Outcome {
    fn after(self, delay: Duration) -> Self {
        self.map_err(|failure| failure.after(delay))
    }

    fn message(mut self, text: impl fmt::Display) -> Self {
        if let Ok(Done { ending: Ending::Handled { message, .. } }) = &mut self {
            *message = Some(text.to_string());
        }
        self
    }
}

/// Turns an error or a missing value into a [`Failure`], so that `?` can pass it on.
///
/// There is no blanket conversion: only the author knows whether trying again can help.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// fn tenant(event: Event, _host: Host) -> Outcome {
///     let tenant = event.param("tenant").or_reject("the route has no {tenant}")?;
///     let number: u32 = tenant.parse().or_reject("the tenant is not a number")?;
///     done().message(number)
/// }
///
/// let event = hookyard_sdk::testing::event().param("tenant", "x").build();
/// let run = hookyard_sdk::testing::run(tenant, event);
/// assert_eq!(run.expect_rejected(), "the tenant is not a number: invalid digit found in string");
/// ```
pub trait OrFail<T> {
    /// What is wrong stays wrong: a reject.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// let failure = "x".parse::<u8>().or_reject("no number").unwrap_err();
    /// assert!(!failure.is_retry());
    /// ```
    fn or_reject(self, what: &str) -> Result<T, Failure>;

    /// It may be right later: a retry.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// let failure = None::<u8>.or_retry("the other event has not come yet").unwrap_err();
    /// assert!(failure.is_retry());
    /// ```
    fn or_retry(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> OrFail<T> for Result<T, E> {
    fn or_reject(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::reject(format!("{what}: {error}")))
    }

    fn or_retry(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::retry(format!("{what}: {error}")))
    }
}

impl<T> OrFail<T> for Option<T> {
    fn or_reject(self, what: &str) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::reject(what))
    }

    fn or_retry(self, what: &str) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::retry(what))
    }
}

pub(crate) fn into_wire(outcome: Outcome) -> types::Outcome {
    match outcome {
        Ok(Done { ending: Ending::Handled { reply, message } }) => {
            types::Outcome::Done(types::Done {
                reply: reply.map(|reply| types::Reply {
                    status: reply.status,
                    headers: reply.headers,
                    body: reply.body,
                }),
                message,
                attributes: Vec::new(),
            })
        }
        Ok(Done { ending: Ending::Ignored { reason } }) => types::Outcome::Ignored(reason),
        Err(Failure { message, retry: Some(Retry { after }) }) => {
            types::Outcome::Retry(types::Retry {
                after_ms: after.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
                message,
            })
        }
        Err(Failure { message, retry: None }) => types::Outcome::Reject(message),
    }
}
