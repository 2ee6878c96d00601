//! What every backend must do, as one suite: `store_contract!(Backend)` makes the tests.

#![allow(clippy::indexing_slicing, reason = "a panic is the failure that a test reports")]

mod kv;
mod messages;
mod resend;
mod schedules;
mod secrets;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hookyard_store::*;
use hookyard_types::{Event, EventId, Headers, OutgoingRequest, Source, Target, Timestamp};

pub(crate) use kv::*;
pub(crate) use messages::*;
pub(crate) use resend::*;
pub(crate) use schedules::*;
pub(crate) use secrets::*;

/// A place where a store is kept, for one test.
pub(crate) trait Backend: Send + Sync {
    fn new() -> Self;
    /// Opens the store at this place; again once the one before was closed or dropped.
    fn open(&self) -> impl Future<Output = Arc<dyn Store>> + Send;
}

/// The moment at which the tests' events are received.
pub(crate) const T0: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) fn after(millis: u64) -> Timestamp {
    T0.saturating_add(Duration::from_millis(millis))
}

pub(crate) fn event(body: &str) -> Event {
    Event {
        id: EventId::new(),
        source: Source::Route("github".to_owned()),
        kind: "push".to_owned(),
        delivery_id: Some("72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned()),
        tenant: "acme".to_owned(),
        received_at: T0,
        method: "POST".to_owned(),
        path: "/hooks/github/acme".to_owned(),
        query: Some("a=1&b=%20".to_owned()),
        params: vec![("tenant".to_owned(), "acme".to_owned())],
        headers: [("x-a", b"1".to_vec()), ("x-odd", vec![0xff, 0x00]), ("x-a", b"2".to_vec())]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        client: Some([192, 0, 2, 7].into()),
        unauthenticated: vec!["path".to_owned()],
        caused_by: Some(EventId::new()),
        firing: None,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    }
}

pub(crate) fn target(name: &str) -> Target {
    Target::Handler(name.parse().expect("a handler's name"))
}

pub(crate) fn job(name: &str) -> NewJob {
    NewJob { target: target(name), order_key: None, lease: false }
}

pub(crate) fn leased(name: &str) -> NewJob {
    NewJob { lease: true, ..job(name) }
}

pub(crate) fn ordered(name: &str, key: &str) -> NewJob {
    NewJob { order_key: Some(key.to_owned()), ..job(name) }
}

pub(crate) fn new_event(body: &str, jobs: Vec<NewJob>) -> NewEvent {
    NewEvent { event: event(body), dedupe: Vec::new(), jobs, due_at: None }
}

pub(crate) fn keyed(key: &str, received_at: Timestamp) -> NewEvent {
    let mut new = new_event(key, vec![job("p/h")]);
    new.event.received_at = received_at;
    new.dedupe = vec![key_of(DedupeKey::Delivery(key.to_owned()))];
    new
}

pub(crate) fn key_of(key: DedupeKey) -> Dedupe {
    Dedupe { scope: "acme".to_owned(), key, window: Duration::from_secs(60) }
}

/// An event with a one-time token, and perhaps an id of its delivery.
pub(crate) fn tokened(token: &str, body: &str, id: Option<&str>) -> NewEvent {
    let mut new = new_event(body, vec![job("p/h")]);
    new.dedupe = vec![key_of(DedupeKey::OneTimeToken(token.to_owned()))];
    new.dedupe.extend(id.map(|id| key_of(DedupeKey::Delivery(id.to_owned()))));
    new
}

pub(crate) fn want(lane: &str, max: usize) -> LaneWant {
    LaneWant { lane: lane.to_owned(), max }
}

pub(crate) fn record(outcome: AttemptOutcome) -> AttemptRecord {
    AttemptRecord {
        started_at: after(5),
        duration: Duration::from_micros(1234),
        outcome,
        message: "2 commits recorded".to_owned(),
        plugin_hash: "ab".repeat(32),
        log: vec![LogLine {
            at: after(6),
            level: LogLevel::Info,
            message: "a line".to_owned(),
            fields: vec![("k".to_owned(), "v".to_owned())],
        }],
        log_dropped: 3,
        requests: vec![OutgoingRequest {
            run: 1,
            number: 1,
            connection: "slack".to_owned(),
            method: "POST".to_owned(),
            url: "https://slack.com/api/chat.postMessage?a=…".to_owned(),
            status: Some(200),
            error: None,
            tries: 2,
            started_at: after(6),
            duration: Duration::from_micros(1234),
            sent: 10,
            received: 20,
        }],
    }
}

pub(crate) fn completion(next: Next, outcome: AttemptOutcome) -> Completion {
    Completion { next, record: record(outcome), effects: Effects::default() }
}

pub(crate) fn done() -> Completion {
    completion(Next::Succeeded { reply: None }, AttemptOutcome::Done)
}

pub(crate) fn dead() -> Completion {
    completion(Next::DeadLetter, AttemptOutcome::Reject)
}

pub(crate) fn retry_at(at: Timestamp) -> Completion {
    completion(Next::RetryAt(at), AttemptOutcome::Retry)
}

pub(crate) async fn stored(store: &dyn Store, new: NewEvent) -> Stored {
    match store.ingest(new).await.expect("is stored") {
        Ingested::Stored(stored) => stored,
        other => panic!("is not stored: {other:?}"),
    }
}

/// The event of which `new` is a duplicate.
pub(crate) async fn first_of(store: &dyn Store, new: NewEvent) -> EventId {
    match store.ingest(new).await.expect("runs") {
        Ingested::Duplicate(first) => first.id(),
        other => panic!("is no duplicate: {other:?}"),
    }
}

/// Whether a one-time token of `new` was used with another body.
pub(crate) async fn is_forged(store: &dyn Store, new: NewEvent) -> bool {
    matches!(store.ingest(new).await.expect("runs"), Ingested::TokenReused)
}

pub(crate) async fn claim(store: &dyn Store, lane: &str, now: Timestamp) -> Vec<Claimed> {
    store.claim(vec![want(lane, 100)], now).await.expect("claims").jobs
}

pub(crate) async fn claim_one(store: &dyn Store, lane: &str, now: Timestamp) -> Claimed {
    let mut jobs = claim(store, lane, now).await;
    assert_eq!(jobs.len(), 1, "one job is due");
    jobs.remove(0)
}

pub(crate) async fn detail(store: &dyn Store, id: EventId) -> EventDetail {
    store.event(id).await.expect("reads").expect("exists")
}

/// Whether the store signalled that jobs may be due.
pub(crate) async fn woken(store: &dyn Store) -> bool {
    tokio::time::timeout(Duration::from_millis(50), store.wake()).await.is_ok()
}

pub(crate) async fn an_event_comes_back_as_it_was<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let new = new_event("{\"a\":1}", vec![job("p/h")]);
    let sent = new.event.clone();
    let made = stored(&*store, new).await;
    assert_eq!((made.id(), made.seq()), (sent.id, 1));
    let found = detail(&*store, sent.id).await;
    assert_eq!(found.seq, 1);
    assert_eq!(found.state, EventState::Pending);
    let back = found.event;
    assert_eq!(format!("{back:?}"), format!("{sent:?}"));
    let claimed = claim_one(&*store, "p", T0).await;
    assert_eq!(format!("{:?}", claimed.event), format!("{sent:?}"));
    assert_eq!(claimed.target, target("p/h"));
    assert!(store.event(EventId::new()).await.expect("reads").is_none());

    let mut bare = new_event("", Vec::new());
    bare.event.client = Some("2001:db8::1".parse().expect("an address"));
    bare.event.headers = Headers::default();
    bare.event.delivery_id = None;
    bare.event.query = None;
    bare.event.caused_by = None;
    bare.event.traceparent = None;
    bare.event.params = Vec::new();
    let sent = bare.event.clone();
    stored(&*store, bare).await;
    let found = detail(&*store, sent.id).await;
    assert_eq!(format!("{:?}", found.event), format!("{sent:?}"));
    assert_eq!(found.state, EventState::Ignored);
}

