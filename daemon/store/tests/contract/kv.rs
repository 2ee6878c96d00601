//! What plugins keep: read, and changed together with an attempt's outcome or not at all.

use std::sync::Arc;

use hookyard_store::*;
use hookyard_types::{
    KvChange, KvEntry, KvRead, KvSpan, KvWrite, Namespace, Owner, Timestamp, kv_number,
};

use super::*;

fn own(name: &str) -> Namespace {
    Namespace { owner: Owner::Plugin("p".to_owned()), name: name.to_owned() }
}

pub(crate) fn change(key: &str, change: KvChange) -> KvWrite {
    KvWrite { namespace: own("n"), key: key.to_owned(), change }
}

pub(crate) fn set(key: &str, value: &str) -> KvWrite {
    let value = Bytes::copy_from_slice(value.as_bytes());
    change(key, KvChange::Set { value, expires_at: None })
}

fn set_until(key: &str, value: &str, end: Timestamp) -> KvWrite {
    let value = Bytes::copy_from_slice(value.as_bytes());
    change(key, KvChange::Set { value, expires_at: Some(end) })
}

fn saw(key: &str, entry: Option<&KvEntry>) -> KvRead {
    let version = entry.map(|entry| entry.version);
    KvRead::Key { namespace: own("n"), key: key.to_owned(), version }
}

fn span(prefix: &str) -> KvSpan {
    KvSpan { namespace: own("n"), prefix: prefix.to_owned(), after: None }
}

pub(crate) fn effects(reads: Vec<KvRead>, writes: Vec<KvWrite>) -> Effects {
    Effects { reads, writes, max_bytes: 1 << 20, at: T0, messages: Vec::new() }
}

async fn get(store: &dyn Store, key: &str) -> Option<KvEntry> {
    store.kv_get(&own("n"), key, T0).await.expect("reads")
}

async fn text(store: &dyn Store, key: &str) -> Option<String> {
    get(store, key).await.map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
}

/// The keys with the prefix, as an attempt sees and remembers them.
async fn list(store: &dyn Store, prefix: &str, limit: usize) -> (Vec<String>, KvRead) {
    let span = span(prefix);
    let page = store.kv_list(&span, limit, 1 << 20, T0).await.expect("reads");
    let keys = page.entries.iter().map(|entry| entry.key.clone()).collect();
    let until = page.next.clone();
    let seen = page.entries.into_iter().map(|entry| (entry.key, entry.version)).collect();
    (keys, KvRead::Span { span, until, seen })
}

async fn commit(store: &dyn Store, effects: Effects) -> Completed {
    store.commit(effects).await.expect("runs")
}

async fn put(store: &dyn Store, writes: Vec<KvWrite>) {
    assert_eq!(commit(store, effects(Vec::new(), writes)).await, Completed::Committed);
}

async fn lease_of(store: &dyn Store, name: &str) -> Lease {
    stored(store, new_event(name, vec![leased(name)]))
        .await
        .into_leases()
        .remove(0)
        .expect("leased")
}

pub(crate) async fn changes_commit_with_the_outcome_or_not_at_all<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let lease = lease_of(&*store, "p/h").await;
    let with = |effects| Completion { effects, ..done() };

    let seen = saw("a", None);
    put(&*store, vec![set("a", "0")]).await;
    let stale = with(effects(vec![seen], vec![set("a", "1"), set("b", "1")]));
    let conflict = store.complete(lease.clone(), stale).await.expect("runs");
    assert_eq!(conflict, Completed::Conflict);
    assert_eq!(text(&*store, "a").await.as_deref(), Some("0"));
    assert_eq!(get(&*store, "b").await, None);

    // The lease is still held, and what was read is what is there now.
    let seen = saw("a", get(&*store, "a").await.as_ref());
    let fresh = with(effects(vec![seen], vec![set("a", "1"), set("b", "1")]));
    let committed = store.complete(lease.clone(), fresh.clone()).await.expect("runs");
    assert_eq!(committed, Completed::Committed);
    assert_eq!(text(&*store, "a").await.as_deref(), Some("1"));
    assert_eq!(text(&*store, "b").await.as_deref(), Some("1"));

    // A lease that is not held changes nothing, whatever it read.
    let late = with(effects(Vec::new(), vec![set("a", "2")]));
    assert_eq!(store.complete(lease, late).await.expect("runs"), Completed::LeaseLost);
    assert_eq!(text(&*store, "a").await.as_deref(), Some("1"));

    store.close().await;
    drop(store);
    assert_eq!(text(&*place.open().await, "b").await.as_deref(), Some("1"));
}

