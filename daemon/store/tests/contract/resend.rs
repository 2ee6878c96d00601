//! Deliveries that are sent again to a route whose sender waits for the handler.

use std::sync::Arc;

use bytes::Bytes;
use hookyard_store::*;
use hookyard_types::{EventId, Headers};

use super::*;

pub(crate) async fn a_resend_finds_its_job<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let new = || keyed("interaction", T0);
    let id = stored(&*store, new()).await.id();
    let to = target("p/h");
    let gone = store.resend(EventId::new(), &to, T0).await.expect("runs");
    assert!(matches!(gone, Resend::Gone), "{gone:?}");
    let Resend::Claimed(first) = store.resend(id, &to, T0).await.expect("runs") else {
        panic!("the job is not leased");
    };
    assert_eq!(first.event.id, id);
    let job = first.lease.job();
    let running = store.resend(id, &to, T0).await.expect("runs");
    assert!(matches!(running, Resend::Running(id) if id == job), "{running:?}");
    store.complete(first.lease, retry_at(after(60_000))).await.expect("runs");
    // A resend does not wait for the retry's time.
    let Resend::Claimed(second) = store.resend(id, &to, after(1)).await.expect("runs") else {
        panic!("the job is not leased");
    };
    assert_eq!(second.lease.attempt(), 2);
    let reply = StoredReply {
        status: 200,
        headers: [("content-type".to_owned(), b"text/plain".to_vec())].into_iter().collect(),
        body: Bytes::from_static(b"\x00pong"),
    };
    let succeeded = Next::Succeeded { reply: Some(reply.clone()) };
    let end = completion(succeeded, AttemptOutcome::Done);
    store.complete(second.lease, end).await.expect("runs");
    match store.resend(id, &to, after(2)).await.expect("runs") {
        Resend::Succeeded(Some(again)) => assert_eq!(again, reply),
        other => panic!("{other:?}"),
    }
    match store.ingest(new()).await.expect("runs") {
        Ingested::Duplicate(again) => assert_eq!(again.reply(), Some(&reply)),
        other => panic!("{other:?}"),
    }
    let id = stored(&*store, new_event("dead", vec![leased("p/h")])).await;
    let (id, lease) = (id.id(), id.into_leases().remove(0).expect("is leased"));
    store.complete(lease, dead()).await.expect("runs");
    assert!(claim(&*store, "p", after(100_000)).await.is_empty(), "nobody else tries it again");
    // A resend does: its sender was told that it failed.
    let Resend::Claimed(again) = store.resend(id, &to, T0).await.expect("runs") else {
        panic!("the dead letter is not leased");
    };
    assert_eq!(again.lease.attempt(), 2);
    store.release(again.lease).await.expect("runs");
    let found = claim_one(&*store, "p", after(100)).await;
    assert_eq!(found.event.id, id, "a lease given back is found, whatever the job was before");
}

/// The target's job of the event, leased for a resend.
async fn resent(store: &dyn Store, event: EventId, to: &str, now: Timestamp) -> Claimed {
    match store.resend(event, &target(to), now).await.expect("runs") {
        Resend::Claimed(claimed) => *claimed,
        other => panic!("is not leased: {other:?}"),
    }
}

pub(crate) async fn a_resend_to_another_target_gets_a_job_of_its_own<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let made = stored(&*store, new_event("a", vec![leased("old/h")])).await;
    let (id, old) = (made.id(), made.into_leases().remove(0).expect("is leased"));

    // While the former target's attempt runs, nothing else does.
    let waits = store.resend(id, &target("new/h"), after(1)).await.expect("runs");
    assert!(matches!(waits, Resend::Running(job) if job == old.job()), "{waits:?}");
    assert_eq!(detail(&*store, id).await.jobs.len(), 1, "a job was added beside one that runs");

    store.complete(old, dead()).await.expect("runs");
    while woken(&*store).await {}
    let new = resent(&*store, id, "new/h", after(2)).await;
    assert_eq!((new.event.id, &new.target, new.lease.attempt()), (id, &target("new/h"), 1));
    assert!(claim(&*store, "new", after(1_000_000)).await.is_empty(), "it is there twice");
    assert!(!woken(&*store).await, "a job that is held was signalled");
    // For the former target too: one attempt of the event at a time.
    for name in ["new/h", "old/h"] {
        let waits = store.resend(id, &target(name), after(3)).await.expect("runs");
        assert!(matches!(waits, Resend::Running(job) if job == new.lease.job()), "{waits:?}");
    }

    // What failed is tried again, as any job is; no third one is made.
    store.complete(new.lease, dead()).await.expect("runs");
    let again = resent(&*store, id, "new/h", after(4)).await;
    assert_eq!(again.lease.attempt(), 2);
    let reply = StoredReply { status: 200, headers: Headers::default(), body: Bytes::new() };
    let succeeded = Next::Succeeded { reply: Some(reply.clone()) };
    let end = completion(succeeded, AttemptOutcome::Done);
    store.complete(again.lease, end).await.expect("runs");

    // What has succeeded has, for every target.
    for name in ["new/h", "old/h", "third/h"] {
        let done = store.resend(id, &target(name), after(5)).await.expect("runs");
        assert!(matches!(&done, Resend::Succeeded(Some(of)) if *of == reply), "{name}: {done:?}");
    }
    let found = detail(&*store, id).await;
    let jobs: Vec<_> = found.jobs.iter().map(|j| (j.target.to_string(), j.state)).collect();
    let expected =
        [("old/h".to_owned(), JobState::DeadLetter), ("new/h".to_owned(), JobState::Succeeded)];
    assert_eq!(jobs, expected);
    let attempts: Vec<_> = found.jobs.iter().map(|job| job.attempts.len()).collect();
    assert_eq!(attempts, [1, 2]);
}

pub(crate) async fn a_job_added_by_a_resend_is_the_queue_s_when_given_back<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    // One whose former job the queue tries again, and one that no target had wanted.
    let mut ids = Vec::new();
    for jobs in [vec![leased("old/h")], Vec::new()] {
        let made = stored(&*store, new_event("a", jobs)).await;
        ids.push(made.id());
        for lease in made.into_leases().into_iter().flatten() {
            store.complete(lease, retry_at(after(50))).await.expect("runs");
        }
    }
    for id in &ids {
        let new = resent(&*store, *id, "new/h", after(1)).await;
        while woken(&*store).await {}
        store.release(new.lease).await.expect("runs");
        assert!(woken(&*store).await, "a job that is due is not signalled");
        let claimed = claim_one(&*store, "new", after(2)).await;
        assert_eq!((claimed.event.id, claimed.lease.attempt()), (*id, 1));
    }
    assert_eq!(claim_one(&*store, "old", after(50)).await.event.id, ids[0], "the queue's own");
}

pub(crate) async fn resends_that_come_together_begin_one_attempt<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let id = stored(&*store, new_event("a", vec![leased("old/h")])).await;
    let (id, old) = (id.id(), id.into_leases().remove(0).expect("is leased"));
    store.complete(old, dead()).await.expect("runs");
    let mut tasks = Vec::new();
    for _ in 0..50 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            store.resend(id, &target("new/h"), after(1)).await.expect("runs")
        }));
    }
    let (mut begun, mut waiting) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.expect("ends") {
            Resend::Claimed(claimed) => begun.push(claimed.lease.job()),
            Resend::Running(job) => waiting.push(job),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((begun.len(), waiting.len()), (1, 49));
    assert!(waiting.iter().all(|job| *job == begun[0]));
    assert_eq!(detail(&*store, id).await.jobs.len(), 2);
}
