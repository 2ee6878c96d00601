//! Expressions, time zones, and the life of schedules under clocks that do anything.

use std::collections::BTreeSet;
use std::time::Duration;

use hookyard_types::Timestamp;
use proptest::prelude::*;

use super::expression::{self, Mistake};
use super::machine::{GRACE, Missed, Rule, Step};
use super::timing::Timing;

fn timing(expression: &str, zone: &str) -> Timing {
    let found = expression::zone(zone).unwrap_or_else(|| panic!("no zone {zone}"));
    expression::read(expression, (zone, found)).unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

fn at(text: &str) -> Timestamp {
    let moment: jiff::Timestamp = text.parse().expect("a moment");
    Timestamp::from_millis(moment.as_millisecond())
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// The first local times after a moment.
fn following(timing: &Timing, after: &str, count: usize) -> Vec<String> {
    let mut last = at(after);
    let times = (0..count).map(|_| {
        last = timing.next(last).expect("there is a next one");
        timing.local(last)
    });
    times.collect()
}

#[test]
fn what_an_expression_says() {
    for (expression, expected) in [
        ("30 2 * * *", "2026-03-02T02:30:00+00:00"),
        ("*/20 * * * * *", "2026-03-01T12:00:20+00:00"),
        ("0 9 * * mon-fri", "2026-03-02T09:00:00+00:00"),
        ("0 9 * * 7", "2026-03-08T09:00:00+00:00"),
        ("0 9 * * SAT-SUN", "2026-03-07T09:00:00+00:00"),
        ("0 0 L * *", "2026-03-31T00:00:00+00:00"),
        ("0 0 15W aug *", "2026-08-14T00:00:00+00:00"),
        ("0 0 * * FRI#2", "2026-03-13T00:00:00+00:00"),
        ("0 0 * * FRI#L", "2026-03-27T00:00:00+00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00+00:00"),
        // Either of the two days, as cron has it.
        ("0 0 20 * MON", "2026-03-02T00:00:00+00:00"),
        ("0 0 3 * WED#4", "2026-03-03T00:00:00+00:00"),
    ] {
        let found = following(&timing(expression, "UTC"), "2026-03-01T12:00:00Z", 1);
        assert_eq!(found, [expected], "{expression}");
    }
}

#[test]
fn a_mistake_is_told_with_its_place() {
    for (expression, span, what) in [
        ("61 * * * *", 0..2, "`61` is no minute"),
        ("0 5,24 * * *", 4..6, "`24` is no hour"),
        ("* *  * JANFEB *", 7..13, "`JANFEB` is no month"),
        ("MON * * * *", 0..3, "`MON` is no minute"),
        ("0 0 * * MONDAY", 8..14, "`MONDAY` is no day of the week"),
        ("0 0 * * FRI#6", 8..13, "`FRI#6` is no day of the week"),
        ("0 0 0 * *", 4..5, "`0` is no day of the month"),
        ("60 * * * * *", 0..2, "`60` is no second"),
        ("*/90 * * * *", 0..4, "`*/90` is no minute"),
        ("*/0 * * * *", 0..3, "`*/0` is no minute"),
        ("5/10 * * * *", 0..4, "`5/10` is no minute"),
        ("0 22-2 * * *", 2..6, "`22-2` is no hour"),
        ("5,,6 * * * *", 0..4, "the list for the minute has an empty item"),
        ("? * * * *", 0..1, "`?` is no minute"),
        ("0 0 * * +MON", 8..12, "`+MON` is no day of the week"),
        ("\u{a0}1 * * * *", 0..3, "`\u{a0}1` is no minute"),
        ("0 0 30 2 *", 0..10, "no day is like that"),
        ("0 0 31 4,6 *", 0..12, "no day is like that"),
        ("@daily", 0..6, "the expression has 1 field, and needs five or six"),
        ("", 0..0, "the expression has 0 fields, and needs five or six"),
        ("0 0 0 1 1 * 2027", 0..16, "the expression has 7 fields, and needs five or six"),
    ] {
        let utc = expression::zone("UTC").expect("there is UTC");
        let found = expression::read(expression, ("UTC", utc)).map_err(|mistake| {
            assert!(!mistake.help.is_empty());
            let Mistake { span, what, .. } = mistake;
            (span, what)
        });
        assert_eq!(found, Err((span, what.replace('\u{a0}', "\\u{a0}"))), "{expression:?}");
    }
}

#[test]
fn a_local_time_that_does_not_exist_comes_once_after_the_gap() {
    // 02:00 to 03:00 is left out.
    let spring = "2026-03-28T12:00:00Z";
    for (expression, expected) in [
        ("30 2 * * *", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
        ("0,30 2 * * *", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]),
        ("0 2,3 * * *", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]),
        ("30 1 * * *", ["2026-03-29T01:30:00+01:00", "2026-03-30T01:30:00+02:00"]),
    ] {
        assert_eq!(following(&timing(expression, "Europe/Berlin"), spring, 2), expected);
    }
    // Half an hour, and in October; a whole day, which is left out for good.
    let howe = following(&timing("15 2 * * *", "Australia/Lord_Howe"), "2026-10-03T00:00:00Z", 1);
    assert_eq!(howe, ["2026-10-04T02:30:00+11:00"]);
    let apia = following(&timing("0 9 30 12 *", "Pacific/Apia"), "2011-12-01T00:00:00Z", 1);
    assert_eq!(apia, ["2011-12-31T00:00:00+14:00"]);
}

#[test]
fn a_local_time_that_occurs_twice_comes_once_at_first() {
    let autumn = "2026-10-31T18:00:00Z";
    for (expression, expected) in [
        ("30 1 * * *", ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]),
        ("0 1,2 * * *", ["2026-11-01T01:00:00-04:00", "2026-11-01T02:00:00-05:00"]),
        ("45,50 1 * * *", ["2026-11-01T01:45:00-04:00", "2026-11-01T01:50:00-04:00"]),
    ] {
        assert_eq!(following(&timing(expression, "America/New_York"), autumn, 2), expected);
    }
    // Asked in the second pass, it does not come again.
    let second_pass = "2026-11-01T06:10:00Z";
    let found = following(&timing("30 1 * * *", "America/New_York"), second_pass, 1);
    assert_eq!(found, ["2026-11-02T01:30:00-05:00"]);
}