pub(crate) async fn an_equal_key_is_a_duplicate<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let first = stored(&*store, keyed("k", T0)).await.id();
    let Ingested::Duplicate(again) = store.ingest(keyed("k", after(59_999))).await.expect("runs")
    else {
        panic!("a repetition was stored");
    };
    assert_eq!(again.id(), first);
    assert!(again.reply().is_none());
    // Another scope or another route has keys of its own.
    let mut other = keyed("k", T0);
    other.dedupe[0].scope = "other".to_owned();
    stored(&*store, other).await;
    let mut other = keyed("k", T0);
    other.event.source = Source::Route("stripe".to_owned());
    stored(&*store, other).await;
    let page = store.events(EventQuery { limit: 10, before: None }).await.expect("reads");
    assert_eq!(page.events.len(), 3);
}

pub(crate) async fn equal_keys_sent_together_are_stored_once<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let mut tasks = Vec::new();
    for n in 0..200 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            store.ingest(keyed(&format!("k{}", n % 10), T0)).await.expect("runs")
        }));
    }
    let (mut firsts, mut duplicates) = (HashSet::new(), Vec::new());
    for task in tasks {
        match task.await.expect("ends") {
            Ingested::Stored(stored) => drop(firsts.insert(stored.id())),
            Ingested::Duplicate(duplicate) => duplicates.push(duplicate.id()),
            Ingested::TokenReused => panic!("an id is taken for a token"),
        }
    }
    assert_eq!((firsts.len(), duplicates.len()), (10, 190));
    assert!(duplicates.iter().all(|id| firsts.contains(id)), "a duplicate names no stored event");
}

