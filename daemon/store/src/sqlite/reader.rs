//! Reading beside the writer: own connections, each snapshot no longer than one page.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookyard_types::{EventId, KvEntry, KvPage, KvSpan, Namespace, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::Semaphore;

use super::fault::Fault;
use super::rows::{self, EVENT_COLUMNS};
use super::shared::lock;
use super::{OpenError, kv, open, schedules, secrets};
use crate::{
    AttemptDetail, AttemptRecord, EventDetail, EventPage, EventQuery, EventState, EventSummary,
    JobDetail, ScheduleState, SealedSecret, StoreError,
};

/// Reads at one time; more wait.
const CONNECTIONS: u32 = 4;

/// Most events of one page.
const PAGE: usize = 1000;

/// The jobs of `events e` as one figure for [`event_state`], the least finished first; null without jobs.
pub(super) const EVENT_STATE: &str = "(SELECT min(CASE WHEN j.state = 'ready' AND j.attempts > 0 THEN 1 \
     WHEN j.state IN ('ready', 'waiting', 'running') THEN 0 \
     WHEN j.state = 'dead-letter' THEN 2 WHEN j.state = 'succeeded' THEN 3 ELSE 4 END) \
     FROM jobs j WHERE j.event = e.seq)";

/// A store opened for reading only, without its lock: while a daemon holds it, or while none does.
#[derive(Clone, Debug)]
pub struct SqliteReader {
    readers: Arc<Readers>,
}

impl SqliteReader {
    /// Opens the store at `path`. It must exist and have this program's schema.
    pub(super) async fn open(path: PathBuf) -> Result<Self, OpenError> {
        let readers = Arc::new(Readers::new(path.clone()));
        let opening = Arc::clone(&readers);
        let opened = tokio::task::spawn_blocking(move || {
            let conn = open::for_reading(&opening.path)?;
            lock(&opening.idle).push(conn);
            Ok(())
        });
        match opened.await {
            Ok(outcome) => outcome.map(|()| Self { readers }),
            Err(error) => Err(OpenError::Io { path, source: std::io::Error::other(error) }),
        }
    }

    /// See [`crate::Store::events`].
    pub async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError> {
        self.readers.events(query).await
    }

    /// See [`crate::Store::kv_get`].
    pub async fn kv_get(
        &self,
        namespace: &Namespace,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<KvEntry>, StoreError> {
        let (namespace, key) = (namespace.clone(), key.to_owned());
        self.readers.run(move |conn| kv::get(conn, &namespace, &key, now)).await
    }

    /// See [`crate::Store::kv_list`].
    pub async fn kv_list(
        &self,
        span: &KvSpan,
        limit: usize,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<KvPage, StoreError> {
        let span = span.clone();
        self.readers.run(move |conn| kv::list(conn, &span, limit, max_bytes, now)).await
    }

    /// See [`crate::Store::secrets`].
    pub async fn secrets(&self) -> Result<Vec<SealedSecret>, StoreError> {
        self.readers.run(secrets::all).await
    }

    /// See [`crate::Store::event`].
    pub async fn event(&self, id: EventId) -> Result<Option<EventDetail>, StoreError> {
        self.readers.event(id).await
    }

    /// See [`crate::Store::schedules`].
    pub async fn schedules(&self) -> Result<Vec<ScheduleState>, StoreError> {
        self.readers.run(schedules::schedules).await
    }
}

/// A small pool of connections, used on blocking threads.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(CONNECTIONS as usize)),
        }
    }

    pub(super) async fn events(
        self: &Arc<Self>,
        query: EventQuery,
    ) -> Result<EventPage, StoreError> {
        self.run(move |conn| events(conn, &query)).await
    }

    pub(super) async fn event(
        self: &Arc<Self>,
        id: EventId,
    ) -> Result<Option<EventDetail>, StoreError> {
        self.run(move |conn| event(conn, id)).await
    }

    /// Waits for the reads that run and closes the connections. Later reads are refused.
    pub(super) async fn close(&self) {
        let all = self.permits.acquire_many(CONNECTIONS).await;
        self.permits.close();
        drop(all);
        lock(&self.idle).clear();
    }

    pub(super) async fn run<T, F>(self: &Arc<Self>, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let permit =
            Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let outcome = readers.with_connection(read);
            drop(permit);
            outcome
        });
        reading.await.unwrap_or_else(|error| Err(StoreError::Refused(error.to_string())))
    }

    fn with_connection<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let conn = match lock(&self.idle).pop() {
            Some(conn) => conn,
            None => connect(&self.path)?,
        };
        let outcome = read(&conn);
        if outcome.is_ok() {
            lock(&self.idle).push(conn);
        }
        outcome.map_err(refusal)
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    open::for_reading(path).map_err(|error| match error {
        OpenError::Damaged { detail, .. } => StoreError::Damaged(detail),
        OpenError::Io { ref source, .. } => StoreError::Refused(format!("{error}: {source}")),
        OpenError::Sql { ref source, .. } => StoreError::Refused(format!("{error}: {source}")),
        error => StoreError::Refused(error.to_string()),
    })
}