pub(crate) async fn every_outcome_is_compared_with_what_it_read<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    for ending in [done(), dead(), retry_at(after(1))] {
        let lease = lease_of(&*store, "p/h").await;
        let seen = saw("a", get(&*store, "a").await.as_ref());
        put(&*store, vec![change("a", KvChange::Add(1))]).await;
        let stale = Completion { effects: effects(vec![seen], Vec::new()), ..ending };
        let ended = store.complete(lease, stale).await.expect("runs");
        assert_eq!(ended, Completed::Conflict);
    }
}

pub(crate) async fn a_key_that_was_absent_or_was_made_anew_is_noticed<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let absent = saw("a", None);
    put(&*store, vec![set("a", "1")]).await;
    let first = saw("a", get(&*store, "a").await.as_ref());
    assert_eq!(commit(&*store, effects(vec![absent.clone()], vec![])).await, Completed::Conflict);
    put(&*store, vec![change("a", KvChange::Delete)]).await;
    assert_eq!(commit(&*store, effects(vec![first.clone()], vec![])).await, Completed::Conflict);
    // Absent again is as it was read.
    assert_eq!(commit(&*store, effects(vec![absent], vec![])).await, Completed::Committed);
    put(&*store, vec![set("a", "1")]).await;
    assert_eq!(commit(&*store, effects(vec![first], vec![])).await, Completed::Conflict);
}

pub(crate) async fn a_list_is_compared_as_far_as_it_was_seen<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    put(&*store, vec![set("x/a", "1"), set("x/c", "1"), set("x/e", "1"), set("y", "1")]).await;
    let (keys, all) = list(&*store, "x/", 10).await;
    assert_eq!(keys, ["x/a", "x/c", "x/e"]);
    let (keys, two) = list(&*store, "x/", 2).await;
    assert_eq!(keys, ["x/a", "x/c"]);
    let holds = async |read: &KvRead| {
        commit(&*store, effects(vec![read.clone()], vec![])).await == Completed::Committed
    };

    put(&*store, vec![set("y", "2"), set("x", "1"), set("x0", "1")]).await;
    assert!(holds(&all).await && holds(&two).await, "outside of the prefix");
    put(&*store, vec![set("x/d", "1")]).await;
    assert!(!holds(&all).await, "a key came");
    assert!(holds(&two).await, "behind what was seen");
    put(&*store, vec![change("x/d", KvChange::Delete)]).await;
    assert!(holds(&all).await, "as it was");
    put(&*store, vec![set("x/c", "2")]).await;
    assert!(!holds(&all).await && !holds(&two).await, "a value changed");
    let (_, all) = list(&*store, "x/", 10).await;
    put(&*store, vec![change("x/a", KvChange::Delete)]).await;
    assert!(!holds(&all).await, "a key went");
    let (_, none) = list(&*store, "z/", 10).await;
    put(&*store, vec![set("z/1", "1")]).await;
    assert!(!holds(&none).await, "there was none");
}

pub(crate) async fn pages_of_keys_follow_one_another<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let keys: Vec<String> = (0..25).map(|n| format!("k/{n:02}")).collect();
    put(&*store, keys.iter().map(|key| set(key, "0123456789")).collect()).await;
    for (limit, max_bytes) in [(10, 1 << 20), (1000, 45)] {
        let (mut found, mut span) = (Vec::new(), span("k/"));
        loop {
            let page = store.kv_list(&span, limit, max_bytes, T0).await.expect("reads");
            assert!(page.entries.len() <= 10);
            found.extend(page.entries.into_iter().map(|entry| entry.key));
            if page.next.is_none() {
                break;
            }
            span.after = page.next;
        }
        assert_eq!(found, keys);
    }
}