pub(crate) async fn an_expired_key_is_taken_over<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let first = stored(&*store, keyed("k", T0)).await.id();
    let second = stored(&*store, keyed("k", after(60_000))).await.id();
    assert_ne!(first, second);
    let Ingested::Duplicate(again) = store.ingest(keyed("k", after(119_000))).await.expect("runs")
    else {
        panic!("the key was not taken over");
    };
    assert_eq!(again.id(), second);
}

pub(crate) async fn a_one_time_token_is_for_one_body<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let first = stored(&*store, tokened("t", "a", None)).await.id();
    assert_eq!(first_of(&*store, tokened("t", "a", None)).await, first);
    assert!(is_forged(&*store, tokened("t", "b", None)).await);
    // Neither a new id nor that of an honest delivery helps a forgery.
    assert!(is_forged(&*store, tokened("t", "b", Some("new"))).await);
    let other = stored(&*store, keyed("known", T0)).await.id();
    assert!(is_forged(&*store, tokened("t", "b", Some("known"))).await);
    // What was refused took no key.
    let new = stored(&*store, keyed("new", T0)).await.id();
    assert_ne!(new, other);
    // A token is no id, an id no token.
    stored(&*store, keyed("t", T0)).await;
    stored(&*store, tokened("known", "c", None)).await;
    // Nor does another scope or route, as neither need be signed; the genuine body is an event of
    // its own there.
    let elsewhere = |body: &str, route: &str, scope: &str| {
        let mut new = tokened("t", body, None);
        new.event.source = Source::Route(route.to_owned());
        new.dedupe[0].scope = scope.to_owned();
        new
    };
    for (route, scope) in [("github", "other"), ("gitlab", "acme"), ("gitlab", "other")] {
        assert!(is_forged(&*store, elsewhere("b", route, scope)).await, "{route} {scope}");
        let forged = elsewhere("b", route, scope);
        let spent = store.spend(&forged.event, forged.dedupe).await.expect("runs");
        assert_eq!(spent, TokenUse::Reused, "{route} {scope}");
        let there = stored(&*store, elsewhere("a", route, scope)).await.id();
        assert_eq!(first_of(&*store, elsewhere("a", route, scope)).await, there);
    }
    store.close().await;

    let store = place.open().await;
    assert!(is_forged(&*store, tokened("t", "b", None)).await, "forgotten at a restart");
    assert_eq!(first_of(&*store, tokened("t", "a", None)).await, first);
    // After its time the token is free, as an id is.
    let mut late = tokened("t", "b", None);
    late.event.received_at = after(60_000);
    let late = stored(&*store, late).await.id();
    let mut again = tokened("t", "a", None);
    again.event.received_at = after(119_999);
    assert!(is_forged(&*store, again).await, "the row was not taken over");
    let mut again = tokened("t", "b", None);
    again.event.received_at = after(119_999);
    assert_eq!(first_of(&*store, again).await, late);
}

pub(crate) async fn a_token_and_an_id_both_tell_a_repetition<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let first = stored(&*store, tokened("t1", "a", Some("d1"))).await.id();
    assert_eq!(first_of(&*store, tokened("t1", "a", Some("d1"))).await, first);
    assert_eq!(first_of(&*store, keyed("d1", T0)).await, first, "the id alone");
    // Sent again with a fresh token, which is used by that.
    assert_eq!(first_of(&*store, tokened("t2", "a", Some("d1"))).await, first);
    assert!(is_forged(&*store, tokened("t2", "b", Some("d2"))).await, "a token lent to a forgery");
    assert_eq!(first_of(&*store, tokened("t2", "a", None)).await, first);
    // Sent again with another id, which may be anybody's: it is not taken.
    assert_eq!(first_of(&*store, tokened("t1", "a", Some("d3"))).await, first);
    stored(&*store, tokened("t3", "c", Some("d3"))).await;
    // Of two known keys the first one speaks.
    let second = stored(&*store, keyed("d4", T0)).await.id();
    assert_ne!(second, first);
    assert_eq!(first_of(&*store, tokened("t1", "a", Some("d4"))).await, first);
}

