//! 4: how fast a backlog is worked off.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::ensure;
use hookyard_tests::{Yard, plugin_file};

use super::Found;
use crate::daemon::Daemon;
use crate::delivery::Delivery;
use crate::numbers::Series;
use crate::plan::Plan;
use crate::wrk;
use crate::yard::{Tally, config};

const BACKLOG: u64 = 200_000;

pub(super) fn run(plan: &Plan) -> anyhow::Result<Found> {
    let mut found = Found::new("4", "a backlog worked off: an increment and the outcome committed");
    let backlog = plan.scaled(BACKLOG);
    let mut rates = Series::default();
    for _ in 0..plan.rounds() {
        let yard = Yard::new();
        let daemon = Daemon::start(&yard, &config(&yard))?;
        let tally = Tally::open(&yard)?;
        while tally.events()? < backlog {
            wrk::load(daemon.public, "/count", &Delivery::push(), plan.run())?;
        }
        rates.push(drain(&yard, &daemon, &tally)?);
        daemon.stop()?;
    }
    let rate = rates.median();
    found.bound(
        "the backlog",
        format!(
            "{backlog} jobs or more, {rate:.0} jobs/s (spread {:.0} %)",
            rates.spread() * 100.0
        ),
        "≥ 10,000/s",
        rate >= 10_000.0,
    );
    Ok(found)
}

/// Lets the plugin in and waits until nothing is left; jobs a second from the first one's end.
pub(super) fn drain(yard: &Yard, daemon: &Daemon, tally: &Tally) -> anyhow::Result<f64> {
    let waiting = tally.open_jobs()?;
    let put = Instant::now();
    yard.swap_plugin("keeper", &fs::read(plugin_file("keeper"))?);
    while tally.open_jobs()? == waiting {
        ensure!(put.elapsed() < Duration::from_secs(60), "no job runs\n{}", daemon.log()?);
        std::thread::sleep(Duration::from_millis(2));
    }
    let began = Instant::now();
    let first = tally.open_jobs()?;
    let mut left = first;
    while left > 0 {
        std::thread::sleep(Duration::from_millis(50));
        left = tally.open_jobs()?;
        ensure!(began.elapsed() < Duration::from_secs(600), "{left} jobs are left");
    }
    Ok(first as f64 / began.elapsed().as_secs_f64())
}
