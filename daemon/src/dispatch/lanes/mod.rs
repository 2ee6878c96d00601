//! Who may run what: a pure account of running attempts, by lane and in all.
//!
//! A lane is a plugin, or what a topic has for one plugin. Each stands under [`caps`]: that of all
//! attempts, its plugin's concurrency, and its topic's. A lane is open while its plugin is loaded;
//! jobs of a closed lane stay in the store, and so do those of every lane of a plugin whose
//! [`Breaker`] is open. Nothing here reads a clock or does I/O.

mod caps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hookyard_runtime::ContentHash;
use hookyard_store::LaneWant;

use super::breaker::{Breaker, Change, Verdict};
use crate::config;
use caps::{Cap, Caps, Sharers};

/// How many jobs of a lane one claim asks for at most, so that no lane's backlog delays the others.
const CLAIM_BATCH: usize = 64;

/// The account. Every permit that is taken is given back once, by [`Lanes::finish`].
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    caps: Caps,
    lanes: BTreeMap<String, Lane>,
    plugins: BTreeMap<String, Plugin>,
    /// The lane that is served first in the next claim.
    turn: usize,
}

/// What there is to run, and how much of it at one time.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Of all lanes together.
    pub(crate) limit: usize,
    /// Those that are loaded.
    pub(crate) plugins: BTreeMap<String, Setup>,
    /// How many attempts of each topic, all its plugins together.
    pub(crate) topics: BTreeMap<String, usize>,
    /// The lanes, of loaded plugins only.
    pub(crate) lanes: BTreeMap<String, Place>,
}

/// Whose a lane is; its name says it, and it never changes.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) plugin: String,
    pub(crate) topic: Option<String>,
}

/// What a plugin's lanes run. When it changes, their breaker closes: what broke may be mended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setup {
    /// The plugin's file.
    pub(crate) hash: ContentHash,
    /// Its table.
    pub(crate) plugin: config::Plugin,
}

/// What all lanes of a plugin share, beside its cap.
#[derive(Debug)]
struct Plugin {
    setup: Setup,
    breaker: Breaker,
}

#[derive(Debug)]
struct Lane {
    plugin: String,
    /// What it stands under.
    caps: Vec<Cap>,
    running: usize,
    open: bool,
    /// Due jobs may be in the store: a new event must not overtake them.
    backlog: bool,
    /// `backlog` was set again while a claim was on its way, which may have looked before.
    missed: bool,
}

/// A permit: the right to run one attempt in a lane, and the number that its plugin's breaker has
/// for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// What a claim may bring of one lane.
#[derive(Clone, Debug)]
pub(crate) struct Want {
    pub(crate) want: LaneWant,
    /// Of each of the permits.
    pub(crate) ticket: Ticket,
}

/// Why a plugin's jobs wait though it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paused {
    pub(crate) plugin: String,
    /// Attempts in a row that broke.
    pub(crate) failures: u32,
    /// When the next one may be made; `None` while it is being made.
    pub(crate) until: Option<Instant>,
}

impl Lanes {
    /// Sets the limits and opens exactly the lanes of `plan`, which are claimed for first.
    pub(crate) fn configure(&mut self, plan: Plan) {
        self.caps.set(Cap::All, plan.limit);
        for (name, setup) in plan.plugins {
            self.caps.set(Cap::Plugin(name.clone()), setup.plugin.limits.concurrency);
            self.plugins.entry(name).or_insert_with(|| Plugin::new(setup.clone())).set(setup);
        }
        for (topic, limit) in plan.topics {
            self.caps.set(Cap::Topic(topic), limit);
        }
        for lane in self.lanes.values_mut() {
            lane.open = false;
        }
        for (name, place) in plan.lanes {
            let lane = self.lanes.entry(name).or_insert_with(|| Lane::new(place));
            lane.open = true;
            lane.expect_backlog();
        }
        self.lanes.retain(|_, lane| lane.open || lane.running > 0);
        self.forget_unused();
    }

    /// Forgets the plugins and caps of which there is no lane any more.
    fn forget_unused(&mut self) {
        let lanes = &self.lanes;
        self.plugins.retain(|name, _| lanes.values().any(|lane| lane.plugin == *name));
        self.caps
            .retain(|cap| *cap == Cap::All || lanes.values().any(|lane| lane.caps.contains(cap)));
    }