pub(crate) async fn increments_need_no_read_and_never_conflict<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let mut tasks = Vec::new();
    for _ in 0..50 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let lease = lease_of(&*store, "p/h").await;
            let effects = effects(Vec::new(), vec![change("n", KvChange::Add(2))]);
            store.complete(lease, Completion { effects, ..done() }).await.expect("runs")
        }));
    }
    for task in tasks {
        assert_eq!(task.await.expect("ends"), Completed::Committed);
    }
    assert_eq!(text(&*store, "n").await.as_deref(), Some("100"));

    put(&*store, vec![set("t", "many"), set("max", &i64::MAX.to_string())]).await;
    for (key, expected) in [
        ("t", Refusal::NotANumber { namespace: own("n"), key: "t".to_owned() }),
        ("max", Refusal::OutOfRange { namespace: own("n"), key: "max".to_owned() }),
    ] {
        let writes = vec![set("beside", "1"), change(key, KvChange::Add(1))];
        let refused = commit(&*store, effects(Vec::new(), writes)).await;
        assert_eq!(refused, Completed::Refused(expected));
        assert_eq!(get(&*store, "beside").await, None, "nothing of it is there");
    }
}

pub(crate) async fn an_expired_key_is_gone_and_is_swept<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    put(&*store, vec![set_until("a", "1", after(10)), set("b", "1"), set("n", "1")]).await;
    let (seen, listed) = (saw("a", get(&*store, "a").await.as_ref()), list(&*store, "", 9).await.1);
    let at = async |now| store.kv_get(&own("n"), "a", now).await.expect("reads");
    assert!(at(after(9)).await.is_some());
    assert!(at(after(10)).await.is_none());
    let page = store.kv_list(&span(""), 9, 1 << 20, after(10)).await.expect("reads");
    assert_eq!(page.entries.len(), 2);

    // At a commit after its end it is absent for whoever saw it, and for everybody from then on.
    for read in [seen, listed] {
        let late = Effects { at: after(10), ..effects(vec![read], vec![]) };
        assert_eq!(commit(&*store, late).await, Completed::Conflict);
    }
    let gone = effects(vec![saw("a", None)], vec![]);
    assert_eq!(commit(&*store, gone).await, Completed::Committed);

    // An increment keeps the end; a set does away with it.
    put(&*store, vec![set_until("n", "1", after(20)), set_until("b", "1", after(20))]).await;
    put(&*store, vec![change("n", KvChange::Add(1)), set("b", "2")]).await;
    assert_eq!(text(&*store, "n").await.as_deref(), Some("2"));
    assert_eq!(store.sweep(after(19)).await.expect("runs"), 0);
    assert_eq!(store.sweep(after(20)).await.expect("runs"), 1);
    assert_eq!(store.sweep(after(20)).await.expect("runs"), 0);
    assert_eq!(
        (get(&*store, "n").await.is_some(), get(&*store, "b").await.is_some()),
        (false, true)
    );
}

pub(crate) async fn no_commit_removes_more_than_some_hundreds_of_expired_keys<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let many =
        |from: usize| (from..from + 600).map(|n| set_until(&format!("k/{n:04}"), "", after(5)));
    let within = |writes| Effects { max_bytes: 4 << 20, ..effects(Vec::new(), writes) };
    for from in [0, 600] {
        let committed = commit(&*store, within(many(from).collect())).await;
        assert_eq!(committed, Completed::Committed);
    }
    // A page ends early rather than look at all of them.
    let page = store.kv_list(&span("k/"), 9, 1 << 20, after(5)).await.expect("reads");
    assert_eq!((page.entries.len(), page.next.as_deref()), (0, Some("k/0999")));
    let rest = KvSpan { after: page.next, ..span("k/") };
    let page = store.kv_list(&rest, 9, 1 << 20, after(5)).await.expect("reads");
    assert_eq!((page.entries.len(), page.next), (0, None));

    let seen = KvRead::Span { span: span("k/"), until: None, seen: Vec::new() };
    let looks = Effects { at: after(5), ..effects(vec![seen], Vec::new()) };
    let left = async || {
        let page = store.kv_list(&span("k/"), 1000, 1 << 20, T0).await.expect("reads");
        page.entries.len()
    };
    for there in [700, 200] {
        assert_eq!(commit(&*store, looks.clone()).await, Completed::Conflict);
        assert_eq!(left().await, there);
    }
    assert_eq!(commit(&*store, looks).await, Completed::Committed);
    assert_eq!(left().await, 0);
    // They count no more.
    let all = Effects { max_bytes: 1100, ..effects(Vec::new(), vec![set("a", "1")]) };
    assert_eq!(commit(&*store, all).await, Completed::Committed);
}

