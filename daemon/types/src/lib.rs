//! The few words that the verifier's caller, the store and the runtime share: an event and what it
//! is made of, what a plugin keeps, and what it asked others. No behaviour beyond parsing and printing.

mod event;
mod headers;
mod id;
mod kv;
mod outgoing;
mod target;
mod time;
mod trigger;

pub use event::{Event, Firing, Source};
pub use headers::Headers;
pub use id::{EventId, InvalidId, JobId};
pub use kv::{KvChange, KvEntry, KvPage, KvRead, KvSpan, KvWrite, Namespace, Owner, kv_number};
pub use outgoing::OutgoingRequest;
pub use target::{HandlerName, InvalidHandler, Target};
pub use time::Timestamp;
pub use trigger::Trigger;
