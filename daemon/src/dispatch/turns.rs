//! Who may commit to a namespace now: an attempt that others keep making stale is given its turn.
//!
//! Every commit that changes a namespace passes here, beside the others, unless an attempt holds the
//! namespace. Namespaces are always taken in their order and all at once, so that no two attempts
//! wait for each other.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hookyard_runtime::{Attempt, KvEffects, Outcome};
use hookyard_types::Namespace;
use parking_lot::Mutex;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::Instant;

/// How often an attempt is run again beside the others.
const BESIDE: u32 = 5;

/// How often it is run again while it holds what it used before. Once is enough, unless each run
/// uses other namespaces, or a key expires meanwhile.
const HOLDING: u32 = 3;

/// How long a run may take while it holds what it used before: the others wait for it.
const HELD: Duration = Duration::from_secs(1);

/// The namespaces that are being changed or held. One that nobody uses is not kept.
#[derive(Debug, Default)]
pub(super) struct Turns {
    locks: Mutex<HashMap<Namespace, Arc<RwLock<()>>>>,
}

impl Turns {
    /// Waits until nobody holds the namespaces.
    pub(super) async fn pass(&self, namespaces: BTreeSet<Namespace>) -> Held<'_> {
        let mut held = Held::none(self);
        for namespace in namespaces {
            let lock = held.begin(namespace);
            held.passing.push(lock.read_owned().await);
        }
        held
    }

    async fn hold(&self, namespaces: &BTreeSet<Namespace>) -> Held<'_> {
        let mut held = Held::none(self);
        for namespace in namespaces {
            let lock = held.begin(namespace.clone());
            held.holding.push(lock.write_owned().await);
        }
        held.until = Some(Instant::now() + HELD);
        held
    }
}

/// Namespaces that are passed or held until this is dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    turns: &'a Turns,
    passing: Vec<OwnedRwLockReadGuard<()>>,
    holding: Vec<OwnedRwLockWriteGuard<()>>,
    /// When the run that holds them is ended.
    until: Option<Instant>,
    names: Vec<Namespace>,
}

impl<'a> Held<'a> {
    fn none(turns: &'a Turns) -> Self {
        Self { turns, passing: Vec::new(), holding: Vec::new(), until: None, names: Vec::new() }
    }

    /// When a run that holds them has to end, which it would have to by `end_at` in any case.
    pub(super) fn end(held: Option<&Self>, end_at: Option<Instant>) -> Option<Instant> {
        let until = held.and_then(|held| held.until);
        until.into_iter().chain(end_at).min()
    }

    /// Names the turn as the reason of a run that ended with it, not with `end_at`.
    pub(super) fn explain(held: Option<&Self>, end_at: Option<Instant>, attempt: &mut Attempt) {
        let Some(until) = held.and_then(|held| held.until) else { return };
        let cut = until <= Instant::now() && end_at.is_none_or(|end_at| until < end_at);
        if cut && matches!(attempt.outcome, Outcome::Timeout(_)) {
            attempt.outcome = Outcome::Timeout(format!(
                "kv: it used what others change, so it was run while they waited, and took longer \
                 than the {HELD:?} that it has then"
            ));
        }
    }

    fn begin(&mut self, namespace: Namespace) -> Arc<RwLock<()>> {
        let lock = Arc::clone(self.turns.locks.lock().entry(namespace.clone()).or_default());
        self.names.push(namespace);
        lock
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.passing.clear();
        self.holding.clear();
        if self.names.is_empty() {
            return;
        }
        let mut locks = self.turns.locks.lock();
        for name in &self.names {
            // Whoever else wants it has taken it from the map, under the map's lock.
            if locks.get(name).is_some_and(|lock| Arc::strong_count(lock) == 1) {
                locks.remove(name);
            }
        }
    }
}

/// How often an attempt was run because what it had read was stale at its commit.
#[derive(Debug, Default)]
pub(super) struct Reruns {
    stale: u32,
    /// What its runs used.
    used: BTreeSet<Namespace>,
}

impl Reruns {
    /// To be called before each run, and kept until its commit: holds what the runs before used, once
    /// there have been too many of them.
    pub(super) async fn turn<'a>(&self, turns: &'a Turns) -> Option<Held<'a>> {
        if self.stale <= BESIDE { None } else { Some(turns.hold(&self.used).await) }
    }

    /// What the commit of this run has to pass, given that `held` is held.
    pub(super) fn to_pass(&self, effects: &KvEffects, held: bool) -> BTreeSet<Namespace> {
        let changed = effects.writes.iter().map(|write| &write.namespace);
        changed.filter(|namespace| !held || !self.used.contains(namespace)).cloned().collect()
    }

    /// Whether this run may commit at once: what is held has everything that it changes. A holder
    /// must not wait for others, who may wait for it.
    pub(super) fn may_commit(&self, effects: &KvEffects, held: bool) -> bool {
        !held || self.to_pass(effects, held).is_empty()
    }

    /// Counts a stale run; whether there may be another. There is none after one that crossed a limit:
    /// that is costly enough once.
    pub(super) fn again(&mut self, Attempt { outcome, kv, .. }: &Attempt) -> bool {
        !ends(outcome) && self.count(kv)
    }

    fn count(&mut self, effects: &KvEffects) -> bool {
        self.stale += 1;
        self.used.extend(effects.reads.iter().map(|read| read.namespace().clone()));
        self.used.extend(effects.writes.iter().map(|write| write.namespace.clone()));
        self.stale <= BESIDE + HOLDING
    }

    /// How many runs there were, the one that is being made included.
    pub(super) fn runs(&self) -> u32 {
        self.stale + 1
    }
}

