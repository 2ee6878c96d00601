//! Requests to other services, through connections that config.toml names.

mod pages;
mod response;

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use crate::Failure;
use crate::guest::bindings::imports::hookyard::plugin::connection as wire;
use crate::host::calls;

pub use pages::{NextPage, Pages};
pub use response::Response;

/// Another service's HTTP API; from [`Host::connection`](crate::Host::connection).
///
/// Paths are relative to the connection's `base_url`, and nothing in one leaves it. The daemon adds the
/// credential, waits for the connection's `rate`, and tries again what may be tried again. A request
/// happens at once, and once more if the attempt is run again; see
/// [`idempotency_key`](RequestBuilder::idempotency_key).
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// /// Tells a channel about each star.
/// #[handler(kinds("star"))]
/// fn tell(event: Event, host: Host) -> Outcome {
///     let star: Value = event.json()?;
///     let line = json!({ "channel": "#stars", "text": star["sender"] });
///     host.connection("slack").post("chat.postMessage").json(&line).send()?.expect_success()?;
///     done()
/// }
///
/// hookyard_sdk::plugin!(tell, connections(slack));
///
/// # fn main() {
/// let event = testing::event().json(&json!({ "sender": "ada" })).build();
/// let host = testing::host().answer("slack", testing::response(200).json(&json!({ "ok": true })));
/// let run = host.run(tell, event);
/// run.expect_done();
/// let asked = &run.requests()[0];
/// assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "chat.postMessage"));
/// assert_eq!(asked.json::<Value>()["text"], "ada");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    name: String,
    /// The native fake belongs to the thread that runs the handler.
    not_send: PhantomData<*const ()>,
}

macro_rules! methods {
    ($($name:ident $method:literal;)+) => {$(
        #[doc = concat!("Begins a `", $method, "` of a path below the connection's `base_url`.")]
        ///
        /// ```
        /// use hookyard_sdk::prelude::*;
        /// use hookyard_sdk::testing;
        ///
        /// fn ask(_event: Event, host: Host) -> Outcome {
        #[doc = concat!("    let response = host.connection(\"api\").", stringify!($name), "(\"items/1\").send()?;")]
        ///     done().message(response.status())
        /// }
        ///
        /// let host = testing::host().answer("api", testing::response(204));
        /// let run = host.run(ask, testing::event().build());
        #[doc = concat!("assert_eq!(run.requests()[0].method, \"", $method, "\");")]
        /// ```
        pub fn $name(&self, path: impl Into<String>) -> RequestBuilder {
            self.request($method, path)
        }
    )+};
}

impl Connection {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), not_send: PhantomData }
    }

    methods! {
        get "GET";
        head "HEAD";
        post "POST";
        put "PUT";
        patch "PATCH";
        delete "DELETE";
    }

    /// Begins a request with any of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` and `OPTIONS`.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn ask(_event: Event, host: Host) -> Outcome {
    ///     done().message(host.connection("api").request("OPTIONS", "items").send()?.status())
    /// }
    ///
    /// let host = testing::host().answer("api", testing::response(204));
    /// assert_eq!(host.run(ask, testing::event().build()).expect_done().message(), Some("204"));
    /// ```
    pub fn request(&self, method: &str, path: impl Into<String>) -> RequestBuilder {
        RequestBuilder {
            connection: self.clone(),
            call: wire::Call {
                method: method.to_owned(),
                path: path.into(),
                query: Vec::new(),
                headers: Vec::new(),
                body: Vec::new(),
                timeout_ms: None,
                idempotency_key: None,
            },
            unwritable: None,
        }
    }
}

