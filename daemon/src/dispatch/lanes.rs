//! Who may run what: a pure account of running attempts, by lane and in all.
//!
//! A lane is a plugin, or what a topic has for one plugin. Each counts towards the caps that it
//! stands under: its plugin's concurrency, and its topic's. A lane is open while its plugin is
//! loaded; jobs of a closed lane stay in the store. Nothing here reads a clock or does I/O.

use std::collections::BTreeMap;

use hookyard_store::LaneWant;

/// How many jobs of a lane one claim asks for at most, so that no lane's backlog delays the others.
const CLAIM_BATCH: usize = 64;

/// The account. Every permit that is taken is given back once, by [`Lanes::finish`].
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    limit: usize,
    running: usize,
    lanes: BTreeMap<String, Lane>,
    /// By the name of a [`Cap`].
    counts: BTreeMap<String, Count>,
    /// The lane that is served first in the next claim.
    turn: usize,
}

/// A lane that is to be open.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) lane: String,
    pub(crate) caps: Vec<Cap>,
}

/// How many attempts of several lanes together may run at one time.
#[derive(Debug)]
pub(crate) struct Cap {
    name: String,
    limit: usize,
}

impl Cap {
    pub(crate) fn plugin(plugin: &str, limit: usize) -> Self {
        Self { name: format!("plugin {plugin}"), limit }
    }

    pub(crate) fn topic(topic: &str, limit: usize) -> Self {
        Self { name: format!("topic {topic}"), limit }
    }
}

#[derive(Debug, Default)]
struct Count {
    limit: usize,
    running: usize,
}

#[derive(Debug, Default)]
struct Lane {
    /// The names of its caps.
    caps: Vec<String>,
    running: usize,
    open: bool,
    /// Due jobs may be in the store: a new event must not overtake them.
    backlog: bool,
    /// `backlog` was set again while a claim was on its way, which may have looked before.
    missed: bool,
}

impl Lanes {
    /// Sets the limits and opens exactly the lanes of `open`, which are claimed for first. A lane's
    /// caps stay as they are while it exists: its name says which they are.
    pub(crate) fn configure(&mut self, limit: usize, open: impl IntoIterator<Item = Open>) {
        self.limit = limit;
        for lane in self.lanes.values_mut() {
            lane.open = false;
        }
        for Open { lane: name, caps } in open {
            let lane = self.lanes.entry(name).or_default();
            lane.open = true;
            lane.expect_backlog();
            lane.caps.clear();
            for Cap { name, limit } in caps {
                self.counts.entry(name.clone()).or_default().limit = limit;
                lane.caps.push(name);
            }
        }
        self.lanes.retain(|_, lane| lane.open || lane.running > 0);
        let lanes = &self.lanes;
        self.counts.retain(|name, _| lanes.values().any(|lane| lane.caps.contains(name)));
    }

    /// Takes a permit for an event that has just arrived. Without one the event's job goes to the
    /// store as due, and [`Lanes::begin_claim`] finds it.
    pub(crate) fn reserve(&mut self, name: &str) -> bool {
        let room = self.room(name);
        let Some(lane) = self.lanes.get_mut(name) else { return false };
        if room > 0 && !lane.backlog {
            self.take(name, 1);
            return true;
        }
        lane.expect_backlog();
        false
    }

    /// Takes a permit whatever waits: a sender is holding its connection open for the answer.
    pub(crate) fn reserve_first(&mut self, name: &str) -> bool {
        let room = self.room(name) > 0;
        if room {
            self.take(name, 1);
        }
        room
    }

    pub(crate) fn is_open(&self, name: &str) -> bool {
        self.lanes.get(name).is_some_and(|lane| lane.open)
    }

    /// Gives a permit back.
    pub(crate) fn finish(&mut self, name: &str) {
        self.give_back(name, 1);
    }

    /// Takes permits for what a claim may bring: the free ones, shared among the open lanes.
    pub(crate) fn begin_claim(&mut self) -> Vec<LaneWant> {
        let mut hungry: Vec<String> = Vec::new();
        for (name, lane) in &self.lanes {
            if lane.backlog && self.room(name) > 0 {
                hungry.push(name.clone());
            }
        }
        if hungry.is_empty() {
            return Vec::new();
        }
        let share = self.limit.saturating_sub(self.running).div_ceil(hungry.len()).min(CLAIM_BATCH);
        let first = self.turn % hungry.len();
        hungry.rotate_left(first);
        self.turn = self.turn.wrapping_add(1);
        let shares = self.shares(&hungry);
        let mut wants = Vec::with_capacity(hungry.len());
        for name in hungry {
            let caps = self.lanes.get(&name).map(|lane| lane.caps.as_slice()).unwrap_or_default();
            let of_caps = caps.iter().filter_map(|cap| shares.get(cap)).min();
            let max = share.min(self.room(&name)).min(of_caps.copied().unwrap_or(share));
            if max == 0 {
                continue;
            }
            self.take(&name, max);
            if let Some(lane) = self.lanes.get_mut(&name) {
                lane.missed = false;
            }
            wants.push(LaneWant { lane: name, max });
        }
        wants
    }

