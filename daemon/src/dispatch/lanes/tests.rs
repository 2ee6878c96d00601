use std::collections::{BTreeMap as Map, BTreeSet};

use proptest::prelude::*;

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
    let plugin = config::Plugin {
        limits,
        kv: None,
        connections: BTreeSet::new(),
        secrets: Map::new(),
        topics: BTreeSet::new(),
        settings: Map::new(),
    };
    Setup { hash: ContentHash::of(b"a plugin"), plugin }
}

/// Plugins with their concurrency, and what each topic may run and has for which of them.
fn plan(limit: usize, plugins: &[(&str, usize)], topics: &[(&str, usize, &[&str])]) -> Plan {
    let mut plan = Plan { limit, ..Plan::default() };
    for (plugin, concurrency) in plugins {
        plan.plugins.insert((*plugin).to_owned(), setup(*concurrency));
        let place = Place { plugin: (*plugin).to_owned(), topic: None };
        plan.lanes.insert((*plugin).to_owned(), place);
    }
    for (topic, concurrency, plugins) in topics {
        plan.topics.insert((*topic).to_owned(), *concurrency);
        for plugin in *plugins {
            let place = Place { plugin: (*plugin).to_owned(), topic: Some((*topic).to_owned()) };
            plan.lanes.insert(format!("{topic}/{plugin}"), place);
        }
    }
    plan
}

fn configured(plan: Plan) -> Lanes {
    let mut lanes = Lanes::default();
    lanes.configure(plan);
    lanes
}

fn lanes(limit: usize, plugins: &[(&str, usize)]) -> Lanes {
    configured(plan(limit, plugins, &[]))
}

/// Two plugins of four, and two topics, of which `slow` may run one at a time.
fn topics() -> Lanes {
    let topics: [(&str, usize, &[&str]); 2] = [("slow", 1, &["p", "q"]), ("fast", 9, &["p"])];
    configured(plan(10, &[("p", 4), ("q", 4)], &topics))
}

/// Claims until there is nothing more to ask for; no lane has a due job.
fn settle_empty(lanes: &mut Lanes, now: Instant) {
    loop {
        let wants = lanes.begin_claim(now);
        if wants.is_empty() {
            return;
        }
        for want in wants {
            lanes.end_claim(&want, 0);
        }
    }
}

fn asked(wants: &[Want]) -> Vec<(&str, usize)> {
    wants.iter().map(|want| (want.want.lane.as_str(), want.want.max)).collect()
}

/// An attempt of a sender that waits, or of anybody.
fn attempt(lanes: &mut Lanes, lane: &str, verdict: Verdict, now: Instant) -> Option<Change> {
    let ticket = lanes.reserve_first(lane, now).expect("a permit");
    let change = lanes.judge(lane, ticket, verdict, now);
    lanes.finish(lane, ticket);
    change
}

#[test]
fn a_topic_has_a_limit_over_all_its_plugins() {
    let (mut lanes, now) = (topics(), Instant::now());
    settle_empty(&mut lanes, now);
    let ticket = lanes.reserve("slow/p", now).expect("a permit");
    assert!(lanes.reserve_first("slow/q", now).is_none(), "one of the topic runs");
    assert!(lanes.reserve_first("fast/p", now).is_some());
    assert!(lanes.reserve_first("q", now).is_some());
    lanes.finish("slow/p", ticket);
    assert!(lanes.reserve_first("slow/q", now).is_some());
}

#[test]
fn a_plugin_has_a_limit_over_all_its_topics() {
    let (mut lanes, now) = (topics(), Instant::now());
    settle_empty(&mut lanes, now);
    let first = lanes.reserve("p", now).expect("a permit");
    for lane in ["slow/p", "fast/p", "fast/p"] {
        assert!(lanes.reserve_first(lane, now).is_some(), "{lane}");
    }
    assert!(lanes.reserve_first("fast/p", now).is_none(), "the plugin's limit");
    lanes.expect_backlog();
    assert_eq!(asked(&lanes.begin_claim(now)), [("q", 4)], "the plugin's and the topic's limit");
    lanes.finish("p", first);
    let wants = lanes.begin_claim(now);
    assert_eq!(wants.iter().map(|want| want.want.max).sum::<usize>(), 1);
}

#[test]
fn a_claim_shares_the_permits_of_each_cap() {
    let (mut lanes, now) = (topics(), Instant::now());
    // Of all, of `p` and of `slow`; what `fast/p` leaves goes to those that come after it.
    let wants = lanes.begin_claim(now);
    assert_eq!(asked(&wants), [("fast/p", 2), ("p", 1), ("q", 2), ("slow/p", 1)]);
    for want in &wants {
        lanes.end_claim(want, 0);
    }
    assert!(lanes.passed_over(&wants, now), "`slow/q` found the topic's permit taken");
    let wants = lanes.begin_claim(now);
    assert_eq!(asked(&wants), [("slow/q", 1)]);
    lanes.end_claim(&wants[0], 0);
    assert!(!lanes.passed_over(&wants, now));
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
    assert_eq!(asked(&wants), [("a", 5), ("b", 5)]);
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
    lanes.configure(Plan { limit: 4, ..Plan::default() });
    assert!(!lanes.is_open("a"));
    assert!(lanes.reserve_first("a", now).is_none());
    assert!(lanes.begin_claim(now).is_empty());
}

