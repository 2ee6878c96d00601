//! Capability `connection`: requests to other services. What they may be and where they go is
//! decided by the daemon's [`Connections`]; here they are granted, bounded, numbered and recorded.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use hookyard_types::{OutgoingRequest, Timestamp};

use crate::Limits;
use crate::bindings::connection as wire;
use crate::manifest::ANY_CONNECTION;
use crate::secret::Secrets;
use crate::state::{LimitReached, State};
use crate::text::clip;

/// What a request counts besides its bytes, so that the number of requests is bounded by
/// `request_bytes` too.
const CALL_COST: usize = 1 << 10;
/// A call ends this much before its attempt does, so that the handler can still say what to do.
const MARGIN: Duration = Duration::from_millis(100);
/// The longest text of a request in an attempt's record, in bytes.
const SHOWN: usize = 512;

/// Carries out requests. The daemon sends them.
#[async_trait]
pub trait Connections: fmt::Debug + Send + Sync + 'static {
    /// Makes the request and reads the answer. Dropping the future ends the request.
    async fn request(&self, call: Call) -> Called;
}

/// A request, as its plugin gave it. `Debug` shows neither headers nor body.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    pub connection: String,
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
    /// The same whenever this job makes this call again.
    pub idempotency_key: String,
    /// Whether the plugin's author gave that key.
    pub keyed_by_author: bool,
    /// No answer is waited for after this.
    pub deadline: Instant,
    /// The most bytes that the answer's body and headers may have.
    pub max_answer: usize,
}

/// What became of a request.
#[derive(Debug)]
pub struct Called {
    /// For a person: no values of the query, no credential.
    pub url: String,
    /// How often it was sent.
    pub tries: u32,
    /// The last status that came back, also where the answer is an error.
    pub status: Option<u16>,
    /// Bytes of the last answer's body, as they came.
    pub received: u64,
    pub outcome: Result<Answer, CallError>,
}

/// A whole answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// Why there is no answer; each with a sentence for a person, without a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// There is no connection of this name (any more): the attempt ends.
    Unknown,
    /// The answer is larger than the call's `max_answer`: the attempt ends.
    OverLimit,
    Invalid(String),
    Refused(String),
    Timeout(String),
    Network(String),
    TooLarge(String),
    Rate {
        message: String,
        after: Duration,
    },
    Credential(String),
}

impl CallError {
    /// What a person reads.
    pub fn message(&self) -> &str {
        match self {
            Self::Unknown => "there is no such connection",
            Self::OverLimit => "the answer is more than `request_bytes` has room for",
            Self::Invalid(message)
            | Self::Refused(message)
            | Self::Timeout(message)
            | Self::Network(message)
            | Self::TooLarge(message)
            | Self::Rate { message, .. }
            | Self::Credential(message) => message,
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("connection", &self.connection)
            .field("method", &self.method)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer {}, {} bytes", self.status, self.body.len())
    }
}

/// What the attempts of one plugin make requests with.
#[derive(Debug)]
pub(crate) struct Access {
    plugin: String,
    carrier: Arc<dyn Connections>,
    granted: BTreeSet<String>,
    /// The connections that the plugin's manifest names.
    named: BTreeSet<String>,
    requests: u32,
    bytes: usize,
}

impl Access {
    pub(crate) fn new(
        plugin: &str,
        carrier: Arc<dyn Connections>,
        granted: BTreeSet<String>,
        named: BTreeSet<String>,
        limits: &Limits,
    ) -> Self {
        let Limits { requests, request_bytes: bytes, .. } = *limits;
        Self { plugin: plugin.to_owned(), carrier, granted, named, requests, bytes }
    }

    /// The most bytes of one request.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A plugin asked for a connection that it may not have: the attempt is a failed one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Misuse(String);

/// One attempt's requests.
#[derive(Default)]
pub(crate) struct Outgoing {
    with: Option<(Arc<Access>, String, Instant)>,
    made: Vec<OutgoingRequest>,
    /// Counted of `request_bytes`.
    used: usize,
}

impl Outgoing {
    /// For an attempt of `job` that ends at `end`.
    pub(crate) fn new(access: Option<Arc<Access>>, job: String, end: Instant) -> Self {
        Self { with: access.map(|access| (access, job, end)), ..Self::default() }
    }

    /// Whether the plugin may use any.
    pub(crate) fn is_open(&self) -> bool {
        self.with.is_some()
    }

