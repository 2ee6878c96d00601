//! How many attempts of several lanes together run, and how many may.

use std::collections::BTreeMap;

/// What attempts are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cap {
    All,
    Plugin(String),
    Topic(String),
}

/// The counts. A lane stands under several caps, and each of its permits counts towards all of them.
#[derive(Debug, Default)]
pub(super) struct Caps(BTreeMap<Cap, Count>);

/// How many lanes are still to be served under each cap.
pub(super) type Sharers = BTreeMap<Cap, usize>;

#[derive(Debug, Default)]
struct Count {
    limit: usize,
    running: usize,
}

impl Count {
    fn room(&self) -> usize {
        self.limit.saturating_sub(self.running)
    }
}

impl Caps {
    pub(super) fn set(&mut self, cap: Cap, limit: usize) {
        self.0.entry(cap).or_default().limit = limit;
    }

    /// Forgets all others.
    pub(super) fn retain(&mut self, used: impl Fn(&Cap) -> bool) {
        self.0.retain(|cap, _| used(cap));
    }

    /// How many permits are free under all of `caps`.
    pub(super) fn room(&self, caps: &[Cap]) -> usize {
        caps.iter().map(|cap| self.0.get(cap).map_or(0, Count::room)).min().unwrap_or(0)
    }

    /// One lane's part of the free permits, where those that are still to be served under a cap,
    /// itself included, get equal ones.
    pub(super) fn share(&self, caps: &[Cap], sharers: &Sharers) -> usize {
        let parts = caps.iter().map(|cap| {
            let sharers = sharers.get(cap).copied().unwrap_or(1).max(1);
            self.0.get(cap).map_or(0, |count| count.room().div_ceil(sharers))
        });
        parts.min().unwrap_or(0)
    }

    pub(super) fn take(&mut self, caps: &[Cap], permits: usize) {
        self.each(caps, |count| count.running += permits);
    }

    pub(super) fn give_back(&mut self, caps: &[Cap], permits: usize) {
        self.each(caps, |count| count.running = count.running.saturating_sub(permits));
    }

    /// Permits that are taken under `cap`.
    pub(super) fn running(&self, cap: &Cap) -> usize {
        self.0.get(cap).map_or(0, |count| count.running)
    }

    fn each(&mut self, caps: &[Cap], change: impl Fn(&mut Count)) {
        for cap in caps {
            if let Some(count) = self.0.get_mut(cap) {
                change(count);
            }
        }
    }
}
