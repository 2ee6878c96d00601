//! Who may run what: a pure account of running attempts, by lane and in all.
//!
//! A lane is a plugin. A lane is open while its plugin is loaded; jobs of a closed lane stay in the
//! store; so do those of a plugin whose [`Breaker`] is open. Nothing here reads a clock or does I/O.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hookyard_runtime::ContentHash;
use hookyard_store::LaneWant;

use super::breaker::{Breaker, Change, Verdict};
use crate::config;

/// How many jobs of a lane one claim asks for at most, so that no lane's backlog delays the others.
const CLAIM_BATCH: usize = 64;

/// The account. Every permit that is taken is given back once, by [`Lanes::finish`].
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    limit: usize,
    running: usize,
    lanes: BTreeMap<String, Lane>,
    /// The lane that is served first in the next claim.
    turn: usize,
}

#[derive(Debug)]
struct Lane {
    setup: Setup,
    running: usize,
    open: bool,
    /// Due jobs may be in the store: a new event must not overtake them.
    backlog: bool,
    /// `backlog` was set again while a claim was on its way, which may have looked before.
    missed: bool,
    breaker: Breaker,
}

/// What a lane runs. When it changes, the lane's breaker closes: what broke may be mended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setup {
    /// The plugin's file.
    pub(crate) hash: ContentHash,
    /// Its table.
    pub(crate) plugin: config::Plugin,
}

impl Setup {
    fn limit(&self) -> usize {
        self.plugin.limits.concurrency
    }
}

/// A permit: the right to run one attempt in a lane, and its breaker's number for it.
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
    /// Sets the limits and opens exactly the lanes of `open`, which are claimed for first.
    pub(crate) fn configure(&mut self, limit: usize, open: impl Iterator<Item = (String, Setup)>) {
        self.limit = limit;
        for lane in self.lanes.values_mut() {
            lane.open = false;
        }
        for (name, setup) in open {
            let lane = self.lanes.entry(name).or_insert_with(|| Lane::new(setup.clone()));
            lane.open = true;
            lane.expect_backlog();
            if lane.setup != setup {
                lane.breaker.reset(setup.plugin.limits.breaker);
                lane.setup = setup;
            }
        }
        self.lanes.retain(|_, lane| lane.open || lane.running > 0);
    }

    /// Takes a permit for an event that has just arrived. Without one the event's job goes to the
    /// store as due, and [`Lanes::begin_claim`] finds it.
    pub(crate) fn reserve(&mut self, name: &str, now: Instant) -> Option<Ticket> {
        let free = self.running < self.limit;
        let lane = self.lanes.get_mut(name)?;
        if free && lane.room(now) > 0 && !lane.backlog {
            self.running += 1;
            return Some(lane.take(1));
        }
        lane.expect_backlog();
        None
    }

    /// Takes a permit whatever waits: a sender is holding its connection open for the answer.
    pub(crate) fn reserve_first(&mut self, name: &str, now: Instant) -> Option<Ticket> {
        let free = self.running < self.limit;
        let lane = self.lanes.get_mut(name).filter(|lane| free && lane.room(now) > 0)?;
        self.running += 1;
        Some(lane.take(1))
    }

    pub(crate) fn is_open(&self, name: &str) -> bool {
        self.lanes.get(name).is_some_and(|lane| lane.open)
    }

    /// How long no attempt of the lane may begin, because too many broke; nothing while its probe is
    /// on its way.
    pub(crate) fn pause(&self, name: &str, now: Instant) -> Option<Duration> {
        let lane = self.lanes.get(name).filter(|lane| lane.open)?;
        let closed = lane.breaker.lets(now) != Some(0);
        let until = lane.breaker.probe_at();
        (!closed).then(|| until.map_or(Duration::ZERO, |at| at.saturating_duration_since(now)))
    }

    /// The lanes whose breaker is not closed, by name.
    pub(crate) fn paused(&self) -> Vec<Paused> {
        let open = self.lanes.iter().filter(|(_, lane)| lane.open);
        open.filter_map(|(name, lane)| {
            let failures = lane.breaker.failures()?;
            Some(Paused { plugin: name.clone(), failures, until: lane.breaker.probe_at() })
        })
        .collect()
    }

    /// When the next lane that is paused at `now` may try again, of those with due jobs.
    pub(crate) fn next_probe(&self, now: Instant) -> Option<Instant> {
        let waiting = self.lanes.values().filter(|lane| lane.open && lane.backlog);
        waiting.filter_map(|lane| lane.breaker.probe_at()).filter(|at| *at > now).min()
    }

    /// Takes in what an attempt says of its plugin.
    pub(crate) fn judge(
        &mut self,
        name: &str,
        Ticket(epoch): Ticket,
        verdict: Verdict,
        now: Instant,
    ) -> Option<Change> {
        let lane = self.lanes.get_mut(name)?;
        let change = lane.breaker.judge(epoch, verdict, now);
        if change == Some(Change::Closed) {
            lane.expect_backlog();
        }
        change
    }

    /// Gives a permit back.
    pub(crate) fn finish(&mut self, name: &str, ticket: Ticket) {
        self.give_back(name, 1, ticket);
    }

    /// Takes permits for what a claim may bring: the free ones, shared among the open lanes.
    pub(crate) fn begin_claim(&mut self, now: Instant) -> Vec<Want> {
        let mut free = self.limit.saturating_sub(self.running);
        let mut hungry: Vec<(&String, &mut Lane)> =
            self.lanes.iter_mut().filter(|(_, lane)| lane.backlog && lane.room(now) > 0).collect();
        if hungry.is_empty() || free == 0 {
            return Vec::new();
        }
        let share = free.div_ceil(hungry.len()).min(CLAIM_BATCH);
        let first = self.turn % hungry.len();
        hungry.rotate_left(first);
        self.turn = self.turn.wrapping_add(1);
        let mut wants = Vec::with_capacity(hungry.len());
        for (name, lane) in hungry {
            let max = share.min(free).min(lane.room(now));
            if max == 0 {
                continue;
            }
            free -= max;
            lane.missed = false;
            self.running += max;
            let ticket = lane.take(max);
            wants.push(Want { want: LaneWant { lane: name.clone(), max }, ticket });
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

    /// Makes the next claim look at every open lane: something may be due.
    pub(crate) fn expect_backlog(&mut self) {
        self.lanes.values_mut().for_each(Lane::expect_backlog);
    }

    /// Attempts running now, and permits held for a claim.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    fn give_back(&mut self, name: &str, permits: usize, Ticket(epoch): Ticket) {
        self.running = self.running.saturating_sub(permits);
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.running = lane.running.saturating_sub(permits);
            lane.breaker.came_back(epoch);
            if !lane.open && lane.running == 0 {
                self.lanes.remove(name);
            }
        }
    }
}

