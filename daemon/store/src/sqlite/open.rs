//! Opening a store file: settings of connections, migrations, recovery of what a dead process left.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hookyard_types::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::fault::is_damage;
use super::{jobs, secrets};
use crate::SealedSecret;

/// The migrations, numbered from 1. They only go forward.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
];

/// In the header of every store file, so that a stranger's database is not taken for one: "Hkyd".
const APPLICATION_ID: i32 = 0x486b_7964;

/// After so many interrupted attempts in a row, a job is taken for what ends the daemon.
const MAX_INTERRUPTED: u32 = 3;

/// How long a statement waits for another program that has the file.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a store could not be opened. `Display` leaves what the system or SQLite said to the source.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the store's lock; `pid` is what it noted in the lock file.
    #[error("the store {} is held by {}: only one daemon can use it", path.display(), holder(*pid))]
    Held { path: PathBuf, pid: Option<u32> },
    /// The file does not exist, and it was opened for reading only.
    #[error("there is no store at {}: a daemon creates it when it first runs", path.display())]
    Missing { path: PathBuf },
    /// A newer program has migrated the file. Migrations only go forward.
    #[error(
        "the store {} has schema {found}, and this program knows schemas up to {known}: \
         use the newer program that wrote it",
        path.display()
    )]
    NewerSchema { path: PathBuf, found: i64, known: i64 },
    /// The file is older than this program, and reading only cannot migrate it.
    #[error(
        "the store {} has schema {found}, and this program reads schema {known}: \
         start the daemon once to bring it up to date",
        path.display()
    )]
    OlderSchema { path: PathBuf, found: i64, known: i64 },
    /// An SQLite database, but not a store.
    #[error("{} is a database of another program", path.display())]
    Foreign { path: PathBuf },
    /// The file is not what SQLite or this program wrote.
    #[error("the store {} is damaged: {detail}; restore a backup", path.display())]
    Damaged { path: PathBuf, detail: String },
    /// The file system refused.
    #[error("cannot open {}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// SQLite refused.
    #[error("cannot open the store {}", path.display())]
    Sql { path: PathBuf, source: rusqlite::Error },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("the process with pid {pid}"))
}

/// The writer's connection and what it must know to begin.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) conn: Connection,
    /// How many times the store was opened for writing, this time included.
    pub(super) incarnation: i64,
    pub(super) last_seq: i64,
    pub(super) page_size: u64,
}

/// Opens the file at `path` for writing, creates or migrates it, and recovers. The caller holds
/// the lock.
pub(super) fn for_writing(path: &Path, max_size: Option<u64>) -> Result<Opened, OpenError> {
    let created =
        create_private(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    let opened = writable(path, max_size).map_err(|error| at(path, error))?;
    if created {
        // The file's name must survive a power cut as its content does.
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| OpenError::Io { path: parent.to_owned(), source })?;
    }
    Ok(opened)
}

/// Makes the file if there is none; whether it was made. SQLite takes an empty file for a new
/// database and gives the log and its index the mode of the database, so that none of the three,
/// which hold learned secrets and what senders sent, can be read by others.
fn create_private(path: &Path) -> std::io::Result<bool> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => return Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        // Whether a group is meant to read it, only its owner knows.
        tracing::warn!(
            path = %path.display(),
            mode = format!("{:o}", mode & 0o777),
            "others than the owner may open the store, which holds secrets: `chmod 600` it and \
             the files beside it that have its name"
        );
    }
    Ok(false)
}

/// A connection that reads the file at `path`, whether or not a daemon has it.
pub(super) fn for_reading(path: &Path) -> Result<Connection, OpenError> {
    match fs::metadata(path) {
        Ok(_) => {}
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        Err(source) => return Err(OpenError::Io { path: path.to_owned(), source }),
    }
    readable(path).map_err(|error| at(path, error))
}

/// See [`super::SqliteStore::sealed_secrets`].
pub(super) fn sealed_secrets(path: &Path) -> Result<Vec<SealedSecret>, OpenError> {
    match fs::metadata(path) {
        // A program that ended while it made the file leaves an empty one.
        Ok(file) if file.len() == 0 => return Ok(Vec::new()),
        Ok(_) => {}
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(OpenError::Io { path: path.to_owned(), source }),
    }
    let read = || {
        let conn = readable_in_any_schema(path)?;
        match schema(&conn)? {
            found if found > known_schema() => Err(Refusal::Newer(found)),
            _ => Ok(secrets::of_any_schema(&conn)?),
        }
    };
    read().map_err(|error| at(path, error))
}

/// Settings of the connection that runs checkpoints beside the writer.
pub(super) fn for_checkpoints(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn)
}

