//! From a verified request to a new event. Nothing else makes one.

use std::net::IpAddr;
use std::time::Duration;

use hookyard_store::Dedupe;
use hookyard_types::{Event, EventId, Headers, Source, Timestamp};
use hookyard_verify::{Part, Verified};

use crate::route::Route;

/// An event that is not stored yet, and how its repetitions are recognised.
pub(crate) struct New {
    pub(crate) event: Event,
    /// `None` where neither profile nor route names an id, or the request has none.
    pub(crate) dedupe: Option<Dedupe>,
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
    let dedupe =
        delivery_id.as_deref().map(|id| dedupe(id, &request.params, route.config().dedupe));
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
        traceparent,
    };
    New { event, dedupe }
}

/// One provider's ids are unique within one account of it, so the parameters, which tell accounts
/// apart, belong to the key.
fn dedupe(id: &str, params: &[(String, String)], window: Duration) -> Dedupe {
    let mut scope = String::new();
    for (name, value) in params {
        scope.push_str(name);
        scope.push('=');
        scope.push_str(value);
        scope.push('\n');
    }
    Dedupe { scope, key: id.as_bytes().to_vec(), window }
}