pub(crate) async fn equal_tokens_sent_together_are_for_one_body<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let mut tasks = Vec::new();
    for n in 0..200 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let body = (n / 10 % 2).to_string();
            let new = tokened(&format!("t{}", n % 10), &body, None);
            (n % 10, body, store.ingest(new).await.expect("runs"))
        }));
    }
    let (mut let_in, mut forged) = (HashSet::new(), 0);
    let mut firsts = 0;
    for task in tasks {
        let (token, body, outcome) = task.await.expect("ends");
        match outcome {
            Ingested::Stored(_) => {
                firsts += 1;
                let_in.insert((token, body));
            }
            Ingested::Duplicate(_) => drop(let_in.insert((token, body))),
            Ingested::TokenReused => forged += 1,
        }
    }
    assert_eq!((firsts, let_in.len(), forged), (10, 10, 100));
}

pub(crate) async fn a_token_is_spent_without_an_event<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let spend = async |store: &Arc<dyn Store>, new: NewEvent| {
        store.spend(&new.event, new.dedupe).await.expect("runs")
    };
    assert_eq!(spend(&store, tokened("t", "a", Some("d"))).await, TokenUse::Allowed);
    assert_eq!(spend(&store, tokened("t", "a", Some("d"))).await, TokenUse::Allowed);
    assert_eq!(spend(&store, tokened("t", "b", None)).await, TokenUse::Reused);
    store.close().await;
    let store = place.open().await;
    assert!(is_forged(&*store, tokened("t", "b", None)).await);
    // There is no event yet of which the same body could be a duplicate, and the id is not taken.
    let first = stored(&*store, tokened("t", "a", Some("d"))).await.id();
    assert_eq!(first_of(&*store, tokened("t", "a", None)).await, first);
    assert_eq!(spend(&store, tokened("t", "a", None)).await, TokenUse::Allowed);
    assert_eq!(spend(&store, tokened("t", "b", None)).await, TokenUse::Reused);
    let page = store.events(EventQuery { limit: 10, before: None }).await.expect("reads");
    assert_eq!(page.events.len(), 1);
}

pub(crate) async fn a_refused_item_leaves_its_neighbours<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let taken = new_event("taken", Vec::new());
    let id = taken.event.id;
    stored(&*store, taken).await;
    let mut tasks = Vec::new();
    for n in 0..100 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let mut new = keyed(&format!("n{n}"), T0);
            if n % 10 == 0 {
                new.event.id = id;
            }
            (n, store.ingest(new).await)
        }));
    }
    for task in tasks {
        let (n, outcome) = task.await.expect("ends");
        match outcome {
            Ok(Ingested::Stored(_)) => assert_ne!(n % 10, 0, "an id was stored twice"),
            Err(StoreError::Refused(_)) => assert_eq!(n % 10, 0, "a good event was refused"),
            other => panic!("{other:?}"),
        }
    }
    // What was refused left nothing behind: its key is free.
    stored(&*store, keyed("n0", T0)).await;
    assert_eq!(claim(&*store, "p", T0).await.len(), 91);
}

pub(crate) async fn a_lease_given_at_once_is_the_first_attempt<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let made = stored(&*store, new_event("a", vec![leased("p/h"), job("q/h")])).await;
    let id = made.id();
    let mut leases = made.into_leases();
    assert_eq!(leases.len(), 2);
    assert!(leases[1].is_none());
    let lease = leases.remove(0).expect("is leased");
    assert_eq!(lease.attempt(), 1);
    assert!(claim(&*store, "p", after(1_000_000)).await.is_empty(), "leased twice");
    let job = lease.job();
    assert_eq!(store.complete(lease, done()).await.expect("runs"), Completed::Committed);
    let found = detail(&*store, id).await;
    assert_eq!(found.jobs[0].id, job);
    assert_eq!(found.jobs[0].state, JobState::Succeeded);
    let attempt = &found.jobs[0].attempts[0];
    assert_eq!(attempt.number, 1);
    let expected = record(AttemptOutcome::Done);
    assert_eq!(format!("{:?}", attempt.record), format!("{expected:?}"));
    // The least finished job speaks for the event.
    assert_eq!(found.state, EventState::Pending);
}

