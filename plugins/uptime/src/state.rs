//! What is known of one URL, from one check to the next.

use hookyard_sdk::prelude::*;

/// Of what a line says about a failure, in characters.
const LONGEST: usize = 300;

/// Nothing is kept while it is as at first: up, and no check has failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct State {
    /// Whether it was reported as down.
    pub(crate) down: bool,
    /// How many checks failed in a row.
    failures: u32,
    /// When the first of them did, in seconds since 1970.
    since: u64,
}

impl State {
    /// The line to report, if it was down.
    pub(crate) fn is_up(&mut self, name: &str, what: &str, now: u64) -> Option<String> {
        let Self { down, since, .. } = std::mem::take(self);
        let lasted = lasted(now.saturating_sub(since));
        down.then(|| format!("UP {name}: {what} again, after {lasted}"))
    }

    /// The line to report, if this makes it down.
    pub(crate) fn is_failing(
        &mut self,
        name: &str,
        what: &str,
        now: u64,
        most: u32,
    ) -> Option<String> {
        if self.failures == 0 {
            self.since = now;
        }
        self.failures = self.failures.saturating_add(1);
        if self.down || self.failures < most {
            return None;
        }
        self.down = true;
        let what: String = what.chars().take(LONGEST).collect();
        Some(match self.failures {
            1 => format!("DOWN {name}: {what}"),
            times => format!("DOWN {name}: {what} ({times} times in a row)"),
        })
    }
}

/// `2 h 5 min`.
fn lasted(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
