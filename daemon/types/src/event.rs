//! An event: something to handle.

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;

use crate::{EventId, Headers, Timestamp, Trigger};

/// What made an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The route of this name; the event was verified.
    Route(String),
    /// The topic of this name; a handler sent the event.
    Queue(String),
    /// The schedule of this name; its time had come, or somebody asked for it.
    Schedule(String),
}

impl Source {
    /// The name of the route, topic or schedule. One name may be of each of the three.
    pub fn name(&self) -> &str {
        match self {
            Self::Route(name) | Self::Queue(name) | Self::Schedule(name) => name,
        }
    }

    /// What it is: `route`, `queue` or `schedule`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Route(_) => "route",
            Self::Queue(_) => "queue",
            Self::Schedule(_) => "schedule",
        }
    }

    /// The source of this [`Source::kind`]; `None` when there is no such kind.
    pub fn of_kind(kind: &str, name: String) -> Option<Self> {
        match kind {
            "route" => Some(Self::Route(name)),
            "queue" => Some(Self::Queue(name)),
            "schedule" => Some(Self::Schedule(name)),
            _ => None,
        }
    }

    /// The trigger of the handlers that take its events.
    pub fn trigger(&self) -> Trigger {
        match self {
            Self::Route(_) => Trigger::Webhook,
            Self::Queue(_) => Trigger::Consumer,
            Self::Schedule(_) => Trigger::Schedule,
        }
    }
}

/// For a person: ``route `github` ``.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind(), self.name())
    }
}

/// Why a schedule made an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The moment that the schedule names; that of the request where somebody asked for it.
    pub scheduled_at: Timestamp,
    /// One word: `due`, `missed`, `manual`.
    pub reason: String,
}

/// Something to handle, as a handler sees it and the store keeps it. Bodies are raw, as received.
///
/// What a queue or a schedule made has no request: `method` and `path` are empty, and so is `kind`.
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
    /// When the last byte was received, the message was sent, or the schedule fired.
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
    /// Of what a schedule made.
    pub firing: Option<Firing>,
    /// The sender's W3C `traceparent`, when it sent one.
    pub traceparent: Option<String>,
}
