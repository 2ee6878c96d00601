//! The store on one SQLite file: a write-ahead log, one writer that groups commits, readers beside
//! it, and checkpoints beside both.

mod checkpoint;
mod dedupe;
mod fault;
mod ingest;
mod intake;
mod jobs;
mod kv;
mod learn;
mod lock;
mod messages;
mod open;
mod reader;
mod resend;
mod rows;
mod schedules;
mod secrets;
mod shared;
mod space;
mod verb;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use hookyard_types::{Event, EventId, KvEntry, KvPage, KvSpan, Namespace, Target, Timestamp};
use tokio::sync::mpsc;

pub use open::OpenError;
pub use reader::SqliteReader;

use crate::{
    Claims, Completed, Completion, Dedupe, Effects, EventDetail, EventPage, EventQuery, Fired,
    Ingested, LaneWant, LearnedSecret, Learning, LearningRoute, Lease, Lesson, NewEvent, NewFiring,
    NewSchedule, Resend, ScheduleState, SealedSecret, Store, StoreError, Teaching, TokenUse,
};
use checkpoint::Keeper;
use reader::Readers;
use shared::Shared;
use space::Space;
use verb::{Pending, Request, Verb};

/// Requests that wait for the writer.
const QUEUE: usize = 4096;

/// Bytes of events that wait for the writer.
const QUEUE_BYTES: usize = 64 << 20;

/// Where a store is and how large it may become. `synchronous` is always FULL.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The database's file; its folder must exist. The log, its index and the lock lie beside it.
    pub path: PathBuf,
    /// Past so many bytes of write-ahead log the writer moves it into the database before it goes
    /// on. The file can be longer by one transaction.
    pub wal_max: u64,
    /// Most bytes of database and log; `None` leaves it to the file system. Events are refused
    /// from seven eighths of it on (or 64 MiB before it, if that is more), so that what was begun
    /// can be finished.
    pub max_size: Option<u64>,
    /// Events are refused while fewer bytes than this are free on the file system. Less than
    /// `wal_max` may not be enough to move the log into the database.
    pub min_free: u64,
}

impl SqliteOptions {
    /// A store at `path`: 64 MiB of log, no limit of size, 128 MiB kept free.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), wal_max: 64 << 20, max_size: None, min_free: 128 << 20 }
    }
}

/// Figures of a store since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqliteStats {
    /// Transactions committed, each with one fsync.
    pub commits: u64,
    /// Requests that they held.
    pub items: u64,
    /// The length of the write-ahead log's file, in bytes.
    pub wal_bytes: u64,
}

/// Events, jobs and their state in one SQLite file, held by one process at a time.
///
/// Dropped without [`Store::close`], it finishes what it took in and lets go of the file on its
/// writer's thread, shortly after.
#[derive(Debug)]
pub struct SqliteStore {
    queue: mpsc::Sender<Request>,
    readers: Arc<Readers>,
    shared: Arc<Shared>,
}