    /// Settles a claim: of `want.max` permits `got` are in use now, the others are free again.
    pub(crate) fn end_claim(&mut self, want: &LaneWant, got: usize) {
        self.give_back(&want.lane, want.max.saturating_sub(got));
        if let Some(lane) = self.lanes.get_mut(&want.lane) {
            lane.backlog = got == want.max || lane.missed;
        }
    }

    /// Whether another claim would look at a lane: one that got all that it asked for, or for which
    /// the claim before had no permit left.
    pub(crate) fn is_hungry(&self) -> bool {
        self.lanes.iter().any(|(name, lane)| lane.backlog && self.room(name) > 0)
    }

    /// What each cap has free for each of these lanes that stands under it.
    fn shares(&self, hungry: &[String]) -> BTreeMap<String, usize> {
        let mut under: BTreeMap<&String, usize> = BTreeMap::new();
        for lane in hungry.iter().filter_map(|name| self.lanes.get(name)) {
            for cap in &lane.caps {
                *under.entry(cap).or_default() += 1;
            }
        }
        let share = |(cap, lanes): (&String, usize)| {
            let count = self.counts.get(cap)?;
            Some((cap.clone(), count.limit.saturating_sub(count.running).div_ceil(lanes)))
        };
        under.into_iter().filter_map(share).collect()
    }

    /// Makes the next claim look at every open lane: something may be due.
    pub(crate) fn expect_backlog(&mut self) {
        self.lanes.values_mut().for_each(Lane::expect_backlog);
    }

    /// Attempts running now, and permits held for a claim.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// How many permits of a lane are free under all that it stands under.
    fn room(&self, name: &str) -> usize {
        let Some(lane) = self.lanes.get(name).filter(|lane| lane.open) else { return 0 };
        let counts = lane.caps.iter().filter_map(|cap| self.counts.get(cap));
        let free = counts.map(|count| count.limit.saturating_sub(count.running));
        free.chain([self.limit.saturating_sub(self.running)]).min().unwrap_or(0)
    }

    fn take(&mut self, name: &str, permits: usize) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        lane.running += permits;
        self.running += permits;
        for cap in &lane.caps {
            self.counts.entry(cap.clone()).or_default().running += permits;
        }
    }

    fn give_back(&mut self, name: &str, permits: usize) {
        self.running = self.running.saturating_sub(permits);
        let Some(lane) = self.lanes.get_mut(name) else { return };
        lane.running = lane.running.saturating_sub(permits);
        for cap in &lane.caps {
            if let Some(count) = self.counts.get_mut(cap) {
                count.running = count.running.saturating_sub(permits);
            }
        }
        if !lane.open && lane.running == 0 {
            self.lanes.remove(name);
        }
    }
}