    /// Takes a permit for an event that has just arrived. Without one the event's job goes to the
    /// store as due, and [`Lanes::begin_claim`] finds it.
    pub(crate) fn reserve(&mut self, name: &str, now: Instant) -> Option<Ticket> {
        let backlog = self.lanes.get(name)?.backlog;
        if !backlog && let Some(ticket) = self.reserve_first(name, now) {
            return Some(ticket);
        }
        self.lanes.get_mut(name)?.expect_backlog();
        None
    }

    /// Takes a permit whatever waits: a sender is holding its connection open for the answer.
    pub(crate) fn reserve_first(&mut self, name: &str, now: Instant) -> Option<Ticket> {
        if self.room(self.lanes.get(name)?, now) == 0 {
            return None;
        }
        self.take(name, 1)
    }

    pub(crate) fn is_open(&self, name: &str) -> bool {
        self.lanes.get(name).is_some_and(|lane| lane.open)
    }

    /// How long no attempt of the lane may begin, because too many of its plugin broke; nothing while
    /// the plugin's probe is on its way.
    pub(crate) fn pause(&self, name: &str, now: Instant) -> Option<Duration> {
        let lane = self.lanes.get(name).filter(|lane| lane.open)?;
        let breaker = &self.plugins.get(&lane.plugin)?.breaker;
        let until = breaker.probe_at();
        (breaker.lets(now) == Some(0))
            .then(|| until.map_or(Duration::ZERO, |at| at.saturating_duration_since(now)))
    }

    /// The plugins that are loaded and whose breaker is not closed, by name.
    pub(crate) fn paused(&self) -> Vec<Paused> {
        let open =
            |plugin: &str| self.lanes.values().any(|lane| lane.open && lane.plugin == *plugin);
        let known = self.plugins.iter().filter_map(|(name, Plugin { breaker, .. })| {
            let failures = breaker.failures()?;
            Some(Paused { plugin: name.clone(), failures, until: breaker.probe_at() })
        });
        known.filter(|paused| open(&paused.plugin)).collect()
    }

    /// When the next plugin that is paused at `now` may be tried again, of those with due jobs.
    pub(crate) fn next_probe(&self, now: Instant) -> Option<Instant> {
        let waiting = self.lanes.values().filter(|lane| lane.open && lane.backlog);
        let breakers = waiting.filter_map(|lane| Some(&self.plugins.get(&lane.plugin)?.breaker));
        breakers.filter_map(Breaker::probe_at).filter(|at| *at > now).min()
    }

    /// Takes in what an attempt says of its plugin.
    pub(crate) fn judge(
        &mut self,
        name: &str,
        Ticket(epoch): Ticket,
        verdict: Verdict,
        now: Instant,
    ) -> Option<Change> {
        let name = &self.lanes.get(name)?.plugin;
        let change = self.plugins.get_mut(name)?.breaker.judge(epoch, verdict, now);
        if change == Some(Change::Closed) {
            let name = name.clone();
            let own = self.lanes.values_mut().filter(|lane| lane.plugin == name);
            own.for_each(Lane::expect_backlog);
        }
        change
    }

    /// Gives a permit back.
    pub(crate) fn finish(&mut self, name: &str, ticket: Ticket) {
        self.give_back(name, 1, ticket);
    }

