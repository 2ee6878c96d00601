//! Files that older versions wrote are brought up to date, with all that is in them.

use hookyard_store::sqlite::{OpenError, SqliteStore};
use hookyard_store::*;
use hookyard_types::{EventId, Source};
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use crate::contract::*;
use crate::file::File;

/// The newest schema: there is a file for each.
pub(crate) fn newest() -> i64 {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sqlite/migrations");
    std::fs::read_dir(folder).expect("lists").count() as i64
}

/// A file as the first version left it: an event, and its id among the keys.
fn schema_1(file: &File) -> EventId {
    let conn = Connection::open(file.path()).expect("opens");
    conn.pragma_update(None, "application_id", 0x486b_7964).expect("sets");
    conn.execute_batch(include_str!("../../src/sqlite/migrations/0001.sql")).expect("creates");
    conn.execute("INSERT INTO meta (name, value) VALUES ('schema', 1)", []).expect("inserts");
    let id = EventId::new();
    conn.execute(
        "INSERT INTO events (id, tenant, source_kind, source, kind, received_at, method, path, \
         params, headers, unauthenticated) \
         VALUES (?1, 'acme', 'route', 'github', 'push', ?2, 'POST', '/', '[]', '[]', '[]')",
        params![id.as_bytes(), T0.as_millis()],
    )
    .expect("inserts");
    conn.execute("INSERT INTO bodies (event, body) VALUES (1, x'')", []).expect("inserts");
    let hash: [u8; 32] = Sha256::digest("k").into();
    conn.execute(
        "INSERT INTO dedupe (route, scope, key_hash, tenant, event_id, expires_at) \
         VALUES ('github', 'acme', ?1, 'acme', ?2, ?3)",
        params![hash, id.as_bytes(), after(60_000).as_millis()],
    )
    .expect("inserts");
    id
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_up_to_date() {
    let file = File::new();
    let first = schema_1(&file);
    let error = SqliteStore::open_reader(file.path()).await.expect_err("is older");
    assert!(matches!(error, OpenError::OlderSchema { found: 1, .. }), "{error:?}");

    let none = SqliteStore::sealed_secrets(file.path()).expect("reads any schema");
    assert!(none.is_empty());

    let store = file.sqlite(file.options()).await;
    assert_eq!(detail(&*store, first).await.event.source, Source::Route("github".to_owned()));
    assert_eq!(first_of(&*store, keyed("k", after(59_999))).await, first, "a key is forgotten");
    stored(&*store, tokened("k", "a", None)).await;
    assert!(is_forged(&*store, tokened("k", "b", None)).await);
    assert!(store.learning(T0).await.expect("reads").is_empty());
    store.close().await;
    let schema: i64 = Connection::open(file.path())
        .expect("opens")
        .query_row("SELECT value FROM meta WHERE name = 'schema'", [], |row| row.get(0))
        .expect("reads");
    assert_eq!(schema, newest());
}
