//! The values that cross the store's boundary.

use std::time::Duration;

use bytes::Bytes;
use hookyard_types::{
    Event, EventId, Headers, JobId, KvRead, KvWrite, Namespace, OutgoingRequest, Source, Target,
    Timestamp,
};
use serde::{Deserialize, Serialize};

/// An event to store, with what is to be done about it.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub event: Event,
    /// Any of them tells a repetition; the first one that is known says of which event. A
    /// one-time token that is known with another body refuses the event, whatever the others say.
    pub dedupe: Vec<Dedupe>,
    /// Empty when the route stores ignored events.
    pub jobs: Vec<NewJob>,
    /// When the jobs are due that are not leased; at `received_at` without it.
    pub due_at: Option<Timestamp>,
}

/// A message to store with the outcome of the attempt that sends it.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Of a queue. Nothing is leased.
    pub new: NewEvent,
    /// Most unfinished jobs that each lane of its jobs may have, this one included.
    pub max_pending: u64,
}

/// How a repetition of an event is recognised: same route, same scope, same key.
#[derive(Clone, Debug)]
pub struct Dedupe {
    /// What else must be equal: the route's parameters, tenants among them.
    pub scope: String,
    pub key: DedupeKey,
    /// For how long after `received_at` a repetition is recognised.
    pub window: Duration,
}

/// What repetitions have in common. Stored as a hash; a token and an id are never the same key.
#[derive(Clone, Debug)]
pub enum DedupeKey {
    /// The provider's id of the delivery.
    Delivery(String),
    /// A nonce that the provider signs in place of the body, and uses once: it is bound to the
    /// first body that it comes with, whatever the route and the scope. Which event it repeats is
    /// told within them, as for an id.
    OneTimeToken(String),
}

#[derive(Clone, Debug)]
pub struct NewJob {
    pub target: Target,
    /// Jobs with one key run one at a time, in order of `seq`.
    pub order_key: Option<String>,
    /// Lease it to this process in the same transaction.
    pub lease: bool,
}

/// What became of an ingested event.
#[derive(Debug)]
pub enum Ingested {
    Stored(Stored),
    Duplicate(Duplicate),
    /// A one-time token of it came with another body before: it is a forgery, and nothing of it
    /// is stored.
    TokenReused,
}

/// The answer to [`crate::Store::spend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum TokenUse {
    /// The tokens are new, or came with this very body before.
    Allowed,
    /// One came with another body before: the event is a forgery.
    Reused,
}

/// Proof that an event is durable. Only a store makes one.
#[derive(Debug)]
pub struct Stored {
    pub(crate) id: EventId,
    pub(crate) seq: i64,
    pub(crate) leases: Vec<Option<Lease>>,
}

impl Stored {
    pub fn id(&self) -> EventId {
        self.id
    }

    /// Its place in the order of all events; the writer assigns it.
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// The same as [`Stored::into_leases`], kept.
    pub fn leases(&self) -> &[Option<Lease>] {
        &self.leases
    }

    /// The leases of the event's jobs, in the order of [`NewEvent::jobs`]; `None` where none was
    /// asked for or the job must wait.
    pub fn into_leases(self) -> Vec<Option<Lease>> {
        self.leases
    }
}

/// Proof that an equal event was durable before. Only a store makes one.
#[derive(Debug)]
pub struct Duplicate {
    pub(crate) id: EventId,
    pub(crate) reply: Option<StoredReply>,
}

impl Duplicate {
    /// The event that was stored first.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// What its succeeded `respond` job answered.
    pub fn reply(&self) -> Option<&StoredReply> {
        self.reply.as_ref()
    }
}

/// A handler's answer to the sender, kept for resends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReply {
    pub status: u16,
    pub headers: Headers,
    pub body: Bytes,
}

/// The right to make one attempt. It is void once another process holds the store or another
/// attempt has begun.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    pub(crate) job: JobId,
    pub(crate) incarnation: i64,
    pub(crate) attempt: u32,
    /// Its number among all leases of the job. An attempt that is given back is not counted, so
    /// the attempt's number alone does not tell the old lease from the next one.
    pub(crate) serial: i64,
}

impl Lease {
    pub fn job(&self) -> JobId {
        self.job
    }

    /// 1 for the first try.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

/// How many due jobs of a lane the caller has room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneWant {
    pub lane: String,
    pub max: usize,
}

/// A leased job and its event.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub lease: Lease,
    pub target: Target,
    pub event: Event,
}

#[derive(Debug, Default)]
pub struct Claims {
    pub jobs: Vec<Claimed>,
    /// When the next job of the wanted lanes that is not due yet will be.
    pub next_due: Option<Timestamp>,
}

/// The answer to [`crate::Store::resend`].
#[derive(Debug)]
pub enum Resend {
    Claimed(Box<Claimed>),
    /// An attempt of the event is being made now, by this job, or this job of the target waits
    /// behind another of its key.
    Running(JobId),
    /// A job of the event ended well, ignored included, with this reply if one gave one.
    Succeeded(Option<StoredReply>),
    /// There is no such event.
    Gone,
}

