//! From a stored event to a finished job: who runs when, and what an attempt's outcome leads to.
//!
//! [`lanes`] and [`retry`] decide and do nothing else; this module is the I/O round them. An event
//! whose lane has a permit is handed over in memory with its lease already written; everything
//! else waits in the store and is claimed by [`Dispatcher::run`]. The database is the truth.

mod attempt;
mod breaker;
mod effects;
mod lanes;
mod report;
mod respond;
mod retry;
mod share;
mod turns;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hookyard_runtime::{Attempt, Plugins};
use hookyard_store::{Claimed, Dedupe, Ingested, NewEvent, NewJob, Store, StoreError};
use hookyard_types::{Event, JobId, Source, Target, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};

pub(crate) use attempt::Ran;
pub(crate) use lanes::Paused;
pub(crate) use respond::{Respond, Unavailable};

use crate::config::RouteHandler;
use crate::live::Live;
use breaker::{Change, Verdict};
use lanes::{Lanes, Place, Plan, Setup, Ticket, Want};
use share::LogShares;
use turns::Turns;

/// A timer is never trusted for longer than this: the wall clock may jump.
const LONGEST_NAP: Duration = Duration::from_secs(15);

/// How long the claim loop rests after the store refused a claim.
const CLAIM_REST: Duration = Duration::from_millis(500);

/// Runs jobs.
pub(crate) struct Dispatcher {
    store: Arc<dyn Store>,
    plugins: Arc<Plugins>,
    live: Arc<Live>,
    lanes: Mutex<Lanes>,
    /// A permit came back, or lanes were opened: for the claim loop.
    freed: Notify,
    /// The same, for everybody else who waits.
    room: Notify,
    /// Jobs of `respond` routes that run now; the channel closes when the attempt is over.
    responding: Mutex<HashMap<JobId, watch::Receiver<()>>>,
    /// Who may change what plugins keep.
    turns: Turns,
    /// What plugins may write into the daemon's log.
    log_shares: Arc<LogShares>,
    /// `true` once the attempts that still run are to be given up.
    abandon: watch::Sender<bool>,
}

/// The right to run one attempt in a lane; given back when dropped.
struct Permit {
    dispatcher: Arc<Dispatcher>,
    lane: String,
    ticket: Ticket,
}

