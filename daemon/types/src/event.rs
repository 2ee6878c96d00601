//! An event: something to handle.

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;

use crate::{EventId, Headers, Timestamp};

/// What made an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The route of this name; the event was verified.
    Route(String),
}

impl Source {
    /// The route's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Route(name) => name,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something to handle, as a handler sees it and the store keeps it. Bodies are raw, as received.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: EventId,
    pub source: Source,
    /// The provider's event type; empty when it has none.
    pub kind: String,
    /// The provider's own id of the delivery.
    pub delivery_id: Option<String>,
    /// Empty where a route serves one tenant.
    pub tenant: String,
    /// When the last byte was received.
    pub received_at: Timestamp,
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    /// What the route's `{parameters}` matched, in the order of the path.
    pub params: Vec<(String, String)>,
    pub headers: Headers,
    pub body: Bytes,
    pub client: Option<IpAddr>,
    /// The names of what the signature does not cover.
    pub unauthenticated: Vec<String>,
    /// The event whose handling made this one.
    pub caused_by: Option<EventId>,
    /// The sender's W3C `traceparent`, when it sent one.
    pub traceparent: Option<String>,
}