impl Lane {
    fn expect_backlog(&mut self) {
        self.backlog = true;
        self.missed = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lanes(limit: usize, open: &[(&str, usize)]) -> Lanes {
        let mut lanes = Lanes::default();
        lanes.configure(
            limit,
            open.iter().map(|(name, limit)| Open {
                lane: (*name).to_owned(),
                caps: vec![Cap::plugin(name, *limit)],
            }),
        );
        lanes
    }

    /// A plugin of four with two topics, of which `slow` may run one at a time.
    fn topics() -> Lanes {
        let plugin = || Cap::plugin("p", 4);
        let slow = || Cap::topic("slow", 1);
        let mut lanes = Lanes::default();
        lanes.configure(
            10,
            [
                Open { lane: "p".to_owned(), caps: vec![plugin()] },
                Open { lane: "slow/p".to_owned(), caps: vec![plugin(), slow()] },
                Open { lane: "slow/q".to_owned(), caps: vec![Cap::plugin("q", 4), slow()] },
                Open { lane: "fast/p".to_owned(), caps: vec![plugin(), Cap::topic("fast", 9)] },
            ],
        );
        lanes
    }

    #[test]
    fn a_topic_has_a_limit_over_all_its_plugins() {
        let mut lanes = topics();
        assert!(lanes.reserve_first("slow/p"));
        assert!(!lanes.reserve_first("slow/q"), "one of the topic runs");
        assert!(lanes.begin_claim().iter().all(|want| !want.lane.starts_with("slow")));
        let mut lanes = topics();
        assert!(lanes.reserve_first("slow/p"));
        assert!(lanes.reserve_first("fast/p"));
        lanes.finish("slow/p");
        assert!(lanes.reserve_first("slow/q"));
    }

    #[test]
    fn no_lane_under_a_cap_is_left_out_of_a_claim() {
        let mut lanes = topics();
        let wants = lanes.begin_claim();
        assert!(wants.iter().any(|want| want.lane == "fast/p"), "{wants:?}");
        for want in &wants {
            lanes.end_claim(want, 0);
        }
        // Where there is one permit for two, the other is looked at next.
        while lanes.is_hungry() {
            settle_empty(&mut lanes);
        }
        for lane in ["p", "slow/q", "fast/p"] {
            assert!(lanes.reserve(lane), "{lane} was looked at");
        }
    }

    #[test]
    fn a_plugin_has_a_limit_over_all_its_topics() {
        let mut lanes = topics();
        for lane in ["p", "slow/p", "fast/p", "fast/p"] {
            assert!(lanes.reserve_first(lane), "{lane}");
        }
        assert!(!lanes.reserve_first("fast/p"), "the plugin's limit");
        assert!(lanes.begin_claim().is_empty(), "the plugin's and the topic's limit");
        lanes.finish("p");
        let wants = lanes.begin_claim();
        assert_eq!(wants.iter().map(|want| want.max).sum::<usize>(), 1);
    }

    fn settle_empty(lanes: &mut Lanes) {
        for want in lanes.begin_claim() {
            lanes.end_claim(&want, 0);
        }
    }

    #[test]
    fn a_new_event_does_not_overtake_the_backlog() {
        let mut lanes = lanes(4, &[("a", 2)]);
        assert!(!lanes.reserve("a"), "the store has not been looked at yet");
        settle_empty(&mut lanes);
        assert!(lanes.reserve("a"));
    }

    #[test]
    fn a_lane_has_its_own_limit_and_all_have_one() {
        let mut lanes = lanes(3, &[("a", 2), ("b", 2)]);
        settle_empty(&mut lanes);
        assert!(lanes.reserve("a") && lanes.reserve("a"));
        assert!(!lanes.reserve("a"), "the lane's limit");
        assert!(lanes.reserve("b"));
        assert!(!lanes.reserve_first("b"), "the limit of all");
        lanes.finish("a");
        assert!(lanes.reserve_first("b"));
    }

    #[test]
    fn a_claim_shares_the_free_permits() {
        let mut lanes = lanes(10, &[("a", 8), ("b", 8)]);
        let wants = lanes.begin_claim();
        assert_eq!(wants.iter().map(|want| want.max).collect::<Vec<_>>(), [5, 5]);
        assert_eq!(lanes.running(), 10);
        for want in &wants {
            lanes.end_claim(want, 2);
        }
        assert_eq!(lanes.running(), 4);
    }

    #[test]
    fn a_full_claim_is_asked_again_and_a_short_one_is_not() {
        let mut lanes = lanes(4, &[("a", 2)]);
        let want = lanes.begin_claim().remove(0);
        lanes.end_claim(&want, 2);
        lanes.finish("a");
        assert_eq!(lanes.begin_claim().len(), 1);
        lanes.end_claim(&LaneWant { lane: "a".to_owned(), max: 1 }, 0);
        assert!(lanes.begin_claim().is_empty());
    }

    #[test]
    fn what_is_stored_while_a_claim_looks_is_not_overtaken_after_it() {
        let mut lanes = lanes(4, &[("a", 2)]);
        let want = lanes.begin_claim().remove(0);
        assert!(!lanes.reserve("a"), "the claim holds the permits");
        // The claim looked before that event was stored, and found nothing.
        lanes.end_claim(&want, 0);
        assert!(!lanes.reserve("a"));
        settle_empty(&mut lanes);
        assert!(lanes.reserve("a"));
    }

    #[test]
    fn a_closed_lane_is_left_alone() {
        let mut lanes = lanes(4, &[("a", 2)]);
        lanes.configure(4, std::iter::empty());
        assert!(!lanes.is_open("a"));
        assert!(!lanes.reserve_first("a"));
        assert!(lanes.begin_claim().is_empty());
    }

    proptest! {
        /// Whatever happens in whatever order, no limit is crossed and every permit comes back.
        #[test]
        fn permits_are_neither_lost_nor_made(steps in prop::collection::vec((0u8..4, 0usize..3), 1..200)) {
            let names = ["a", "b", "c"];
            let mut lanes = lanes(5, &[("a", 1), ("b", 3), ("c", 5)]);
            let mut held: Vec<String> = Vec::new();
            for (step, lane) in steps {
                let name = names[lane];
                match step {
                    0 if lanes.reserve(name) => held.push(name.to_owned()),
                    1 if lanes.reserve_first(name) => held.push(name.to_owned()),
                    2 => {
                        if let Some(at) = held.iter().position(|lane| lane == name) {
                            lanes.finish(&held.swap_remove(at));
                        }
                    }
                    3 => for want in lanes.begin_claim() {
                        let got = want.max / 2;
                        held.extend(std::iter::repeat_n(want.lane.clone(), got));
                        lanes.end_claim(&want, got);
                    },
                    _ => {}
                }
                prop_assert!(lanes.running() <= 5);
                prop_assert_eq!(lanes.running(), held.len());
                prop_assert!(held.iter().filter(|lane| *lane == "a").count() <= 1);
            }
            for lane in held.drain(..) {
                lanes.finish(&lane);
            }
            prop_assert_eq!(lanes.running(), 0);
        }
    }
}
