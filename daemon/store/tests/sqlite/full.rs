//! Without room: events are refused, and what was begun is finished.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hookyard_store::sqlite::SqliteOptions;
use hookyard_store::*;
use hookyard_types::Timestamp;
use rusqlite::Connection;

use crate::contract::*;
use crate::file::{File, big};

#[tokio::test]
async fn too_little_free_space_refuses_events() {
    let file = File::new();
    let store = file.sqlite(SqliteOptions { min_free: u64::MAX, ..file.options() }).await;
    let refused = store.ingest(new_event("a", Vec::new())).await;
    assert!(matches!(&refused, Err(StoreError::Full(why)) if why.contains("min_free")));
    assert!(matches!(store.health(), Err(StoreError::Full(_))));
}

/// Below the mark, plugins keep no more than they do, and nothing waits for room.
#[tokio::test]
async fn too_little_free_space_lets_no_plugin_keep_more() {
    let file = File::new();
    let store = file.sqlite(file.options()).await;
    let commit = async |store: &dyn Store, writes| {
        store.commit(effects(Vec::new(), writes)).await.expect("runs")
    };
    assert_eq!(commit(&*store, vec![set("a", "1"), set("b", "1")]).await, Completed::Committed);
    let new = new_event("e", vec![leased("p/h")]);
    store.close().await;
    drop(store);

    let store = file.sqlite(SqliteOptions { min_free: u64::MAX, ..file.options() }).await;
    let refused = Completed::Refused(Refusal::NoRoom);
    assert_eq!(commit(&*store, vec![set("c", "1")]).await, refused);
    assert_eq!(commit(&*store, vec![set("a", "11")]).await, refused);
    assert_eq!(commit(&*store, vec![set("a", "2")]).await, Completed::Committed);
    let delete = change("b", hookyard_types::KvChange::Delete);
    assert_eq!(commit(&*store, vec![delete]).await, Completed::Committed);
    assert!(matches!(store.ingest(new).await, Err(StoreError::Full(_))));
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

/// The same on a disk that is really full, without the mark that stops short of it: in a process of
/// its own that has one.
#[test]
fn a_full_disk_is_survived() {
    const INNER: &str = "HOOKYARD_TEST_FULL_DISK";
    if let Some(folder) = std::env::var_os(INNER) {
        let runtime = tokio::runtime::Runtime::new().expect("starts");
        return runtime.block_on(fills_the_disk(folder.into()));
    }
    let folder = tempfile::tempdir().expect("a folder");
    // Root needs no user namespace; others may have one where the system lets them.
    let namespaces = ["-rm", "-m"].into_iter().find(|how| {
        let tried = Command::new("unshare").args([how, "true"]).output();
        tried.is_ok_and(|output| output.status.success())
    });
    let namespaces = namespaces.expect(
        "mounting a small disk takes a mount namespace: run the tests as root, or allow user \
         namespaces (sysctl kernel.unprivileged_userns_clone=1, or --cap-add SYS_ADMIN for a \
         container)",
    );
    let script = "mount -t tmpfs -o size=64m tmpfs \"$1\" && shift && exec \"$@\"";
    let status = Command::new("unshare")
        .args([namespaces, "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().expect("is known"))
        .args(["--exact", "full::a_full_disk_is_survived", "--nocapture"])
        .env(INNER, folder.path())
        .stdin(Stdio::null())
        .status()
        .expect("runs");
    assert!(status.success(), "{status}");
}

async fn fills_the_disk(folder: PathBuf) {
    let file = File { folder: tempfile::tempdir_in(folder).expect("a folder") };
    let ballast = file.folder.path().join("ballast");
    // More than all that the ends of the attempts write, though no checkpoint comes between them.
    std::fs::write(&ballast, vec![1; 44 << 20]).expect("writes");
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
