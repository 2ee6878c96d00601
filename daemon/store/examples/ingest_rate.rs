//! Measures how fast events are made durable: `cargo run --release --example ingest_rate -- [waiting
//! writers] [seconds] [folder]`. Each writer stores an event of 2.4 KB with one job and a dedupe
//! key, waits for it to be durable, and stores the next. Then the stored jobs are claimed, 256 at a
//! time, and completed, for at most as long.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hookyard_store::sqlite::{SqliteOptions, SqliteStore};
use hookyard_store::{
    AttemptOutcome, AttemptRecord, Completed, Completion, Dedupe, DedupeKey, Effects, Ingested,
    LaneWant, NewEvent, NewJob, Next, Store,
};
use hookyard_types::{Event, EventId, Source, Target, Timestamp};

const BODY: usize = 2400;

fn event(n: u64, body: &Bytes) -> NewEvent {
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("user-agent", "GitHub-Hookshot/5b2c1d9".to_owned()),
        ("x-github-event", "push".to_owned()),
        ("x-github-delivery", format!("{n:032x}")),
        ("x-hub-signature-256", format!("sha256={n:064x}")),
    ];
    let delivery = format!("{n:032x}");
    NewEvent {
        dedupe: vec![Dedupe {
            scope: String::new(),
            key: DedupeKey::Delivery(delivery.clone()),
            window: Duration::from_secs(7 * 86_400),
        }],
        due_at: None,
        jobs: vec![NewJob {
            target: Target::Handler("github-push/record".parse().expect("a handler's name")),
            order_key: None,
            lease: false,
        }],
        event: Event {
            id: EventId::new(),
            source: Source::Route("github".to_owned()),
            kind: "push".to_owned(),
            delivery_id: Some(delivery),
            tenant: String::new(),
            received_at: Timestamp::now(),
            method: "POST".to_owned(),
            path: "/hooks/github".to_owned(),
            query: None,
            params: Vec::new(),
            headers: headers.into_iter().map(|(n, v)| (n.to_owned(), v.into_bytes())).collect(),
            body: body.clone(),
            client: Some([192, 0, 2, 7].into()),
            unauthenticated: vec!["path".to_owned(), "header:x-github-event".to_owned()],
            caused_by: None,
            firing: None,
            traceparent: None,
        },
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let writers: u64 = arguments.next().map_or(64, |text| text.parse().expect("a number"));
    let seconds: u64 = arguments.next().map_or(5, |text| text.parse().expect("a number"));
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(parent).expect("a folder");
    let mut options = SqliteOptions::new(folder.path().join("rate.db"));
    options.min_free = 0;
    let store = Arc::new(SqliteStore::open(options).await.expect("opens"));
    let body = Bytes::from((0..BODY).map(|_| fastrand::alphanumeric() as u8).collect::<Vec<_>>());
    let began = Instant::now();
    let end = began + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for writer in 0..writers {
        let (store, body) = (Arc::clone(&store), body.clone());
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut n = 0;
            while Instant::now() < end {
                let sent = Instant::now();
                let stored = store.ingest(event(writer << 40 | n, &body)).await.expect("stores");
                assert!(matches!(stored, Ingested::Stored(_)));
                latencies.push(sent.elapsed());
                n += 1;
            }
            latencies
        }));
    }
    let mut latencies = Vec::new();
    let mut log = 0;
    for task in tasks {
        latencies.extend(task.await.expect("ends"));
        log = log.max(store.stats().wal_bytes);
    }
    let elapsed = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = ((latencies.len() - 1) as f64 * share) as usize;
        latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    };
    let stats = store.stats();
    println!(
        "{:.0} events/s with {writers} waiting writers; p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms; \
         {:.1} events a commit; log {} MiB",
        latencies.len() as f64 / elapsed,
        at(0.5),
        at(0.99),
        at(1.0),
        stats.items as f64 / stats.commits as f64,
        log >> 20,
    );
    let (began, end) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
    let mut handled = 0;
    while Instant::now() < end {
        let wanted = vec![LaneWant { lane: "github-push".to_owned(), max: 256 }];
        let claims = store.claim(wanted, Timestamp::now()).await.expect("claims");
        if claims.jobs.is_empty() {
            break;
        }
        let mut tasks = Vec::new();
        for claimed in claims.jobs {
            let store = Arc::clone(&store);
            tasks.push(tokio::spawn(async move { store.complete(claimed.lease, done()).await }));
        }
        for task in tasks {
            assert_eq!(task.await.expect("ends").expect("commits"), Completed::Committed);
            handled += 1;
        }
    }
    println!(
        "{:.0} jobs/s claimed and completed",
        f64::from(handled) / began.elapsed().as_secs_f64()
    );
    store.close().await;
}

fn done() -> Completion {
    Completion {
        next: Next::Succeeded { reply: None },
        record: AttemptRecord {
            started_at: Timestamp::now(),
            duration: Duration::from_millis(1),
            outcome: AttemptOutcome::Done,
            message: "recorded".to_owned(),
            plugin_hash: "ab".repeat(32),
            log: Vec::new(),
            log_dropped: 0,
            requests: Vec::new(),
        },
        effects: Effects::default(),
    }
}
