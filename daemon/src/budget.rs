//! How often something may happen: a bucket of tokens that fills with time.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// At most `burst` at once, and one more each `every`.
#[derive(Debug)]
pub(crate) struct Budget {
    burst: u32,
    every: Duration,
    /// When the bucket will be full again.
    full_at: Mutex<Instant>,
}

impl Budget {
    pub(crate) fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, full_at: Mutex::new(Instant::now()) }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock();
        let spent = (*full_at).max(now) + self.every;
        let room = self.every * self.burst;
        match spent.checked_duration_since(now + room) {
            None | Some(Duration::ZERO) => {
                *full_at = spent;
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_for_each_period() {
        const EVERY: Duration = Duration::from_millis(100);
        let budget = Budget::new(3, EVERY);
        let take = || budget.take(Instant::now());
        assert_eq!([take(), take(), take()], [Ok(()); 3]);
        assert_eq!(take(), Err(EVERY));
        tokio::time::advance(EVERY / 2).await;
        assert_eq!(take(), Err(EVERY / 2));
        tokio::time::advance(EVERY / 2).await;
        assert_eq!(take(), Ok(()));
        assert!(take().is_err(), "what was refused cost nothing, and what passed did");
        tokio::time::advance(100 * EVERY).await;
        assert_eq!([take(), take(), take()], [Ok(()); 3]);
        assert!(take().is_err(), "it holds no more than a burst");
    }
}
