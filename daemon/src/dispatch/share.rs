//! How much of the daemon's log each plugin's lines may take. What is past a plugin's `log_rate` is
//! left out there, counted, and told once in a while; the attempt keeps it in any case.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// What may come at once, in seconds of `log_rate`.
const BURST: Duration = Duration::from_secs(8);

/// How long lines that were left out are counted before that is told.
const TELL: Duration = Duration::from_secs(10);

/// What a line costs besides its text: its time, event and handler.
pub(super) const LINE_COST: usize = 256;

/// The shares of all plugins that have logged something.
#[derive(Debug, Default)]
pub(super) struct LogShares(Mutex<HashMap<String, Share>>);

#[derive(Debug)]
struct Share {
    /// When all that was written is worked off at the plugin's rate.
    clear_at: Instant,
    /// Lines that were left out and not told of.
    left_out: u64,
}

impl LogShares {
    /// Whether a line of `bytes` goes into the log, at `rate` bytes a second. Must be called inside a
    /// runtime.
    pub(super) fn take(self: &Arc<Self>, plugin: &str, bytes: usize, rate: u64) -> bool {
        let now = Instant::now();
        let mut shares = self.0.lock();
        if !shares.contains_key(plugin) {
            shares.insert(plugin.to_owned(), Share { clear_at: now, left_out: 0 });
        }
        let Some(share) = shares.get_mut(plugin) else { return true };
        if share.clear_at.saturating_duration_since(now) < BURST {
            let cost = bytes.saturating_add(LINE_COST) as f64 / rate.max(1) as f64;
            share.clear_at = share.clear_at.max(now) + Duration::from_secs_f64(cost);
            return true;
        }
        share.left_out += 1;
        if share.left_out == 1 {
            let (shares, plugin) = (Arc::clone(self), plugin.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(TELL).await;
                if let Some(told) = shares.told(&plugin, rate) {
                    tracing::warn!("{told}");
                }
            });
        }
        false
    }

    /// What was left out since it was told last.
    fn told(&self, plugin: &str, rate: u64) -> Option<String> {
        let left_out = std::mem::take(&mut self.0.lock().get_mut(plugin)?.left_out);
        Some(format!(
            "plugin `{plugin}` logs faster than its `log_rate` of {rate} bytes a second: {left_out} \
             lines were left out here, and are kept with their attempts up to `log_bytes` (`hookyard \
             events show`); log less, or raise `log_rate` under [plugin.{plugin}]"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 1024;

    fn pass(shares: &Arc<LogShares>, plugin: &str, lines: usize) -> usize {
        let took = || shares.take(plugin, 1024 - LINE_COST, RATE);
        (0..lines).filter(|_| took()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_plugin_logs_at_its_rate_and_what_is_left_out_is_told() {
        let shares = Arc::new(LogShares::default());
        assert_eq!(pass(&shares, "loud", 10_000), 8, "a burst");
        assert_eq!(pass(&shares, "quiet", 3), 3, "another's share is its own");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(pass(&shares, "loud", 10_000), 5, "one each second");
        let told = shares.told("loud", RATE).expect("was left out");
        assert!(told.contains("its `log_rate` of 1024 bytes a second: 19987 lines"), "{told}");
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(pass(&shares, "loud", 10_000), 8, "no more than a burst is saved");
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_is_longer_than_a_burst_is_paid_for() {
        let shares = Arc::new(LogShares::default());
        assert!(shares.take("loud", 100 * RATE as usize, RATE));
        assert!(!shares.take("loud", 0, RATE));
        tokio::time::advance(Duration::from_secs(91)).await;
        assert!(!shares.take("loud", 0, RATE));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(shares.take("loud", 0, RATE));
    }
}
