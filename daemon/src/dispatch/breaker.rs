//! A plugin that breaks attempt after attempt is left alone for a while: a pure state machine.
//!
//! Closed, it lets every attempt through and counts those in a row that broke. Open, it lets none
//! through until its pause is over, and then one, the probe: if that breaks too, the next pause is
//! twice as long; if it does not, the breaker is closed. Nothing here reads a clock.

use std::time::{Duration, Instant};

use hookyard_runtime::{Attempt, Outcome};

use crate::config;

/// How much longer each pause in a row is than the one before.
const LONGER: u32 = 2;

/// What an attempt says of its plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The handler came to an end of its own; asking for a retry and rejecting are such ends.
    Whole,
    /// It trapped or crossed one of its limits.
    Broke,
    /// Nothing: it was ended for somebody else's sake, or did not run.
    None,
}

impl Verdict {
    /// What `attempt` says, which had to end by `end` whatever its plugin's limits are, and is over
    /// at `now`.
    pub(crate) fn of(attempt: &Attempt, end: Option<Instant>, now: Instant) -> Self {
        // It found no instance, or its handler does not want the event.
        if attempt.duration.is_zero() {
            return Self::None;
        }
        match &attempt.outcome {
            Outcome::Timeout(_) if end.is_some_and(|end| now >= end) => Self::None,
            Outcome::Trap(_) | Outcome::Timeout(_) | Outcome::Limit(_) => Self::Broke,
            Outcome::Done { .. }
            | Outcome::Ignored(_)
            | Outcome::Retry { .. }
            | Outcome::Reject(_) => Self::Whole,
        }
    }
}

/// What a verdict changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// So many attempts in a row broke, the probe included: none is made for so long.
    Opened { failures: u32, pause: Duration },
    /// The probe came to an end of its own.
    Closed,
}

/// The breaker of one plugin.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// `None` never opens.
    settings: Option<config::Breaker>,
    state: State,
    /// Attempts in a row that broke.
    failures: u32,
    /// Grows with every change of the state: what was let through before it has no say.
    epoch: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    /// `pause` is what this one lasts in all.
    Open {
        until: Instant,
        pause: Duration,
    },
    /// The probe is on its way.
    Probing {
        until: Instant,
        pause: Duration,
    },
}

impl Breaker {
    pub(crate) fn new(settings: Option<config::Breaker>) -> Self {
        Self { settings, state: State::Closed, failures: 0, epoch: 0 }
    }

    /// Closed, with these settings: what may have been wrong has been changed.
    pub(crate) fn reset(&mut self, settings: Option<config::Breaker>) {
        self.settings = settings;
        self.failures = 0;
        self.enter(State::Closed);
    }

    /// How many attempts may begin at `now`; `None` for any number.
    pub(crate) fn lets(&self, now: Instant) -> Option<usize> {
        match self.state {
            State::Closed => None,
            State::Open { until, .. } => Some(usize::from(now >= until)),
            State::Probing { .. } => Some(0),
        }
    }

    /// Lets one attempt through, which [`lets`](Self::lets) must have said may begin. The number is
    /// to be shown with its verdict.
    pub(crate) fn let_through(&mut self) -> u64 {
        if let State::Open { until, pause } = self.state {
            self.enter(State::Probing { until, pause });
        }
        self.epoch
    }

    /// What was let through as `epoch` came back. A probe that gave no verdict leaves its place to
    /// another one.
    pub(crate) fn came_back(&mut self, epoch: u64) {
        if let State::Probing { until, pause } = self.state
            && epoch == self.epoch
        {
            self.enter(State::Open { until, pause });
        }
    }

    /// Takes in what the attempt that was let through as `epoch` says.
    pub(crate) fn judge(&mut self, epoch: u64, verdict: Verdict, now: Instant) -> Option<Change> {
        if epoch != self.epoch {
            return None;
        }
        let settings = self.settings?;
        match (verdict, self.state) {
            (Verdict::None, _) | (_, State::Open { .. }) => None,
            (Verdict::Whole, State::Closed) => {
                self.failures = 0;
                None
            }
            (Verdict::Whole, State::Probing { .. }) => {
                self.failures = 0;
                self.enter(State::Closed);
                Some(Change::Closed)
            }
            (Verdict::Broke, state) => {
                self.failures = self.failures.saturating_add(1);
                let pause = match state {
                    State::Probing { pause, .. } => {
                        pause.saturating_mul(LONGER).min(settings.max_pause)
                    }
                    _ if self.failures < settings.failures => return None,
                    _ => settings.pause,
                };
                self.enter(State::Open { until: now + pause, pause });
                Some(Change::Opened { failures: self.failures, pause })
            }
        }
    }