pub(crate) async fn a_retry_is_due_at_its_time<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let id = stored(&*store, new_event("a", vec![job("p/h")])).await.id();
    assert!(woken(&*store).await);
    let claimed = claim_one(&*store, "p", T0).await;
    assert!(!woken(&*store).await, "nothing became due");
    store.complete(claimed.lease, retry_at(after(500))).await.expect("runs");
    assert!(woken(&*store).await, "a retry is not signalled");
    assert_eq!(detail(&*store, id).await.state, EventState::Retrying);
    assert_eq!(detail(&*store, id).await.jobs[0].due_at, Some(after(500)));
    let early = store.claim(vec![want("p", 10)], after(499)).await.expect("claims");
    assert!(early.jobs.is_empty());
    assert_eq!(early.next_due, Some(after(500)));
    let other = store.claim(vec![want("q", 10)], after(499)).await.expect("claims");
    assert_eq!(other.next_due, None, "another lane's due time");
    let claimed = claim_one(&*store, "p", after(500)).await;
    assert_eq!(claimed.lease.attempt(), 2);
    store.complete(claimed.lease, dead()).await.expect("runs");
    let found = detail(&*store, id).await;
    assert_eq!((found.state, found.jobs[0].state), (EventState::DeadLetter, JobState::DeadLetter));
    assert_eq!(found.jobs[0].attempts.len(), 2);
    assert!(claim(&*store, "p", after(1_000_000)).await.is_empty(), "a dead letter was claimed");
}

pub(crate) async fn a_released_lease_is_void_and_not_counted<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let id = stored(&*store, new_event("a", vec![job("p/h")])).await.id();
    let first = claim_one(&*store, "p", T0).await.lease;
    assert!(woken(&*store).await);
    store.release(first.clone()).await.expect("releases");
    assert!(woken(&*store).await, "a release is not signalled");
    assert_eq!(detail(&*store, id).await.state, EventState::Pending);
    let second = claim_one(&*store, "p", T0).await.lease;
    assert_eq!(second.attempt(), 1);
    // The same attempt number, but not the same lease.
    let late = store.complete(first.clone(), done()).await.expect("runs");
    assert_eq!(late, Completed::LeaseLost);
    store.release(first).await.expect("does nothing");
    assert_eq!(store.complete(second.clone(), done()).await.expect("runs"), Completed::Committed);
    assert_eq!(store.complete(second, done()).await.expect("runs"), Completed::LeaseLost);
    assert_eq!(detail(&*store, id).await.jobs[0].attempts.len(), 1);
}

pub(crate) async fn another_incarnation_voids_leases<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let made = stored(&*store, new_event("a", vec![leased("p/h")])).await;
    let id = made.id();
    let old = made.into_leases().remove(0).expect("is leased");
    drop(store);
    let store = place.open().await;
    assert_eq!(store.complete(old, done()).await.expect("runs"), Completed::LeaseLost);
    let found = detail(&*store, id).await;
    assert_eq!(found.state, EventState::Retrying);
    let attempt = &found.jobs[0].attempts[0];
    assert_eq!((attempt.number, attempt.record.outcome), (1, AttemptOutcome::Interrupted));
    assert_eq!(attempt.record.started_at, T0);
    assert!(!attempt.record.message.is_empty());
    let again = claim_one(&*store, "p", Timestamp::now()).await;
    assert_eq!(again.lease.attempt(), 2);
}

pub(crate) async fn three_interruptions_in_a_row_are_a_dead_letter<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let id = stored(&*store, new_event("a", vec![ordered("p/h", "k")])).await.id();
    let behind = stored(&*store, new_event("b", vec![ordered("p/h", "k")])).await.id();
    let now = Timestamp::now();
    drop(claim_one(&*store, "p", now).await);
    drop(store);
    let store = place.open().await;
    drop(claim_one(&*store, "p", now).await);
    drop(store);
    let mut store = place.open().await;
    // An attempt that ends breaks the row.
    let lease = claim_one(&*store, "p", now).await.lease;
    store.complete(lease, retry_at(T0)).await.expect("runs");
    for _ in 0..3 {
        assert_eq!(detail(&*store, id).await.state, EventState::Retrying);
        assert_eq!(claim_one(&*store, "p", now).await.event.id, id);
        drop(store);
        store = place.open().await;
    }
    let found = detail(&*store, id).await;
    assert_eq!(found.state, EventState::DeadLetter);
    assert_eq!(found.jobs[0].attempts.len(), 6);
    assert_eq!(claim_one(&*store, "p", now).await.event.id, behind, "the next one is stuck");
}

