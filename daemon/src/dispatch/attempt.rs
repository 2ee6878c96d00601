//! One attempt: run the handler, record what became of it.

use std::sync::Arc;
use std::time::Duration;

use hookyard_runtime::{Attempt, ContentHash, KvEffects, Level, Outcome};
use hookyard_store::{
    AttemptOutcome, AttemptRecord, Claimed, Completed, Completion, Effects, Lease, Next, Refusal,
    Store, StoreError,
};
use hookyard_types::{Event, HandlerName, JobId, OutgoingRequest, Target, Timestamp};
use tokio::time::Instant;

use super::effects::{Run, before, end_late, give_up};
use super::report::message;
use super::turns::{Held, Reruns};
use super::{Dispatcher, Permit, retry};
use crate::config::Retry;

/// How long what the store had no room for rests before it is offered again.
const STORE_REST: Duration = Duration::from_millis(200);

/// What became of an attempt that a sender waits for.
#[derive(Debug)]
pub(crate) enum Ran {
    /// The handler's answer; `None` when it gave none.
    Done(Option<hookyard_runtime::Reply>),
    Ignored,
    /// The handler rejected the event.
    Rejected,
    /// It asked for a retry, trapped, or crossed a limit.
    Failed,
    /// The outcome could not be recorded: nobody may be told of it.
    Unrecorded,
}

/// What is different about an attempt that a sender waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waited {
    /// The attempt is ended here; `None` where it may go on as the queue's.
    pub(super) end_at: Option<Instant>,
    /// Whether the queue tries again after a failure; else only the sender does, by a resend.
    pub(super) queue_retries: bool,
}