    /// When the probe may be made, while none may.
    pub(crate) fn probe_at(&self) -> Option<Instant> {
        match self.state {
            State::Open { until, .. } => Some(until),
            State::Closed | State::Probing { .. } => None,
        }
    }

    /// Since how many broken attempts it is not closed.
    pub(crate) fn failures(&self) -> Option<u32> {
        (self.state != State::Closed).then_some(self.failures)
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch = self.epoch.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SETTINGS: config::Breaker =
        config::Breaker { failures: 3, pause: SECOND, max_pause: Duration::from_secs(5) };

    /// One attempt that is let through, judged and given back.
    fn attempt(breaker: &mut Breaker, verdict: Verdict, now: Instant) -> Option<Change> {
        assert_ne!(breaker.lets(now), Some(0));
        let epoch = breaker.let_through();
        let change = breaker.judge(epoch, verdict, now);
        breaker.came_back(epoch);
        change
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(Some(SETTINGS));
        assert_eq!(attempt(&mut breaker, Verdict::Broke, now), None);
        assert_eq!(attempt(&mut breaker, Verdict::Broke, now), None);
        let change = Change::Opened { failures: 3, pause: SECOND };
        assert_eq!(attempt(&mut breaker, Verdict::Broke, now), Some(change));
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_whole_attempt_between_them_does_not() {
        let now = Instant::now();
        let mut breaker = Breaker::new(Some(SETTINGS));
        for _ in 0..10 {
            assert_eq!(attempt(&mut breaker, Verdict::Broke, now), None);
            assert_eq!(attempt(&mut breaker, Verdict::None, now), None);
            assert_eq!(attempt(&mut breaker, Verdict::Broke, now), None);
            assert_eq!(attempt(&mut breaker, Verdict::Whole, now), None);
        }
        assert_eq!(opened(now).lets(now), Some(0));
    }

    #[test]
    fn after_the_pause_there_is_one_probe_and_its_success_closes_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.probe_at(), Some(now + SECOND));
        let later = now + SECOND;
        assert_eq!(breaker.lets(later), Some(1));
        let probe = breaker.let_through();
        assert_eq!(breaker.lets(later), Some(0));
        assert_eq!(breaker.judge(probe, Verdict::Whole, later), Some(Change::Closed));
        breaker.came_back(probe);
        assert_eq!(breaker.lets(later), None);
        // It counts from nothing again.
        assert_eq!(attempt(&mut breaker, Verdict::Broke, later), None);
    }

