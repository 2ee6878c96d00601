//! 8: the start with a hundred plugins.

use std::fs;
use std::time::Instant;

use hookyard_tests::{Yard, plugin_file};

use super::Found;
use crate::daemon::Daemon;
use crate::numbers::Series;
use crate::plan::Plan;

const PLUGINS: u32 = 100;

pub(super) fn run(plan: &Plan) -> anyhow::Result<Found> {
    let mut found = Found::new("8", "the start with a hundred plugins");
    let plugin = fs::read(plugin_file("misbehave"))?;
    let yard = Yard::new();
    for number in 0..PLUGINS {
        let name = format!("mis{number:06}");
        fs::write(yard.plugin_path(&name), renamed(&plugin, b"misbehave", name.as_bytes()))?;
    }
    let (mut cold, mut warm) = (Series::default(), Series::default());
    let config = yard.config();
    let start = || {
        let began = Instant::now();
        let daemon = Daemon::start(&yard, &config)?;
        let took = began.elapsed().as_secs_f64() * 1e3;
        daemon.stop()?;
        anyhow::Ok(took)
    };
    for _ in 0..plan.rounds() {
        let _ = fs::remove_dir_all(yard.path("cache"));
        cold.push(start()?);
        warm.push(start()?);
    }
    let ms = warm.median();
    found.bound("ready, compiled before", format!("{ms:.0} ms"), "≤ 500 ms", ms <= 500.0);
    found.fact("ready, nothing compiled", format!("{:.1} s", cold.median() / 1e3));
    Ok(found)
}

/// The plugin under another name of the same length.
fn renamed(plugin: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "the file's sections have fixed lengths");
    let mut changed = plugin.to_vec();
    let places: Vec<usize> = plugin
        .windows(from.len())
        .enumerate()
        .filter_map(|(at, window)| (window == from).then_some(at))
        .collect();
    for at in places {
        changed[at..at + to.len()].copy_from_slice(to);
    }
    changed
}
