//! What the made-up host's services answer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Fake, HostBuilder, Run};
use crate::ConnectionError;
use crate::guest::bindings::imports::hookyard::plugin::connection as wire;

/// What services answer, in order, and what they were asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Services {
    /// By the connection's name.
    answers: BTreeMap<String, VecDeque<Result<wire::Response, ConnectionError>>>,
    asked: Vec<Request>,
}

/// A request that a handler made.
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn put(_event: Event, host: Host) -> Outcome {
///     let request = host.connection("api").put("items/1").header("If-Match", "7");
///     request.json(&json!({ "name": "lamp" })).send()?.expect_success()?;
///     done()
/// }
///
/// let host = testing::host().answer("api", testing::response(200));
/// let run = host.run(put, testing::event().build());
/// let asked = &run.requests()[0];
/// assert_eq!((asked.connection.as_str(), asked.method.as_str()), ("api", "PUT"));
/// assert_eq!(asked.header("if-match"), Some("7"));
/// assert_eq!(asked.json::<Value>()["name"], "lamp");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The connection's name.
    pub connection: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// As the handler gave it.
    pub path: String,
    /// Names and values, not encoded.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// The one that the handler set.
    pub timeout: Option<Duration>,
    /// The one that the handler set.
    pub idempotency_key: Option<String>,
}

impl Request {
    /// The first header of that name, in any case, when its value is UTF-8.
    ///
    /// ```
    /// # use hookyard_sdk::testing;
    /// fn content_type(run: &testing::Run) -> Option<&str> {
    ///     run.requests().first()?.header("content-type")
    /// }
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The body, parsed as JSON.
    ///
    /// # Panics
    ///
    /// When it is no `T` in JSON: it is the handler under test that wrote it.
    ///
    /// ```
    /// # use hookyard_sdk::testing;
    /// fn text(run: &testing::Run) -> String {
    ///     run.requests()[0].json::<serde_json::Value>()["text"].to_string()
    /// }
    /// ```
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("the request's body is not the JSON expected: {error}"),
        }
    }
}

/// An answer that is being made up; begun by [`response`].
///
/// ```
/// let response = hookyard_sdk::testing::response(200).header("etag", "7").text("hello");
/// # let _ = response;
/// ```
#[derive(Clone, Debug)]
#[must_use = "give it to `testing::host().answer(…)`"]
pub struct ResponseBuilder(wire::Response);

/// Begins an answer of a service, without headers and body.
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn ask(_event: Event, host: Host) -> Outcome {
///     done().message(host.connection("api").get("").send()?.status())
/// }
///
/// let host = testing::host().answer("api", testing::response(418));
/// assert_eq!(host.run(ask, testing::event().build()).expect_done().message(), Some("418"));
/// ```
pub fn response(status: u16) -> ResponseBuilder {
    ResponseBuilder(wire::Response { status, headers: Vec::new(), body: Vec::new() })
}

impl ResponseBuilder {
    /// Adds a header line.
    ///
    /// ```
    /// let response = hookyard_sdk::testing::response(503).header("retry-after", "5");
    /// # let _ = response;
    /// ```
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.headers.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }

    /// A body of JSON, with its content type.
    ///
    /// # Panics
    ///
    /// When `value` cannot be written as JSON.
    ///
    /// ```
    /// let response = hookyard_sdk::testing::response(200).json(&[1, 2]);
    /// # let _ = response;
    /// ```
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.header("content-type", "application/json").body(body),
            Err(error) => panic!("the response's body cannot be written as JSON: {error}"),
        }
    }

    /// A body of plain text, with its content type.
    ///
    /// ```
    /// let response = hookyard_sdk::testing::response(404).text("no such item");
    /// # let _ = response;
    /// ```
    pub fn text(self, text: &str) -> Self {
        self.header("content-type", "text/plain; charset=utf-8").body(text)
    }

    /// The body, as it is.
    ///
    /// ```
    /// let response = hookyard_sdk::testing::response(200).body([0xff]);
    /// # let _ = response;
    /// ```
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.0.body = body.as_ref().to_vec();
        self
    }
}