impl Dispatcher {
    /// Makes the attempt that `claimed` gives the right to. The permit is held until its outcome
    /// is committed.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        permit: Permit,
        claimed: Claimed,
        waited: Option<Waited>,
    ) -> Ran {
        let Claimed { lease, target, event } = claimed;
        let Target::Handler(name) = target;
        let number = lease.attempt();
        let job = lease.job();
        let retry = match waited {
            Some(Waited { queue_retries: false, .. }) => None,
            _ => Some(self.live.config().retry(&event.source, &name)),
        };
        let mut guard = LeaseGuard::new(Arc::clone(&self.store), lease, retry.clone());
        let end_at = waited.and_then(|waited| waited.end_at);
        let mut reruns = Reruns::default();
        // Those of all runs: they happened, whatever becomes of the run.
        let mut requests = Vec::new();
        let mut runs = 0;
        // Each turn is a run of the handler; almost always there is one.
        let ran = loop {
            let run = async {
                // Without a turn in time, the handler has no time either, and the attempt says so.
                let held = before(end_at, reruns.turn(&self.turns)).await.flatten();
                let started_at = Timestamp::now();
                let end = Held::end(held.as_ref(), end_at);
                let mut attempt = self.call(&name, &event, job, number, end).await?;
                permit.judge(&name.plugin, &attempt, end);
                Held::explain(held.as_ref(), end_at, &mut attempt);
                Some((held, started_at, attempt))
            };
            let run = tokio::select! {
                biased;
                run = run => run,
                () = self.abandoned() => None,
            };
            let Some((held, started_at, mut attempt)) = run else {
                // The plugin was retired since the claim, or the daemon stops: another time.
                match retry {
                    None => {
                        let message = "the daemon stopped, or the plugin was retired";
                        let record = interrupted(Timestamp::now(), message);
                        let effects = Effects::default();
                        guard
                            .complete(Completion { next: Next::DeadLetter, record, effects })
                            .await;
                    }
                    Some(_) => guard.release().await,
                }
                return Ran::Failed;
            };
            runs += 1;
            collect(&mut requests, &mut attempt, runs);
            let run = self.to_commit(&name, &event, &mut attempt, &reruns, held, end_at).await;
            let (effects, held) = match run {
                Run::Commit(effects, held) => (effects, held),
                Run::Again if reruns.again(&attempt) => continue,
                Run::Again => {
                    give_up(&mut attempt, &reruns);
                    (Effects::default(), None)
                }
                Run::TooLate => {
                    end_late(&mut attempt);
                    (Effects::default(), None)
                }
            };
            let decide = |attempt: &Attempt| match &retry {
                None if failed(&attempt.outcome) => Next::DeadLetter,
                retry => {
                    let (retry, now) = (retry.clone().unwrap_or_default(), Timestamp::now());
                    retry::decide(&attempt.outcome, number, &retry, now, fastrand::f64())
                }
            };
            let mut next = decide(&attempt);
            let completion = |next: &Next, attempt: &Attempt, effects| Completion {
                next: next.clone(),
                record: record(started_at, attempt),
                effects,
            };
            let mut recorded = guard.complete(completion(&next, &attempt, effects)).await;
            drop(held);
            // What stands in the way of its commit makes it a failed attempt without effects, whose
            // commit nothing stands in the way of. A refusal was decided on what it had read.
            match &recorded {
                Recorded::Conflict if reruns.again(&attempt) => continue,
                Recorded::Conflict => give_up(&mut attempt, &reruns),
                Recorded::Refused(refusal) => self.refuse(&name, &mut attempt, refusal),
                Recorded::Yes | Recorded::No => {}
            }
            if matches!(recorded, Recorded::Conflict | Recorded::Refused(_)) {
                next = decide(&attempt);
                let plain = completion(&next, &attempt, Effects::default());
                recorded = guard.complete(plain).await;
            }
            self.report(&event, &name, number, &attempt, &next);
            break match recorded {
                Recorded::Yes => ran(attempt.outcome),
                _ => Ran::Unrecorded,
            };
        };
        drop(permit);
        ran
    }

    /// Calls the handler; `None` when its plugin is not loaded.
    pub(super) async fn call(
        &self,
        name: &HandlerName,
        event: &Event,
        job: JobId,
        number: u32,
        end_at: Option<Instant>,
    ) -> Option<Attempt> {
        let plugin = self.plugins.plugin(&name.plugin)?;
        let wanted = plugin.manifest().handler(&name.handler).map(|handler| &handler.kinds);
        if let Some(kinds) = wanted
            && !kinds.is_empty()
            && !kinds.contains(&event.kind)
        {
            // It was stored while the plugin was not loaded.
            return Some(unwanted(event, name, plugin.hash()));
        }
        Some(plugin.run(&name.handler, event, job, number, end_at.map(Instant::into_std)).await)
    }

    async fn abandoned(&self) {
        let mut abandon = self.abandon.subscribe();
        // The sender lives as long as the dispatcher, which this borrows.
        let _ = abandon.wait_for(|abandon| *abandon).await;
    }
}

fn unwanted(event: &Event, name: &HandlerName, plugin_hash: ContentHash) -> Attempt {
    Attempt {
        outcome: Outcome::Ignored(format!("{name} does not want the kind `{}`", event.kind)),
        log: Vec::new(),
        log_dropped: 0,
        duration: Duration::ZERO,
        cpu: Duration::ZERO,
        memory_peak: 0,
        kv: KvEffects::default(),
        requests: Vec::new(),
        sendings: Vec::new(),
        plugin_hash,
    }
}

/// Puts the requests of earlier runs before those of this one.
fn collect(requests: &mut Vec<OutgoingRequest>, attempt: &mut Attempt, run: u32) {
    for request in &mut attempt.requests {
        request.run = run;
    }
    requests.append(&mut attempt.requests);
    attempt.requests.clone_from(requests);
}

/// Whether the event was not handled, and was not rejected either.
fn failed(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Retry { .. } | Outcome::Trap(_) | Outcome::Timeout(_) | Outcome::Limit(_)
    )
}

/// The outcome as the sender sees it.
pub(super) fn ran(outcome: Outcome) -> Ran {
    match outcome {
        Outcome::Done { reply, .. } => Ran::Done(reply),
        Outcome::Ignored(_) => Ran::Ignored,
        Outcome::Reject(_) => Ran::Rejected,
        Outcome::Retry { .. } | Outcome::Trap(_) | Outcome::Timeout(_) | Outcome::Limit(_) => {
            Ran::Failed
        }
    }
}