/// A failed read says nothing about what was written.
fn refusal(fault: Fault) -> StoreError {
    match fault.into_error() {
        StoreError::Untrusted(reason) | StoreError::Full(reason) => StoreError::Refused(reason),
        error => error,
    }
}

fn events(conn: &Connection, query: &EventQuery) -> Result<EventPage, Fault> {
    let limit = query.limit.clamp(1, PAGE);
    let mut statement = conn.prepare_cached(&format!(
        "SELECT e.id, e.seq, e.source_kind, e.source, e.kind, e.delivery_id, e.tenant, \
         e.received_at, {EVENT_STATE} \
         FROM events e WHERE e.seq < ?1 ORDER BY e.seq DESC LIMIT ?2"
    ))?;
    let before = query.before.unwrap_or(i64::MAX);
    // One more than asked for tells whether there is another page.
    let mut found = statement.query((before, limit as i64 + 1))?;
    let mut page = EventPage { events: Vec::new(), next: None };
    while let Some(row) = found.next()? {
        if page.events.len() == limit {
            page.next = page.events.last().map(|event: &EventSummary| event.seq);
            break;
        }
        page.events.push(EventSummary {
            id: EventId::from_bytes(row.get(0)?),
            seq: row.get(1)?,
            source: rows::source(&row.get::<_, String>(2)?, row.get(3)?)?,
            kind: row.get(4)?,
            delivery_id: row.get(5)?,
            tenant: row.get(6)?,
            received_at: Timestamp::from_millis(row.get(7)?),
            state: event_state(row.get(8)?),
        });
    }
    Ok(page)
}

pub(super) fn event_state(least: Option<i64>) -> EventState {
    match least {
        Some(0) => EventState::Pending,
        Some(1) => EventState::Retrying,
        Some(2) => EventState::DeadLetter,
        Some(3) => EventState::Succeeded,
        _ => EventState::Ignored,
    }
}

fn event(conn: &Connection, id: EventId) -> Result<Option<EventDetail>, Fault> {
    // One snapshot for all statements, so that a job and its attempts agree.
    let snapshot = conn.unchecked_transaction()?;
    let mut statement = snapshot.prepare_cached(&format!(
        "SELECT {EVENT_COLUMNS}, {EVENT_STATE} FROM events e JOIN bodies b ON b.event = e.seq \
         WHERE e.id = ?1"
    ))?;
    let found = statement
        .query_row([id.as_bytes()], |row| Ok((rows::event(row), row.get(rows::EVENT_WIDTH)?)))
        .optional()?;
    let Some((event, least)) = found else { return Ok(None) };
    let (seq, event) = event?;
    let jobs = jobs(&snapshot, seq)?;
    Ok(Some(EventDetail { seq, event, state: event_state(least), jobs }))
}

fn jobs(conn: &Connection, seq: i64) -> Result<Vec<JobDetail>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT job, id, target_kind, target, state, due_at FROM jobs WHERE event = ?1 \
         ORDER BY job",
    )?;
    let mut found = statement.query([seq])?;
    let mut jobs = Vec::new();
    while let Some(row) = found.next()? {
        let (kind, target): (String, String) = (row.get(2)?, row.get(3)?);
        let state = rows::state(&row.get::<_, String>(4)?)?;
        let due_at: Option<i64> = row.get(5)?;
        jobs.push(JobDetail {
            id: rows::job_id(row, 1)?,
            target: rows::target(&kind, &target)?,
            state,
            due_at: match state {
                crate::JobState::Ready => due_at.map(Timestamp::from_millis),
                _ => None,
            },
            attempts: attempts(conn, row.get(0)?)?,
        });
    }
    Ok(jobs)
}

fn attempts(conn: &Connection, job: i64) -> Result<Vec<AttemptDetail>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT number, started_at, duration, outcome, message, plugin_hash, log, log_dropped, \
         calls \
         FROM attempts WHERE job = ?1 ORDER BY number",
    )?;
    let mut found = statement.query([job])?;
    let mut attempts = Vec::new();
    while let Some(row) = found.next()? {
        let (outcome, log): (String, String) = (row.get(3)?, row.get(6)?);
        let requests: Option<String> = row.get(8)?;
        let micros: i64 = row.get(2)?;
        attempts.push(AttemptDetail {
            number: row.get(0)?,
            record: AttemptRecord {
                started_at: Timestamp::from_millis(row.get(1)?),
                duration: Duration::from_micros(u64::try_from(micros).unwrap_or(0)),
                outcome: rows::outcome(&outcome)?,
                message: row.get(4)?,
                plugin_hash: row.get(5)?,
                log: rows::from_json("log lines", &log)?,
                log_dropped: row.get(7)?,
                requests: match requests {
                    Some(requests) => rows::from_json("requests", &requests)?,
                    None => Vec::new(),
                },
            },
        });
    }
    Ok(attempts)
}