#[test]
fn jobs_of_a_plugin_that_keeps_breaking_wait_for_one_probe() {
    let (mut lanes, now) = (lanes(4, &[("a", 4), ("b", 4)]), Instant::now());
    settle_empty(&mut lanes, now);
    let early = lanes.reserve("a", now).expect("a permit");
    assert_eq!(attempt(&mut lanes, "a", Verdict::Broke, now), None);
    let change = attempt(&mut lanes, "a", Verdict::Broke, now);
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
    assert_eq!(asked(&wants), [("a", 1)]);
    assert!(lanes.reserve_first("a", until).is_none(), "one is enough");
    // Nothing was due: another may be the probe.
    lanes.end_claim(&wants[0], 0);
    let probe = lanes.reserve_first("a", until).expect("a permit");
    assert_eq!(lanes.judge("a", probe, Verdict::Whole, until), Some(Change::Closed));
    lanes.finish("a", probe);
    assert!(lanes.paused().is_empty() && lanes.next_probe(until).is_none());
    assert_eq!(asked(&lanes.begin_claim(until)), [("a", 3)]);
}

#[test]
fn all_lanes_of_a_plugin_have_one_breaker() {
    let (mut lanes, now) = (topics(), Instant::now());
    settle_empty(&mut lanes, now);
    // A failure of each of two lanes.
    assert_eq!(attempt(&mut lanes, "fast/p", Verdict::Broke, now), None);
    assert!(attempt(&mut lanes, "p", Verdict::Broke, now).is_some());
    lanes.expect_backlog();
    for lane in ["p", "slow/p", "fast/p"] {
        assert_eq!(lanes.pause(lane, now), Some(BREAKER.pause), "{lane}");
        assert!(lanes.reserve_first(lane, now).is_none(), "{lane}");
    }
    let wants = lanes.begin_claim(now);
    assert_eq!(asked(&wants), [("q", 2), ("slow/q", 1)], "the topic's other plugin");
    for want in &wants {
        lanes.end_claim(want, 0);
    }
    assert_eq!(lanes.paused().len(), 1, "it is told once");
    assert_eq!(lanes.next_probe(now), Some(now + BREAKER.pause));

    // One probe in all of them, which goes on to the next lane until one has a due job.
    let until = now + BREAKER.pause;
    let mut probed = Vec::new();
    loop {
        let wants = lanes.begin_claim(until);
        assert_eq!(wants.len(), 1, "after {probed:?}");
        for lane in ["p", "slow/p", "fast/p"] {
            assert_eq!(lanes.pause(lane, until), Some(Duration::ZERO), "its probe is on its way");
        }
        let want = &wants[0];
        assert_eq!(want.want.max, 1);
        probed.push(want.want.lane.clone());
        if probed.len() == 3 {
            lanes.end_claim(want, 1);
            assert!(!lanes.passed_over(&wants, until));
            let change = lanes.judge(&want.want.lane, want.ticket, Verdict::Whole, until);
            assert_eq!(change, Some(Change::Closed));
            lanes.finish(&want.want.lane, want.ticket);
            break;
        }
        lanes.end_claim(want, 0);
        assert!(lanes.passed_over(&wants, until), "after {probed:?}");
    }
    probed.sort();
    assert_eq!(probed, ["fast/p", "p", "slow/p"]);
    for lane in ["p", "slow/p", "fast/p"] {
        assert_eq!(lanes.pause(lane, until), None, "{lane}");
    }
    assert_eq!(lanes.begin_claim(until).len(), 3, "all of them are looked at again");
}

#[test]
fn a_new_file_or_table_closes_the_breaker_and_nothing_else_does() {
    let now = Instant::now();
    let mut lanes = lanes(4, &[("a", 4)]);
    let broken = |lanes: &mut Lanes| {
        for _ in 0..2 {
            attempt(lanes, "a", Verdict::Broke, now);
        }
        assert!(lanes.pause("a", now).is_some());
    };
    broken(&mut lanes);
    lanes.configure(plan(8, &[("a", 4), ("b", 1)], &[("topic", 2, &["a"])]));
    assert!(lanes.pause("a", now).is_some() && lanes.pause("topic/a", now).is_some());
    lanes.configure(plan(8, &[("a", 5)], &[]));
    assert!(lanes.pause("a", now).is_none());
    broken(&mut lanes);
    let mut mended = plan(8, &[("a", 5)], &[("topic", 2, &["a"])]);
    mended.plugins.insert("a".to_owned(), Setup { hash: ContentHash::of(b"mended"), ..setup(5) });
    lanes.configure(mended);
    assert!(lanes.pause("a", now).is_none() && lanes.pause("topic/a", now).is_none());
}

