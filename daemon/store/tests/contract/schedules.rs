//! Schedules: each time once, with its event or not at all.

use std::sync::Arc;

use hookyard_store::*;
use hookyard_types::{EventId, Firing, Source, Timestamp};

use super::*;

fn scheduled(name: &str, timing: &str) -> NewSchedule {
    NewSchedule { name: name.to_owned(), timing: timing.to_owned(), seed: u64::MAX - 7 }
}

async fn set(store: &dyn Store, schedules: &[(&str, &str)], now: Timestamp) -> Vec<ScheduleState> {
    let schedules = schedules.iter().map(|(name, timing)| scheduled(name, timing)).collect();
    store.set_schedules(schedules, now).await.expect("runs")
}

fn firing(at: Timestamp, while_going: WhileGoing) -> NewFiring {
    let mut event = event("{}");
    event.source = Source::Schedule("nightly".to_owned());
    event.firing = Some(Firing { scheduled_at: at, reason: "due".to_owned() });
    event.received_at = at;
    NewFiring {
        schedule: "nightly".to_owned(),
        scheduled_at: at,
        settles: true,
        while_going,
        event,
        targets: vec![target("p/h"), target("q/h")],
    }
}

async fn fire(store: &dyn Store, at: Timestamp, while_going: WhileGoing) -> Fired {
    store.fire(firing(at, while_going)).await.expect("runs")
}

fn event_of(fired: Fired) -> EventId {
    match fired {
        Fired::Stored(event) => event,
        other => panic!("it did not fire: {other:?}"),
    }
}

async fn settled(store: &dyn Store) -> Timestamp {
    store.schedules().await.expect("reads")[0].settled
}

pub(crate) async fn a_schedule_begins_when_it_is_first_seen<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let states = set(&*store, &[("nightly", "0 2 * * * UTC"), ("a", "x")], after(10)).await;
    let names: Vec<&str> = states.iter().map(|state| state.name.as_str()).collect();
    assert_eq!(names, ["a", "nightly"]);
    let state = &states[1];
    assert_eq!((state.settled, state.seed, &state.last), (after(10), u64::MAX - 7, &None));
    // Seen again it is as it was; with another timing it begins anew.
    event_of(fire(&*store, after(20), WhileGoing::Skip).await);
    let states = set(&*store, &[("nightly", "0 2 * * * UTC")], after(30)).await;
    assert_eq!((states.len(), states[0].settled), (1, after(20)), "what is gone is forgotten");
    let states = set(&*store, &[("nightly", "0 3 * * * UTC")], after(40)).await;
    assert_eq!(states[0].settled, after(40));
    assert!(states[0].last.is_some(), "it is known how the last run went");
    // Away and back, it is a new one.
    set(&*store, &[], after(50)).await;
    assert_eq!(fire(&*store, after(60), WhileGoing::Skip).await, Fired::Unknown);
    let states = set(&*store, &[("nightly", "0 3 * * * UTC")], after(70)).await;
    assert_eq!((states[0].settled, &states[0].last), (after(70), &None));
}

pub(crate) async fn a_time_fires_once<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    set(&*store, &[("nightly", "x")], T0).await;
    // Of many that come together one is stored.
    let mut tasks = Vec::new();
    for _ in 0..50 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move { fire(&*store, after(5), WhileGoing::Join).await }));
    }
    let mut events = Vec::new();
    for task in tasks {
        match task.await.expect("ends") {
            Fired::Stored(event) => events.push(event),
            other => assert_eq!(other, Fired::Settled),
        }
    }
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(fire(&*store, after(4), WhileGoing::Join).await, Fired::Settled, "nor before it");
    assert!(woken(&*store).await, "its jobs are due");
    let last = store.schedules().await.expect("reads").remove(0).last.expect("fired");
    assert_eq!((last.event, last.scheduled_at, last.fired_at), (*event, after(5), after(5)));
    assert_eq!(last.state, EventState::Pending);
    for lane in ["p", "q"] {
        let claimed = claim_one(&*store, lane, after(5)).await;
        assert_eq!(claimed.event.id, *event);
        store.complete(claimed.lease, done()).await.expect("runs");
    }
    let last = store.schedules().await.expect("reads").remove(0).last.expect("fired");
    assert_eq!(last.state, EventState::Succeeded);
    // Both are there when the store is opened again.
    drop(store);
    let store = place.open().await;
    assert_eq!(settled(&*store).await, after(5));
    assert_eq!(fire(&*store, after(5), WhileGoing::Join).await, Fired::Settled);
    assert_eq!(detail(&*store, *event).await.state, EventState::Succeeded);
    // A clock that was wrong is forgiven.
    store.settle("nightly", after(1)).await.expect("runs");
    event_of(fire(&*store, after(5), WhileGoing::Join).await);
}

pub(crate) async fn a_run_that_is_going_holds_up_the_next<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    set(&*store, &[("nightly", "x")], T0).await;
    let first = event_of(fire(&*store, after(1), WhileGoing::Skip).await);
    let claimed = claim_one(&*store, "p", after(1)).await;
    // Running, waiting for a retry, and not begun, as the job in lane `q`: all are going.
    assert_eq!(fire(&*store, after(2), WhileGoing::Skip).await, Fired::StillGoing(first));
    assert_eq!(settled(&*store).await, after(2), "its time is over");
    store.complete(claimed.lease, retry_at(after(10))).await.expect("runs");
    let q = claim_one(&*store, "q", after(2)).await;
    store.complete(q.lease, done()).await.expect("runs");
    assert_eq!(fire(&*store, after(3), WhileGoing::Skip).await, Fired::StillGoing(first));
    // It is not by a job for somebody else.
    let mut other = firing(after(3), WhileGoing::Skip);
    (other.settles, other.targets) = (false, vec![target("r/h")]);
    event_of(store.fire(other).await.expect("runs"));
    // What a person asks for is held up too, and settles nothing.
    let mut manual = firing(after(5), WhileGoing::Skip);
    manual.settles = false;
    assert_eq!(store.fire(manual).await.expect("runs"), Fired::StillGoing(first));
    assert_eq!(settled(&*store).await, after(3));

    // Those that wait do so for their own target.
    let second = event_of(fire(&*store, after(4), WhileGoing::Wait).await);
    assert!(claim(&*store, "p", after(5)).await.is_empty(), "behind the retry");
    let q = claim_one(&*store, "q", after(5)).await;
    assert_eq!(q.event.id, second);
    store.complete(q.lease, done()).await.expect("runs");
    let p = claim_one(&*store, "p", after(10)).await;
    assert_eq!(p.event.id, first);
    store.complete(p.lease, dead()).await.expect("runs");
    let p = claim_one(&*store, "p", after(10)).await;
    assert_eq!(p.event.id, second);
    store.complete(p.lease, done()).await.expect("runs");

    // One that was allowed beside others counts as going too, for one that is not.
    let third = event_of(fire(&*store, after(11), WhileGoing::Join).await);
    let fourth = event_of(fire(&*store, after(12), WhileGoing::Join).await);
    let p = claim(&*store, "p", after(12)).await;
    assert_eq!(p.iter().map(|c| c.event.id).collect::<Vec<_>>(), [third, fourth]);
    assert_eq!(fire(&*store, after(13), WhileGoing::Skip).await, Fired::StillGoing(fourth));
}