impl Lane {
    fn new(setup: Setup) -> Self {
        let breaker = Breaker::new(setup.plugin.limits.breaker);
        Self { setup, running: 0, open: false, backlog: false, missed: false, breaker }
    }

    /// How many attempts may begin.
    fn room(&self, now: Instant) -> usize {
        if !self.open {
            return 0;
        }
        let room = self.setup.limit().saturating_sub(self.running);
        self.breaker.lets(now).map_or(room, |most| room.min(most))
    }

    fn take(&mut self, permits: usize) -> Ticket {
        self.running += permits;
        Ticket(self.breaker.let_through())
    }

    fn expect_backlog(&mut self) {
        self.backlog = true;
        self.missed = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap as Map;

    use super::*;

    const BREAKER: config::Breaker = config::Breaker {
        failures: 2,
        pause: Duration::from_secs(30),
        max_pause: Duration::from_secs(60),
    };

    fn setup(concurrency: usize) -> Setup {
        let mut limits = config::PluginLimits::BUILT_IN;
        limits.concurrency = concurrency;
        limits.breaker = Some(BREAKER);
        let plugin = config::Plugin { limits, kv: None, settings: Map::new() };
        Setup { hash: ContentHash::of(b"a plugin"), plugin }
    }

    fn lanes(limit: usize, open: &[(&str, usize)]) -> Lanes {
        let mut lanes = Lanes::default();
        configure(&mut lanes, limit, open);
        lanes
    }

    fn configure(lanes: &mut Lanes, limit: usize, open: &[(&str, usize)]) {
        let open = open.iter().map(|(name, limit)| ((*name).to_owned(), setup(*limit)));
        lanes.configure(limit, open);
    }

    fn settle_empty(lanes: &mut Lanes, now: Instant) {
        for want in lanes.begin_claim(now) {
            lanes.end_claim(&want, 0);
        }
    }

    /// An attempt of a sender that waits.
    fn attempt(lanes: &mut Lanes, verdict: Verdict, now: Instant) -> Option<Change> {
        let ticket = lanes.reserve_first("a", now).expect("a permit");
        let change = lanes.judge("a", ticket, verdict, now);
        lanes.finish("a", ticket);
        change
    }

    #[test]
    fn a_new_event_does_not_overtake_the_backlog() {
        let (mut lanes, now) = (lanes(4, &[("a", 2)]), Instant::now());
        assert!(lanes.reserve("a", now).is_none(), "the store has not been looked at yet");
        settle_empty(&mut lanes, now);
        assert!(lanes.reserve("a", now).is_some());
    }

    #[test]
    fn a_lane_has_its_own_limit_and_all_have_one() {
        let (mut lanes, now) = (lanes(3, &[("a", 2), ("b", 2)]), Instant::now());
        settle_empty(&mut lanes, now);
        let ticket = lanes.reserve("a", now).expect("a permit");
        assert!(lanes.reserve("a", now).is_some());
        assert!(lanes.reserve("a", now).is_none(), "the lane's limit");
        assert!(lanes.reserve("b", now).is_some());
        assert!(lanes.reserve_first("b", now).is_none(), "the limit of all");
        lanes.finish("a", ticket);
        assert!(lanes.reserve_first("b", now).is_some());
    }

    #[test]
    fn a_claim_shares_the_free_permits() {
        let (mut lanes, now) = (lanes(10, &[("a", 8), ("b", 8)]), Instant::now());
        let wants = lanes.begin_claim(now);
        assert_eq!(wants.iter().map(|want| want.want.max).collect::<Vec<_>>(), [5, 5]);
        assert_eq!(lanes.running(), 10);
        for want in &wants {
            lanes.end_claim(want, 2);
        }
        assert_eq!(lanes.running(), 4);
    }

    #[test]
    fn a_full_claim_is_asked_again_and_a_short_one_is_not() {
        let (mut lanes, now) = (lanes(4, &[("a", 2)]), Instant::now());
        let want = lanes.begin_claim(now).remove(0);
        lanes.end_claim(&want, 2);
        lanes.finish("a", want.ticket);
        let want = lanes.begin_claim(now).remove(0);
        lanes.end_claim(&want, 0);
        assert!(lanes.begin_claim(now).is_empty());
    }

    #[test]
    fn what_is_stored_while_a_claim_looks_is_not_overtaken_after_it() {
        let (mut lanes, now) = (lanes(4, &[("a", 2)]), Instant::now());
        let want = lanes.begin_claim(now).remove(0);
        assert!(lanes.reserve("a", now).is_none(), "the claim holds the permits");
        // The claim looked before that event was stored, and found nothing.
        lanes.end_claim(&want, 0);
        assert!(lanes.reserve("a", now).is_none());
        settle_empty(&mut lanes, now);
        assert!(lanes.reserve("a", now).is_some());
    }

    #[test]
    fn a_closed_lane_is_left_alone() {
        let (mut lanes, now) = (lanes(4, &[("a", 2)]), Instant::now());
        lanes.configure(4, std::iter::empty());
        assert!(!lanes.is_open("a"));
        assert!(lanes.reserve_first("a", now).is_none());
        assert!(lanes.begin_claim(now).is_empty());
    }

    #[test]
    fn jobs_of_a_plugin_that_keeps_breaking_wait_for_one_probe() {
        let (mut lanes, now) = (lanes(4, &[("a", 4), ("b", 4)]), Instant::now());
        settle_empty(&mut lanes, now);
        let early = lanes.reserve("a", now).expect("a permit");
        assert_eq!(attempt(&mut lanes, Verdict::Broke, now), None);
        let change = attempt(&mut lanes, Verdict::Broke, now);
        assert_eq!(change, Some(Change::Opened { failures: 2, pause: BREAKER.pause }));
        assert!(lanes.pause("a", now).is_some() && lanes.pause("b", now).is_none());
        assert!(lanes.reserve("a", now).is_none() && lanes.reserve_first("a", now).is_none());
        assert!(lanes.begin_claim(now).is_empty(), "it waits in the store");
        assert!(lanes.reserve("b", now).is_some(), "others do not");
        let until = now + BREAKER.pause;
        assert_eq!(lanes.next_probe(now), Some(until));
        let paused = Paused { plugin: "a".to_owned(), failures: 2, until: Some(until) };
        assert_eq!(lanes.paused(), [paused]);
        lanes.finish("a", early);

        let wants = lanes.begin_claim(until);
        assert_eq!(wants.iter().map(|want| want.want.max).collect::<Vec<_>>(), [1]);
        assert!(lanes.reserve_first("a", until).is_none(), "one is enough");
        // Nothing was due: another may be the probe.
        lanes.end_claim(&wants[0], 0);
        let probe = lanes.reserve_first("a", until).expect("a permit");
        assert_eq!(lanes.judge("a", probe, Verdict::Whole, until), Some(Change::Closed));
        lanes.finish("a", probe);
        assert!(lanes.paused().is_empty() && lanes.next_probe(until).is_none());
        assert_eq!(lanes.begin_claim(until)[0].want.max, 3);
    }

    #[test]
    fn a_new_file_or_table_closes_the_breaker_and_nothing_else_does() {
        let now = Instant::now();
        let mut lanes = lanes(4, &[("a", 4)]);
        for _ in 0..2 {
            attempt(&mut lanes, Verdict::Broke, now);
        }
        configure(&mut lanes, 8, &[("a", 4), ("b", 1)]);
        assert!(lanes.pause("a", now).is_some());
        configure(&mut lanes, 8, &[("a", 5)]);
        assert!(lanes.pause("a", now).is_none());
        for _ in 0..2 {
            attempt(&mut lanes, Verdict::Broke, now);
        }
        assert!(lanes.pause("a", now).is_some());
        let new = Setup { hash: ContentHash::of(b"mended"), ..setup(5) };
        lanes.configure(8, [("a".to_owned(), new)].into_iter());
        assert!(lanes.pause("a", now).is_none());
    }

    proptest! {
        /// Whatever happens in whatever order, no limit is crossed and every permit comes back.
        #[test]
        fn permits_are_neither_lost_nor_made(
            steps in prop::collection::vec((0u8..6, 0usize..3), 1..200)
        ) {
            let names = ["a", "b", "c"];
            let mut now = Instant::now();
            let mut lanes = lanes(5, &[("a", 1), ("b", 3), ("c", 5)]);
            let mut held: Vec<(String, Ticket)> = Vec::new();
            for (step, lane) in steps {
                let name = names[lane];
                let paused = lanes.pause(name, now).is_some();
                match step {
                    0 | 1 => {
                        let ticket = match step {
                            0 => lanes.reserve(name, now),
                            _ => lanes.reserve_first(name, now),
                        };
                        prop_assert!(!paused || ticket.is_none());
                        held.extend(ticket.map(|ticket| (name.to_owned(), ticket)));
                    }
                    2 | 3 => {
                        if let Some(at) = held.iter().position(|(lane, _)| lane == name) {
                            let (name, ticket) = held.swap_remove(at);
                            let verdict = if step == 2 { Verdict::Broke } else { Verdict::Whole };
                            lanes.judge(&name, ticket, verdict, now);
                            lanes.finish(&name, ticket);
                        }
                    }
                    4 => for want in lanes.begin_claim(now) {
                        let got = want.want.max / 2;
                        held.extend(std::iter::repeat_n((want.want.lane.clone(), want.ticket), got));
                        lanes.end_claim(&want, got);
                    },
                    _ => now += BREAKER.pause,
                }
                prop_assert!(lanes.running() <= 5);
                prop_assert_eq!(lanes.running(), held.len());
                prop_assert!(held.iter().filter(|(lane, _)| *lane == "a").count() <= 1);
            }
            for (name, ticket) in held.drain(..) {
                lanes.finish(&name, ticket);
            }
            prop_assert_eq!(lanes.running(), 0);
            // No probe was lost: in a while, each lane can run something again.
            now += BREAKER.max_pause;
            for name in names {
                prop_assert!(lanes.reserve_first(name, now).is_some());
            }
        }
    }
}
