//! Schedules: from the configuration and the clock to events.
//!
//! [`machine`] decides and does nothing else; this module is the I/O round it. What a schedule has
//! settled is in the store, written with the event of each firing: a crash loses none and makes none
//! twice.

pub(crate) mod expression;
mod machine;
#[cfg(test)]
mod tests;
mod timing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hookyard_store::{Fired, NewFiring, NewSchedule, Store, StoreError, WhileGoing};
use hookyard_types::{Target, Timestamp};
use tokio::sync::{Notify, watch};

use crate::config::{Config, Overlap, Schedule};
use crate::event;
use crate::live::Live;
use crate::moment;
use machine::{Rule, Step};

pub(crate) use machine::Missed;
pub(crate) use timing::Timing;

/// A timer is never trusted for longer than this: the wall clock may jump.
const LONGEST_NAP: Duration = Duration::from_secs(15);

/// How long it rests after the store refused something.
const STORE_REST: Duration = Duration::from_secs(1);

/// Makes the events of the schedules of the configuration in force.
pub(crate) struct Scheduler {
    store: Arc<dyn Store>,
    live: Arc<Live>,
    /// The configuration has changed.
    changed: Notify,
}

/// Why a schedule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Its time has come.
    Due,
    /// Its time came when the daemon was not there.
    Missed,
    /// Somebody asked for it.
    Manual,
}

impl Reason {
    /// The word for it, in the event and in logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Missed => "missed",
            Self::Manual => "manual",
        }
    }
}

/// What is known of the schedules of one configuration.
struct Known {
    config: Arc<Config>,
    /// By name.
    schedules: HashMap<String, State>,
    looked_at: Timestamp,
}

struct State {
    settled: Timestamp,
    seed: u64,
    /// When it is looked at next; `None` for never.
    wake: Option<Timestamp>,
}

impl Scheduler {
    pub(crate) fn new(store: Arc<dyn Store>, live: Arc<Live>) -> Arc<Self> {
        Arc::new(Self { store, live, changed: Notify::new() })
    }

    /// To be called when the configuration has changed.
    pub(crate) fn configure(&self) {
        self.changed.notify_one();
    }