/// Whether a run that ended so is a failed attempt though what it read was stale.
pub(super) fn ends(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Timeout(_) | Outcome::Limit(_))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use hookyard_store::sqlite::{SqliteOptions, SqliteStore};
    use hookyard_store::{Completed, Effects, Store};
    use hookyard_types::{KvChange, KvRead, KvWrite, Owner, Timestamp, kv_number};

    use super::*;

    fn namespace(name: &str) -> Namespace {
        Namespace { owner: Owner::Plugin("p".to_owned()), name: name.to_owned() }
    }

    /// A run that reads the number of a key and writes the next one.
    async fn next(store: &dyn Store, place: &Namespace) -> KvEffects {
        let found = store.kv_get(place, "k", Timestamp::now()).await.expect("reads");
        let number = found.as_ref().map_or(Some(0), |entry| kv_number(&entry.value));
        let value = (number.expect("a number") + 1).to_string().into();
        let (namespace, key) = (place.clone(), "k".to_owned());
        let version = found.map(|entry| entry.version);
        let read = KvRead::Key { namespace: namespace.clone(), key: key.clone(), version };
        let change = KvChange::Set { value, expires_at: None };
        KvEffects { reads: vec![read], writes: vec![KvWrite { namespace, key, change }] }
    }

    async fn commit(store: &dyn Store, effects: &KvEffects) -> Completed {
        let KvEffects { reads, writes } = effects.clone();
        let effects = Effects { reads, writes, max_bytes: 1 << 20, ..Effects::default() };
        store.commit(effects).await.expect("runs")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn however_many_contend_none_is_run_more_often_than_the_bound() {
        const EACH: u32 = 20;
        let folder = tempfile::tempdir().expect("a folder");
        let options =
            SqliteOptions { min_free: 0, ..SqliteOptions::new(folder.path().join("store.db")) };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(options).await.expect("opens"));
        let turns = Arc::new(Turns::default());
        let most = Arc::new(AtomicU32::new(0));
        let attempts = (0..8).map(|_| {
            let (store, turns, most) = (Arc::clone(&store), Arc::clone(&turns), Arc::clone(&most));
            tokio::spawn(async move {
                let place = namespace("n");
                for _ in 0..EACH {
                    let mut reruns = Reruns::default();
                    loop {
                        let held = reruns.turn(&turns).await;
                        let effects = next(&*store, &place).await;
                        // Long enough for the others to come in between.
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        assert!(reruns.may_commit(&effects, held.is_some()));
                        let _held = match held {
                            Some(held) => held,
                            None => turns.pass(reruns.to_pass(&effects, false)).await,
                        };
                        if commit(&*store, &effects).await == Completed::Committed {
                            break;
                        }
                        assert!(reruns.count(&effects), "it is not given up");
                    }
                    most.fetch_max(reruns.runs(), Ordering::Relaxed);
                }
            })
        });
        for attempt in attempts.collect::<Vec<_>>() {
            attempt.await.expect("ends");
        }
        let found = store.kv_get(&namespace("n"), "k", Timestamp::now()).await.expect("reads");
        let number = kv_number(&found.expect("is there").value);
        assert_eq!(number, Some(i64::from(8 * EACH)), "each saw the one before");
        // The first run, those beside the others, and the one that held the namespace.
        let most = most.load(Ordering::Relaxed);
        assert!((2..=1 + BESIDE + 1).contains(&most), "{most} runs");
        assert!(turns.locks.lock().is_empty(), "nothing is kept");
    }

    #[tokio::test]
    async fn a_holder_that_uses_another_namespace_lets_go_and_takes_both() {
        let turns = Turns::default();
        let uses = |name: &str| KvEffects {
            reads: Vec::new(),
            writes: vec![KvWrite {
                namespace: namespace(name),
                key: "k".to_owned(),
                change: KvChange::Delete,
            }],
        };
        let mut reruns = Reruns::default();
        for _ in 0..=BESIDE {
            assert!(reruns.turn(&turns).await.is_none());
            assert!(reruns.count(&uses("a")));
        }
        let held = reruns.turn(&turns).await;
        let end = Held::end(held.as_ref(), None).expect("a holder has to end");
        assert!(end <= Instant::now() + HELD);
        assert_eq!(Held::end(held.as_ref(), Some(end - HELD)), Some(end - HELD));
        assert_eq!(Held::end(None, None), None);
        assert!(held.is_some() && reruns.may_commit(&uses("a"), true));
        assert!(!reruns.may_commit(&uses("b"), true));
        assert!(reruns.count(&uses("b")));
        drop(held);
        let held = reruns.turn(&turns).await;
        assert!(reruns.may_commit(&uses("a"), true) && reruns.may_commit(&uses("b"), true));
        // Nobody else passes meanwhile, and whoever gives up waiting leaves nothing behind.
        let passing = turns.pass([namespace("b")].into());
        assert!(tokio::time::timeout(Duration::from_millis(20), passing).await.is_err());
        drop(held);
        drop(turns.pass([namespace("b")].into()).await);
        assert!(turns.locks.lock().is_empty());
        assert!(reruns.count(&uses("a")));
        assert!(!reruns.count(&uses("a")), "there is an end to it");
    }

    #[test]
    fn a_run_that_crossed_a_limit_is_not_run_again() {
        assert!(ends(&Outcome::Timeout(String::new())));
        assert!(ends(&Outcome::Limit(String::new())));
        assert!(!ends(&Outcome::Trap(String::new())));
        assert!(!ends(&Outcome::Ignored(String::new())));
    }
}
