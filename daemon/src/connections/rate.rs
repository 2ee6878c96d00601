//! How often a connection's service may be asked, by all plugins together.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config;

/// So many requests in any span of its length: each request's moment is remembered until that much
/// time has passed.
#[derive(Debug)]
pub(super) struct Rate {
    config: config::Rate,
    /// When requests were or will be sent, in order; at most as many as there may be.
    moments: Mutex<VecDeque<Instant>>,
}

impl Rate {
    pub(super) fn new(config: config::Rate) -> Self {
        Self { config, moments: Mutex::default() }
    }

    pub(super) fn config(&self) -> config::Rate {
        self.config
    }

    /// Takes the next free moment, if it is not after `deadline`. Who asks first goes first; a moment
    /// that was taken and not used is not given to another.
    ///
    /// # Errors
    ///
    /// How long it is until that moment.
    pub(super) fn take(&self, now: Instant, deadline: Instant) -> Result<Instant, Duration> {
        let mut moments = self.moments.lock();
        let free = match moments.front() {
            Some(first) if moments.len() >= self.config.requests => {
                (*first + self.config.per).max(now)
            }
            _ => now,
        };
        // Moments that lie ahead are in order.
        let free = moments.back().map_or(free, |last| free.max(*last));
        if free > deadline {
            return Err(free.saturating_duration_since(now));
        }
        if moments.len() >= self.config.requests {
            moments.pop_front();
        }
        moments.push_back(free);
        Ok(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn any_span_has_so_many_requests_at_most() {
        let rate = Rate::new(config::Rate { requests: 5, per: 10 * SECOND });
        let begin = Instant::now();
        let far = begin + 3600 * SECOND;
        let mut taken = Vec::new();
        for step in [0, 0, 0, 3, 3, 4, 4, 9, 9, 30, 31, 31, 31, 31, 31, 31] {
            let now = begin + step * SECOND;
            let moment = rate.take(now, far).expect("is far");
            assert!(moment >= now);
            taken.push(moment);
        }
        assert_eq!(taken[..5], [0, 0, 0, 3, 3].map(|step| begin + step * SECOND));
        assert_eq!(taken[5], begin + 10 * SECOND);
        for (at, moment) in taken.iter().enumerate() {
            let within = taken.iter().skip(at).filter(|other| **other < *moment + 10 * SECOND);
            assert!(within.count() <= 5, "{taken:?}");
        }
    }

    #[test]
    fn who_cannot_wait_takes_nothing() {
        let rate = Rate::new(config::Rate { requests: 1, per: 60 * SECOND });
        let now = Instant::now();
        assert_eq!(rate.take(now, now), Ok(now));
        for _ in 0..3 {
            assert_eq!(rate.take(now + SECOND, now + 10 * SECOND), Err(59 * SECOND));
        }
        assert_eq!(rate.take(now + 60 * SECOND, now + 60 * SECOND), Ok(now + 60 * SECOND));
    }
}