fn record(started_at: Timestamp, attempt: &Attempt) -> AttemptRecord {
    AttemptRecord {
        started_at,
        duration: attempt.duration,
        outcome: retry::recorded(&attempt.outcome),
        message: message(&attempt.outcome).to_owned(),
        plugin_hash: attempt.plugin_hash.to_string(),
        log: attempt.log.iter().map(stored_line).collect(),
        log_dropped: u32::try_from(attempt.log_dropped).unwrap_or(u32::MAX),
        requests: attempt.requests.clone(),
    }
}

/// The record of an attempt that was cut off.
fn interrupted(started_at: Timestamp, message: &str) -> AttemptRecord {
    AttemptRecord {
        started_at,
        duration: Timestamp::now().saturating_since(started_at),
        outcome: AttemptOutcome::Interrupted,
        message: message.to_owned(),
        plugin_hash: String::new(),
        log: Vec::new(),
        log_dropped: 0,
        requests: Vec::new(),
    }
}

fn stored_line(line: &hookyard_runtime::LogLine) -> hookyard_store::LogLine {
    use hookyard_store::LogLevel as To;
    hookyard_store::LogLine {
        at: line.at.into(),
        level: match line.level {
            Level::Debug => To::Debug,
            Level::Info => To::Info,
            Level::Warn => To::Warn,
            Level::Error => To::Error,
        },
        message: line.message.clone(),
        fields: line.fields.clone(),
    }
}

/// Whether an attempt is on record.
#[derive(Debug)]
enum Recorded {
    Yes,
    No,
    /// What it read has changed.
    Conflict,
    /// What it changes cannot be.
    Refused(Refusal),
}

/// A lease that cannot be forgotten: if the attempt's task ends without saying how (a panic, an
/// abort), the attempt is recorded as interrupted and counts as a failed one.
pub(super) struct LeaseGuard {
    store: Arc<dyn Store>,
    lease: Option<Lease>,
    /// How the queue tries again; `None` where only the sender does.
    retry: Option<Retry>,
}

impl LeaseGuard {
    pub(super) fn new(store: Arc<dyn Store>, lease: Lease, retry: Option<Retry>) -> Self {
        Self { store, lease: Some(lease), retry }
    }

    /// Gives the lease back unused. A store without room is asked again until it has some: a lease
    /// that is kept stops its job until the next start.
    pub(super) async fn release(mut self) {
        let Some(lease) = self.lease.take() else { return };
        loop {
            match self.store.release(lease.clone()).await {
                Ok(()) => return,
                Err(StoreError::Full(_) | StoreError::Busy) => tokio::time::sleep(STORE_REST).await,
                Err(error) => {
                    tracing::warn!(
                        job = %lease.job(), %error,
                        "a lease could not be given back; the next start will"
                    );
                    return;
                }
            }
        }
    }