    /// What was made, whatever became of it, without the secrets that the plugin put into it.
    pub(crate) fn into_made(self, secrets: &Secrets) -> Vec<OutgoingRequest> {
        let mut made = self.made;
        for OutgoingRequest { method, url, error, .. } in &mut made {
            for text in [method, url].into_iter().chain(error) {
                *text = secrets.redact(std::mem::take(text));
            }
        }
        made
    }

    /// Checks and counts a request and gives it its number.
    fn admit(&mut self, name: String, request: wire::Call) -> wasmtime::Result<Granted> {
        let Some((access, job, end)) = &self.with else {
            return Err(Misuse("connections cannot be used here".to_owned()).into());
        };
        let plugin = &access.plugin;
        if !access.granted.contains(&name) {
            return Err(Misuse(format!(
                "plugin `{plugin}` uses the connection `{name}`, which [plugin.{plugin}] does not \
                 grant: add it to `connections`",
                name = clip(&name, 80),
            ))
            .into());
        }
        if !access.named.contains(&name) && !access.named.contains(ANY_CONNECTION) {
            return Err(Misuse(format!(
                "plugin `{plugin}` uses the connection `{name}`, which its manifest does not name: add \
                 `connections({name})` to `plugin!(…)`"
            ))
            .into());
        }
        if self.made.len() >= access.requests as usize {
            return Err(LimitReached(format!(
                "made more than its `requests` of {} allows: make fewer in one attempt, or raise \
                 `requests` under `[plugin.{plugin}]`",
                access.requests
            ))
            .into());
        }
        self.used = self.used.saturating_add(size(&request));
        let Some(left) = access.bytes.checked_sub(self.used) else {
            return Err(over_bytes(access));
        };
        let number = u32::try_from(self.made.len()).unwrap_or(u32::MAX).saturating_add(1);
        let latest = end.checked_sub(MARGIN).unwrap_or(*end);
        let now = Instant::now();
        let deadline = match request.timeout_ms {
            Some(timeout) => {
                now.checked_add(Duration::from_millis(timeout)).map_or(latest, |at| at.min(latest))
            }
            None => latest,
        };
        let own_key = request.idempotency_key;
        self.made.push(OutgoingRequest {
            run: 1,
            number,
            connection: name.clone(),
            method: clip(&request.method, 32),
            url: clip(request.path.split(['?', '#']).next().unwrap_or_default(), SHOWN),
            status: None,
            error: Some("the attempt ended before it did".to_owned()),
            tries: 0,
            started_at: Timestamp::now(),
            duration: Duration::ZERO,
            sent: u64::try_from(request.body.len()).unwrap_or(u64::MAX),
            received: 0,
        });
        Ok(Granted {
            access: Arc::clone(access),
            begun: now,
            call: Call {
                connection: name,
                method: request.method,
                path: request.path,
                query: request.query,
                headers: request.headers,
                body: request.body.into(),
                keyed_by_author: own_key.is_some(),
                idempotency_key: own_key.unwrap_or_else(|| format!("{job}-{number}")),
                deadline,
                max_answer: left,
            },
        })
    }

