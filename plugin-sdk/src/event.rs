//! The event that a handler handles.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::Failure;
use crate::guest::bindings::imports::hookyard::plugin::types;

/// A webhook to handle: stored by the daemon before the handler saw it, and the same on every
/// attempt.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// /// Says what it saw.
/// #[handler]
/// fn tell(event: Event, host: Host) -> Outcome {
///     host.info(format!("{} from {}: {} bytes", event.kind(), event.source(), event.body().len()));
///     done()
/// }
///
/// hookyard_sdk::plugin!(tell);
/// # fn main() {}
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    wire: types::Event,
}

impl Event {
    pub(crate) fn from_wire(wire: types::Event) -> Self {
        Self { wire }
    }

    /// The event's id, a UUIDv7; the same on every attempt.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().id("0198c0de-0000-7000-8000-000000000001").build();
    /// assert_eq!(event.id(), "0198c0de-0000-7000-8000-000000000001");
    /// ```
    pub fn id(&self) -> &str {
        &self.wire.id
    }

    /// The name of the route that took the event.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().source("github").build();
    /// assert_eq!(event.source(), "github");
    /// ```
    pub fn source(&self) -> &str {
        &self.wire.source
    }

    /// The provider's event type (`push`, `invoice.paid`); empty when the provider has none.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().kind("invoice.paid").build();
    /// assert_eq!(event.kind(), "invoice.paid");
    /// ```
    pub fn kind(&self) -> &str {
        &self.wire.kind
    }

    /// The provider's own id of the delivery, when it gives one.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().delivery_id("72d3162e").build();
    /// assert_eq!(event.delivery_id(), Some("72d3162e"));
    /// ```
    pub fn delivery_id(&self) -> Option<&str> {
        self.wire.delivery_id.as_deref()
    }

    /// Whose event it is, where a route serves several tenants; else empty.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().tenant("acme").build();
    /// assert_eq!(event.tenant(), "acme");
    /// ```
    pub fn tenant(&self) -> &str {
        &self.wire.tenant
    }

    /// When its last byte was received, to the millisecond.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    /// assert_eq!(hookyard_sdk::testing::event().received_at(at).build().received_at(), at);
    /// ```
    pub fn received_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.wire.received_at)
    }

    /// The request's method, in upper case.
    ///
    /// ```
    /// assert_eq!(hookyard_sdk::testing::event().build().method(), "POST");
    /// ```
    pub fn method(&self) -> &str {
        &self.wire.method
    }

    /// The request's path, as received.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().path("/hooks/github").build();
    /// assert_eq!(event.path(), "/hooks/github");
    /// ```
    pub fn path(&self) -> &str {
        &self.wire.path
    }

    /// What stands after the `?` in the request line, as received.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().query("a=1&b=2").build();
    /// assert_eq!(event.query(), Some("a=1&b=2"));
    /// ```
    pub fn query(&self) -> Option<&str> {
        self.wire.query.as_deref()
    }

    /// What the route's `{name}` matched.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().param("tenant", "acme").build();
    /// assert_eq!(event.param("tenant"), Some("acme"));
    /// assert_eq!(event.param("other"), None);
    /// ```
    pub fn param(&self, name: &str) -> Option<&str> {
        self.wire.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first header of that name, in any case, when its value is UTF-8.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().header("x-github-event", "push").build();
    /// assert_eq!(event.header("X-GitHub-Event"), Some("push"));
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The first header of that name, in any case, as the bytes that were received.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().header("x-name", b"caf\xe9").build();
    /// assert_eq!(event.header_bytes("x-name"), Some(&b"caf\xe9"[..]));
    /// assert_eq!(event.header("x-name"), None);
    /// ```
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All header lines: names in lower case; the lines of one name in the order received, different
    /// names in no particular order.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().header("X-A", "1").header("x-a", "2").build();
    /// let headers: Vec<_> = event.headers().collect();
    /// assert_eq!(headers, [("x-a", &b"1"[..]), ("x-a", &b"2"[..])]);
    /// ```
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.wire.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The body, exactly as received.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().body([1, 2, 3]).build();
    /// assert_eq!(event.body(), [1, 2, 3]);
    /// ```
    pub fn body(&self) -> &[u8] {
        &self.wire.body
    }

    /// The body as text. A body that is not UTF-8 is a reject.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn lines(event: Event, _host: Host) -> Outcome {
    ///     reply(200).text(event.text()?.lines().count().to_string())
    /// }
    ///
    /// let run = testing::run(lines, testing::event().text("a\nb").build());
    /// assert_eq!(run.expect_reply().text(), "2");
    /// testing::run(lines, testing::event().body([0xff]).build()).expect_rejected();
    /// ```
    pub fn text(&self) -> Result<&str, Failure> {
        text(self.body())
    }

    /// The body, parsed as JSON. A body that is not JSON, or of another shape, is a reject whose
    /// reason says where.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// #[derive(Deserialize)]
    /// struct Invoice { total: u64 }
    ///
    /// fn total(event: Event, _host: Host) -> Outcome {
    ///     let invoice: Invoice = event.json()?;
    ///     reply(200).text(invoice.total.to_string())
    /// }
    ///
    /// let run = testing::run(total, testing::event().json(&json!({ "total": 7 })).build());
    /// assert_eq!(run.expect_reply().text(), "7");
    /// let run = testing::run(total, testing::event().json(&json!({})).build());
    /// assert!(run.expect_rejected().contains("missing field `total`"));
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(self.body()).map_err(Failure::from)
    }

    /// The body, parsed as a form (`application/x-www-form-urlencoded`). Every body is one; what is
    /// not UTF-8 after decoding is replaced by U+FFFD.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().form([("text", "hello there"), ("a", "1")]).build();
    /// assert_eq!(event.form().field("text"), Some("hello there"));
    /// assert_eq!(event.form().field("b"), None);
    /// ```
    pub fn form(&self) -> Form<'_> {
        Form { pairs: form_urlencoded::parse(self.body()).collect() }
    }

    /// Which parts of the event the sender's signature does not cover (`kind`, `delivery-id`,
    /// `path`, …): convenience, not proof. Do not decide about money or access by them.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().unauthenticated("kind").build();
    /// assert!(event.unauthenticated().any(|part| part == "kind"));
    /// ```
    pub fn unauthenticated(&self) -> impl Iterator<Item = &str> {
        self.wire.unauthenticated.iter().map(String::as_str)
    }
}

/// A body as text; what is none is a reject.
pub(crate) fn text(body: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(body)
        .map_err(|error| Failure::reject(format!("the body is not UTF-8 text: {error}")))
}

/// A body parsed as a form: names and values, decoded, in their order.
///
/// ```
/// let event = hookyard_sdk::testing::event().body("to=a&to=b+c&text=%C3%A9").build();
/// let form = event.form();
/// assert_eq!(form.field("text"), Some("é"));
/// assert_eq!(form.pairs().filter(|(name, _)| *name == "to").count(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl Form<'_> {
    /// The first value of that name.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().form([("command", "/remember")]).build();
    /// assert_eq!(event.form().field("command"), Some("/remember"));
    /// ```
    pub fn field(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// All names and values, in their order, repeated names kept.
    ///
    /// ```
    /// let event = hookyard_sdk::testing::event().body("a=1&a=2").build();
    /// assert_eq!(event.form().pairs().collect::<Vec<_>>(), [("a", "1"), ("a", "2")]);
    /// ```
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}
