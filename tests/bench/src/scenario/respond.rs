//! 1 and 1b: the sender waits for the handler's answer.

use hookyard_tests::Yard;

use super::{BARE, Found, PER_SECOND, Side, bare};
use crate::daemon::Daemon;
use crate::delivery::Delivery;
use crate::numbers::Series;
use crate::plan::Plan;
use crate::yard::config;
use crate::{process, wrk};

/// Bare hyper, the stored route and the one without a store by turns.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Vec<Found>> {
    let mut stored =
        Found::new("1", "respond: verified, stored, handled, committed, then the reply");
    let delivery = Delivery::push();
    let (mut hyper, mut with, mut without) =
        (Series::default(), Series::default(), Series::default());
    let (mut p50, mut fsync) = (Series::default(), Series::default());
    for _ in 0..plan.rounds() {
        hyper.push(bare(plan, &delivery)?.rate);
        // A new database each time: the runs are to be alike.
        let yard = Yard::with_plugins(&["echo"]);
        let daemon = Daemon::start(&yard, &config(&yard))?;
        let load = wrk::load(daemon.public, "/respond", &delivery, plan.run())?;
        with.push(load.rate);
        p50.push(load.p50);
        fsync.push(process::fsync(&yard.data())?);
        without.push(wrk::load(daemon.public, "/unstored", &delivery, plan.run())?.rate);
        daemon.stop()?;
    }
    let bare = Side { name: BARE, unit: PER_SECOND, series: hyper };
    let side = |name, series| Side { name, unit: PER_SECOND, series };
    stored.compared(bare.clone(), side("respond, stored", with), 0.15);
    let (p50, two) = (p50.median(), 2.0 * fsync.median());
    stored.bound(
        "p50",
        format!("{p50:.2} ms"),
        format!("≤ {two:.2} ms, two fsyncs of this disk"),
        p50 <= two,
    );
    let mut unstored =
        Found::new("1b", "respond with `store = false`: verified, handled, answered");
    unstored.compared(bare, side("respond, not stored", without), 0.40);
    Ok(vec![stored, unstored])
}