    /// Completes the record of the last request.
    fn ended(&mut self, begun: Instant, called: &Called) {
        let Some(record) = self.made.last_mut() else { return };
        record.duration = begun.elapsed();
        record.url = clip(&called.url, SHOWN);
        record.status = called.status;
        record.tries = called.tries;
        record.received = called.received;
        record.error = called.outcome.as_ref().err().map(|error| clip(error.message(), SHOWN));
    }
}

/// A request that may be made.
struct Granted {
    access: Arc<Access>,
    begun: Instant,
    call: Call,
}

/// What a request counts of `request_bytes`.
fn size(request: &wire::Call) -> usize {
    let query = request.query.iter().map(|(name, value)| name.len() + value.len());
    let headers = request.headers.iter().map(|(name, value)| name.len() + value.len());
    let text = query.chain(headers).fold(request.path.len(), usize::saturating_add);
    text.saturating_add(request.body.len()).saturating_add(CALL_COST)
}

fn over_bytes(access: &Access) -> wasmtime::Error {
    LimitReached(format!(
        "sent and received more than its `request_bytes` of {} allows: do less in one attempt, or \
         raise `request_bytes` under `[plugin.{}]`",
        access.bytes, access.plugin
    ))
    .into()
}

/// Runs beside the guest, whose processor time it is not, and ends with it.
struct Beside<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Beside<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl wire::Host for State {
    async fn request(
        &mut self,
        name: String,
        request: wire::Call,
    ) -> wasmtime::Result<Result<wire::Response, wire::Error>> {
        let Granted { access, begun, call } = self.outgoing.admit(name, request)?;
        let carrier = Arc::clone(&access.carrier);
        let mut beside = Beside(tokio::spawn(async move { carrier.request(call).await }));
        let called = match (&mut beside.0).await {
            Ok(called) => called,
            Err(error) => {
                return Err(Misuse(format!("the request ended inside the daemon: {error}")).into());
            }
        };
        self.outgoing.ended(begun, &called);
        Ok(match called.outcome {
            Ok(Answer { status, headers, body }) => {
                let lines = headers.iter().map(|(name, value)| name.len() + value.len());
                let size = lines.fold(body.len(), usize::saturating_add);
                self.outgoing.used = self.outgoing.used.saturating_add(size);
                Ok(wire::Response { status, headers, body })
            }
            Err(CallError::Unknown) => {
                let record = self.outgoing.made.last();
                let name = record.map_or("", |record| record.connection.as_str());
                return Err(Misuse(format!(
                    "the connection `{name}` is not in the configuration any more"
                ))
                .into());
            }
            Err(CallError::OverLimit) => return Err(over_bytes(&access)),
            Err(CallError::Invalid(message)) => Err(wire::Error::Invalid(message)),
            Err(CallError::Refused(message)) => Err(wire::Error::Refused(message)),
            Err(CallError::Timeout(message)) => Err(wire::Error::Timeout(message)),
            Err(CallError::Network(message)) => Err(wire::Error::Network(message)),
            Err(CallError::TooLarge(message)) => Err(wire::Error::TooLarge(message)),
            Err(CallError::Rate { message, after }) => {
                let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                Err(wire::Error::Rate(wire::Wait { message, after_ms }))
            }
            Err(CallError::Credential(message)) => Err(wire::Error::Credential(message)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nobody;

    #[async_trait]
    impl Connections for Nobody {
        async fn request(&self, _: Call) -> Called {
            let outcome = Err(CallError::Unknown);
            Called { url: String::new(), tries: 0, status: None, received: 0, outcome }
        }
    }

    fn outgoing(requests: u32, request_bytes: usize) -> Outgoing {
        naming(&["api", "ungranted"], requests, request_bytes)
    }

    fn naming(named: &[&str], requests: u32, request_bytes: usize) -> Outgoing {
        let limits = Limits { requests, request_bytes, ..Limits::default() };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (granted, named) = (names(&["api", "unnamed"]), names(named));
        let access = Access::new("p", Arc::new(Nobody), granted, named, &limits);
        let end = Instant::now() + Duration::from_secs(10);
        Outgoing::new(Some(Arc::new(access)), "job".to_owned(), end)
    }

    fn call(path: &str) -> wire::Call {
        wire::Call {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: vec![("a".to_owned(), "b".to_owned())],
            headers: vec![("c".to_owned(), vec![0; 8])],
            body: vec![0; 100],
            timeout_ms: None,
            idempotency_key: None,
        }
    }

    fn admitted(outgoing: &mut Outgoing, name: &str, call: wire::Call) -> Result<Call, String> {
        let granted = outgoing.admit(name.to_owned(), call);
        granted.map(|granted| granted.call).map_err(|error| error.to_string())
    }

    #[test]
    fn requests_are_numbered_and_keyed_by_their_place() {
        let mut one = outgoing(10, 1 << 20);
        let first = admitted(&mut one, "api", call("a?x=1#y")).expect("is granted");
        let own = wire::Call { idempotency_key: Some("mine".to_owned()), ..call("b") };
        let second = admitted(&mut one, "api", own).expect("is granted");
        let third = admitted(&mut one, "api", call("c")).expect("is granted");
        assert_eq!((first.idempotency_key.as_str(), first.keyed_by_author), ("job-1", false));
        assert_eq!((second.idempotency_key.as_str(), second.keyed_by_author), ("mine", true));
        assert_eq!((third.idempotency_key.as_str(), third.keyed_by_author), ("job-3", false));
        let made = one.into_made(&Secrets::default());
        assert_eq!(made.iter().map(|made| made.number).collect::<Vec<_>>(), [1, 2, 3]);
        // What never ended is on record too.
        assert_eq!((made[0].url.as_str(), made[0].tries, made[0].sent), ("a", 0, 100));
        assert_eq!(made[0].error.as_deref(), Some("the attempt ended before it did"));
    }

    #[test]
    fn what_is_on_record_has_no_secret_of_the_plugin_s() {
        const SECRET: &str = "sk_live_0123456789";
        let secret = crate::SecretText::new(SECRET.as_bytes()).expect("fits");
        let secrets = Secrets::new([("key".to_owned(), secret)].into());
        let mut one = outgoing(10, 1 << 20);
        let cut = format!("{}/{SECRET}", "a".repeat(SHOWN - 10));
        for path in [&format!("bot{SECRET}/send"), &cut] {
            admitted(&mut one, "api", call(path)).expect("is granted");
        }
        let refusal = Err(CallError::Refused(format!("{SECRET}.test is at 10.0.0.1")));
        let url = format!("https://api.test/?{SECRET}=…");
        let called = Called { url, tries: 1, status: None, received: 0, outcome: refusal };
        admitted(&mut one, "api", call("c")).expect("is granted");
        one.ended(Instant::now(), &called);
        let made = one.into_made(&secrets);
        assert_eq!(made[0].url, "bot[secret]/send");
        assert!(made[1].url.ends_with("a/[secret]…"), "{}", made[1].url);
        assert_eq!(made[2].url, "https://api.test/?[secret]=…");
        assert_eq!(made[2].error.as_deref(), Some("[secret].test is at 10.0.0.1"));
    }

    #[test]
    fn a_request_ends_before_its_attempt() {
        let mut outgoing = outgoing(10, 1 << 20);
        let now = Instant::now();
        let whole = admitted(&mut outgoing, "api", call("a")).expect("is granted").deadline;
        assert!(whole < now + Duration::from_secs(10) && whole > now + Duration::from_secs(9));
        for (timeout, most) in [(50, 60), (u64::MAX, 9_950)] {
            let timed = wire::Call { timeout_ms: Some(timeout), ..call("a") };
            let deadline = admitted(&mut outgoing, "api", timed).expect("is granted").deadline;
            assert!(deadline < Instant::now() + Duration::from_millis(most), "{timeout}");
        }
    }

    #[test]
    fn what_is_not_granted_or_not_named_ends_the_attempt() {
        let mut some = outgoing(10, 1 << 20);
        for (name, why) in [
            ("ungranted", "which [plugin.p] does not grant: add it to `connections`"),
            ("unnamed", "which its manifest does not name: add `connections(unnamed)`"),
            ("a\nb", "does not grant"),
        ] {
            let error = admitted(&mut some, name, call("a")).expect_err(name);
            assert!(error.contains(why), "{error}");
        }
        let mut any = naming(&[ANY_CONNECTION], 10, 1 << 20);
        admitted(&mut any, "unnamed", call("a")).expect("is granted");
        let error = admitted(&mut any, "ungranted", call("a")).expect_err("is not");
        assert!(error.contains("which [plugin.p] does not grant"), "{error}");
        let error = admitted(&mut Outgoing::default(), "api", call("a")).expect_err("no grant");
        assert_eq!(error, "connections cannot be used here");
    }

    #[test]
    fn requests_and_their_bytes_are_bounded() {
        let mut few = outgoing(2, 1 << 20);
        for _ in 0..2 {
            admitted(&mut few, "api", call("a")).expect("is one of two");
        }
        assert_eq!(
            admitted(&mut few, "api", call("a")),
            Err("made more than its `requests` of 2 allows: make fewer in one attempt, or raise \
                 `requests` under `[plugin.p]`"
                .to_owned())
        );
        // 1 KiB, and 112 bytes of path, query, header and body.
        let each = CALL_COST + 112;
        let mut small = outgoing(100, each * 3 + 50);
        for left in [2, 1, 0] {
            let call = admitted(&mut small, "api", call("a")).expect("has room");
            assert_eq!(call.max_answer, each * left + 50);
        }
        let error = admitted(&mut small, "api", call("a")).expect_err("has none");
        assert_eq!(
            error,
            format!(
                "sent and received more than its `request_bytes` of {} allows: do less in one \
                 attempt, or raise `request_bytes` under `[plugin.p]`",
                each * 3 + 50
            )
        );
    }
}