pub(crate) async fn jobs_of_one_key_run_one_at_a_time<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let mut ids = Vec::new();
    for n in 0..4 {
        let made = stored(&*store, new_event(&n.to_string(), vec![ordered("p/h", "k")])).await;
        ids.push(made.id());
    }
    // Another key and another target do not wait.
    stored(&*store, new_event("x", vec![ordered("q/h", "k"), ordered("q/h", "l")])).await;
    assert_eq!(claim(&*store, "q", T0).await.len(), 2);
    let late =
        stored(&*store, new_event("late", vec![NewJob { lease: true, ..ordered("p/h", "k") }]))
            .await;
    ids.push(late.id());
    assert!(late.into_leases()[0].is_none(), "a job was leased out of order");
    assert_eq!(detail(&*store, ids[1]).await.jobs[0].state, JobState::Waiting);
    while woken(&*store).await {}
    let head = claim_one(&*store, "p", T0).await;
    assert_eq!(head.event.id, ids[0]);
    // A retry keeps its place.
    store.complete(head.lease, retry_at(after(100))).await.expect("runs");
    assert!(claim(&*store, "p", after(99)).await.is_empty());
    while woken(&*store).await {}
    let ends = [done(), dead(), completion(Next::Ignored, AttemptOutcome::Ignored), done(), done()];
    let last = ids.len() - 1;
    for (n, (id, end)) in ids.into_iter().zip(ends).enumerate() {
        let head = claim_one(&*store, "p", after(100)).await;
        assert_eq!(head.event.id, id);
        store.complete(head.lease, end).await.expect("runs");
        assert_eq!(woken(&*store).await, n < last, "after job {n}");
    }
    assert!(claim(&*store, "p", after(100)).await.is_empty());
}

pub(crate) async fn each_lane_gets_its_share<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    for n in 0..20 {
        let mut new = new_event(&n.to_string(), vec![job("busy/h")]);
        new.event.received_at = after(n);
        stored(&*store, new).await;
    }
    let mut late = new_event("late", vec![job("quiet/h"), job("unwanted/h")]);
    late.event.received_at = after(50);
    stored(&*store, late).await;
    let claims =
        store.claim(vec![want("busy", 5), want("quiet", 5)], after(100)).await.expect("claims");
    let lanes: Vec<String> =
        claims.jobs.iter().map(|claimed| claimed.target.lane(&claimed.event.source)).collect();
    assert_eq!(lanes, ["busy", "busy", "busy", "busy", "busy", "quiet"]);
    let bodies: Vec<_> = claims.jobs.iter().map(|claimed| claimed.event.body.clone()).collect();
    assert_eq!(bodies, ["0", "1", "2", "3", "4", "late"], "not the longest due first");
    let rest = store.claim(vec![want("busy", 0)], after(100)).await.expect("claims");
    assert!(rest.jobs.is_empty());
}

pub(crate) async fn pages_go_back_in_time<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    for n in 0..25 {
        stored(&*store, new_event(&n.to_string(), Vec::new())).await;
    }
    let (mut seen, mut before, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.events(EventQuery { limit: 10, before }).await.expect("reads");
        seen.extend(page.events.iter().map(|event| event.seq));
        pages += 1;
        // What arrives meanwhile does not move the pages.
        stored(&*store, new_event("new", Vec::new())).await;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
    let exact = store.events(EventQuery { limit: 25, before: Some(26) }).await.expect("reads");
    assert_eq!((exact.events.len(), exact.next), (25, None));
}

pub(crate) async fn a_lease_that_nobody_receives_comes_back<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let mut given_up = HashSet::new();
    for n in 0..50 {
        let new = new_event(&n.to_string(), vec![leased("p/h")]);
        let id = new.event.id;
        // The sender hangs up at some moment: before, during or after the commit.
        let patience = Duration::from_micros(n * 50);
        let begun = std::time::Instant::now();
        // A timer is good to the millisecond, in which a fast disk commits.
        let hang_up = async {
            while begun.elapsed() < patience {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            answer = store.ingest(new) => assert!(answer.is_ok(), "{answer:?}"),
            () = hang_up => {
                given_up.insert(id);
            }
        }
    }
    assert!(!given_up.is_empty(), "every call was answered at once");
    // This one is behind all of those, and what they left is released behind it at the latest.
    stored(&*store, new_event("behind", Vec::new())).await;
    stored(&*store, new_event("last", Vec::new())).await;
    let page = store.events(EventQuery { limit: 100, before: None }).await.expect("reads");
    for event in page.events.iter().filter(|event| given_up.contains(&event.id)) {
        let claim = store.resend(event.id, &target("p/h"), T0).await.expect("runs");
        let Resend::Claimed(claimed) = claim else { panic!("a lease is lost: {claim:?}") };
        assert_eq!(claimed.lease.attempt(), 1);
    }
}

pub(crate) async fn acknowledged_events_survive_a_drop<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let mut tasks = Vec::new();
    for n in 0..300 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            stored(&*store, new_event(&n.to_string(), vec![job("p/h")])).await.id()
        }));
    }
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.push(task.await.expect("ends"));
    }
    drop(store);
    let store = place.open().await;
    for id in acknowledged {
        assert_eq!(detail(&*store, id).await.jobs.len(), 1);
    }
    let next = stored(&*store, new_event("next", Vec::new())).await;
    assert_eq!(next.seq(), 301);
    store.close().await;
}

