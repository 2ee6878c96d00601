//! What a schedule does now: a pure function of its rule, what is settled, and the time.
//!
//! Times are settled in their order. One is *due* when the daemon was there for it, and *missed* when
//! it was not, or looks at it more than [`GRACE`] late: the machine slept, or the clock was set.

use std::time::Duration;

use hookyard_types::Timestamp;

use super::timing::Timing;

/// How late a time is still due. What holds the daemon up for less than this makes nothing missed.
pub(super) const GRACE: Duration = Duration::from_secs(60);

/// When so much is settled beyond the present, the clock was wrong when that was done.
const CLOCK_WAS_WRONG: Duration = Duration::from_secs(24 * 3600);

/// How many times can be due at once, one each second, and one whose jitter is not over.
const MOST_DUE: usize = 62;

/// What becomes of times that were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    Skip,
    /// The latest of them is made up for.
    One,
    /// The latest `max` are.
    All {
        max: usize,
    },
}

/// What decides when a schedule fires.
#[derive(Debug)]
pub(super) struct Rule<'a> {
    pub(super) timing: &'a Timing,
    /// The most that a firing is put off.
    pub(super) jitter: Duration,
    pub(super) missed: Missed,
    /// Puts the firings of each daemon off by other amounts.
    pub(super) seed: u64,
}

/// What is to be done next. After anything but a wait, ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is nothing to do before that, or ever.
    Wait(Option<Timestamp>),
    /// Fire for a time, which settles it and those before it.
    Fire {
        scheduled_at: Timestamp,
        missed: bool,
        /// Times before it were missed, and are passed over.
        passes: bool,
    },
    /// What was missed until then is passed over.
    Pass { until: Timestamp },
    /// The clock was set back so far that what is settled means nothing: begin anew.
    Restart,
}

impl Rule<'_> {
    /// What is to be done at `now`. Every time up to `settled` is done with; `awake_since` is no
    /// later than `now`.
    pub(super) fn step(&self, settled: Timestamp, awake_since: Timestamp, now: Timestamp) -> Step {
        if settled.saturating_since(now) > CLOCK_WAS_WRONG {
            return Step::Restart;
        }
        let made_up = match self.missed {
            Missed::Skip | Missed::One => 1,
            Missed::All { max } => max,
        };
        // One more than is needed tells whether there are any to pass over.
        let mut times = self.timing.latest(settled, now, made_up + MOST_DUE + 1);
        while times.back().is_some_and(|at| self.fires_at(*at) > now) {
            times.pop_back();
        }
        let is_due = |at: &Timestamp| {
            let fires_at = self.fires_at(*at);
            fires_at > awake_since && now.saturating_since(fires_at) <= GRACE
        };
        let missed = times.iter().take_while(|at| !is_due(at)).count();
        let first = match self.missed {
            Missed::Skip => match missed.checked_sub(1).and_then(|last| times.get(last)) {
                Some(until) => return Step::Pass { until: *until },
                None => 0,
            },
            Missed::One | Missed::All { .. } => missed.saturating_sub(made_up),
        };
        match times.get(first) {
            Some(at) => Step::Fire { scheduled_at: *at, missed: missed > 0, passes: first > 0 },
            None => Step::Wait(self.next(settled)),
        }
    }

    /// When the first time after `settled` fires.
    pub(super) fn next(&self, settled: Timestamp) -> Option<Timestamp> {
        self.timing.next(settled).map(|at| self.fires_at(at))
    }

    /// When a time fires: put off by the jitter, the same whenever it is asked for, and before the
    /// next time.
    pub(super) fn fires_at(&self, scheduled_at: Timestamp) -> Timestamp {
        if self.jitter.is_zero() {
            return scheduled_at;
        }
        let gap = self.timing.next(scheduled_at).map(|next| next.saturating_since(scheduled_at));
        let most = self.jitter.min(gap.unwrap_or(self.jitter)).as_millis();
        let most = u64::try_from(most).unwrap_or(u64::MAX).max(1);
        let seed = self.seed ^ scheduled_at.as_millis().unsigned_abs();
        let off = fastrand::Rng::with_seed(seed).u64(0..most);
        scheduled_at.saturating_add(Duration::from_millis(off))
    }
}
