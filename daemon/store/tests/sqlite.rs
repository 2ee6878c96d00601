//! The contract on SQLite, and what only a file can do.

mod contract;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use contract::*;
use hookyard_store::sqlite::{OpenError, SqliteOptions, SqliteStore};
use hookyard_store::*;
use hookyard_types::{EventId, Timestamp};
use rusqlite::Connection;

struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    fn options(&self) -> SqliteOptions {
        SqliteOptions { min_free: 0, ..SqliteOptions::new(self.path()) }
    }

    async fn sqlite(&self, options: SqliteOptions) -> Arc<SqliteStore> {
        // A store that was dropped lets go of the file a moment later.
        for _ in 0..500 {
            match SqliteStore::open(options.clone()).await {
                Ok(store) => return Arc::new(store),
                Err(OpenError::Held { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the store was not let go");
    }

    /// Keeps the writer from beginning a transaction until the connection is dropped.
    fn hold_up(&self) -> Connection {
        let conn = Connection::open(self.path()).expect("opens");
        conn.execute_batch("BEGIN IMMEDIATE").expect("begins");
        conn
    }
}

impl Backend for File {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.sqlite(self.options()).await
    }
}

store_contract!(File);

fn big(bytes: usize) -> NewEvent {
    let mut new = new_event("", vec![job("p/h")]);
    new.event.body = Bytes::from(vec![7; bytes]);
    new
}

#[tokio::test]
async fn a_second_open_names_the_pid() {
    let file = File::new();
    let store = file.sqlite(file.options()).await;
    let error = SqliteStore::open(file.options()).await.expect_err("is held");
    let text = error.to_string();
    assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
    assert!(text.contains("store.db"), "{text}");
    store.close().await;
    SqliteStore::open(file.options()).await.expect("is free again");
}

#[tokio::test]
async fn a_newer_schema_is_refused_by_both_versions() {
    let file = File::new();
    file.sqlite(file.options()).await.close().await;
    let conn = Connection::open(file.path()).expect("opens");
    conn.execute("UPDATE meta SET value = 7 WHERE name = 'schema'", []).expect("updates");
    drop(conn);
    let error = SqliteStore::open(file.options()).await.expect_err("is newer");
    assert!(matches!(error, OpenError::NewerSchema { found: 7, known: 1, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("schema 7") && text.contains("up to 1"), "{text}");
    let error = SqliteStore::open_reader(file.path()).await.expect_err("is newer");
    assert!(matches!(error, OpenError::NewerSchema { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_not_a_store_is_refused() {
    let file = File::new();
    let error = SqliteStore::open_reader(file.path()).await.expect_err("is missing");
    assert!(matches!(error, OpenError::Missing { .. }), "{error:?}");
    assert!(!file.path().exists(), "reading created a file");

    std::fs::write(file.path(), "this is a letter to my aunt, and long enough".repeat(200))
        .expect("writes");
    let error = SqliteStore::open(file.options()).await.expect_err("is a letter");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    let error = SqliteStore::open_reader(file.path()).await.expect_err("is a letter");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");

    std::fs::remove_file(file.path()).expect("removes");
    let other = Connection::open(file.path()).expect("opens");
    other.execute_batch("CREATE TABLE recipes (title TEXT)").expect("creates");
    drop(other);
    let error = SqliteStore::open(file.options()).await.expect_err("is another program's");
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");

    let mut options = file.options();
    options.path = file.folder.path().join("missing/store.db");
    let error = SqliteStore::open(options).await.expect_err("has no folder");
    assert!(error.to_string().contains("missing/store.db"), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_said_to_be_damaged() {
    let file = File::new();
    let store = file.sqlite(file.options()).await;
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(stored(&*store, big(3000)).await.id());
    }
    store.close().await;
    let length = std::fs::metadata(file.path()).expect("exists").len();
    let raw = std::fs::OpenOptions::new().write(true).open(file.path()).expect("opens");
    let noise = vec![0xa5; (length - 32 * 4096) as usize];
    std::os::unix::fs::FileExt::write_all_at(&raw, &noise, 32 * 4096).expect("writes");
    drop(raw);
    let reader = SqliteStore::open_reader(file.path()).await.expect("the header is whole");
    let mut damaged = 0;
    for id in ids {
        match reader.event(id).await {
            Ok(Some(event)) => assert_eq!(event.event.body.len(), 3000),
            Ok(None) => {}
            Err(StoreError::Damaged(_)) => damaged += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(damaged > 0, "damage was not noticed");
}

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let file = File::new();
    let store = file.sqlite(file.options()).await;
    let before = store.stats();
    let gate = file.hold_up();
    let mut tasks = Vec::new();
    for n in 0..64 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            stored(&*store, new_event(&n.to_string(), Vec::new())).await.seq()
        }));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(gate);
    let mut order = Vec::new();
    for task in tasks {
        order.push(task.await.expect("ends"));
    }
    order.sort_unstable();
    assert_eq!(order, (1..=64).collect::<Vec<_>>());
    let after = store.stats();
    assert_eq!(after.items - before.items, 64);
    assert_eq!(after.commits - before.commits, 1, "one transaction for what waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_busy() {
    let file = File::new();
    let store = file.sqlite(file.options()).await;
    let made = stored(&*store, new_event("a", vec![leased("p/h")])).await;
    let lease = made.into_leases().remove(0).expect("is leased");
    let gate = file.hold_up();
    let busy = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for n in 0..6000 {
        let (store, busy) = (Arc::clone(&store), Arc::clone(&busy));
        tasks.push(tokio::spawn(async move {
            match store.ingest(new_event(&n.to_string(), Vec::new())).await {
                Ok(_) => {}
                Err(StoreError::Busy) => drop(busy.fetch_add(1, Ordering::Relaxed)),
                Err(other) => panic!("{other:?}"),
            }
        }));
    }
    tokio::time::timeout(Duration::from_secs(60), async {
        while busy.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the queue fills up");
    // Completions are not shed: they wait for their turn.
    let mut completing = Box::pin(store.complete(lease, done()));
    let early = tokio::time::timeout(Duration::from_millis(20), &mut completing).await;
    assert!(early.is_err(), "{early:?}");
    drop(gate);
    assert_eq!(completing.await.expect("completes"), Completed::Committed);
    for task in tasks {
        task.await.expect("ends");
    }
    let refused = busy.load(Ordering::Relaxed);
    let page = store.events(EventQuery { limit: 1, before: None }).await.expect("reads");
    let kept = page.events[0].seq - 1;
    assert_eq!(kept as usize + refused, 6000);
    assert!(kept >= 4096, "the queue took only {kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_bounded_under_load() {
    let file = File::new();
    let wal_max = 2 << 20;
    let store = file.sqlite(SqliteOptions { wal_max, ..file.options() }).await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for _ in 0..32 {
        let (store, ended) = (Arc::clone(&store), Arc::clone(&ended));
        tasks.push(tokio::spawn(async move {
            let mut count = 0;
            while !ended.load(Ordering::Relaxed) {
                stored(&*store, big(2400)).await;
                count += 1;
            }
            count
        }));
    }
    // A reader that pages through all of it, over and over, must not keep the log from ending.
    let reading = {
        let (store, ended) = (Arc::clone(&store), Arc::clone(&ended));
        tokio::spawn(async move {
            let mut before = None;
            while !ended.load(Ordering::Relaxed) {
                let query = EventQuery { limit: 100, before };
                before = store.events(query).await.expect("reads").next;
            }
        })
    };
    let mut largest = 0;
    let began = Instant::now();
    while store.stats().items < 8000 && began.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        largest = largest.max(store.stats().wal_bytes);
    }
    ended.store(true, Ordering::Relaxed);
    let mut written = 0;
    for task in tasks {
        written += task.await.expect("ends");
    }
    reading.await.expect("ends");
    assert!(largest <= 2 * wal_max, "the log grew to {largest} bytes");
    assert!(written * 2400 > 2 * wal_max, "{written} events are too few to show anything");
    store.close().await;
    assert_eq!(store.stats().wal_bytes, 0, "close leaves a log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_needs_no_lock() {
    let file = File::new();
    let store = file.sqlite(file.options()).await;
    let first = stored(&*store, new_event("a", vec![job("p/h")])).await.id();
    // While a daemon holds it, and sees what it writes.
    let reader = SqliteStore::open_reader(file.path()).await.expect("opens");
    let page = |limit| EventQuery { limit, before: None };
    assert_eq!(reader.events(page(10)).await.expect("reads").events.len(), 1);
    stored(&*store, new_event("b", Vec::new())).await;
    assert_eq!(reader.events(page(10)).await.expect("reads").events.len(), 2);
    drop(reader);
    // After a crash, the log still there.
    drop(store);
    let store = file.sqlite(file.options()).await;
    drop(store);
    let reader = SqliteStore::open_reader(file.path()).await.expect("opens");
    assert_eq!(reader.events(page(10)).await.expect("reads").events.len(), 2);
    drop(reader);
    // After a clean end, without a log.
    file.sqlite(file.options()).await.close().await;
    let log = file.folder.path().join("store.db-wal");
    let _ = std::fs::remove_file(&log);
    let _ = std::fs::remove_file(file.folder.path().join("store.db-shm"));
    let reader = SqliteStore::open_reader(file.path()).await.expect("opens");
    let found = reader.event(first).await.expect("reads").expect("exists");
    assert_eq!(&found.event.body[..], b"a");
    // And a daemon can start meanwhile.
    let store = file.sqlite(file.options()).await;
    stored(&*store, new_event("c", Vec::new())).await;
    assert_eq!(reader.events(page(10)).await.expect("reads").events.len(), 3);
    store.close().await;
}

#[tokio::test]
async fn too_little_free_space_refuses_events() {
    let file = File::new();
    let store = file.sqlite(SqliteOptions { min_free: u64::MAX, ..file.options() }).await;
    let refused = store.ingest(new_event("a", Vec::new())).await;
    assert!(matches!(&refused, Err(StoreError::Full(why)) if why.contains("min_free")));
    assert!(matches!(store.health(), Err(StoreError::Full(_))));
}

/// A store that has met its `max_size` refuses events, and what was begun is still finished.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_still_completes() {
    let file = File::new();
    let max_size = 8 << 20;
    let options = SqliteOptions { max_size: Some(max_size), ..file.options() };
    let store = file.sqlite(options.clone()).await;
    let mut leases = Vec::new();
    let refused = loop {
        let mut new = big(20_000);
        new.jobs = vec![leased("p/h")];
        match store.ingest(new).await {
            Ok(Ingested::Stored(stored)) => {
                leases.extend(stored.into_leases().into_iter().flatten());
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
        assert!(leases.len() < 1000, "the store never was full");
    };
    assert!(matches!(&refused, StoreError::Full(_)), "{refused:?}");
    assert!(matches!(store.health(), Err(StoreError::Full(_))));
    for lease in leases {
        assert_eq!(store.complete(lease, done()).await.expect("commits"), Completed::Committed);
    }
    let size = std::fs::metadata(file.path()).expect("exists").len() + store.stats().wal_bytes;
    assert!(size <= max_size + (2 << 20), "{size}");
    store.close().await;
    // With more room it goes on.
    let options = SqliteOptions { max_size: Some(4 * max_size), ..options };
    let store = file.sqlite(options).await;
    stored(&*store, big(20_000)).await;
    assert!(claim(&*store, "p", Timestamp::now()).await.len() == 1);
}

/// A write that finds no room takes only the events of its transaction with it.
#[tokio::test(flavor = "multi_thread")]
async fn no_room_in_mid_transaction_spares_completions() {
    let file = File::new();
    let options = SqliteOptions { max_size: Some(4 << 20), ..file.options() };
    let store = file.sqlite(options).await;
    let made = stored(&*store, new_event("a", vec![leased("p/h")])).await;
    let (id, lease) = (made.id(), made.into_leases().remove(0).expect("is leased"));
    let gate = file.hold_up();
    let mut tasks = Vec::new();
    for n in 0..8 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            store.ingest(if n == 7 { big(5 << 20) } else { big(100) }).await
        }));
    }
    let completing = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.complete(lease, done()).await })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(gate);
    assert_eq!(completing.await.expect("ends").expect("commits"), Completed::Committed);
    for task in tasks {
        let outcome = task.await.expect("ends");
        assert!(matches!(outcome, Err(StoreError::Full(_))), "{outcome:?}");
    }
    assert!(matches!(store.health(), Err(StoreError::Full(_))));
    assert_eq!(detail(&*store, id).await.state, EventState::Succeeded);
    // The store goes on once the moment has passed.
    tokio::time::timeout(Duration::from_secs(10), async {
        while store.health().is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the store recovers");
    assert_eq!(stored(&*store, big(100)).await.seq(), 2);
    let page = store.events(EventQuery { limit: 10, before: None }).await.expect("reads");
    assert_eq!(page.events.len(), 2, "a refused event is there");
    let conn = Connection::open(file.path()).expect("opens");
    let sound: String = conn.query_row("PRAGMA integrity_check", [], |r| r.get(0)).expect("checks");
    assert_eq!(sound, "ok");
}

/// The same on a disk that is really full, without the mark that stops short of it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an empty file system of 24 to 64 MiB, its folder in HOOKYARD_TEST_SMALL_DISK"]
async fn a_full_disk_is_survived() {
    let folder = std::env::var_os("HOOKYARD_TEST_SMALL_DISK").expect("names the folder");
    let file = File { folder: tempfile::tempdir_in(folder).expect("a folder") };
    let ballast = file.folder.path().join("ballast");
    std::fs::write(&ballast, vec![1; 12 << 20]).expect("writes");
    let store = file.sqlite(file.options()).await;
    let mut leases = Vec::new();
    let refused = loop {
        let mut new = big(20_000);
        new.jobs = vec![leased("p/h")];
        match store.ingest(new).await {
            Ok(Ingested::Stored(stored)) => {
                leases.extend(stored.into_leases().into_iter().flatten());
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Full(_)), "{refused:?}");
    std::fs::remove_file(&ballast).expect("removes");
    let count = leases.len();
    for lease in leases {
        assert_eq!(store.complete(lease, done()).await.expect("commits"), Completed::Committed);
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    store.health().expect("takes events again");
    assert_eq!(stored(&*store, big(100)).await.seq(), count as i64 + 1);
    let conn = Connection::open(file.path()).expect("opens");
    let sound: String = conn.query_row("PRAGMA integrity_check", [], |r| r.get(0)).expect("checks");
    assert_eq!(sound, "ok");
}

/// In a process of its own, whose files cannot grow past a limit: the failing write is an error of
/// the device to SQLite, not a full disk.
#[test]
fn a_failed_write_ends_the_trust() {
    const INNER: &str = "HOOKYARD_TEST_FAILING_WRITES";
    if let Some(path) = std::env::var_os(INNER) {
        let runtime = tokio::runtime::Runtime::new().expect("starts");
        runtime.block_on(writes_until_it_fails(path.into()));
        return;
    }
    let file = File::new();
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\"";
    let status = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().expect("is known"))
        .args(["--exact", "a_failed_write_ends_the_trust", "--nocapture"])
        .env(INNER, file.path())
        .stdin(Stdio::null())
        .status()
        .expect("runs");
    assert!(status.success(), "{status}");
    // Recovery at the next start finds all that was acknowledged.
    let count: u64 = std::fs::read_to_string(file.path().with_extension("count"))
        .expect("was written")
        .parse()
        .expect("a number");
    assert!(count > 0);
    let runtime = tokio::runtime::Runtime::new().expect("starts");
    runtime.block_on(async {
        let store = file.sqlite(file.options()).await;
        let next = stored(&*store, new_event("next", Vec::new())).await;
        assert!(next.seq() > count as i64, "{} after {count}", next.seq());
        let found = store.events(EventQuery { limit: 1000, before: None }).await.expect("reads");
        assert!(found.events.len() as u64 > count);
    });
}

async fn writes_until_it_fails(path: PathBuf) {
    let options = SqliteOptions { min_free: 0, ..SqliteOptions::new(path.clone()) };
    let store = Arc::new(SqliteStore::open(options).await.expect("opens"));
    let mut count = 0;
    let error = loop {
        match store.ingest(big(100_000)).await {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        assert!(count < 1000, "nothing failed");
    };
    assert!(matches!(error, StoreError::Untrusted(_)), "{error:?}");
    let reason =
        tokio::time::timeout(Duration::from_secs(5), store.failed()).await.expect("is told");
    assert!(!reason.is_empty());
    assert!(matches!(store.health(), Err(StoreError::Untrusted(_))));
    let refused = store.ingest(big(1)).await;
    assert!(matches!(refused, Err(StoreError::Untrusted(_))), "{refused:?}");
    let refused = store.claim(vec![want("p", 1)], Timestamp::now()).await;
    assert!(matches!(refused, Err(StoreError::Untrusted(_))), "{refused:?}");
    tokio::time::timeout(Duration::from_secs(5), store.close()).await.expect("close returns");
    std::fs::write(path.with_extension("count"), count.to_string()).expect("writes");
}

/// A process that stores events and prints what was acknowledged is killed at some moment, again
/// and again on one file: what it printed is there.
#[test]
fn a_kill_loses_nothing_acknowledged() {
    const INNER: &str = "HOOKYARD_TEST_TO_BE_KILLED";
    let runtime = tokio::runtime::Runtime::new().expect("starts");
    if let Some(path) = std::env::var_os(INNER) {
        runtime.block_on(stores_until_killed(path.into()));
        return;
    }
    let file = File::new();
    let mut acknowledged: Vec<EventId> = Vec::new();
    for round in 0..8u64 {
        let mut child = Command::new(std::env::current_exe().expect("is known"))
            .args(["--exact", "a_kill_loses_nothing_acknowledged", "--nocapture"])
            .env(INNER, file.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        let before = acknowledged.len();
        for line in lines.by_ref() {
            acknowledged.extend(line.expect("reads").strip_prefix("stored ").map(id_of));
            if acknowledged.len() - before >= 40 + 37 * round as usize {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(round * 700));
        child.kill().expect("kills");
        // What it could still say is acknowledged as well; a last line can be cut short.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let whole = rest.iter().filter_map(|line| line.strip_prefix("stored "));
        acknowledged.extend(whole.filter(|id| id.len() == 36).map(id_of));
        child.wait().expect("ends");
    }
    runtime.block_on(async {
        let store = file.sqlite(file.options()).await;
        let mut handled = 0;
        for id in &acknowledged {
            let found = store.event(*id).await.expect("reads").expect("is not lost");
            assert_eq!(found.event.body.len(), 3000);
            handled += usize::from(
                found.jobs[0]
                    .attempts
                    .iter()
                    .any(|attempt| attempt.record.outcome == AttemptOutcome::Interrupted),
            );
        }
        assert!(handled > 0, "no lease was found abandoned");
        let conn = Connection::open(file.path()).expect("opens");
        let sound: String =
            conn.query_row("PRAGMA integrity_check", [], |r| r.get(0)).expect("checks");
        assert_eq!(sound, "ok");
    });
}

fn id_of(text: &str) -> EventId {
    text.parse().expect("an id")
}

async fn stores_until_killed(path: PathBuf) {
    let options = SqliteOptions { min_free: 0, wal_max: 256 << 10, ..SqliteOptions::new(path) };
    let store = Arc::new(SqliteStore::open(options).await.expect("the lock died with its holder"));
    for _ in 0..16 {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            loop {
                let mut new = big(3000);
                new.jobs = vec![leased("p/h")];
                let id = stored(&*store, new).await.id();
                let mut out = std::io::stdout().lock();
                writeln!(out, "stored {id}").and_then(|()| out.flush()).expect("prints");
            }
        });
    }
    std::future::pending::<()>().await;
}

/// The statements that must not slow down as finished jobs pile up use their partial indexes.
#[tokio::test]
async fn the_file_is_as_it_should_be() {
    let file = File::new();
    let store = file.sqlite(file.options()).await;
    stored(&*store, keyed("a", T0)).await;
    store.close().await;
    let conn = Connection::open(file.path()).expect("opens");
    let pragma = |name: &str| -> String {
        conn.query_row(&format!("PRAGMA {name}"), [], |r| {
            r.get::<_, rusqlite::types::Value>(0).map(|value| format!("{value:?}"))
        })
        .expect("reads")
    };
    assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
    assert_eq!(pragma("auto_vacuum"), "Integer(2)");
    let plan = |sql: &str| -> String {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("parses");
        let rows = statement
            .query_map([], |r| r.get::<_, String>(3))
            .expect("explains")
            .collect::<Result<Vec<_>, _>>()
            .expect("reads");
        rows.join("; ")
    };
    let claim = plan(
        "SELECT j.job FROM jobs j JOIN events e ON e.seq = j.event \
         JOIN bodies b ON b.event = j.event \
         WHERE j.state = 'ready' AND j.lane = 'p' AND j.due_at <= 1 \
         AND j.state IN ('ready', 'running') ORDER BY j.due_at, j.job LIMIT 3",
    );
    assert!(claim.contains("jobs_open") && !claim.contains("TEMP B-TREE"), "{claim}");
    let running =
        plan("SELECT job FROM jobs WHERE state = 'running' AND state IN ('ready', 'running')");
    assert!(running.contains("jobs_open"), "{running}");
    let ordered = plan(
        "SELECT 1 FROM jobs WHERE order_key = 'k' AND target_kind = 'handler' AND target = 't' \
         AND order_key IS NOT NULL AND state IN ('ready', 'waiting', 'running') LIMIT 1",
    );
    assert!(ordered.contains("jobs_ordered"), "{ordered}");
}