pub(crate) async fn a_closed_store_says_so<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let id = stored(&*store, new_event("a", vec![job("p/h")])).await.id();
    store.health().expect("is healthy");
    store.close().await;
    store.close().await;
    let refused = store.ingest(new_event("b", Vec::new())).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    let refused = store.event(id).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    assert!(matches!(store.health(), Err(StoreError::Closed)));
    let store = place.open().await;
    assert_eq!(detail(&*store, id).await.seq, 1);
}

/// What `provider` teaches a route of its name.
fn teaching(provider: &str, scope: &str) -> Teaching {
    Teaching { route: provider.to_owned(), provider: provider.to_owned(), scope: scope.to_owned() }
}

async fn known_to(store: &dyn Store, what: &Teaching) -> Vec<String> {
    let lessons = store.learned(&what.route, &what.provider).await.expect("reads");
    lessons
        .iter()
        .filter(|lesson| lesson.scope == what.scope)
        .map(|lesson| String::from_utf8_lossy(lesson.secret.as_bytes()).into_owned())
        .collect()
}

async fn learn(store: &dyn Store, what: &Teaching, text: &str, at: Timestamp) -> Learning {
    store.learn(what, LearnedSecret::new(text.as_bytes().to_vec()), at).await.expect("runs")
}

pub(crate) async fn a_route_learns_one_secret_while_it_is_armed<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let (asana, acme) = (&teaching("asana", ""), &teaching("asana", "tenant=acme\n"));
    let notion = &teaching("notion", "");
    assert_eq!(learn(&*store, asana, "early", T0).await, Learning::NotArmed);
    store.arm(asana, after(100)).await.expect("arms");
    store.arm(notion, after(100)).await.expect("arms");
    assert_eq!(store.armed(asana, after(99)).await.expect("reads"), Some(after(100)));
    assert_eq!(store.armed(asana, after(100)).await.expect("reads"), None, "it is over");
    assert_eq!(store.armed(&teaching("other", ""), T0).await.expect("reads"), None);
    assert_eq!(learn(&*store, asana, "late", after(100)).await, Learning::NotArmed);
    // Neither another scope nor another provider of the route is armed with it.
    let another = &Teaching { provider: "clio".to_owned(), ..asana.clone() };
    for other in [acme, another] {
        assert_eq!(store.armed(other, T0).await.expect("reads"), None);
        assert_eq!(learn(&*store, other, "stranger's", T0).await, Learning::NotArmed);
    }
    // A new arming replaces the old one, also by a shorter one.
    store.arm(asana, after(50)).await.expect("arms");
    assert_eq!(learn(&*store, asana, "late", after(60)).await, Learning::NotArmed);
    store.arm(asana, after(200)).await.expect("arms");
    store.close().await;

    let store = place.open().await;
    assert_eq!(learn(&*store, asana, "one", after(199)).await, Learning::Learned);
    assert_eq!(learn(&*store, asana, "two", after(199)).await, Learning::NotArmed, "learned twice");
    assert_eq!(store.armed(asana, T0).await.expect("reads"), None);
    store.close().await;

    let store = place.open().await;
    assert_eq!(known_to(&*store, asana).await, ["one"]);
    assert!(known_to(&*store, acme).await.is_empty(), "another scope's");
    assert!(known_to(&*store, another).await.is_empty(), "another provider's");
    // Newest first; one that is taught again is the newest.
    for (text, kept) in [
        ("two", vec!["two", "one"]),
        ("two", vec!["two", "one"]),
        ("one", vec!["one", "two"]),
        ("three", vec!["three", "one", "two"]),
    ] {
        store.arm(asana, after(300)).await.expect("arms");
        assert_eq!(learn(&*store, asana, text, after(250)).await, Learning::Learned);
        assert_eq!(known_to(&*store, asana).await, kept);
    }
    store.arm(acme, after(300)).await.expect("arms");
    assert_eq!(learn(&*store, acme, "acme's", after(250)).await, Learning::Learned);
    assert_eq!(known_to(&*store, asana).await, ["three", "one", "two"]);
    store.arm(asana, after(300)).await.expect("arms");

    let known = |route: &str, armed_until, secrets| LearningRoute {
        route: route.to_owned(),
        armed_until,
        secrets,
    };
    let all = store.learning(T0).await.expect("reads");
    assert_eq!(all, [known("asana", Some(after(300)), 4), known("notion", Some(after(100)), 0)]);
    let all = store.learning(after(300)).await.expect("reads");
    assert_eq!(all, [known("asana", None, 4)]);

    assert_eq!(store.forget("asana", Some("tenant=acme\n")).await.expect("runs"), 1);
    assert!(known_to(&*store, acme).await.is_empty());
    assert_eq!(store.armed(asana, T0).await.expect("reads"), Some(after(300)));
    assert_eq!(store.forget("asana", None).await.expect("runs"), 3);
    assert!(known_to(&*store, asana).await.is_empty());
    assert_eq!(learn(&*store, asana, "again", after(250)).await, Learning::NotArmed);
    assert_eq!(store.forget("asana", None).await.expect("runs"), 0);
    assert_eq!(format!("{:?}", LearnedSecret::new(b"hunter2".to_vec())), "LearnedSecret(…)");
}