/// How an attempt ended and what is to be recorded of it.
#[derive(Clone, Debug)]
pub struct Completion {
    pub next: Next,
    pub record: AttemptRecord,
    pub effects: Effects,
}

/// What an attempt saw of what plugins keep, and what it changes there.
///
/// The reads are compared with what is there in the transaction that makes the changes: either all
/// that was read is still so, or nothing is changed.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    pub reads: Vec<KvRead>,
    /// At most one for each key.
    pub writes: Vec<KvWrite>,
    /// Most bytes that the plugin's namespaces may have together after a change that makes them
    /// more, and each shared namespace: keys, values, and [`KV_KEY_COST`] for each key.
    pub max_bytes: u64,
    /// The moment of the commit, by which keys expire.
    pub at: Timestamp,
    /// What the attempt sends. One whose dedupe key is known is left out.
    pub messages: Vec<NewMessage>,
}

/// What a key counts besides its bytes and those of its value: bounds how many there are.
pub const KV_KEY_COST: usize = 1 << 10;

impl Effects {
    pub fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.writes.is_empty() && self.messages.is_empty()
    }
}

/// Why an attempt's changes cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An increment of a key whose value is not a number.
    NotANumber { namespace: Namespace, key: String },
    /// An increment that does not fit into 64 bits.
    OutOfRange { namespace: Namespace, key: String },
    /// The plugin's namespaces together, or the shared namespace `shared`, would have `wanted`
    /// bytes, more than [`Effects::max_bytes`].
    TooLarge { shared: Option<String>, wanted: u64 },
    /// They would make what is kept more, and the store takes nothing new.
    NoRoom,
    /// A lane of the topic would have more unfinished jobs than [`NewMessage::max_pending`].
    Flooded { topic: String },
}

/// What the job does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Succeeded {
        reply: Option<StoredReply>,
    },
    /// The handler said that the event is not for it.
    Ignored,
    RetryAt(Timestamp),
    DeadLetter,
}

/// What is kept of an attempt.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    pub started_at: Timestamp,
    pub duration: Duration,
    pub outcome: AttemptOutcome,
    /// For a person: what was done, or why not.
    pub message: String,
    /// The SHA-256, in hex, of the plugin file that ran; empty when none did.
    pub plugin_hash: String,
    pub log: Vec<LogLine>,
    /// Lines past the limit, not kept.
    pub log_dropped: u32,
    /// What it asked other services, in order. That happened, whatever the outcome is.
    pub requests: Vec<OutgoingRequest>,
}

/// How an attempt ended, for lists and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptOutcome {
    Done,
    Ignored,
    /// The handler asked for another try.
    Retry,
    /// The handler rejected the event.
    Reject,
    /// A trap: the plugin's code failed.
    Trap,
    /// A limit of time was crossed.
    Timeout,
    /// Another limit was crossed.
    Limit,
    /// The daemon ended while the attempt ran.
    Interrupted,
}

impl AttemptOutcome {
    /// The word for it, in the store, in listings and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Ignored => "ignored",
            Self::Retry => "retry",
            Self::Reject => "reject",
            Self::Trap => "trap",
            Self::Timeout => "timeout",
            Self::Limit => "limit",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A line that a handler logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub at: Timestamp,
    pub level: LogLevel,
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// The answer to [`crate::Store::complete`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completed {
    Committed,
    /// Something that the attempt read has changed: nothing was recorded or changed, and the lease
    /// is still held. It is to be run again.
    Conflict,
    /// The changes cannot be made: nothing was recorded, and the lease is still held.
    Refused(Refusal),
    /// Another attempt or another process has the job; nothing was recorded.
    LeaseLost,
}

#[derive(Clone, Debug)]
pub struct EventQuery {
    pub limit: usize,
    /// Events with a smaller `seq` than this; from [`EventPage::next`].
    pub before: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct EventPage {
    pub events: Vec<EventSummary>,
    /// The cursor of the next page.
    pub next: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct EventSummary {
    pub id: EventId,
    pub seq: i64,
    pub source: Source,
    pub kind: String,
    pub delivery_id: Option<String>,
    pub tenant: String,
    pub received_at: Timestamp,
    pub state: EventState,
}

/// An event's jobs, summed up: the state of the least finished of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventState {
    /// Stored, and no job wants it.
    Ignored,
    /// A job is due, waiting or running.
    Pending,
    /// A job failed and will be tried again.
    Retrying,
    Succeeded,
    /// A job is a dead letter.
    DeadLetter,
}

#[derive(Clone, Debug)]
pub struct EventDetail {
    pub seq: i64,
    pub event: Event,
    pub state: EventState,
    pub jobs: Vec<JobDetail>,
}

#[derive(Clone, Debug)]
pub struct JobDetail {
    pub id: JobId,
    pub target: Target,
    pub state: JobState,
    /// When it is tried next, while it waits.
    pub due_at: Option<Timestamp>,
    pub attempts: Vec<AttemptDetail>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// To be run at its due time.
    Ready,
    /// Behind another job of its key, or for a named signal.
    Waiting,
    Running,
    Succeeded,
    Ignored,
    DeadLetter,
}

#[derive(Clone, Debug)]
pub struct AttemptDetail {
    pub number: u32,
    pub record: AttemptRecord,
}