enum Refusal {
    Sql(rusqlite::Error),
    Newer(i64),
    Older(i64),
    Foreign,
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

fn at(path: &Path, refusal: Refusal) -> OpenError {
    let path = path.to_owned();
    match refusal {
        Refusal::Newer(found) => OpenError::NewerSchema { path, found, known: known_schema() },
        Refusal::Older(found) => OpenError::OlderSchema { path, found, known: known_schema() },
        Refusal::Foreign => OpenError::Foreign { path },
        Refusal::Sql(error) if is_damage(&error) => {
            OpenError::Damaged { path, detail: error.to_string() }
        }
        Refusal::Sql(source) => OpenError::Sql { path, source },
    }
}

fn known_schema() -> i64 {
    MIGRATIONS.len() as i64
}

fn writable(path: &Path, max_size: Option<u64>) -> Result<Opened, Refusal> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    // What is on disk after a failed write is for the next start to decide, not for a hurried
    // checkpoint on the way out; a clean close makes its own.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    if tables == 0 {
        // These two are written into the file's header, before anything else.
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    } else if application_id(&conn)? != APPLICATION_ID {
        return Err(Refusal::Foreign);
    }
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "secure_delete", "ON")?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "cache_size", -32 * 1024)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.set_prepared_statement_cache_capacity(64);
    let page_size: u32 = conn.query_row("PRAGMA page_size", [], |r| r.get(0))?;
    let page_size = u64::from(page_size);
    if let Some(max_size) = max_size {
        let pages = i64::try_from(max_size / page_size).unwrap_or(i64::MAX).min(0xffff_fffe);
        conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    migrate(&mut conn)?;
    let incarnation = begin_incarnation(&mut conn, Timestamp::now())?;
    let last_seq = conn
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'events'", [], |r| r.get(0))
        .optional()?
        .unwrap_or(0);
    Ok(Opened { conn, incarnation, last_seq, page_size })
}

fn readable(path: &Path) -> Result<Connection, Refusal> {
    let conn = readable_in_any_schema(path)?;
    match schema(&conn)? {
        found if found > known_schema() => Err(Refusal::Newer(found)),
        found if found < known_schema() => Err(Refusal::Older(found)),
        _ => Ok(conn),
    }
}

fn readable_in_any_schema(path: &Path) -> Result<Connection, Refusal> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    if application_id(&conn)? != APPLICATION_ID {
        return Err(Refusal::Foreign);
    }
    Ok(conn)
}

fn application_id(conn: &Connection) -> rusqlite::Result<i32> {
    conn.query_row("PRAGMA application_id", [], |r| r.get(0))
}

/// The number of the last migration that was run; 0 in a new file.
fn schema(conn: &Connection) -> rusqlite::Result<i64> {
    let exists: bool = conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta')",
        [],
        |r| r.get(0),
    )?;
    if !exists {
        return Ok(0);
    }
    let found = conn
        .query_row("SELECT value FROM meta WHERE name = 'schema'", [], |r| r.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

fn migrate(conn: &mut Connection) -> Result<(), Refusal> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = schema(&tx)?;
    let Ok(done) = usize::try_from(found) else { return Err(Refusal::Foreign) };
    if done > MIGRATIONS.len() {
        return Err(Refusal::Newer(found));
    }
    for migration in MIGRATIONS.iter().skip(done) {
        tx.execute_batch(migration)?;
    }
    if done < MIGRATIONS.len() {
        tx.execute(
            "INSERT INTO meta (name, value) VALUES ('schema', ?1) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [known_schema()],
        )?;
        tracing::info!(from = found, to = known_schema(), "the store's schema was brought up");
    }
    tx.commit()?;
    Ok(())
}

/// Counts this opening and ends the attempts that other incarnations left running.
fn begin_incarnation(conn: &mut Connection, now: Timestamp) -> rusqlite::Result<i64> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let incarnation = tx.query_row(
        "INSERT INTO meta (name, value) VALUES ('incarnation', 1) \
         ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
        [],
        |r| r.get(0),
    )?;
    let abandoned = interrupt(&tx, now)?;
    tx.commit()?;
    if abandoned > 0 {
        tracing::warn!(attempts = abandoned, "attempts were interrupted when the last run ended");
    }
    Ok(incarnation)
}

fn interrupt(conn: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    struct Abandoned {
        job: i64,
        attempts: u32,
        interrupted: u32,
        tenant: String,
        leased_at: Option<i64>,
    }
    let abandoned = conn
        .prepare(
            "SELECT job, attempts, interrupted, tenant, leased_at FROM jobs \
             WHERE state = 'running' AND state IN ('ready', 'running')",
        )?
        .query_map([], |r| {
            Ok(Abandoned {
                job: r.get(0)?,
                attempts: r.get(1)?,
                interrupted: r.get(2)?,
                tenant: r.get(3)?,
                leased_at: r.get(4)?,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for job in &abandoned {
        let interrupted = job.interrupted.saturating_add(1);
        let dead = interrupted >= MAX_INTERRUPTED;
        let message = if dead {
            "the daemon ended while this attempt ran, as it did in the attempts before: \
             the job is a dead letter, because it may be what ends the daemon"
        } else {
            "the daemon ended while this attempt ran"
        };
        conn.prepare_cached(
            "INSERT INTO attempts (job, number, tenant, started_at, duration, outcome, message, \
             plugin_hash, log, log_dropped) \
             VALUES (?1, ?2, ?3, ?4, 0, 'interrupted', ?5, '', '[]', 0)",
        )?
        .execute(params![
            job.job,
            job.attempts,
            job.tenant,
            job.leased_at.unwrap_or(now.as_millis()),
            message
        ])?;
        conn.prepare_cached(
            "UPDATE jobs SET state = ?2, interrupted = ?3, incarnation = NULL, leased_at = NULL, \
             due_at = CASE WHEN ?2 = 'ready' THEN min(coalesce(due_at, ?4), ?4) END WHERE job = ?1",
        )?
        .execute(params![
            job.job,
            if dead { "dead-letter" } else { "ready" },
            interrupted,
            now.as_millis()
        ])?;
        if dead {
            jobs::unblock_after(conn, job.job)?;
        }
    }
    Ok(abandoned.len())
}
