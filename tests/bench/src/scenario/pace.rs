//! 5: what the senders see at a steady rate, and what the write-ahead log does at full rate.

use std::time::{Duration, Instant};

use hookyard_tests::Yard;

use super::Found;
use crate::daemon::Daemon;
use crate::delivery::Delivery;
use crate::plan::Plan;
use crate::yard::{config, wal};
use crate::{paced, wrk};

/// The rate when 3b was not run to tell half of its own.
const FALLBACK: f64 = 2000.0;
/// `wal_max` where config.toml does not say.
const WAL_MAX: u64 = 64 << 20;

pub(super) fn run(plan: &Plan, sustained: Option<f64>) -> anyhow::Result<Found> {
    let mut found = Found::new("5", "a constant rate at half of 3b, then the full rate");
    let delivery = Delivery::push();
    let rate = sustained.map_or(FALLBACK, |rate| rate / 2.0);
    let yard = Yard::with_plugins(&["echo"]);
    let daemon = Daemon::start(&yard, &config(&yard))?;
    let answers = paced::run(daemon.public, "/queue", &delivery, rate, plan.long_run())?;
    let quantile = |part| answers.quantile(part, answers.whole());
    let (p50, p99) = (quantile(0.5), quantile(0.99));
    found.fact("rate", format!("{rate:.0} requests/s"));
    found.fact("p50", format!("{p50:.2} ms"));
    let times = p99 / p50;
    found.bound("p99", format!("{p99:.2} ms, {times:.1} times p50"), "≤ 8 times", times <= 8.0);
    found.fact("p99.9", format!("{:.2} ms", quantile(0.999)));
    let least = answers.by_second().into_iter().min().unwrap_or(0);
    found.bound("acks in the worst second", least.to_string(), "not 0", least > 0);

    let full = Duration::from_secs(if plan.quick { 4 } else { 600 });
    let load = wrk::start(daemon.public, "/queue", &delivery, full)?;
    let began = Instant::now();
    let mut largest = 0;
    while began.elapsed() < full {
        largest = largest.max(wal(&yard));
        std::thread::sleep(Duration::from_millis(200));
    }
    let load = load.finish()?;
    daemon.stop()?;
    found.fact(
        format!("full rate for {} s", full.as_secs()),
        format!("{:.0} requests/s, p99 {:.1} ms, {} failed", load.rate, load.p99, load.failures),
    );
    let times = largest as f64 / WAL_MAX as f64;
    found.bound(
        "largest write-ahead log",
        format!("{} MiB, {times:.1} times `wal_max`", largest >> 20),
        "≤ 4 times",
        times <= 4.0,
    );
    Ok(found)
}