#[test]
fn what_names_no_hours_follows_the_time_that_passes() {
    let spring = following(&timing("30 * * * *", "Europe/Berlin"), "2026-03-29T00:00:00Z", 2);
    assert_eq!(spring, ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]);
    for expression in ["30 * * * *", "30 0-23 * * *"] {
        let autumn = following(&timing(expression, "Europe/Berlin"), "2026-10-25T00:00:00Z", 3);
        assert_eq!(
            autumn,
            ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"]
        );
    }
    let every = following(&timing("*/30 * * * *", "Europe/Berlin"), "2026-03-29T00:20:00Z", 3);
    assert_eq!(
        every,
        ["2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"]
    );
}

const EXPRESSIONS: &[&str] = &[
    "* * * * *",
    "*/7 * * * *",
    "30 * * * *",
    "0 */2 * * *",
    "30 2 * * *",
    "0,15,45 1,2 * * *",
    "*/20 1-3 * * *",
    "* 2 * * *",
    "0 0 * * *",
    "15 0-23 * * *",
    "0 3 * * SUN",
    "0 0 1 * *",
    "59 23 L * *",
];

const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Cairo",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "America/Havana",
    "Antarctica/Troll",
];

/// A moment, within three days of some change of the clocks half of the time.
fn moments() -> impl Strategy<Value = i64> {
    let near = |at: i64| (at - 259_200)..(at + 259_200);
    prop_oneof![
        1_300_000_000i64..2_000_000_000,
        // Berlin, New York, Lord Howe, Apia, Cairo: forward and back.
        prop::sample::select(vec![
            1_774_746_000i64,
            1_792_890_000,
            1_772_953_200,
            1_793_512_800,
            1_791_041_400,
            1_775_314_800,
            1_325_239_200,
            1_776_981_600,
            1_793_311_200,
        ])
        .prop_flat_map(near),
    ]
}

fn timings() -> impl Strategy<Value = Timing> {
    (prop::sample::select(EXPRESSIONS), prop::sample::select(ZONES))
        .prop_map(|(expression, zone)| timing(expression, zone))
}