/// A request that is being written; [`send`](Self::send) sends it.
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn find(_event: Event, host: Host) -> Outcome {
///     let found: Vec<Value> = host
///         .connection("shop")
///         .get("orders")
///         .query("customer", "ada & co")
///         .header("accept-language", "en")
///         .send()?
///         .expect_success()?
///         .json()?;
///     done().message(found.len())
/// }
///
/// let host = testing::host().answer("shop", testing::response(200).json(&[1, 2]));
/// let run = host.run(find, testing::event().build());
/// assert_eq!(run.expect_done().message(), Some("2"));
/// assert_eq!(run.requests()[0].query, [("customer".to_owned(), "ada & co".to_owned())]);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until `.send()`"]
pub struct RequestBuilder {
    connection: Connection,
    call: wire::Call,
    unwritable: Option<String>,
}

impl RequestBuilder {
    /// Adds a parameter to the query, which is encoded.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn search(host: &Host, text: &str) -> Result<Value, Failure> {
    ///     host.connection("api").get("search").query("q", text).query("limit", 10).send()?.json()
    /// }
    /// ```
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.call.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a header line. Those of the connection (`host`, `content-length` and the like), the
    /// credential and what config.toml sets are the daemon's: with one of them the request is not sent.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn readme(host: &Host) -> Result<String, Failure> {
    ///     let request = host.connection("github").get("repos/a/b/readme");
    ///     request.header("accept", "application/vnd.github.raw").send()?.expect_success()?.text()
    /// }
    /// ```
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.call.headers.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }

    /// The body, as JSON, with its content type unless there is one.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn create(host: &Host, name: &str) -> Result<Value, Failure> {
    ///     let body = json!({ "name": name });
    ///     host.connection("api").post("items").json(&body).send()?.expect_success()?.json()
    /// }
    /// ```
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.of_type("application/json").body(body),
            Err(error) => {
                self.unwritable = Some(error.to_string());
                self
            }
        }
    }

    /// The body, as form fields, with its content type unless there is one.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn charge(_event: Event, host: Host) -> Outcome {
    ///     let form = [("amount", "100"), ("currency", "eur")];
    ///     host.connection("stripe").post("charges").form(form).send()?.expect_success()?;
    ///     done()
    /// }
    ///
    /// let host = testing::host().answer("stripe", testing::response(200));
    /// let run = host.run(charge, testing::event().build());
    /// assert_eq!(run.requests()[0].body, b"amount=100&currency=eur");
    /// ```
    pub fn form<'a>(self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        self.of_type("application/x-www-form-urlencoded").body(body.finish())
    }

    /// The body, as it is.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn upload(host: &Host, image: &[u8]) -> Result<(), Failure> {
    ///     let request = host.connection("files").put("images/1.png");
    ///     request.header("content-type", "image/png").body(image).send()?.expect_success()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.call.body = body.as_ref().to_vec();
        self
    }

    /// For all of it: the wait for `rate`, every try and the waits between them. Without one it may
    /// take as long as the attempt has left.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn quick(host: &Host) -> Result<Value, Failure> {
    ///     let request = host.connection("api").get("status");
    ///     request.timeout(Duration::from_secs(1)).send()?.expect_success()?.json()
    /// }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.call.timeout_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// What the service knows the request by when it comes twice, in place of the daemon's own key,
    /// which is the job's id and the request's place in the attempt. Only with a key of yours is a
    /// `POST` or `PATCH` sent again after it may have been carried out, unless config.toml says that the
    /// service honours keys: `retry = { idempotent = true }`.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn refund(host: &Host, order: &str) -> Result<(), Failure> {
    ///     let request = host.connection("bank").post("refunds").json(&json!({ "order": order }));
    ///     request.idempotency_key(format!("refund-{order}")).send()?.expect_success()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.call.idempotency_key = Some(key.into());
        self
    }

    /// Sends the request and waits for the whole answer, of whatever status.
    ///
    /// An error passed on by `?` is a retry when the request may go well later, and a reject when it
    /// was wrong by itself or went to a guarded address.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn probe(_event: Event, host: Host) -> Outcome {
    ///     match host.connection("site").head("").send() {
    ///         Ok(response) => done().message(response.status()),
    ///         Err(error @ ConnectionError::Network(_)) => done().message(format!("down: {error}")),
    ///         Err(error) => Err(error.into()),
    ///     }
    /// }
    ///
    /// let down = ConnectionError::Network("refused".into());
    /// let run = testing::host().fail("site", down).run(probe, testing::event().build());
    /// assert_eq!(run.expect_done().message(), Some("down: refused"));
    /// ```
    pub fn send(self) -> Result<Response, ConnectionError> {
        if let Some(error) = self.unwritable {
            let message = format!("the request's body cannot be written as JSON: {error}");
            return Err(ConnectionError::Invalid(message));
        }
        match calls::connection_request(&self.connection.name, &self.call) {
            Ok(response) => Ok(Response::new(self.connection.name, response)),
            Err(error) => Err(ConnectionError::from_wire(error)),
        }
    }

    fn of_type(self, content_type: &str) -> Self {
        if self.call.headers.iter().any(|(name, _)| name == "content-type") {
            return self;
        }
        self.header("content-type", content_type)
    }
}

/// Why a request has no answer.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// let later = Failure::from(ConnectionError::Network("the connection broke".into()));
/// assert!(later.is_retry());
/// let never = Failure::from(ConnectionError::Invalid("the path has a fragment".into()));
/// assert!(!never.is_retry());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The request cannot be made as it is: nothing was sent.
    Invalid(String),
    /// It would go to an address that is guarded: nothing was sent there.
    Refused(String),
    /// No whole answer in time. It may have been carried out.
    Timeout(String),
    /// The server cannot be reached, or the connection broke. It may have been carried out.
    Network(String),
    /// The answer is larger than the connection's `max_response`.
    TooLarge(String),
    /// The connection's `rate` has no room in time: nothing was sent.
    Rate {
        /// For a person.
        message: String,
        /// When there is room again.
        after: Duration,
    },
    /// The connection's credential could not be had: nothing was sent.
    Credential(String),
}

impl ConnectionError {
    fn from_wire(error: wire::Error) -> Self {
        match error {
            wire::Error::Invalid(message) => Self::Invalid(message),
            wire::Error::Refused(message) => Self::Refused(message),
            wire::Error::Timeout(message) => Self::Timeout(message),
            wire::Error::Network(message) => Self::Network(message),
            wire::Error::TooLarge(message) => Self::TooLarge(message),
            wire::Error::Rate(wire::Wait { message, after_ms }) => {
                Self::Rate { message, after: Duration::from_millis(after_ms) }
            }
            wire::Error::Credential(message) => Self::Credential(message),
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(message)
            | Self::Refused(message)
            | Self::Timeout(message)
            | Self::Network(message)
            | Self::TooLarge(message)
            | Self::Rate { message, .. }
            | Self::Credential(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for ConnectionError {}

/// What may go well later is a retry, after the wait that is known; the rest is a reject.
impl From<ConnectionError> for Failure {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Invalid(_)
            | ConnectionError::Refused(_)
            | ConnectionError::TooLarge(_) => Self::reject(error),
            ConnectionError::Timeout(_)
            | ConnectionError::Network(_)
            | ConnectionError::Credential(_) => Self::retry(error),
            ConnectionError::Rate { after, .. } => Self::retry(error).after(after),
        }
    }
}