    /// Fires what is due, until `stop` is set.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut awake_since = Timestamp::now();
        let mut known = None;
        while !*stop.borrow() {
            let now = Timestamp::now();
            // A clock that is set back says nothing of when the daemon began.
            awake_since = awake_since.min(now);
            let nap = match self.look(&mut known, awake_since, now).await {
                Ok(wake) => wake
                    .map_or(LONGEST_NAP, |wake| wake.saturating_since(Timestamp::now()))
                    .min(LONGEST_NAP),
                Err(StoreError::Closed | StoreError::Untrusted(_)) => return,
                Err(error) => {
                    tracing::warn!(%error, "no schedule can fire now; trying again");
                    STORE_REST
                }
            };
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                () = self.changed.notified() => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Makes an event of a schedule now, whatever its time; `None` when there is no such schedule.
    pub(crate) async fn run_now(&self, name: &str) -> Result<Option<Fired>, StoreError> {
        let config = self.live.config();
        let Some(schedule) = config.schedule(name) else { return Ok(None) };
        let fired = self.fire(schedule, Timestamp::now(), Reason::Manual).await?;
        if let Fired::Stored(event) = fired {
            tracing::info!(schedule = name, %event, "fired because somebody asked for it");
        }
        Ok((fired != Fired::Unknown).then_some(fired))
    }

    /// Fires what is due; returns when something will be.
    async fn look(
        &self,
        known: &mut Option<Known>,
        awake_since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let config = self.live.config();
        let known = match known {
            Some(known) if Arc::ptr_eq(&known.config, &config) => known,
            _ => known.insert(self.know(config, now).await?),
        };
        let set_back = now < known.looked_at;
        known.looked_at = now;
        let mut first: Option<Timestamp> = None;
        for schedule in &known.config.schedules {
            let Some(state) = known.schedules.get_mut(&schedule.name) else { continue };
            if set_back || state.wake.is_some_and(|wake| wake <= now) {
                self.advance(schedule, state, awake_since, now).await?;
            }
            first = first.into_iter().chain(state.wake).min();
        }
        Ok(first)
    }

    /// Tells the store which schedules there are, and learns what they have settled.
    async fn know(&self, config: Arc<Config>, now: Timestamp) -> Result<Known, StoreError> {
        let schedules = config.schedules.iter().map(|schedule| NewSchedule {
            name: schedule.name.clone(),
            timing: schedule.timing.to_string(),
            seed: fastrand::u64(..),
        });
        let states = self.store.set_schedules(schedules.collect(), now).await?;
        if !states.is_empty() {
            tracing::info!(schedules = states.len(), "following the schedules");
        }
        let schedules = states.into_iter().map(|state| {
            let looked_at_once = Some(now);
            (state.name, State { settled: state.settled, seed: state.seed, wake: looked_at_once })
        });
        Ok(Known { schedules: schedules.collect(), config, looked_at: now })
    }

    /// Does all that is to be done for a schedule now.
    async fn advance(
        &self,
        schedule: &Schedule,
        state: &mut State,
        awake_since: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let name = schedule.name.as_str();
        let rule = Rule {
            timing: &schedule.timing,
            jitter: schedule.jitter,
            missed: schedule.missed,
            seed: state.seed,
        };
        loop {
            match rule.step(state.settled, awake_since, now) {
                Step::Wait(wake) => {
                    state.wake = wake;
                    return Ok(());
                }
                Step::Fire { scheduled_at, missed, passes } => {
                    let at = moment::text(scheduled_at);
                    if passes {
                        tracing::warn!(
                            schedule = name,
                            scheduled_at = at,
                            "times before this one were missed and are passed over"
                        );
                    }
                    let reason = if missed { Reason::Missed } else { Reason::Due };
                    match self.fire(schedule, scheduled_at, reason).await? {
                        Fired::Stored(event) => {
                            let reason = reason.as_str();
                            tracing::info!(schedule = name, %event, scheduled_at = at, reason, "fired");
                        }
                        Fired::StillGoing(event) => tracing::warn!(
                            schedule = name,
                            scheduled_at = at,
                            going = %event,
                            "left out, as an earlier run is still going: `overlap` is \"skip\""
                        ),
                        // Another part of the daemon cannot have settled it, and if one did, it is.
                        Fired::Settled | Fired::Unknown => {}
                    }
                    state.settled = scheduled_at;
                }
                Step::Pass { until } => {
                    self.store.settle(name, until).await?;
                    tracing::warn!(
                        schedule = name,
                        until = moment::text(until),
                        "what was missed is passed over: `missed` is \"skip\""
                    );
                    state.settled = until;
                }
                Step::Restart => {
                    self.store.settle(name, now).await?;
                    tracing::warn!(
                        schedule = name,
                        settled = moment::text(state.settled),
                        "the clock was far ahead when this schedule fired last; it goes on from now"
                    );
                    state.settled = now;
                }
            }
        }
    }

    async fn fire(
        &self,
        schedule: &Schedule,
        scheduled_at: Timestamp,
        reason: Reason,
    ) -> Result<Fired, StoreError> {
        let event = event::from_schedule(schedule, scheduled_at, reason, Timestamp::now());
        let firing = NewFiring {
            schedule: schedule.name.clone(),
            scheduled_at,
            settles: reason != Reason::Manual,
            while_going: match schedule.overlap {
                Overlap::Skip => WhileGoing::Skip,
                Overlap::Queue => WhileGoing::Wait,
                Overlap::Allow => WhileGoing::Join,
            },
            event,
            targets: schedule.handlers.iter().map(|h| Target::Handler(h.name.clone())).collect(),
        };
        self.store.fire(firing).await
    }
}