pub(crate) async fn a_plugin_keeps_no_more_than_it_may<B: Backend>() {
    let place = B::new();
    let store = place.open().await;
    let cost = |value: usize| (1 + value + KV_KEY_COST) as u64;
    let within = |most: u64, writes| Effects { max_bytes: most, ..effects(Vec::new(), writes) };
    let most = cost(100) * 2;
    let long = "x".repeat(100);
    let two = within(most, vec![set("a", &long), set("b", &long)]);
    assert_eq!(commit(&*store, two).await, Completed::Committed);
    let too_large = Completed::Refused(Refusal::TooLarge { shared: None, wanted: most + cost(0) });
    assert_eq!(commit(&*store, within(most, vec![set("c", "")])).await, too_large);
    // In another namespace of the plugin it counts as well; another plugin has its own.
    let elsewhere = KvWrite { namespace: own("m"), ..set("c", "") };
    assert_eq!(commit(&*store, within(most, vec![elsewhere])).await, too_large);
    let owner = Owner::Plugin("q".to_owned());
    let other = KvWrite { namespace: Namespace { owner, name: "n".to_owned() }, ..set("c", "") };
    assert_eq!(commit(&*store, within(most, vec![other])).await, Completed::Committed);
    let shared = Namespace { owner: Owner::Shared, name: "s".to_owned() };
    let other = KvWrite { namespace: shared, ..set("c", &long) };
    let refused = Refusal::TooLarge { shared: Some("s".to_owned()), wanted: cost(100) };
    assert_eq!(commit(&*store, within(cost(99), vec![other])).await, Completed::Refused(refused));
    // What makes it smaller is let in though it is still too much, and what is deleted or has
    // expired is free.
    let smaller = within(1, vec![set("a", "x")]);
    assert_eq!(commit(&*store, smaller).await, Completed::Committed);
    let swap = vec![change("b", KvChange::Delete), set_until("c", &long, after(5))];
    assert_eq!(commit(&*store, within(most, swap)).await, Completed::Committed);
    assert_eq!(store.sweep(after(5)).await.expect("runs"), 1);
    let exact = vec![set("a", &long), set("d", &long)];
    assert_eq!(commit(&*store, within(most, exact)).await, Completed::Committed);
    let none = ["a", "d"].map(|key| change(key, KvChange::Delete)).to_vec();
    assert_eq!(commit(&*store, within(most, none)).await, Completed::Committed);
    let exact = vec![set("a", &long), set("b", &long)];
    assert_eq!(commit(&*store, within(most, exact)).await, Completed::Committed);
}

pub(crate) async fn what_is_read_and_then_written_is_as_if_one_came_after_the_other<B: Backend>() {
    const EACH: usize = 12;
    let place = B::new();
    let store = place.open().await;
    let mut tasks = Vec::new();
    for task in 0..6 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            for turn in 0..EACH {
                let name = format!("{task}-{turn}");
                loop {
                    // Numbers the entries by counting them, and links each to the one before.
                    let (keys, listed) = list(&*store, "entry/", 1000).await;
                    let last = get(&*store, "last").await;
                    let before = last
                        .as_ref()
                        .map_or("", |last| std::str::from_utf8(&last.value).expect("is text"));
                    let entry = format!("entry/{:03}", keys.len());
                    let writes = vec![
                        set(&entry, &format!("{before} {name}")),
                        set("last", &name),
                        change("count", KvChange::Add(1)),
                    ];
                    let reads = vec![listed, saw("last", last.as_ref())];
                    if commit(&*store, effects(reads, writes)).await == Completed::Committed {
                        break;
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.expect("ends");
    }
    let page = store.kv_list(&span("entry/"), 1000, 1 << 20, T0).await.expect("reads");
    assert_eq!(page.entries.len(), 6 * EACH);
    let mut before = String::new();
    for (number, entry) in page.entries.iter().enumerate() {
        assert_eq!(entry.key, format!("entry/{number:03}"));
        let value = std::str::from_utf8(&entry.value).expect("is text");
        let (link, name) = value.split_once(' ').expect("two names");
        assert_eq!(link, before, "{}", entry.key);
        before = name.to_owned();
    }
    let count = get(&*store, "count").await.expect("is there");
    assert_eq!(kv_number(&count.value), Some(6 * EACH as i64));
}