#[test]
fn a_plugin_that_comes_back_begins_anew() {
    let (mut lanes, now) = (lanes(4, &[("a", 4)]), Instant::now());
    let early = lanes.reserve_first("a", now).expect("a permit");
    for _ in 0..2 {
        attempt(&mut lanes, "a", Verdict::Broke, now);
    }
    lanes.configure(Plan { limit: 4, ..Plan::default() });
    assert!(lanes.paused().is_empty(), "it is not loaded");
    lanes.finish("a", early);
    lanes.configure(plan(4, &[("a", 4)], &[]));
    assert!(lanes.pause("a", now).is_none());
    assert_eq!(lanes.running(), 0);
}

/// An attempt that runs: its lane, its ticket, and whether it is a probe.
type Running = (&'static str, Ticket, bool);

/// The lanes of the property test.
const NAMES: [&str; 6] = ["a", "b", "c", "slow/b", "slow/c", "fast/c"];

fn plugin_of(lane: &str) -> &str {
    lane.rsplit('/').next().expect("has a last part")
}

proptest! {
    /// Whatever happens in whatever order, no cap is crossed, a plugin has at most one probe over
    /// all its lanes and nothing else while it is paused, and every permit comes back.
    #[test]
    fn permits_are_neither_lost_nor_made(
        steps in prop::collection::vec((0u8..8, 0..NAMES.len()), 1..300)
    ) {
        let caps: [(&str, usize); 3] = [("a", 1), ("b", 3), ("c", 5)];
        let topics: [(&str, usize, &[&str]); 2] = [("slow", 2, &["b", "c"]), ("fast", 4, &["c"])];
        let mut now = Instant::now();
        let mut lanes = configured(plan(6, &caps, &topics));
        let mut held: Vec<Running> = Vec::new();
        for (step, name) in steps {
            let name = NAMES[name];
            let before: Map<&str, Option<usize>> = caps
                .iter()
                .map(|(plugin, _)| (*plugin, lanes.plugins[*plugin].breaker.lets(now)))
                .collect();
            let probe = |lane| before[plugin_of(lane)] == Some(1);
            match step {
                0 | 1 => {
                    let ticket = match step {
                        0 => lanes.reserve(name, now),
                        _ => lanes.reserve_first(name, now),
                    };
                    prop_assert!(ticket.is_none() || before[plugin_of(name)] != Some(0));
                    held.extend(ticket.map(|ticket| (name, ticket, probe(name))));
                }
                2..=4 => {
                    if let Some(at) = held.iter().position(|(lane, ..)| *lane == name) {
                        let (name, ticket, _) = held.swap_remove(at);
                        let verdict = [Verdict::Broke, Verdict::Whole, Verdict::None];
                        lanes.judge(name, ticket, verdict[usize::from(step) - 2], now);
                        lanes.finish(name, ticket);
                    }
                }
                5 => {
                    let wants = lanes.begin_claim(now);
                    for (plugin, lets) in &before {
                        let own = wants.iter().filter(|w| plugin_of(&w.want.lane) == *plugin);
                        let asked = own.map(|want| want.want.max).sum::<usize>();
                        prop_assert!(lets.is_none_or(|most| asked <= most));
                    }
                    for want in wants {
                        let lane = NAMES.iter().find(|name| **name == want.want.lane);
                        let lane = lane.expect("is a lane");
                        let got = want.want.max.div_ceil(2);
                        held.extend((0..got).map(|_| (*lane, want.ticket, probe(lane))));
                        lanes.end_claim(&want, got);
                    }
                }
                6 => lanes.expect_backlog(),
                _ => now += BREAKER.pause,
            }
            let runs = |of: &dyn Fn(&str) -> bool| {
                held.iter().filter(|(lane, ..)| of(lane)).count()
            };
            prop_assert_eq!(lanes.running(), held.len());
            prop_assert!(held.len() <= 6);
            for (plugin, most) in caps {
                prop_assert!(runs(&|lane| plugin_of(lane) == plugin) <= most);
                let probes = held.iter().filter(|(lane, _, probe)| {
                    *probe && plugin_of(lane) == plugin
                });
                prop_assert!(probes.count() <= 1);
            }
            for (topic, most, _) in topics {
                let prefix = format!("{topic}/");
                prop_assert!(runs(&|lane| lane.starts_with(&prefix)) <= most);
            }
        }
        for (name, ticket, _) in held.drain(..) {
            lanes.finish(name, ticket);
        }
        prop_assert_eq!(lanes.running(), 0);
        // No probe was lost: in a while, each lane can run something again, up to its caps.
        now += BREAKER.max_pause;
        for name in NAMES {
            let ticket = lanes.reserve_first(name, now);
            prop_assert!(ticket.is_some());
            lanes.finish(name, ticket.expect("was checked"));
        }
        for (plugin, most) in caps {
            attempt(&mut lanes, plugin, Verdict::Whole, now);
            let tickets: Vec<_> = std::iter::from_fn(|| lanes.reserve_first(plugin, now)).collect();
            prop_assert_eq!(tickets.len(), most);
            tickets.into_iter().for_each(|ticket| lanes.finish(plugin, ticket));
        }
    }
}