    /// Commits the attempt; whether it was. A store without room is asked again until it has
    /// some, because an effect that happened must be known; what plugins keep is no such effect, and
    /// without room for it the attempt is refused. After a conflict or a refusal the lease
    /// is still held.
    async fn complete(&mut self, completion: Completion) -> Recorded {
        let Some(lease) = self.lease.clone() else { return Recorded::No };
        let recorded = loop {
            match self.store.complete(lease.clone(), completion.clone()).await {
                Ok(Completed::Committed) => break Recorded::Yes,
                Ok(Completed::Conflict) => return Recorded::Conflict,
                Ok(Completed::Refused(refusal)) => return Recorded::Refused(refusal),
                Ok(Completed::LeaseLost) => {
                    tracing::warn!(job = %lease.job(), "the lease was lost; the outcome is dropped");
                    break Recorded::No;
                }
                Err(StoreError::Full(_))
                    if !completion.effects.writes.is_empty()
                        || !completion.effects.messages.is_empty() =>
                {
                    return Recorded::Refused(Refusal::NoRoom);
                }
                Err(StoreError::Full(_) | StoreError::Busy) => tokio::time::sleep(STORE_REST).await,
                Err(error) => {
                    tracing::error!(job = %lease.job(), %error, "the outcome could not be recorded");
                    break Recorded::No;
                }
            }
        };
        self.lease = None;
        recorded
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let store = Arc::clone(&self.store);
        let now = Timestamp::now();
        let message = "the attempt ended inside the daemon";
        // Counted like a trap: an event that makes the daemon panic must not do so for ever.
        let next = self.retry.take().map_or(Next::DeadLetter, |retry| {
            let outcome = Outcome::Trap(message.to_owned());
            retry::decide(&outcome, lease.attempt(), &retry, now, fastrand::f64())
        });
        runtime.spawn(async move {
            let record = interrupted(now, message);
            let completion = Completion { next, record, effects: Effects::default() };
            Self::new(store, lease, None).complete(completion).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use hookyard_store::sqlite::{SqliteOptions, SqliteStore};
    use hookyard_store::{Claimed, Ingested, JobState, LaneWant, NewEvent, NewJob};
    use hookyard_types::{EventId, Headers, Source};

    use super::*;

    const RETRY: Retry =
        Retry { max_attempts: 2, first: Duration::from_secs(60), max: Duration::from_secs(60) };

    fn event() -> Event {
        Event {
            id: EventId::new(),
            tenant: String::new(),
            source: Source::Route("in".to_owned()),
            kind: "push".to_owned(),
            delivery_id: None,
            received_at: Timestamp::now(),
            method: "POST".to_owned(),
            path: "/in".to_owned(),
            query: None,
            params: Vec::new(),
            headers: Headers::default(),
            body: bytes::Bytes::new(),
            client: None,
            unauthenticated: Vec::new(),
            caused_by: None,
            firing: None,
            traceparent: None,
        }
    }

    /// Drops a guard and says in which state its job is then.
    async fn dropped(
        store: &Arc<dyn Store>,
        event: EventId,
        lease: Lease,
        retry: Option<Retry>,
    ) -> JobState {
        drop(LeaseGuard::new(Arc::clone(store), lease, retry));
        for _ in 0..500 {
            let detail = store.event(event).await.expect("reads").expect("is there");
            let job = detail.jobs.into_iter().next().expect("has a job");
            if job.state != JobState::Running {
                return job.state;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the lease was forgotten");
    }

    #[tokio::test]
    async fn an_attempt_that_ends_without_a_word_is_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let options =
            SqliteOptions { min_free: 0, ..SqliteOptions::new(folder.path().join("store.db")) };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(options).await.expect("opens"));
        let target = Target::Handler("p/h".parse().expect("a name"));
        let ingest = async || {
            let job = NewJob { target: target.clone(), order_key: None, lease: true };
            let new =
                NewEvent { event: event(), dedupe: Vec::new(), jobs: vec![job], due_at: None };
            match store.ingest(new).await.expect("stores") {
                Ingested::Stored(stored) => {
                    (stored.id(), stored.into_leases().remove(0).expect("is leased"))
                }
                other => panic!("{other:?}"),
            }
        };

        let (id, lease) = ingest().await;
        assert_eq!(dropped(&store, id, lease, Some(RETRY)).await, JobState::Ready);
        let later = Timestamp::now().saturating_add(RETRY.max);
        let want = vec![LaneWant { lane: "p".to_owned(), max: 1 }];
        let claims = store.claim(want, later).await.expect("claims");
        let Claimed { lease, .. } = claims.jobs.into_iter().next().expect("is due");
        assert_eq!(lease.attempt(), 2);
        assert_eq!(dropped(&store, id, lease, Some(RETRY)).await, JobState::DeadLetter);

        // Where only the sender tries again, the queue does not.
        let (id, lease) = ingest().await;
        assert_eq!(dropped(&store, id, lease, None).await, JobState::DeadLetter);
    }
}