/// What befalls the daemon between two looks at a schedule.
#[derive(Clone, Debug)]
enum Turn {
    /// It runs, and looks after so many seconds.
    Run(i64),
    /// It is down for so long.
    Down(i64),
    /// The clock is set by so much.
    Clock(i64),
    /// A firing fails, as the store is full, for the next look.
    Full,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        8 => (1i64..400).prop_map(Turn::Run),
        2 => (1i64..200_000).prop_map(Turn::Down),
        1 => (-90_000i64..90_000).prop_map(Turn::Clock),
        1 => Just(Turn::Full),
    ];
    prop::collection::vec(turn, 1..60)
}

fn missed() -> impl Strategy<Value = Missed> {
    prop_oneof![
        Just(Missed::Skip),
        Just(Missed::One),
        (1usize..8).prop_map(|max| Missed::All { max })
    ]
}

/// One look at a schedule: what it fires until it waits, and what is settled then.
struct Look {
    fired: Vec<(Timestamp, bool)>,
    settled: Timestamp,
    wake: Option<Timestamp>,
    restarted: bool,
}

fn look(rule: &Rule<'_>, settled: Timestamp, awake_since: Timestamp, now: Timestamp) -> Look {
    let mut look = Look { fired: Vec::new(), settled, wake: None, restarted: false };
    for _ in 0..1_000 {
        match rule.step(look.settled, awake_since, now) {
            Step::Wait(wake) => {
                look.wake = wake;
                return look;
            }
            Step::Fire { scheduled_at, missed, .. } => {
                assert!(scheduled_at > look.settled, "it goes forward");
                look.fired.push((scheduled_at, missed));
                look.settled = scheduled_at;
            }
            Step::Pass { until } => {
                assert!(until > look.settled, "it goes forward");
                look.settled = until;
            }
            Step::Restart => {
                look.restarted = true;
                look.settled = now;
            }
        }
    }
    panic!("there is no end to it");
}

