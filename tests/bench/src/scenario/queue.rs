//! 3a and 3b: the sender is answered when the event is on disk.

use hookyard_tests::Yard;

use super::{Found, Side};
use crate::baseline::run_store_only;
use crate::daemon::Daemon;
use crate::delivery::Delivery;
use crate::numbers::Series;
use crate::plan::Plan;
use crate::yard::{Tally, config};
use crate::{process, wrk};

const WRITER: &str = "the store alone";
const EVENTS: &str = "events/s";

/// Without the plugin: its jobs wait.
pub(super) fn taking_in(plan: &Plan) -> anyhow::Result<Found> {
    let mut found =
        Found::new("3a", "queue, handlers at rest: verified, deduplicated, on disk, 202");
    let delivery = Delivery::push();
    let (mut alone, mut ours) = (Series::default(), Series::default());
    let (mut p50, mut p99) = (Series::default(), Series::default());
    for _ in 0..plan.rounds() {
        let yard = Yard::new();
        alone.push(run_store_only(&yard.path(""), plan.run())?.rate);
        let daemon = Daemon::start(&yard, &config(&yard))?;
        let load = wrk::load(daemon.public, "/queue", &delivery, plan.run())?;
        daemon.stop()?;
        ours.push(load.rate);
        p50.push(load.p50);
        p99.push(load.p99);
    }
    let alone = Side { name: WRITER, unit: EVENTS, series: alone };
    found.compared(alone, Side { name: "queue, at rest", unit: EVENTS, series: ours }, 0.6);
    found.fact("p50", format!("{:.2} ms", p50.median()));
    found.fact("p99", format!("{:.2} ms", p99.median()));
    Ok(found)
}

/// With the plugin: what is handled in the time counts, and not more than was taken in. Also that rate.
pub(super) fn handling(plan: &Plan) -> anyhow::Result<(Found, f64)> {
    let mut found = Found::new("3b", "queue, handlers running: as 3a, and every event handled");
    let delivery = Delivery::push();
    let (mut alone, mut ours) = (Series::default(), Series::default());
    let (mut acks, mut waiting, mut cost) =
        (Series::default(), Series::default(), Series::default());
    for _ in 0..plan.rounds() {
        let yard = Yard::with_plugins(&["echo"]);
        alone.push(run_store_only(&yard.path(""), plan.run())?.rate);
        let daemon = Daemon::start(&yard, &config(&yard))?;
        let before = process::processor_time(daemon.pid())?;
        let load = wrk::load(daemon.public, "/queue", &delivery, plan.long_run())?;
        let used = process::processor_time(daemon.pid())? - before;
        let tally = Tally::open(&yard)?;
        let (open, handled) = (tally.open_jobs()?, tally.succeeded()?);
        daemon.stop()?;
        acks.push(load.rate);
        waiting.push(open as f64);
        ours.push((handled as f64 / plan.long_run().as_secs_f64()).min(load.rate));
        cost.push(used.as_secs_f64() * 1e6 / handled.max(1) as f64);
    }
    let rate = ours.median();
    let alone = Side { name: WRITER, unit: EVENTS, series: alone };
    found.compared(alone, Side { name: "queue, handled", unit: EVENTS, series: ours }, 0.3);
    found.fact("acknowledged", format!("{:.0} events/s", acks.median()));
    let waiting = waiting.median();
    found.bound(
        "events that wait at the end",
        format!("{waiting:.0}"),
        "no more than arrive in a second",
        waiting <= rate,
    );
    found.fact("processor time of an event, all stages", format!("{:.0} µs", cost.median()));
    Ok((found, rate))
}