    /// Takes permits for what a claim may bring: the free ones, shared under each cap among the lanes
    /// that may have due jobs.
    pub(crate) fn begin_claim(&mut self, now: Instant) -> Vec<Want> {
        let mut hungry: Vec<String> = self.hungry(now).cloned().collect();
        if hungry.is_empty() {
            return Vec::new();
        }
        let first = self.turn % hungry.len();
        hungry.rotate_left(first);
        self.turn = self.turn.wrapping_add(1);
        let mut sharers = Sharers::new();
        for cap in hungry.iter().filter_map(|name| self.lanes.get(name)).flat_map(|l| &l.caps) {
            *sharers.entry(cap.clone()).or_default() += 1;
        }
        let mut wants = Vec::with_capacity(hungry.len());
        for name in hungry {
            let Some(lane) = self.lanes.get(&name) else { continue };
            let share = self.caps.share(&lane.caps, &sharers).min(CLAIM_BATCH);
            for cap in &lane.caps {
                sharers.entry(cap.clone()).and_modify(|left| *left = left.saturating_sub(1));
            }
            let max = share.min(self.room(lane, now));
            if max == 0 {
                continue;
            }
            let Some(ticket) = self.take(&name, max) else { continue };
            if let Some(lane) = self.lanes.get_mut(&name) {
                lane.missed = false;
            }
            wants.push(Want { want: LaneWant { lane: name, max }, ticket });
        }
        wants
    }

    /// Settles a claim: of `want.max` permits `got` are in use now, the others are free again.
    pub(crate) fn end_claim(&mut self, Want { want, ticket }: &Want, got: usize) {
        let unused = want.max.saturating_sub(got);
        if unused > 0 {
            self.give_back(&want.lane, unused, *ticket);
        }
        if let Some(lane) = self.lanes.get_mut(&want.lane) {
            lane.backlog = got == want.max || lane.missed;
        }
    }

    /// Whether a lane that a settled claim did not ask for can have something now: it may have found
    /// the permits, or the probe of its plugin, taken by a lane that turned out to need none.
    pub(crate) fn passed_over(&self, wants: &[Want], now: Instant) -> bool {
        self.hungry(now).any(|name| wants.iter().all(|want| want.want.lane != *name))
    }

    /// Makes the next claim look at every open lane: something may be due.
    pub(crate) fn expect_backlog(&mut self) {
        self.lanes.values_mut().for_each(Lane::expect_backlog);
    }

    /// Attempts running now, and permits held for a claim.
    pub(crate) fn running(&self) -> usize {
        self.caps.running(&Cap::All)
    }

    /// The lanes with due jobs of which an attempt may begin.
    fn hungry(&self, now: Instant) -> impl Iterator<Item = &String> {
        let hungry = self.lanes.iter().filter(move |(_, l)| l.backlog && self.room(l, now) > 0);
        hungry.map(|(name, _)| name)
    }

    /// How many attempts of a lane may begin.
    fn room(&self, lane: &Lane, now: Instant) -> usize {
        let Some(plugin) = self.plugins.get(&lane.plugin).filter(|_| lane.open) else { return 0 };
        let room = self.caps.room(&lane.caps);
        plugin.breaker.lets(now).map_or(room, |most| room.min(most))
    }

    fn take(&mut self, name: &str, permits: usize) -> Option<Ticket> {
        let lane = self.lanes.get_mut(name)?;
        let ticket = Ticket(self.plugins.get_mut(&lane.plugin)?.breaker.let_through());
        lane.running += permits;
        self.caps.take(&lane.caps, permits);
        Some(ticket)
    }

    fn give_back(&mut self, name: &str, permits: usize, Ticket(epoch): Ticket) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        lane.running = lane.running.saturating_sub(permits);
        self.caps.give_back(&lane.caps, permits);
        if let Some(plugin) = self.plugins.get_mut(&lane.plugin) {
            plugin.breaker.came_back(epoch);
        }
        if !lane.open && lane.running == 0 {
            self.lanes.remove(name);
            self.forget_unused();
        }
    }
}

impl Plugin {
    fn new(setup: Setup) -> Self {
        let breaker = Breaker::new(setup.plugin.limits.breaker);
        Self { setup, breaker }
    }

    fn set(&mut self, setup: Setup) {
        if self.setup != setup {
            self.breaker.reset(setup.plugin.limits.breaker);
            self.setup = setup;
        }
    }
}

impl Lane {
    fn new(Place { plugin, topic }: Place) -> Self {
        let caps = [Cap::All, Cap::Plugin(plugin.clone())];
        let caps = caps.into_iter().chain(topic.map(Cap::Topic)).collect();
        Self { plugin, caps, running: 0, open: false, backlog: false, missed: false }
    }

    fn expect_backlog(&mut self) {
        self.backlog = true;
        self.missed = true;
    }
}