    #[test]
    fn a_probe_that_breaks_makes_the_next_pause_longer_up_to_the_most() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for seconds in [2, 4, 5, 5] {
            now = breaker.probe_at().expect("is open");
            let pause = Duration::from_secs(seconds);
            match attempt(&mut breaker, Verdict::Broke, now) {
                Some(Change::Opened { pause: next, .. }) => assert_eq!(next, pause),
                other => panic!("{other:?}"),
            }
            assert_eq!(breaker.lets(now + pause - Duration::from_millis(1)), Some(0));
        }
        // Having been closed, it begins with the first pause again.
        now = breaker.probe_at().expect("is open");
        assert_eq!(attempt(&mut breaker, Verdict::Whole, now), Some(Change::Closed));
        for _ in 0..2 {
            assert_eq!(attempt(&mut breaker, Verdict::Broke, now), None);
        }
        let change = Change::Opened { failures: 3, pause: SECOND };
        assert_eq!(attempt(&mut breaker, Verdict::Broke, now), Some(change));
    }

    #[test]
    fn what_began_before_it_opened_has_no_say() {
        let now = Instant::now();
        let mut breaker = Breaker::new(Some(SETTINGS));
        let early = breaker.let_through();
        for _ in 0..3 {
            attempt(&mut breaker, Verdict::Broke, now);
        }
        assert_eq!(breaker.judge(early, Verdict::Whole, now), None);
        assert_eq!(breaker.lets(now), Some(0));
        let probe = breaker.let_through();
        breaker.came_back(early);
        assert_eq!(breaker.lets(now + SECOND), Some(0), "it is no probe that came back");
        breaker.came_back(probe);
        assert_eq!(breaker.lets(now + SECOND), Some(1));
    }

    #[test]
    fn only_what_the_plugin_did_itself_is_held_against_it() {
        let now = Instant::now();
        let of = |outcome, millis, end| {
            let attempt = Attempt {
                outcome,
                log: Vec::new(),
                log_dropped: 0,
                duration: Duration::from_millis(millis),
                cpu: Duration::ZERO,
                memory_peak: 0,
                kv: hookyard_runtime::KvEffects::default(),
                requests: Vec::new(),
                sendings: Vec::new(),
                plugin_hash: hookyard_runtime::ContentHash::of(b""),
            };
            Verdict::of(&attempt, end, now)
        };
        let timeout = || Outcome::Timeout(String::new());
        assert_eq!(of(timeout(), 5, None), Verdict::Broke);
        assert_eq!(of(timeout(), 5, Some(now + SECOND)), Verdict::Broke);
        assert_eq!(of(timeout(), 5, Some(now)), Verdict::None, "the sender's deadline");
        assert_eq!(of(timeout(), 0, None), Verdict::None, "no instance was free");
        assert_eq!(of(Outcome::Trap(String::new()), 5, Some(now)), Verdict::Broke);
        assert_eq!(of(Outcome::Limit(String::new()), 5, None), Verdict::Broke);
        assert_eq!(of(Outcome::Reject(String::new()), 5, None), Verdict::Whole);
        let retry = Outcome::Retry { after: None, message: String::new() };
        assert_eq!(of(retry, 5, None), Verdict::Whole);
        assert_eq!(of(Outcome::Ignored(String::new()), 0, None), Verdict::None, "it did not run");
    }

    #[test]
    fn off_it_never_opens() {
        let now = Instant::now();
        let mut breaker = Breaker::new(None);
        for _ in 0..1000 {
            assert_eq!(attempt(&mut breaker, Verdict::Broke, now), None);
        }
        assert_eq!(breaker.lets(now), None);
    }

    proptest! {
        /// Whatever happens in whatever order: never two probes, none during a pause, no pause
        /// longer than the longest, and never open with fewer failures than it takes.
        #[test]
        fn it_keeps_its_word(steps in prop::collection::vec((0u8..6, 0u64..1500), 1..300)) {
            let mut now = Instant::now();
            let mut breaker = Breaker::new(Some(SETTINGS));
            let mut held: Vec<(u64, bool)> = Vec::new();
            let mut paused_until = None::<Instant>;
            for (step, wait) in steps {
                match step {
                    0 => now += Duration::from_millis(wait),
                    1 if breaker.lets(now) != Some(0) => {
                        let probe = breaker.lets(now) == Some(1);
                        prop_assert!(paused_until.is_none_or(|until| now >= until));
                        if probe {
                            let epoch = breaker.epoch + 1;
                            prop_assert!(!held.iter().any(|(e, probe)| *probe && *e == epoch));
                        }
                        held.push((breaker.let_through(), probe));
                        if probe {
                            prop_assert_eq!(breaker.lets(now), Some(0));
                        }
                    }
                    2..=4 if !held.is_empty() => {
                        let at = usize::try_from(wait).unwrap_or(0) % held.len();
                        let (epoch, probe) = held.swap_remove(at);
                        let verdict = [Verdict::Whole, Verdict::Broke, Verdict::None][usize::from(step) - 2];
                        match breaker.judge(epoch, verdict, now) {
                            Some(Change::Opened { failures, pause }) => {
                                prop_assert_eq!(verdict, Verdict::Broke);
                                prop_assert!(probe || failures == SETTINGS.failures);
                                prop_assert!(pause >= SETTINGS.pause && pause <= SETTINGS.max_pause);
                                paused_until = Some(now + pause);
                            }
                            Some(Change::Closed) => {
                                prop_assert!(probe && verdict == Verdict::Whole);
                                paused_until = None;
                            }
                            None => {}
                        }
                        breaker.came_back(epoch);
                    }
                    5 if wait < 50 => {
                        breaker.reset(Some(SETTINGS));
                        paused_until = None;
                        prop_assert_eq!(breaker.lets(now), None);
                    }
                    _ => {}
                }
            }
        }
    }
}
