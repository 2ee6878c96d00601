//! Processes that end, and writes that fail.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hookyard_store::sqlite::{SqliteOptions, SqliteStore};
use hookyard_store::*;
use hookyard_types::{EventId, Timestamp};
use rusqlite::Connection;

use crate::contract::*;
use crate::file::{File, big};

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
        .args(["--exact", "crash::a_failed_write_ends_the_trust", "--nocapture"])
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
            .args(["--exact", "crash::a_kill_loses_nothing_acknowledged", "--nocapture"])
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