impl HostBuilder {
    /// Grants a connection and gives its next answer: each request takes one, in order. A request
    /// without an answer panics, and so does one for a connection that nobody granted.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn twice(_event: Event, host: Host) -> Outcome {
    ///     let api = host.connection("api");
    ///     let (first, second) = (api.get("a").send()?.text()?, api.get("b").send()?.text()?);
    ///     done().message(first + &second)
    /// }
    ///
    /// let host = testing::host()
    ///     .answer("api", testing::response(200).text("one"))
    ///     .answer("api", testing::response(200).text("two"));
    /// let run = host.run(twice, testing::event().build());
    /// assert_eq!(run.expect_done().message(), Some("onetwo"));
    /// ```
    pub fn answer(mut self, connection: &str, response: ResponseBuilder) -> Self {
        self.fake.services.next(connection, Ok(response.0));
        self
    }

    /// As [`answer`](Self::answer), for a request that gets none.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn post(_event: Event, host: Host) -> Outcome {
    ///     host.connection("api").post("items").send()?.expect_success()?;
    ///     done()
    /// }
    ///
    /// let after = Duration::from_secs(9);
    /// let full = ConnectionError::Rate { message: "50 each minute".into(), after };
    /// let run = testing::host().fail("api", full).run(post, testing::event().build());
    /// assert_eq!(run.expect_retry().retry_after(), Some(after));
    /// ```
    pub fn fail(mut self, connection: &str, error: ConnectionError) -> Self {
        self.fake.services.next(connection, Err(error));
        self
    }
}

impl Run {
    /// What the handler asked services, in order.
    ///
    /// ```
    /// use hookyard_sdk::testing;
    ///
    /// let run = testing::run(|_, _| hookyard_sdk::outcome::done(), testing::event().build());
    /// assert!(run.requests().is_empty());
    /// ```
    pub fn requests(&self) -> &[Request] {
        &self.services.asked
    }
}

impl Services {
    fn next(&mut self, connection: &str, answer: Result<wire::Response, ConnectionError>) {
        self.answers.entry(connection.to_owned()).or_default().push_back(answer);
    }
}

impl Fake {
    pub(crate) fn connection_request(
        &mut self,
        connection: &str,
        call: &wire::Call,
    ) -> Result<wire::Response, wire::Error> {
        let Services { answers, asked } = &mut self.services;
        asked.push(Request {
            connection: connection.to_owned(),
            method: call.method.clone(),
            path: call.path.clone(),
            query: call.query.clone(),
            headers: call.headers.clone(),
            body: call.body.clone(),
            timeout: call.timeout_ms.map(Duration::from_millis),
            idempotency_key: call.idempotency_key.clone(),
        });
        let Some(prepared) = answers.get_mut(connection) else {
            // The daemon fails the attempt, which a test sees as a panic.
            panic!(
                "the connection `{connection}` is not granted: give the test's host its answer with `.answer(\"{connection}\", …)`"
            );
        };
        let Some(answer) = prepared.pop_front() else {
            panic!(
                "the handler made another request through `{connection}` than the test has answers for: {} {}",
                call.method, call.path
            );
        };
        answer.map_err(into_wire)
    }
}

fn into_wire(error: ConnectionError) -> wire::Error {
    match error {
        ConnectionError::Invalid(message) => wire::Error::Invalid(message),
        ConnectionError::Refused(message) => wire::Error::Refused(message),
        ConnectionError::Timeout(message) => wire::Error::Timeout(message),
        ConnectionError::Network(message) => wire::Error::Network(message),
        ConnectionError::TooLarge(message) => wire::Error::TooLarge(message),
        ConnectionError::Rate { message, after } => {
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            wire::Error::Rate(wire::Wait { message, after_ms })
        }
        ConnectionError::Credential(message) => wire::Error::Credential(message),
    }
}
