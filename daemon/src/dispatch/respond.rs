//! `respond` routes: the sender waits for its handler.

use std::sync::Arc;
use std::time::Duration;

use hookyard_store::{
    Claimed, Completed, Duplicate, Ingested, NewEvent, Next, Resend, StoreError, Stored,
    StoredReply,
};
use hookyard_types::{Event, HandlerName, JobId, Target};
use tokio::sync::watch;
use tokio::time::Instant;

use super::attempt::{LeaseGuard, Waited, ran};
use super::effects::{Run, before, end_late, give_up};
use super::turns::{Held, Reruns};
use super::{Dispatcher, Permit, Ran};
use crate::config;

/// What a `respond` route's sender is told.
#[derive(Debug)]
pub(crate) enum Respond {
    /// The handler ran, and its outcome is committed.
    Ran(Ran),
    /// The handler had answered this delivery before.
    Again(Option<StoredReply>),
    /// The deadline came first; the event is durable and the queue has it.
    Queued(Ingested),
    /// The deadline came first, and the route has no fallback.
    TooLate,
    /// A forgery: its one-time token came with another body before. Nothing of it is stored.
    TokenReused,
}

/// The event was not taken in; the sender has to come back.
#[derive(Debug)]
pub(crate) enum Unavailable {
    /// The handler's plugin is not loaded.
    NoPlugin,
    /// Too many attempts of the handler's plugin in a row broke: none is made for so long.
    Paused(Duration),
    /// No attempt could begin before the deadline.
    NoRoom,
    Store(StoreError),
}

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Dispatcher {
    /// Stores the event, which has one job, runs it and waits for the outcome until the deadline.
    ///
    /// A repeated delivery that has not succeeded is tried again at once, by the handler that the
    /// route has now, or waits for the attempt that is running.
    ///
    /// The work is done in a task of its own: a sender that hangs up must not leave a lease that
    /// nobody uses.
    pub(crate) async fn respond(
        self: &Arc<Self>,
        new: NewEvent,
        target: Target,
        route: config::Respond,
    ) -> Result<Respond, Unavailable> {
        let dispatcher = Arc::clone(self);
        let task =
            tokio::spawn(async move { dispatcher.store_and_run(new, &target, &route).await });
        task.await.unwrap_or(Ok(Respond::Ran(Ran::Failed)))
    }

    async fn store_and_run(
        self: &Arc<Self>,
        new: NewEvent,
        target: &Target,
        route: &config::Respond,
    ) -> Result<Respond, Unavailable> {
        let deadline = Instant::now() + route.deadline;
        let lane = &target.lane(&new.event.source);
        if !self.lanes.lock().is_open(lane) {
            return Err(Unavailable::NoPlugin);
        }
        let permit = match tokio::time::timeout_at(deadline, self.permit_first(lane)).await {
            Ok(Err(Unavailable::Paused(_))) if route.fallback_to_queue => {
                return self.queue_instead(new, target).await;
            }
            Ok(permit) => permit?,
            Err(_) if route.fallback_to_queue => return self.queue_instead(new, target).await,
            Err(_) => return Err(Unavailable::NoRoom),
        };
        let event = new.event.clone();
        match self.store.ingest(new).await? {
            Ingested::Stored(stored) => match leased(&stored, target, event) {
                Some(claimed) => {
                    let durable = Ingested::Stored(stored);
                    Ok(self.run_until(permit, claimed, route, deadline, durable).await)
                }
                // The job waits behind its order key: only the queue can run it.
                None => Ok(too_late(route, Ingested::Stored(stored))),
            },
            Ingested::Duplicate(duplicate) => {
                self.resent(permit, duplicate, target, route, deadline).await
            }
            Ingested::TokenReused => Ok(Respond::TokenReused),
        }
    }

    /// Runs a handler on an event that is not stored (`store = false`). What the attempt changes is
    /// committed before this returns, or the error says that it is not.
    pub(crate) async fn respond_unstored(
        self: &Arc<Self>,
        event: Event,
        name: &HandlerName,
        route: &config::Respond,
    ) -> Result<Ran, Unavailable> {
        let deadline = Instant::now() + route.deadline;
        let permit = tokio::time::timeout_at(deadline, self.permit_first(&name.plugin))
            .await
            .map_err(|_| Unavailable::NoRoom)??;
        let job = JobId::new();
        let mut reruns = Reruns::default();
        let attempt = loop {
            let held = before(Some(deadline), reruns.turn(&self.turns)).await.flatten();
            let end = Held::end(held.as_ref(), Some(deadline));
            let mut attempt =
                self.call(name, &event, job, 1, end).await.ok_or(Unavailable::NoPlugin)?;
            permit.judge(&name.plugin, &attempt, end);
            Held::explain(held.as_ref(), Some(deadline), &mut attempt);
            let run =
                self.to_commit(name, &event, &mut attempt, &reruns, held, Some(deadline)).await;
            let committed = match run {
                Run::Commit(effects, _) if effects.is_empty() => Completed::Committed,
                Run::Commit(effects, _held) => self.store.commit(effects).await?,
                Run::Again => Completed::Conflict,
                Run::TooLate => {
                    end_late(&mut attempt);
                    Completed::Committed
                }
            };
            match committed {
                Completed::Conflict if reruns.again(&attempt) => continue,
                Completed::Conflict => give_up(&mut attempt, &reruns),
                Completed::Refused(refusal) => self.refuse(name, &mut attempt, &refusal),
                Completed::Committed | Completed::LeaseLost => {}
            }
            break attempt;
        };
        drop(permit);
        self.report(&event, name, 1, &attempt, &Next::Ignored);
        Ok(ran(attempt.outcome))
    }

    async fn resent(
        self: &Arc<Self>,
        permit: Permit,
        duplicate: Duplicate,
        target: &Target,
        route: &config::Respond,
        deadline: Instant,
    ) -> Result<Respond, Unavailable> {
        let id = duplicate.id();
        let lane = permit.lane.clone();
        let mut permit = Some(permit);
        loop {
            let permit_now = match permit.take() {
                Some(permit) => permit,
                None => match tokio::time::timeout_at(deadline, self.permit_first(&lane)).await {
                    Ok(Err(Unavailable::Paused(_))) if route.fallback_to_queue => {
                        return self.leave_to_queue(duplicate, target).await;
                    }
                    Ok(permit) => permit?,
                    Err(_) => return self.resent_too_late(route, duplicate, target).await,
                },
            };
            let now = hookyard_types::Timestamp::now();
            match self.store.resend(id, target, now).await? {
                Resend::Claimed(claimed) => {
                    let durable = Ingested::Duplicate(duplicate);
                    return Ok(self
                        .run_until(permit_now, *claimed, route, deadline, durable)
                        .await);
                }
                Resend::Succeeded(reply) => return Ok(Respond::Again(reply)),
                Resend::Running(job) => {
                    // Others can use it meanwhile.
                    drop(permit_now);
                    if tokio::time::timeout_at(deadline, self.attempt_over(job)).await.is_err() {
                        return self.resent_too_late(route, duplicate, target).await;
                    }
                }
                Resend::Gone => return Ok(Respond::TooLate),
            }
        }
    }

    /// Makes the attempt. Without a fallback it ends at the deadline, and its outcome is committed
    /// before the answer; with one it goes on past the deadline as the queue's.
    async fn run_until(
        self: &Arc<Self>,
        permit: Permit,
        claimed: Claimed,
        route: &config::Respond,
        deadline: Instant,
        durable: Ingested,
    ) -> Respond {
        let waited = Waited {
            end_at: (!route.fallback_to_queue).then_some(deadline),
            queue_retries: route.fallback_to_queue,
        };
        let job = claimed.lease.job();
        let responding = Responding::begin(Arc::clone(self), job);
        let attempt =
            async move { responding.dispatcher.attempt(permit, claimed, Some(waited)).await };
        if !route.fallback_to_queue {
            return Respond::Ran(attempt.await);
        }
        let mut running = tokio::spawn(attempt);
        match tokio::time::timeout_at(deadline, &mut running).await {
            Ok(ran) => Respond::Ran(ran.unwrap_or(Ran::Failed)),
            Err(_) => too_late(route, durable),
        }
    }

    /// Returns when the attempt of `job` that runs now is over, at once if none does.
    async fn attempt_over(&self, job: JobId) {
        let watched = self.responding.lock().get(&job).cloned();
        match watched {
            Some(mut watched) => {
                // An error says that the sender is gone: the attempt is over.
                let _ = watched.changed().await;
            }
            // The queue runs it: look again soon.
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }

    /// Leaves the event to the queue, no attempt of it having begun in time.
    async fn queue_instead(
        self: &Arc<Self>,
        mut new: NewEvent,
        target: &Target,
    ) -> Result<Respond, Unavailable> {
        for job in &mut new.jobs {
            job.lease = false;
        }
        let duplicate = match self.store.ingest(new).await? {
            stored @ Ingested::Stored(_) => return Ok(Respond::Queued(stored)),
            Ingested::Duplicate(duplicate) => duplicate,
            Ingested::TokenReused => return Ok(Respond::TokenReused),
        };
        self.leave_to_queue(duplicate, target).await
    }

    /// The deadline of a resend has come before an attempt of its own began.
    async fn resent_too_late(
        self: &Arc<Self>,
        route: &config::Respond,
        duplicate: Duplicate,
        target: &Target,
    ) -> Result<Respond, Unavailable> {
        match route.fallback_to_queue {
            true => self.leave_to_queue(duplicate, target).await,
            false => Ok(Respond::TooLate),
        }
    }

    /// Makes sure that the queue has a job of an event that is stored already: its sender may be told
    /// so only then. The attempt that it waited for can have ended as a dead letter.
    async fn leave_to_queue(
        self: &Arc<Self>,
        duplicate: Duplicate,
        target: &Target,
    ) -> Result<Respond, Unavailable> {
        let now = hookyard_types::Timestamp::now();
        match self.store.resend(duplicate.id(), target, now).await? {
            Resend::Claimed(claimed) => {
                // Given back unused, a dead letter is due again.
                LeaseGuard::new(Arc::clone(&self.store), claimed.lease, None).release().await;
                Ok(Respond::Queued(Ingested::Duplicate(duplicate)))
            }
            Resend::Running(_) => Ok(Respond::Queued(Ingested::Duplicate(duplicate))),
            Resend::Succeeded(reply) => Ok(Respond::Again(reply)),
            Resend::Gone => Ok(Respond::TooLate),
        }
    }

    /// A permit, as soon as the lane has one.
    async fn permit_first(self: &Arc<Self>, lane: &str) -> Result<Permit, Unavailable> {
        loop {
            let freed = self.room.notified();
            {
                let mut lanes = self.lanes.lock();
                let now = std::time::Instant::now();
                if let Some(ticket) = lanes.reserve_first(lane, now) {
                    return Ok(self.permit(lane, ticket));
                }
                if !lanes.is_open(lane) {
                    return Err(Unavailable::NoPlugin);
                }
                if let Some(wait) = lanes.pause(lane, now) {
                    return Err(Unavailable::Paused(wait));
                }
            }
            freed.await;
        }
    }
}

/// Marks a job as running for a sender, for the senders that come with the same delivery.
struct Responding {
    dispatcher: Arc<Dispatcher>,
    job: JobId,
    /// Closes when the attempt is over, however it ended.
    _over: watch::Sender<()>,
}

impl Responding {
    fn begin(dispatcher: Arc<Dispatcher>, job: JobId) -> Self {
        let (over, watched) = watch::channel(());
        dispatcher.responding.lock().insert(job, watched);
        Self { dispatcher, job, _over: over }
    }
}

impl Drop for Responding {
    fn drop(&mut self) {
        self.dispatcher.responding.lock().remove(&self.job);
    }
}

fn too_late(route: &config::Respond, durable: Ingested) -> Respond {
    if route.fallback_to_queue { Respond::Queued(durable) } else { Respond::TooLate }
}

fn leased(stored: &Stored, target: &Target, event: Event) -> Option<Claimed> {
    let lease = stored.leases().first()?.clone()?;
    Some(Claimed { lease, target: target.clone(), event })
}
