//! 7: a plugin replaced under load.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hookyard_tests::{Yard, plugin_file, variant_of};

use super::Found;
use crate::daemon::Daemon;
use crate::delivery::Delivery;
use crate::numbers::Series;
use crate::paced;
use crate::plan::Plan;

/// Requests a second meanwhile.
const RATE: f64 = 1000.0;
const BEFORE: Duration = Duration::from_secs(4);
const AFTER: Duration = Duration::from_secs(2);

pub(super) fn run(plan: &Plan) -> anyhow::Result<Found> {
    let mut found = Found::new("7", "a plugin replaced under load");
    let plugin = fs::read(plugin_file("misbehave"))?;
    let respond = ["mode = \"respond\"", "deadline = \"10s\"", "store = false"];
    let (mut taken, mut calm, mut during) =
        (Series::default(), Series::default(), Series::default());
    for number in 1..=plan.rounds() {
        let number = u32::try_from(number)?;
        let yard = Yard::new();
        yard.swap_plugin("misbehave", &variant_of(&plugin, 0));
        let config = yard.config().route("reply", "misbehave/reply", &respond);
        let daemon = Daemon::start(&yard, &config)?;
        let address = daemon.public;
        let began = Instant::now();
        let load = std::thread::spawn(move || {
            paced::run(address, "/reply", &Delivery::push(), RATE, BEFORE + AFTER)
        });
        std::thread::sleep(BEFORE);
        let next = variant_of(&plugin, number);
        let swapped = began.elapsed();
        yard.swap_plugin("misbehave", &next);
        let answers = load.join().ok().context("the load ended badly")??;
        daemon.stop()?;

        let new = format!("{number:06}");
        let served = answers
            .answers
            .iter()
            .filter(|answer| answer.body.windows(new.len()).any(|window| window == new.as_bytes()));
        let first = served.map(|answer| answer.due + answer.latency).min();
        let first = first.context("the new version never answered")?;
        ensure!(first > swapped, "the new version answered before it was there");
        taken.push((first - swapped).as_secs_f64() * 1e3);
        // The first second warms up.
        calm.push(answers.quantile(0.99, Duration::from_secs(1)..swapped));
        during.push(answers.quantile(0.99, swapped..first + Duration::from_millis(100)));
    }
    found.fact("the plugin's size", format!("{} KB", plugin.len() / 1000));
    let ms = taken.median();
    found.bound("until it serves", format!("{ms:.0} ms"), "≤ 150 ms", ms <= 150.0);
    let (calm, during) = (calm.median(), during.median());
    found.bound(
        "p99 meanwhile",
        format!("{during:.2} ms, before {calm:.2} ms"),
        "≤ 2 times",
        during <= 2.0 * calm,
    );
    Ok(found)
}