impl SqliteStore {
    /// Opens the store for writing; creates it if it does not exist. Brings its schema up to date
    /// and ends, as interrupted, the attempts that a dead process left.
    pub async fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let path = options.path.clone();
        match tokio::task::spawn_blocking(move || Self::open_blocking(options)).await {
            Ok(opened) => opened,
            Err(error) => Err(OpenError::Io { path, source: std::io::Error::other(error) }),
        }
    }

    /// Opens the store at `path` for reading only, whether or not a daemon holds it.
    pub async fn open_reader(path: impl AsRef<Path>) -> Result<SqliteReader, OpenError> {
        SqliteReader::open(path.as_ref().to_owned()).await
    }

    /// The secrets in the file at `path`, whether or not a daemon holds it, and though its schema be
    /// older than this program's; none when there is no file. Blocks on the file system.
    pub fn sealed_secrets(path: impl AsRef<Path>) -> Result<Vec<SealedSecret>, OpenError> {
        open::sealed_secrets(path.as_ref())
    }

    /// Figures for metrics and tests.
    pub fn stats(&self) -> SqliteStats {
        let counters = &self.shared.counters;
        SqliteStats {
            commits: counters.commits.load(Ordering::Relaxed),
            items: counters.items.load(Ordering::Relaxed),
            wal_bytes: self.shared.space.log_size(),
        }
    }

    fn open_blocking(options: SqliteOptions) -> Result<Self, OpenError> {
        let SqliteOptions { path, wal_max, max_size, min_free } = options;
        let held = lock::Lock::take(&path)?;
        let mut opened = open::for_writing(&path, max_size)?;
        // A log as large as the whole store would leave no room for the store.
        let wal_max = max_size.map_or(wal_max, |size| wal_max.min(size / 4));
        let shared = Arc::new(Shared::new(Space::new(&path, min_free, max_size)));
        shared.space.sample();
        let sql = |source| OpenError::Sql { path: path.clone(), source };
        let io = |source| OpenError::Io { path: path.clone(), source };
        let counted = Arc::clone(&shared);
        opened
            .conn
            .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
                let pages = u64::try_from(pages).unwrap_or(0);
                counted.counters.wal_pages.store(pages, Ordering::Relaxed);
                Ok(())
            }))
            .map_err(sql)?;
        let beside = open::for_checkpoints(&path).map_err(sql)?;
        let keeper = Keeper::spawn(beside, opened.page_size, Arc::clone(&shared)).map_err(io)?;
        // Full: events are refused as busy, what ends or gives back an attempt waits its turn.
        let (queue, requests) = mpsc::channel(QUEUE);
        let _ = shared.nudge.set(queue.downgrade());
        // The last run may have left due jobs.
        shared.wake.notify_one();
        writer::spawn(opened, held, keeper, Arc::clone(&shared), requests, wal_max).map_err(io)?;
        Ok(Self { queue, readers: Arc::new(Readers::new(path)), shared })
    }

    /// Hands `verb` to the writer and waits for its commit.
    async fn submit<V: Verb>(&self, verb: V) -> Result<V::Output, StoreError> {
        if self.shared.closing.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        if let Some(failure) = self.shared.failure() {
            return Err(failure);
        }
        let size = verb.size();
        let (pending, answer) = Pending::new(verb);
        if V::ADMITS {
            let permit = self.queue.try_reserve().map_err(|error| match error {
                mpsc::error::TrySendError::Full(()) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(()) => StoreError::Closed,
            })?;
            let queued = self.shared.queued_bytes.fetch_add(size, Ordering::Relaxed);
            if queued > QUEUE_BYTES {
                self.shared.queued_bytes.fetch_sub(size, Ordering::Relaxed);
                return Err(StoreError::Busy);
            }
            permit.send(Request::Step(pending));
        } else {
            let permit = self.queue.reserve().await.map_err(|_| StoreError::Closed)?;
            // Not counted: what ends attempts, as many as run, must not keep events out.
            permit.send(Request::Step(pending));
        }
        match answer.await {
            Ok(parcel) => parcel.open(),
            Err(_) => Err(self.shared.failure().unwrap_or(StoreError::Closed)),
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ingest(&self, event: NewEvent) -> Result<Ingested, StoreError> {
        if !self.shared.closing.load(Ordering::Acquire) {
            self.health()?;
        }
        self.submit(ingest::Ingest::of(event)?).await
    }

    async fn spend(&self, event: &Event, dedupe: Vec<Dedupe>) -> Result<TokenUse, StoreError> {
        if !self.shared.closing.load(Ordering::Acquire) {
            self.health()?;
        }
        self.submit(dedupe::Spend(dedupe::Keys::of(event, dedupe))).await
    }

    async fn arm(&self, what: &Teaching, until: Timestamp) -> Result<(), StoreError> {
        self.submit(learn::Arm { what: what.clone(), until }).await
    }

    async fn armed(
        &self,
        what: &Teaching,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let what = what.clone();
        self.readers.run(move |conn| learn::armed(conn, &what, now)).await
    }

    async fn learn(
        &self,
        what: &Teaching,
        secret: LearnedSecret,
        now: Timestamp,
    ) -> Result<Learning, StoreError> {
        self.submit(learn::Learn { what: what.clone(), secret, now }).await
    }

    async fn learned(&self, route: &str, provider: &str) -> Result<Vec<Lesson>, StoreError> {
        let (route, provider) = (route.to_owned(), provider.to_owned());
        self.readers.run(move |conn| learn::learned(conn, &route, &provider)).await
    }

    async fn learning(&self, now: Timestamp) -> Result<Vec<LearningRoute>, StoreError> {
        self.readers.run(move |conn| learn::learning(conn, now)).await
    }

    async fn forget(&self, route: &str, scope: Option<&str>) -> Result<u64, StoreError> {
        let (route, scope) = (route.to_owned(), scope.map(str::to_owned));
        self.submit(learn::Forget { route, scope }).await
    }

    async fn put_secrets(&self, secrets: Vec<SealedSecret>) -> Result<(), StoreError> {
        self.submit(secrets::Put { secrets }).await
    }

    async fn remove_secret(&self, name: &str) -> Result<bool, StoreError> {
        self.submit(secrets::Remove { name: name.to_owned() }).await
    }

    async fn secrets(&self) -> Result<Vec<SealedSecret>, StoreError> {
        self.readers.run(secrets::all).await
    }

    async fn claim(&self, lanes: Vec<LaneWant>, now: Timestamp) -> Result<Claims, StoreError> {
        self.submit(jobs::Claim { lanes, now }).await
    }

    async fn resend(
        &self,
        event: EventId,
        target: &Target,
        now: Timestamp,
    ) -> Result<Resend, StoreError> {
        self.submit(resend::ResendEvent { event, target: target.clone(), now }).await
    }

    async fn complete(
        &self,
        lease: Lease,
        completion: Completion,
    ) -> Result<Completed, StoreError> {
        self.submit(jobs::Complete::of(lease, completion)?).await
    }

    async fn commit(&self, effects: Effects) -> Result<Completed, StoreError> {
        self.submit(kv::Commit::of(effects)?).await
    }

    async fn kv_get(
        &self,
        namespace: &Namespace,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<KvEntry>, StoreError> {
        let (namespace, key) = (namespace.clone(), key.to_owned());
        self.readers.run(move |conn| kv::get(conn, &namespace, &key, now)).await
    }

    async fn kv_list(
        &self,
        span: &KvSpan,
        limit: usize,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<KvPage, StoreError> {
        let span = span.clone();
        self.readers.run(move |conn| kv::list(conn, &span, limit, max_bytes, now)).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.submit(kv::Sweep { now }).await
    }

    async fn set_schedules(
        &self,
        schedules: Vec<NewSchedule>,
        now: Timestamp,
    ) -> Result<Vec<ScheduleState>, StoreError> {
        self.submit(schedules::SetSchedules { schedules, now }).await
    }

    async fn schedules(&self) -> Result<Vec<ScheduleState>, StoreError> {
        self.readers.run(schedules::schedules).await
    }

    async fn fire(&self, firing: NewFiring) -> Result<Fired, StoreError> {
        if !self.shared.closing.load(Ordering::Acquire) {
            self.health()?;
        }
        self.submit(schedules::Fire::of(firing)?).await
    }

    async fn settle(&self, schedule: &str, until: Timestamp) -> Result<(), StoreError> {
        self.submit(schedules::Settle { schedule: schedule.to_owned(), until }).await
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        self.submit(jobs::Release { lease }).await
    }

    async fn wake(&self) {
        self.shared.wake.notified().await;
    }

    async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError> {
        self.readers.events(query).await
    }

    async fn event(&self, id: EventId) -> Result<Option<EventDetail>, StoreError> {
        self.readers.event(id).await
    }

    async fn failed(&self) -> String {
        self.shared.failed().await
    }

    fn health(&self) -> Result<(), StoreError> {
        if let Some(failure) = self.shared.failure() {
            return Err(failure);
        }
        if self.shared.closing.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        self.shared.space.admits()
    }

    async fn close(&self) {
        // All of this can be done twice, so that a call that is given up half-way does no harm.
        self.shared.closing.store(true, Ordering::Release);
        self.readers.close().await;
        // An error means that the writer has ended already.
        let _ = self.queue.send(Request::Close).await;
        let mut stopped = self.shared.stopped.subscribe();
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }
}
