//! Events, jobs and state on disk. Knows no HTTP and no WebAssembly.
//!
//! [`Store`] is the contract, in the daemon's own verbs; [`sqlite`] keeps it on one file.

#![forbid(unsafe_code)]

mod error;
mod learned;
mod model;
mod schedule;
mod secrets;
pub mod sqlite;

use async_trait::async_trait;
use hookyard_types::{EventId, KvEntry, KvPage, KvSpan, Namespace, Timestamp};

pub use error::StoreError;
pub use learned::{LearnedSecret, Learning, LearningRoute, Lesson, Teaching};
pub use model::*;
pub use schedule::{Fired, LastFiring, NewFiring, NewSchedule, ScheduleState, WhileGoing};
pub use secrets::SealedSecret;

/// What every backend does. All calls are durable when they return `Ok`.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Stores an event with its jobs and its dedupe keys in one transaction, or recognises it as a
    /// duplicate, or refuses it because a one-time token was used before with another body.
    /// Returns only after the event is durable.
    ///
    /// Jobs of which [`NewJob::lease`] is set come back leased to this process, for the caller to
    /// run at once; the others are due now and found by [`Store::claim`].
    async fn ingest(&self, event: NewEvent) -> Result<Ingested, StoreError>;

    /// Uses up the one-time tokens among `dedupe` without storing the event: for one that is not
    /// to be stored, and that must not lend its token to another body. Other keys are left alone.
    async fn spend(
        &self,
        event: &hookyard_types::Event,
        dedupe: Vec<Dedupe>,
    ) -> Result<TokenUse, StoreError>;

    /// Lets a route learn one secret before `until`, in place of what was said of it before.
    async fn arm(&self, what: &Teaching, until: Timestamp) -> Result<(), StoreError>;

    /// Until when a secret is taken, if it is.
    async fn armed(&self, what: &Teaching, now: Timestamp)
    -> Result<Option<Timestamp>, StoreError>;

    /// Keeps a secret and ends the arming, in one transaction, if there is one. Sixteen are kept of
    /// each (route, provider, scope), and a further one is not taken, as any of them may be in use;
    /// one that is known becomes the newest.
    async fn learn(
        &self,
        what: &Teaching,
        secret: LearnedSecret,
        now: Timestamp,
    ) -> Result<Learning, StoreError>;

    /// What a route has learned from a provider, of every scope, newest first.
    async fn learned(&self, route: &str, provider: &str) -> Result<Vec<Lesson>, StoreError>;

    /// The routes that are armed or have secrets, by name.
    async fn learning(&self, now: Timestamp) -> Result<Vec<LearningRoute>, StoreError>;

    /// Drops the secrets of a route, of every provider, and disarms it: all of it, or what has this
    /// scope. Returns how many there were.
    async fn forget(&self, route: &str, scope: Option<&str>) -> Result<u64, StoreError>;

    /// Keeps these secrets, each in place of one of its name, all or none.
    async fn put_secrets(&self, secrets: Vec<SealedSecret>) -> Result<(), StoreError>;

    /// Drops a secret; whether there was one.
    async fn remove_secret(&self, name: &str) -> Result<bool, StoreError>;

    /// Every secret, by name.
    async fn secrets(&self) -> Result<Vec<SealedSecret>, StoreError>;

    /// Leases up to `max` due jobs of each lane, the longest due first and the oldest `seq` first
    /// among equals. Lanes that are not named are left alone: their plugin is missing, paused or
    /// busy.
    async fn claim(&self, lanes: Vec<LaneWant>, now: Timestamp) -> Result<Claims, StoreError>;

    /// Begins another attempt of an event whose delivery was sent again to a `respond` route, or says
    /// what stands in the way: an attempt that runs or a success, of whichever target.
    ///
    /// Leases the job of (event, target), whatever its due time and though it be a dead letter. An
    /// event that has none, as the route sends to another target since, gets one in the same
    /// transaction; of resends that come together one leases it. What the queue still has to do for
    /// the former target stays with the queue.
    async fn resend(
        &self,
        event: EventId,
        target: &hookyard_types::Target,
        now: Timestamp,
    ) -> Result<Resend, StoreError>;

    /// Ends an attempt: its record, the job's next state and what the handler changed, in one
    /// transaction. Does nothing but say so when the lease is no longer held, when something that the
    /// attempt read has changed, or when a change cannot be made; of the last two the lease is kept.
    async fn complete(&self, lease: Lease, completion: Completion)
    -> Result<Completed, StoreError>;

    /// Makes the changes of an attempt that has no job, on the same terms as [`Store::complete`];
    /// never says that a lease was lost.
    async fn commit(&self, effects: Effects) -> Result<Completed, StoreError>;

    /// The key as it is committed, unless it has expired.
    async fn kv_get(
        &self,
        namespace: &Namespace,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<KvEntry>, StoreError>;

    /// The first keys of a span that have not expired: at most `limit`, and no further one once
    /// their keys and values have `max_bytes`.
    async fn kv_list(
        &self,
        span: &KvSpan,
        limit: usize,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<KvPage, StoreError>;

    /// Removes some of the keys that have expired. Returns how many; with 0, there are no more.
    async fn sweep(&self, now: Timestamp) -> Result<usize, StoreError>;

    /// Makes these all the schedules that there are, and returns them, by name. One that is new, or has
    /// another timing than before, begins with everything settled up to `now`.
    async fn set_schedules(
        &self,
        schedules: Vec<NewSchedule>,
        now: Timestamp,
    ) -> Result<Vec<ScheduleState>, StoreError>;

    /// The schedules that there are, by name.
    async fn schedules(&self) -> Result<Vec<ScheduleState>, StoreError>;

    /// Stores the event of a firing with its jobs and settles its time, in one transaction, unless it
    /// was settled before, or is to be left out.
    async fn fire(&self, firing: NewFiring) -> Result<Fired, StoreError>;

    /// Makes `until` the time up to which a schedule's times are settled, though it be earlier than
    /// before.
    async fn settle(&self, schedule: &str, until: Timestamp) -> Result<(), StoreError>;

    /// Gives a lease back unused: the job is due again and the attempt is not counted.
    async fn release(&self, lease: Lease) -> Result<(), StoreError>;

    /// Returns when a job may have become due that [`Store::claim`] has not seen. One task waits
    /// here: what is signalled while it is elsewhere is kept for it, but not for two.
    async fn wake(&self);

    /// One page of events, newest first.
    async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError>;

    /// One event with its jobs, their attempts and log lines.
    async fn event(&self, id: EventId) -> Result<Option<EventDetail>, StoreError>;

    /// Returns when the store can no longer be trusted (a failed fsync) and why. The process must
    /// end; recovery at the next start decides what is there.
    async fn failed(&self) -> String;

    /// Whether an `ingest` would be taken now.
    fn health(&self) -> Result<(), StoreError>;

    /// Finishes what is queued, checkpoints and closes. Later calls fail with
    /// [`StoreError::Closed`]. Leases that are held still then are ended as interrupted at the
    /// next start: release them first.
    async fn close(&self);
}