pub(crate) async fn no_learned_secret_makes_room_for_another<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let asana = &teaching("asana", "");
    for n in 0..16 {
        store.arm(asana, after(100)).await.expect("arms");
        assert_eq!(learn(&*store, asana, &n.to_string(), T0).await, Learning::Learned);
    }
    store.arm(asana, after(100)).await.expect("arms");
    assert_eq!(learn(&*store, asana, "one more", T0).await, Learning::Full);
    assert_eq!(store.armed(asana, T0).await.expect("reads"), Some(after(100)));
    let known = known_to(&*store, asana).await;
    assert_eq!((known.len(), known[0].as_str(), known[15].as_str()), (16, "15", "0"));
    assert_eq!(learn(&*store, asana, "0", T0).await, Learning::Learned, "it is known");
    assert_eq!(known_to(&*store, asana).await.len(), 16);
}

pub(crate) async fn of_handshakes_that_come_together_one_is_taken<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let asana = teaching("asana", "");
    store.arm(&asana, after(100)).await.expect("arms");
    let mut tasks = Vec::new();
    for n in 0..50 {
        let (store, asana) = (Arc::clone(&store), asana.clone());
        tasks.push(tokio::spawn(
            async move { (n, learn(&*store, &asana, &n.to_string(), T0).await) },
        ));
    }
    let mut taken = Vec::new();
    for task in tasks {
        if let (n, Learning::Learned) = task.await.expect("ends") {
            taken.push(n.to_string());
        }
    }
    assert_eq!(known_to(&*store, &asana).await, taken);
    assert_eq!(taken.len(), 1);
}

/// The suite's tests, on `$backend`.
#[macro_export]
macro_rules! store_contract {
    ($backend:ty) => {
        $crate::store_contract!(@ $backend:
            an_event_comes_back_as_it_was
            an_equal_key_is_a_duplicate
            equal_keys_sent_together_are_stored_once
            an_expired_key_is_taken_over
            a_one_time_token_is_for_one_body
            a_token_and_an_id_both_tell_a_repetition
            equal_tokens_sent_together_are_for_one_body
            a_token_is_spent_without_an_event
            a_refused_item_leaves_its_neighbours
            a_lease_given_at_once_is_the_first_attempt
            a_retry_is_due_at_its_time
            a_released_lease_is_void_and_not_counted
            another_incarnation_voids_leases
            three_interruptions_in_a_row_are_a_dead_letter
            jobs_of_one_key_run_one_at_a_time
            each_lane_gets_its_share
            a_resend_finds_its_job
            a_resend_to_another_target_gets_a_job_of_its_own
            a_job_added_by_a_resend_is_the_queue_s_when_given_back
            resends_that_come_together_begin_one_attempt
            a_schedule_begins_when_it_is_first_seen
            a_time_fires_once
            a_run_that_is_going_holds_up_the_next
            a_secret_is_kept_until_it_is_removed
            pages_go_back_in_time
            changes_commit_with_the_outcome_or_not_at_all
            every_outcome_is_compared_with_what_it_read
            a_key_that_was_absent_or_was_made_anew_is_noticed
            a_list_is_compared_as_far_as_it_was_seen
            pages_of_keys_follow_one_another
            increments_need_no_read_and_never_conflict
            messages_are_stored_with_the_outcome_that_sends_them
            a_delayed_message_is_due_at_its_time
            a_message_whose_key_is_known_is_not_stored
            a_topic_holds_no_more_than_its_limit
            a_message_that_is_left_out_needs_no_room
            a_job_that_ends_makes_room_for_what_its_attempt_sends
            an_expired_key_is_gone_and_is_swept
            no_commit_removes_more_than_some_hundreds_of_expired_keys
            a_plugin_keeps_no_more_than_it_may
            what_is_read_and_then_written_is_as_if_one_came_after_the_other
            a_lease_that_nobody_receives_comes_back
            acknowledged_events_survive_a_drop
            a_closed_store_says_so
            a_route_learns_one_secret_while_it_is_armed
            no_learned_secret_makes_room_for_another
            of_handshakes_that_come_together_one_is_taken
        );
    };
    (@ $backend:ty: $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                contract::$name::<$backend>().await;
            }
        )*
    };
}
