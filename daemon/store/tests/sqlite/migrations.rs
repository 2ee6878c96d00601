//! Files that older versions wrote are brought up to date, with all that is in them.

use hookyard_store::sqlite::{OpenError, SqliteStore};
use hookyard_store::*;
use hookyard_types::{EventId, JobId, Namespace, Owner, Source};
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

/// A file as schema 5 left it in the middle of its work: the events of a job that is to be tried again,
/// of one that was running, and of a dead letter, in this order; and a key.
fn schema_5(file: &File) -> [EventId; 3] {
    let conn = Connection::open(file.path()).expect("opens");
    conn.pragma_update(None, "application_id", 0x486b_7964).expect("sets");
    for migration in [
        include_str!("../../src/sqlite/migrations/0001.sql"),
        include_str!("../../src/sqlite/migrations/0002.sql"),
        include_str!("../../src/sqlite/migrations/0003.sql"),
        include_str!("../../src/sqlite/migrations/0004.sql"),
        include_str!("../../src/sqlite/migrations/0005.sql"),
    ] {
        conn.execute_batch(migration).expect("creates");
    }
    conn.execute_batch(
        "INSERT INTO meta (name, value) VALUES ('schema', 5), ('incarnation', 3), ('kv_version', 8); \
         INSERT INTO kv (tenant, owner, namespace, key, version, value) \
         VALUES ('', 'p', 'n', 'k', 8, x'3431'); \
         INSERT INTO kv_usage (tenant, owner, namespace, bytes) VALUES ('', 'p', '', 1027);",
    )
    .expect("inserts");
    let jobs = [
        ("ready", Some(after(500)), 1, None),
        ("running", Some(T0), 2, Some(3)),
        ("dead-letter", None, 1, None),
    ];
    let mut events = Vec::new();
    for (number, (state, due_at, attempts, incarnation)) in (1_i64..).zip(jobs) {
        let id = EventId::new();
        conn.execute(
            "INSERT INTO events (id, tenant, source_kind, source, kind, delivery_id, received_at, \
             method, path, query, params, headers, client, unauthenticated, traceparent) \
             VALUES (?1, 'acme', 'route', 'github', 'push', 'd', ?2, 'POST', '/in', 'a=1', \
             '[[\"tenant\",\"acme\"]]', '[[\"x-a\",\"1\"],[\"x-b\",[255,0]]]', '192.0.2.7', \
             '[\"path\"]', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')",
            params![id.as_bytes(), T0.as_millis()],
        )
        .expect("inserts");
        conn.execute("INSERT INTO bodies (event, body) VALUES (?1, x'7b7d')", [number])
            .expect("inserts");
        conn.execute(
            "INSERT INTO jobs (id, event, tenant, target_kind, target, lane, state, due_at, \
             attempts, incarnation, leased_at, leases) \
             VALUES (?1, ?2, 'acme', 'handler', 'p/h', 'p', ?3, ?4, ?5, ?6, ?7, ?5)",
            params![
                JobId::new().as_bytes(),
                number,
                state,
                due_at.map(|at| at.as_millis()),
                attempts,
                incarnation,
                incarnation.map(|_: i64| after(7).as_millis()),
            ],
        )
        .expect("inserts");
        conn.execute(
            "INSERT INTO attempts (job, number, tenant, started_at, duration, outcome, message, \
             plugin_hash, log, log_dropped) VALUES (?1, 1, 'acme', ?2, 1234, 'trap', 'no', 'ab', \
             '[{\"at\":1,\"level\":\"warn\",\"message\":\"a line\"}]', 2)",
            params![number, after(5).as_millis()],
        )
        .expect("inserts");
        events.push(id);
    }
    events.try_into().expect("three")
}

#[tokio::test]
async fn what_schema_5_was_working_on_goes_on() {
    let file = File::new();
    let [retrying, running, dead_letter] = schema_5(&file);
    let store = file.sqlite(file.options()).await;

    let old = detail(&*store, retrying).await;
    assert_eq!((old.state, old.event.tenant.as_str()), (EventState::Retrying, "acme"));
    assert_eq!(old.event.headers.first("x-b"), Some(&[0xff, 0][..]));
    assert_eq!((old.event.caused_by, &old.event.firing), (None, &None));
    let record = &old.jobs[0].attempts[0].record;
    assert_eq!((record.outcome, record.log_dropped), (AttemptOutcome::Trap, 2));
    assert_eq!(record.log[0].message, "a line");
    assert!(record.requests.is_empty());
    let cut_off = detail(&*store, running).await.jobs.remove(0).attempts;
    let outcomes: Vec<_> = cut_off.iter().map(|attempt| attempt.record.outcome).collect();
    assert_eq!(outcomes, [AttemptOutcome::Trap, AttemptOutcome::Interrupted]);
    assert_eq!(detail(&*store, dead_letter).await.state, EventState::DeadLetter);

    // They go on, and what there was not then is there for them.
    let claims = store.claim(vec![want("p", 9)], after(499)).await.expect("claims");
    let [third] = claims.jobs.as_slice() else { panic!("{claims:?}") };
    assert_eq!((third.event.id, third.lease.attempt()), (running, 3));
    assert_eq!(claims.next_due, Some(after(500)));
    let mut message = new_event("sent", vec![job("p/work")]);
    message.event.source = Source::Queue("emails".to_owned());
    let messages = vec![NewMessage { new: message, max_pending: 1 }];
    let mut completion = done();
    completion.effects = Effects { messages, ..effects(Vec::new(), Vec::new()) };
    let completed = store.complete(third.lease.clone(), completion).await.expect("runs");
    assert_eq!(completed, Completed::Committed);
    assert_eq!(claim(&*store, "emails/p", T0).await.len(), 1);
    let kept = Namespace { owner: Owner::Plugin("p".to_owned()), name: "n".to_owned() };
    let entry = store.kv_get(&kept, "k", T0).await.expect("reads").expect("is there");
    assert_eq!((entry.version, entry.value.as_ref()), (8, &b"41"[..]));
    let nightly =
        NewSchedule { name: "nightly".to_owned(), timing: "0 2 * * * UTC".to_owned(), seed: 1 };
    let states = store.set_schedules(vec![nightly], after(9)).await.expect("runs");
    assert_eq!(states[0].settled, after(9), "what is past is not made up for");
    let page = store.events(EventQuery { limit: 9, before: None }).await.expect("reads");
    let kinds: Vec<_> = page.events.iter().map(|event| event.source.kind()).collect();
    assert_eq!(kinds, ["queue", "route", "route", "route"]);
}
