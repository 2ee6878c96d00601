//! From a verified request, a committed send or a schedule that fires to a new event. Nothing else
//! makes one.

use std::net::IpAddr;
use std::time::Duration;

use hookyard_runtime::{SendKey, Sending};
use hookyard_store::{Dedupe, DedupeKey};
use hookyard_types::{Event, EventId, Firing, Headers, Source, Timestamp};
use hookyard_verify::{Part, Verified};

use crate::config::Schedule;
use crate::route::Route;
use crate::schedule::Reason;

/// For how long a one-time token is remembered at least. A route's `dedupe` says how long honest
/// repetitions are recognised; making it shorter must not let forgeries in.
const TOKEN_MEMORY: Duration = Duration::from_secs(7 * 24 * 3600);

/// For how long one is remembered that its sender signs without a timestamp, so that it is never
/// too old: for as long as anybody may have its secret.
const TIMELESS_TOKEN_MEMORY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// An event that is not stored yet, and how its repetitions are recognised.
pub(crate) struct New {
    pub(crate) event: Event,
    /// Empty where neither profile nor route names an id, or the request has none, and the sender
    /// signs no one-time token.
    pub(crate) dedupe: Vec<Dedupe>,
}

/// Makes the event of a request whose signature held.
pub(crate) fn from_verified(
    verified: Verified,
    route: &Route,
    client: IpAddr,
    received_at: Timestamp,
) -> New {
    let kind = verified.kind().unwrap_or_default();
    let delivery_id = verified.delivery_id();
    let token = verified.one_time_token().map(|token| Token {
        text: token.to_owned(),
        memory: verified
            .repeatable_for()
            .map_or(TIMELESS_TOKEN_MEMORY, |age| age.max(TOKEN_MEMORY)),
    });
    let unauthenticated = verified.unauthenticated().iter().map(Part::to_string).collect();
    let request = verified.into_request();
    let tenant = route.tenant(&request.params);
    let headers: Headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    let traceparent = headers
        .first("traceparent")
        .and_then(|value| std::str::from_utf8(value).ok())
        .map(str::to_owned);
    let dedupe = keys(token, delivery_id.clone(), &scope(&request.params), route.config().dedupe);
    let event = Event {
        id: EventId::new(),
        source: Source::Route(route.config().name.clone()),
        kind,
        delivery_id,
        tenant,
        received_at,
        method: request.method.as_str().to_owned(),
        path: request.path,
        query: request.query,
        params: request.params,
        headers,
        body: request.body,
        client: Some(client),
        unauthenticated,
        caused_by: None,
        firing: None,
        traceparent,
    };
    New { event, dedupe }
}

/// Makes the event of a schedule that fires.
pub(crate) fn from_schedule(
    schedule: &Schedule,
    scheduled_at: Timestamp,
    reason: Reason,
    fired_at: Timestamp,
) -> Event {
    let source = Source::Schedule(schedule.name.clone());
    Event {
        body: schedule.data.as_ref().map(ToString::to_string).unwrap_or_default().into(),
        firing: Some(Firing { scheduled_at, reason: reason.as_str().to_owned() }),
        ..without_request(source, fired_at)
    }
}

/// Makes the message of a committed send, of an attempt of the event `cause`.
pub(crate) fn from_send(sending: &Sending, cause: EventId, tenant: &str, at: Timestamp) -> New {
    let dedupe = sending.dedupe.iter().map(|SendKey { key, window }| Dedupe {
        // A plugin that serves several tenants makes keys of what is unique within one.
        scope: tenant.to_owned(),
        key: DedupeKey::Delivery(key.clone()),
        window: *window,
    });
    let source = Source::Queue(sending.topic.clone());
    let event = Event {
        id: sending.id,
        tenant: tenant.to_owned(),
        body: sending.body.clone(),
        caused_by: Some(cause),
        ..without_request(source, at)
    };
    New { event, dedupe: dedupe.collect() }
}

/// An event that no request made.
fn without_request(source: Source, at: Timestamp) -> Event {
    Event {
        id: EventId::new(),
        source,
        kind: String::new(),
        delivery_id: None,
        tenant: String::new(),
        received_at: at,
        method: String::new(),
        path: String::new(),
        query: None,
        params: Vec::new(),
        headers: Headers::default(),
        body: bytes::Bytes::new(),
        client: None,
        unauthenticated: Vec::new(),
        caused_by: None,
        firing: None,
        traceparent: None,
    }
}

/// A one-time token and for how long it is remembered at least.
struct Token {
    text: String,
    memory: Duration,
}

/// The token first: it is signed, and what it says of a repetition counts before the id.
fn keys(
    token: Option<Token>,
    delivery_id: Option<String>,
    scope: &str,
    window: Duration,
) -> Vec<Dedupe> {
    let token = token.map(|token| Dedupe {
        scope: scope.to_owned(),
        window: window.max(token.memory),
        key: DedupeKey::OneTimeToken(token.text),
    });
    // A sender may sign a delivery anew when it sends it again: then only the id is the same.
    let delivery = delivery_id.map(|id| Dedupe {
        scope: scope.to_owned(),
        key: DedupeKey::Delivery(id),
        window,
    });
    token.into_iter().chain(delivery).collect()
}

/// One provider's ids are unique within one account of it, so the parameters, which tell accounts
/// apart, belong to the key. So they do to the secrets that a provider teaches.
pub(crate) fn scope(params: &[(String, String)]) -> String {
    let mut scope = String::new();
    for (name, value) in params {
        scope.push_str(name);
        scope.push('=');
        scope.push_str(value);
        scope.push('\n');
    }
    scope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_remembered_for_as_long_as_it_needs_and_speaks_first() {
        let minute = Duration::from_secs(60);
        let signed = |memory| Some(Token { text: "t".to_owned(), memory });
        let found = keys(signed(TOKEN_MEMORY), Some("d".to_owned()), "s", minute);
        let [token, delivery] = found.as_slice() else { panic!("{found:?}") };
        assert!(matches!(&token.key, DedupeKey::OneTimeToken(text) if text == "t"));
        assert!(matches!(&delivery.key, DedupeKey::Delivery(text) if text == "d"));
        assert_eq!((token.window, delivery.window), (TOKEN_MEMORY, minute));
        let [token] = &keys(signed(TOKEN_MEMORY), None, "s", 2 * TOKEN_MEMORY)[..] else {
            panic!("one key")
        };
        assert_eq!((token.window, token.scope.as_str()), (2 * TOKEN_MEMORY, "s"));
        assert!(keys(None, None, "s", minute).is_empty());
    }

    #[test]
    fn a_key_of_one_tenant_keeps_back_no_message_of_another() {
        let (key, window) = ("1001".to_owned(), Duration::from_secs(60));
        let sending = Sending {
            id: EventId::new(),
            topic: "emails".to_owned(),
            body: bytes::Bytes::new(),
            not_before: None,
            dedupe: Some(SendKey { key, window }),
        };
        let sent = |tenant| from_send(&sending, EventId::new(), tenant, Timestamp::from_millis(0));
        let scope = |tenant| sent(tenant).dedupe.remove(0).scope;
        assert_ne!(scope("acme"), scope("other"));
        assert_eq!(scope("acme"), scope("acme"));
    }

    #[test]
    fn what_the_path_matched_keeps_keys_apart() {
        let params = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(scope(&params(&[("a", "1"), ("b", "2")])), "a=1\nb=2\n");
        assert_eq!(scope(&[]), "");
    }
}
