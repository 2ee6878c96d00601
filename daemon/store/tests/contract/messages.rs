//! Messages that an attempt sends: stored with its outcome or not at all.

use std::sync::Arc;
use std::time::Duration;

use hookyard_store::*;
use hookyard_types::{EventId, Source};

use super::*;

/// A message to `topic`, for one handler.
fn message(topic: &str, body: &str) -> NewMessage {
    let mut new = new_event(body, vec![job("p/work")]);
    new.event.id = EventId::new();
    new.event.source = Source::Queue(topic.to_owned());
    NewMessage { new, max_pending: 100 }
}

fn keyed_message(key: &str) -> NewMessage {
    let mut message = message("emails", key);
    message.new.dedupe = vec![key_of(DedupeKey::Delivery(key.to_owned()))];
    message
}

/// A completion that sends.
fn sending(mut completion: Completion, messages: Vec<NewMessage>) -> Completion {
    completion.effects = Effects { messages, ..effects(Vec::new(), Vec::new()) };
    completion
}

/// The leased attempt of an event that has just come.
async fn begun(store: &Arc<dyn Store>) -> Lease {
    let stored = stored(&**store, new_event("cause", vec![leased("p/h")])).await;
    stored.into_leases().remove(0).expect("is leased")
}

async fn claimed(store: &Arc<dyn Store>, lane: &str, at: Timestamp) -> Vec<Claimed> {
    store.claim(vec![want(lane, 10)], at).await.expect("runs").jobs
}

pub(crate) async fn messages_are_stored_with_the_outcome_that_sends_them<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let lease = begun(&store).await;
    let sent = vec![message("emails", "one"), message("emails", "two")];
    let ids: Vec<EventId> = sent.iter().map(|message| message.new.event.id).collect();
    let completed = store.complete(lease.clone(), sending(done(), sent)).await.expect("runs");
    assert_eq!(completed, Completed::Committed);
    let jobs = claimed(&store, "emails/p", T0).await;
    assert_eq!(jobs.iter().map(|job| job.event.id).collect::<Vec<_>>(), ids);
    assert_eq!(jobs[0].event.source, Source::Queue("emails".to_owned()));
    let page = store.events(EventQuery { limit: 9, before: None }).await.expect("reads");
    assert_eq!(page.events[0].source, Source::Queue("emails".to_owned()));
    // The lease is gone, and with it what a second commit would send.
    let again = sending(done(), vec![message("emails", "three")]);
    assert_eq!(store.complete(lease, again).await.expect("runs"), Completed::LeaseLost);
    assert!(claimed(&store, "emails/p", T0).await.is_empty());
}

pub(crate) async fn a_delayed_message_is_due_at_its_time<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let lease = begun(&store).await;
    let mut late = message("emails", "late");
    late.new.due_at = Some(after(500));
    store.complete(lease, sending(done(), vec![late])).await.expect("runs");
    tokio::time::timeout(Duration::from_secs(5), store.wake()).await.expect("wakes");
    let claims = store.claim(vec![want("emails/p", 10)], after(499)).await.expect("runs");
    assert!(claims.jobs.is_empty());
    assert_eq!(claims.next_due, Some(after(500)));
    assert_eq!(claimed(&store, "emails/p", after(500)).await.len(), 1);
}

pub(crate) async fn a_message_whose_key_is_known_is_not_stored<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    // One id of a delivery is no key of a topic.
    let mut delivery = keyed("k", T0);
    delivery.event.source = Source::Route("emails".to_owned());
    stored(&*store, delivery).await;
    for expected in [1, 0] {
        let lease = begun(&store).await;
        let sent = vec![keyed_message("k"), keyed_message("k")];
        let completed = store.complete(lease, sending(done(), sent)).await.expect("runs");
        assert_eq!(completed, Completed::Committed);
        assert_eq!(claimed(&store, "emails/p", T0).await.len(), expected);
    }
    // The window of a minute is over.
    let lease = begun(&store).await;
    let mut late = keyed_message("k");
    late.new.event.received_at = after(60_001);
    store.complete(lease, sending(done(), vec![late])).await.expect("runs");
    assert_eq!(claimed(&store, "emails/p", after(60_001)).await.len(), 1);
}

pub(crate) async fn a_topic_holds_no_more_than_its_limit<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let three = || {
        let mut messages: Vec<NewMessage> =
            (0..3).map(|number| message("emails", &number.to_string())).collect();
        messages.iter_mut().for_each(|message| message.max_pending = 4);
        messages
    };
    let lease = begun(&store).await;
    store.complete(lease, sending(done(), three())).await.expect("runs");
    let lease = begun(&store).await;
    let refused = store.complete(lease.clone(), sending(done(), three())).await.expect("runs");
    let flooded = Refusal::Flooded { topic: "emails".to_owned() };
    assert_eq!(refused, Completed::Refused(flooded.clone()));
    assert_eq!(claimed(&store, "emails/p", T0).await.len(), 3, "none of a refused attempt");
    // What runs counts too, and what is finished does not.
    let refused = store.complete(lease.clone(), sending(done(), three())).await.expect("runs");
    assert_eq!(refused, Completed::Refused(flooded));
    let other = sending(done(), vec![message("other", "is not full")]);
    assert_eq!(store.complete(lease, other).await.expect("runs"), Completed::Committed);
    let effects = Effects { messages: three(), ..effects(Vec::new(), Vec::new()) };
    assert!(matches!(store.commit(effects).await.expect("runs"), Completed::Refused(_)));
}

pub(crate) async fn a_message_that_is_left_out_needs_no_room<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let only_one = || NewMessage { max_pending: 1, ..keyed_message("k") };
    // Of two that are the same, one is stored, and fills the topic.
    for messages in [vec![only_one(), only_one()], vec![only_one()]] {
        let lease = begun(&store).await;
        let completed = store.complete(lease, sending(done(), messages)).await.expect("runs");
        assert_eq!(completed, Completed::Committed);
    }
    assert_eq!(claimed(&store, "emails/p", T0).await.len(), 1);
}

pub(crate) async fn a_job_that_ends_makes_room_for_what_its_attempt_sends<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let only_one = || NewMessage { max_pending: 1, ..message("emails", "next") };
    let lease = begun(&store).await;
    store.complete(lease, sending(done(), vec![only_one()])).await.expect("runs");
    // A chain in a full topic goes on.
    for _ in 0..3 {
        let lease = claimed(&store, "emails/p", T0).await.remove(0).lease;
        let two = sending(done(), vec![only_one(), only_one()]);
        let refused = store.complete(lease.clone(), two).await.expect("runs");
        assert!(matches!(refused, Completed::Refused(Refusal::Flooded { .. })), "{refused:?}");
        let again = sending(retry_at(after(1)), vec![only_one()]);
        let refused = store.complete(lease.clone(), again).await.expect("runs");
        assert!(matches!(refused, Completed::Refused(Refusal::Flooded { .. })), "{refused:?}");
        let one = sending(done(), vec![only_one()]);
        assert_eq!(store.complete(lease, one).await.expect("runs"), Completed::Committed);
    }
    // Another's end makes none for it.
    let lease = begun(&store).await;
    let one = sending(done(), vec![only_one()]);
    let refused = store.complete(lease.clone(), one.clone()).await.expect("runs");
    assert!(matches!(refused, Completed::Refused(_)), "{refused:?}");
    let running = claimed(&store, "emails/p", T0).await.remove(0).lease;
    store.complete(running, done()).await.expect("runs");
    assert_eq!(store.complete(lease, one).await.expect("runs"), Completed::Committed);
}