proptest! {
    // Each is a long walk through the calendar.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Forward and backward are the same times, each once, in order.
    #[test]
    fn looking_back_finds_what_looking_forward_finds(
        timing in timings(), from in moments(), length in 1i64..100_000,
    ) {
        let (from, until) = (seconds(from), seconds(from + length));
        let mut forward = Vec::new();
        let mut last = from;
        while let Some(next) = timing.next(last).filter(|next| *next <= until) {
            prop_assert!(next > last);
            forward.push(next);
            last = next;
        }
        let backward = timing.latest(from, until, usize::MAX);
        prop_assert_eq!(&forward, &Vec::from(backward), "{:?}", timing);
        let few = timing.latest(from, until, 3);
        prop_assert_eq!(&forward[forward.len().saturating_sub(3)..], &Vec::from(few)[..]);
    }

    /// Every day with named hours has as many firings as it names, however long the day is.
    #[test]
    fn a_day_has_each_named_time_once(zone in prop::sample::select(ZONES), from in moments()) {
        let timing = timing("30 2 * * *", zone);
        let times = timing.latest(seconds(from), seconds(from + 30 * 86_400), usize::MAX);
        for (one, next) in times.iter().zip(times.iter().skip(1)) {
            let gap = next.as_millis() - one.as_millis();
            prop_assert!((21 * 3_600_000..=27 * 3_600_000).contains(&gap)
                || zone == "Pacific/Apia", "{gap} in {zone}");
        }
    }

    /// No time fires twice, none before it has come, and none is lost while the daemon runs, whatever
    /// the clock does.
    #[test]
    fn each_time_fires_once_at_most(
        timing in timings(), start in moments(), turns in turns(), missed in missed(),
        jitter in prop_oneof![Just(0u64), 1u64..5_000], seed: u64,
    ) {
        let rule = Rule { timing: &timing, jitter: Duration::from_secs(jitter), missed, seed };
        let mut now = seconds(start);
        // New: nothing that is past.
        let (mut settled, mut awake_since) = (now, now);
        let mut ever: BTreeSet<Timestamp> = BTreeSet::new();
        let mut full = false;
        for turn in turns {
            match turn {
                Turn::Run(by) => now = seconds(now.as_millis() / 1000 + by),
                Turn::Down(by) => {
                    now = seconds(now.as_millis() / 1000 + by);
                    awake_since = now;
                }
                Turn::Clock(by) => now = seconds(now.as_millis() / 1000 + by),
                Turn::Full => {
                    full = true;
                    continue;
                }
            }
            awake_since = awake_since.min(now);
            if std::mem::take(&mut full) {
                continue;
            }
            let before = settled;
            let expected = timing.latest(before, now, usize::MAX);
            let look = look(&rule, settled, awake_since, now);
            if look.restarted {
                ever.clear();
            }
            let mut made_up = 0;
            for (at, was_missed) in &look.fired {
                prop_assert!(ever.insert(*at), "it fired twice");
                let fires_at = rule.fires_at(*at);
                prop_assert!(fires_at <= now && fires_at >= *at, "it fired before its time");
                let off = fires_at.saturating_since(*at);
                prop_assert!(off <= rule.jitter);
                let due = fires_at > awake_since && now.saturating_since(fires_at) <= GRACE;
                prop_assert_eq!(due, !was_missed);
                made_up += usize::from(*was_missed);
            }
            let due: Vec<_> = expected.iter().filter(|at| {
                let fires_at = rule.fires_at(**at);
                fires_at > awake_since && fires_at <= now && now.saturating_since(fires_at) <= GRACE
            }).collect();
            let fired: Vec<_> = look.fired.iter().filter(|(_, missed)| !missed).map(|(at, _)| at).collect();
            prop_assert_eq!(&due, &fired, "all that is due fires");
            let gone = expected.iter().filter(|at| rule.fires_at(**at) <= now).count() - due.len();
            prop_assert_eq!(made_up, match missed {
                Missed::Skip => 0,
                Missed::One => gone.min(1),
                Missed::All { max } => gone.min(max),
            });
            // It wakes for the next one, and not in the past.
            prop_assert!(look.wake.is_some_and(|wake| wake > now), "{:?} at {now:?}", look.wake);
            settled = look.settled;
        }
    }

    /// Whatever is written, it is read or refused.
    #[test]
    fn no_expression_panics(text in "[-0-9*,/#LW?+@ A-Za-zé]{0,24}") {
        let utc = expression::zone("UTC").expect("there is UTC");
        if let Err(mistake) = expression::read(&text, ("UTC", utc)) {
            prop_assert!(text.get(mistake.span).is_some());
        }
    }
}

#[test]
fn a_clock_that_was_far_ahead_does_not_stop_a_schedule() {
    let timing = timing("0 * * * *", "UTC");
    let rule = Rule { timing: &timing, jitter: Duration::ZERO, missed: Missed::One, seed: 0 };
    let (settled, now) = (at("2030-01-01T00:00:00Z"), at("2026-01-01T00:10:00Z"));
    assert_eq!(rule.step(settled, now, now), Step::Restart);
    // An hour is waited for: what has fired does not fire again.
    let settled = at("2026-01-01T01:00:00Z");
    assert_eq!(rule.step(settled, now, now), Step::Wait(Some(at("2026-01-01T02:00:00Z"))));
}

#[test]
fn what_was_missed_is_passed_over_or_made_up_for() {
    let timing = timing("0 * * * *", "UTC");
    let (settled, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T05:30:00Z"));
    let rule = |missed| Rule { timing: &timing, jitter: Duration::ZERO, missed, seed: 0 };
    let five = at("2026-01-01T05:00:00Z");
    assert_eq!(rule(Missed::Skip).step(settled, now, now), Step::Pass { until: five });
    let fire = |scheduled_at, passes| Step::Fire { scheduled_at, missed: true, passes };
    assert_eq!(rule(Missed::One).step(settled, now, now), fire(five, true));
    let four = at("2026-01-01T04:00:00Z");
    assert_eq!(rule(Missed::All { max: 2 }).step(settled, now, now), fire(four, true));
    assert_eq!(rule(Missed::All { max: 2 }).step(four, now, now), fire(five, false));
    let one = at("2026-01-01T01:00:00Z");
    assert_eq!(rule(Missed::All { max: 9 }).step(settled, now, now), fire(one, false));
}