impl Permit {
    /// Takes in what an attempt says of `plugin`, whose lane this is; `end` is when it had to end in
    /// any case.
    fn judge(&self, plugin: &str, attempt: &Attempt, end: Option<tokio::time::Instant>) {
        let now = Instant::now();
        let end = end.map(tokio::time::Instant::into_std);
        let verdict = Verdict::of(attempt, end, now);
        let change = self.dispatcher.lanes.lock().judge(&self.lane, self.ticket, verdict, now);
        match change {
            None => {}
            Some(Change::Opened { failures, pause }) => tracing::error!(
                plugin,
                failures,
                pause = %humantime::format_duration(pause),
                last = report::message(&attempt.outcome),
                "plugin paused, as so many attempts in a row trapped or crossed a limit: its jobs                  wait, and one is tried after the pause; put a mended version into the plugins                  folder, or change its limits or settings under `[plugin.{plugin}]`, to go on at once"
            ),
            Some(Change::Closed) => {
                tracing::info!(plugin, "plugin goes on: the attempt after its pause did not break");
                self.dispatcher.notify_freed();
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.dispatcher.lanes.lock().finish(&self.lane, self.ticket);
        self.dispatcher.notify_freed();
    }
}

impl Dispatcher {
    pub(crate) fn new(store: Arc<dyn Store>, plugins: Arc<Plugins>, live: Arc<Live>) -> Arc<Self> {
        let dispatcher = Arc::new(Self {
            store,
            plugins,
            live,
            lanes: Mutex::default(),
            freed: Notify::new(),
            room: Notify::new(),
            responding: Mutex::default(),
            turns: Turns::default(),
            log_shares: Arc::default(),
            abandon: watch::Sender::new(false),
        });
        dispatcher.configure();
        dispatcher
    }

    /// Opens the lanes of the plugins that are loaded, with the limits of the configuration in
    /// force. To be called when either has changed.
    pub(crate) fn configure(&self) {
        let config = self.live.config();
        let known = self.plugins.status();
        let mut plan = Plan { limit: config.runtime.concurrency, ..Plan::default() };
        for known in known.iter() {
            let Some(plugin) = self.plugins.plugin(&known.name) else { continue };
            let name = &known.name;
            let setup = Setup { hash: plugin.hash(), plugin: config.plugin(name) };
            plan.plugins.insert(name.clone(), setup);
            plan.lanes.insert(name.clone(), Place { plugin: name.clone(), topic: None });
        }
        for (topic, queue) in &config.queues {
            plan.topics.insert(topic.clone(), queue.concurrency);
            let source = Source::Queue(topic.clone());
            for RouteHandler { name, .. } in &queue.handlers {
                if plan.plugins.contains_key(&name.plugin) {
                    let place = Place { plugin: name.plugin.clone(), topic: Some(topic.clone()) };
                    plan.lanes.insert(Target::Handler(name.clone()).lane(&source), place);
                }
            }
        }
        self.lanes.lock().configure(plan);
        self.notify_freed();
    }

    /// The plugins whose jobs wait because too many attempts in a row broke, by name.
    pub(crate) fn paused(&self) -> Vec<Paused> {
        self.lanes.lock().paused()
    }

    fn notify_freed(&self) {
        self.freed.notify_one();
        self.room.notify_waiters();
    }

    /// Stores an event with a job for each target and runs what there is room for at once; returns
    /// as soon as it is durable.
    ///
    /// The work is done in a task of its own: a sender that hangs up must not leave a lease that
    /// nobody uses.
    pub(crate) async fn enqueue(
        self: &Arc<Self>,
        event: Event,
        dedupe: Vec<Dedupe>,
        targets: Vec<Target>,
    ) -> Result<Ingested, StoreError> {
        let (answer, answered) = oneshot::channel();
        let dispatcher = Arc::clone(self);
        tokio::spawn(
            async move { dispatcher.store_and_start(event, dedupe, targets, answer).await },
        );
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn store_and_start(
        self: Arc<Self>,
        event: Event,
        dedupe: Vec<Dedupe>,
        targets: Vec<Target>,
        answer: oneshot::Sender<Result<Ingested, StoreError>>,
    ) {
        let permits: Vec<Option<Permit>> =
            targets.iter().map(|target| self.reserve(&target.lane(&event.source))).collect();
        let jobs = targets.iter().zip(&permits).map(|(target, permit)| NewJob {
            target: target.clone(),
            order_key: None,
            lease: permit.is_some(),
        });
        let new = NewEvent { event: event.clone(), dedupe, jobs: jobs.collect(), due_at: None };
        let ingested = self.store.ingest(new).await;
        let leases = match &ingested {
            Ok(Ingested::Stored(stored)) => stored.leases().to_vec(),
            Ok(Ingested::Duplicate(_) | Ingested::TokenReused) | Err(_) => Vec::new(),
        };
        // The sender may have gone; the event is stored all the same.
        let _ = answer.send(ingested);
        let mut started =
            leases.into_iter().zip(permits).zip(targets).filter_map(|((lease, permit), target)| {
                let claimed = Claimed { lease: lease?, target, event: event.clone() };
                Some((permit?, claimed))
            });
        let first = started.next();
        for (permit, claimed) in started {
            self.start(permit, claimed);
        }
        if let Some((permit, claimed)) = first {
            self.attempt(permit, claimed, None).await;
        }
    }

    /// A permit for an event that has just arrived, if its lane is free.
    fn reserve(self: &Arc<Self>, lane: &str) -> Option<Permit> {
        let ticket = self.lanes.lock().reserve(lane, Instant::now())?;
        Some(self.permit(lane, ticket))
    }

    /// Runs a leased job in a task of its own.
    fn start(self: &Arc<Self>, permit: Permit, claimed: Claimed) {
        let dispatcher = Arc::clone(self);
        tokio::spawn(async move { dispatcher.attempt(permit, claimed, None).await });
    }

    /// Claims what is due and runs it, until `stop` is set. Never returns on an error.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut plugins_changed = self.plugins.changed();
        // What was loaded since `new` is no change to this receiver.
        self.configure();
        // The earliest that any claim has told of since every lane was looked at: a claim that
        // looks at some lanes, or at none, knows nothing of the others' jobs.
        let mut due = None;
        while !*stop.borrow() {
            let nap = match self.claim().await {
                Ok(Claim { next_due, more }) => {
                    due = due.into_iter().chain(next_due).min();
                    if more {
                        continue;
                    }
                    let now = Instant::now();
                    let probe = self.lanes.lock().next_probe(now);
                    let probe = probe.map(|at| at.saturating_duration_since(now));
                    let due = due.map(|due: Timestamp| due.saturating_since(Timestamp::now()));
                    due.into_iter().chain(probe).min().unwrap_or(LONGEST_NAP).min(LONGEST_NAP)
                }
                Err(StoreError::Closed | StoreError::Untrusted(_)) => return,
                Err(error) => {
                    tracing::warn!(%error, "no job can be claimed now; trying again");
                    CLAIM_REST
                }
            };
            tokio::select! {
                () = self.store.wake() => self.lanes.lock().expect_backlog(),
                () = tokio::time::sleep(nap) => {
                    due = None;
                    self.lanes.lock().expect_backlog();
                }
                () = self.freed.notified() => {}
                changed = plugins_changed.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.configure();
                }
                _ = stop.changed() => {}
            }
        }
    }

    /// Waits until no attempt runs; at `deadline` the rest is given up and its leases go back.
    pub(crate) async fn finish(&self, deadline: tokio::time::Instant) {
        if tokio::time::timeout_at(deadline, self.idle()).await.is_err() {
            tracing::warn!(
                running = self.lanes.lock().running(),
                "giving up attempts that still run"
            );
            self.abandon.send_replace(true);
            // Only the leases' way back is waited for here, which is the store's work.
            let _ = tokio::time::timeout(Duration::from_secs(5), self.idle()).await;
        }
    }

    async fn idle(&self) {
        loop {
            let freed = self.room.notified();
            if self.lanes.lock().running() == 0 {
                return;
            }
            freed.await;
        }
    }

    async fn claim(self: &Arc<Self>) -> Result<Claim, StoreError> {
        let wants = self.lanes.lock().begin_claim(Instant::now());
        if wants.is_empty() {
            return Ok(Claim { next_due: None, more: false });
        }
        let asked = wants.iter().map(|want| want.want.clone()).collect();
        let claims = match self.store.claim(asked, Timestamp::now()).await {
            Ok(claims) => claims,
            Err(error) => {
                self.settle(&wants, &HashMap::new());
                self.lanes.lock().expect_backlog();
                return Err(error);
            }
        };
        let mut got: HashMap<String, usize> = HashMap::new();
        for claimed in &claims.jobs {
            *got.entry(lane_of(claimed)).or_default() += 1;
        }
        let more = self.settle(&wants, &got);
        let tickets: HashMap<&str, Ticket> =
            wants.iter().map(|want| (want.want.lane.as_str(), want.ticket)).collect();
        for claimed in claims.jobs {
            // The store gives what it is asked for, and no other lane's.
            let lane = lane_of(&claimed);
            let Some(ticket) = tickets.get(lane.as_str()) else { continue };
            let permit = self.permit(&lane, *ticket);
            self.start(permit, claimed);
        }
        Ok(Claim { next_due: claims.next_due, more })
    }

    /// Gives back the permits that the claim did not use; whether another claim may bring more at
    /// once.
    fn settle(&self, wants: &[Want], got: &HashMap<String, usize>) -> bool {
        let mut lanes = self.lanes.lock();
        let mut full = false;
        for want in wants {
            let got = got.get(&want.want.lane).copied().unwrap_or(0);
            lanes.end_claim(want, got);
            full |= got == want.want.max;
        }
        let passed_over = lanes.passed_over(wants, Instant::now());
        drop(lanes);
        // For a sender that found the permits taken by this claim.
        self.room.notify_waiters();
        full || passed_over
    }

    fn permit(self: &Arc<Self>, lane: &str, ticket: Ticket) -> Permit {
        Permit { dispatcher: Arc::clone(self), lane: lane.to_owned(), ticket }
    }
}

fn lane_of(claimed: &Claimed) -> String {
    claimed.target.lane(&claimed.event.source)
}

/// What a claim says about the next one.
struct Claim {
    /// When the next job of the lanes that it looked at will be due.
    next_due: Option<Timestamp>,
    /// A lane got all that it asked for, or was not asked for another's sake: there may be more.
    more: bool,
}
