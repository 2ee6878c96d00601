//! The contract on SQLite, and what only a file can do.

#[path = "../contract/mod.rs"]
mod contract;
mod crash;
mod file;
mod full;
mod migrations;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hookyard_store::sqlite::{OpenError, SqliteOptions, SqliteStore};
use hookyard_store::*;
use rusqlite::Connection;

use contract::*;
use file::{File, big};

store_contract!(File);

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
    conn.execute("UPDATE meta SET value = 77 WHERE name = 'schema'", []).expect("updates");
    drop(conn);
    let error = SqliteStore::open(file.options()).await.expect_err("is newer");
    let newest = migrations::newest();
    assert!(
        matches!(error, OpenError::NewerSchema { found: 77, known, .. } if known == newest),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(text.contains("schema 77") && text.contains(&format!("up to {newest}")), "{text}");
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
    let text = error.to_string();
    assert!(text.contains("missing/store.db"), "{text}");
    let cause = std::error::Error::source(&error).expect("has a cause").to_string();
    assert!(!text.contains(&cause), "it is said twice where causes are shown: {text}");
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

/// One job whose row, event or body cannot be read is set aside; all others are claimed.
#[tokio::test]
async fn a_job_that_cannot_be_read_holds_up_nobody() {
    let file = File::new();
    let store = file.sqlite(file.options()).await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(stored(&*store, new_event(&n.to_string(), vec![job("p/h")])).await.id());
    }
    let conn = Connection::open(file.path()).expect("opens");
    conn.execute_batch(
        "UPDATE jobs SET target_kind = 'riddle' WHERE event = 1;
         UPDATE events SET headers = 'no JSON' WHERE seq = 2;
         DELETE FROM bodies WHERE event = 3;",
    )
    .expect("damages");
    assert!(woken(&*store).await, "the events are due");
    assert!(store.claim(vec![want("p", 3)], T0).await.expect("claims").jobs.is_empty());
    assert!(woken(&*store).await, "there is one behind them");
    let claimed = store.claim(vec![want("p", 4)], T0).await.expect("claims");
    let claimed: Vec<_> = claimed.jobs.iter().map(|job| job.event.id).collect();
    assert_eq!(claimed, [ids[3]]);
    let page = store.events(EventQuery { limit: 10, before: None }).await.expect("lists");
    let states: Vec<_> = page.events.iter().rev().map(|event| event.state).collect();
    use EventState::{DeadLetter, Pending};
    assert_eq!(states, [DeadLetter, DeadLetter, DeadLetter, Pending]);
    let why: String = conn
        .query_row("SELECT message FROM attempts WHERE job = 1", [], |r| r.get(0))
        .expect("is recorded");
    assert!(why.contains("riddle"), "{why}");
    // The others' lanes have their turn again at the next claim.
    assert!(claim(&*store, "p", T0).await.is_empty());
}

/// A fault that ends the whole transaction, savepoints and all, is answered and not tried for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_cannot_be_split_is_refused() {
    let file = File::new();
    let store = file.sqlite(file.options()).await;
    let conn = Connection::open(file.path()).expect("opens");
    conn.execute_batch(
        "CREATE TRIGGER stop BEFORE INSERT ON events BEGIN SELECT RAISE(ROLLBACK, 'stop'); END",
    )
    .expect("creates");
    let outcome = tokio::time::timeout(
        Duration::from_secs(5),
        store.ingest(new_event("a", vec![job("p/h")])),
    )
    .await
    .expect("is answered");
    assert!(matches!(outcome, Err(StoreError::Refused(_))), "{outcome:?}");
    conn.execute_batch("DROP TRIGGER stop").expect("drops");
    assert_eq!(stored(&*store, new_event("b", Vec::new())).await.seq(), 1);
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
async fn what_is_made_is_the_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt;
    let file = File::new();
    let store = file.sqlite(file.options()).await;
    stored(&*store, new_event("a", Vec::new())).await;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(file.folder.path()).expect("lists") {
        let entry = entry.expect("reads");
        let mode = entry.metadata().expect("is there").permissions().mode() & 0o777;
        let name = entry.file_name().into_string().expect("text");
        assert_eq!(mode, 0o600, "{name} has mode {mode:o}");
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["store.db", "store.db-shm", "store.db-wal", "store.db.lock"]);
    store.close().await;
    // What the owner has opened to others stays so.
    std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o640)).expect("changes");
    file.sqlite(file.options()).await.close().await;
    let mode = std::fs::metadata(file.path()).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
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
