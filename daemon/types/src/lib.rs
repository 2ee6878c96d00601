//! The few words that the verifier's caller, the store and the runtime share: an event and what it
//! is made of, and what a plugin keeps. No behaviour beyond parsing and printing.

mod event;
mod headers;
mod id;
mod kv;
mod target;
mod time;
mod trigger;

pub use event::{Event, Firing, Source};
pub use headers::Headers;
pub use id::{EventId, InvalidId, JobId};
pub use kv::{KvChange, KvEntry, KvPage, KvRead, KvSpan, KvWrite, Namespace, Owner, kv_number};
pub use target::{HandlerName, InvalidHandler, Target};
pub use time::Timestamp;
pub use trigger::Trigger;
