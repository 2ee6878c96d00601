//! 6: a store that holds a million events, compared with an empty one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hookyard_store::Store;
use hookyard_store::sqlite::{SqliteOptions, SqliteStore};
use hookyard_tests::Yard;
use rusqlite::Connection;

use super::drain::drain;
use super::{Found, Side};
use crate::baseline::event;
use crate::daemon::Daemon;
use crate::delivery::Delivery;
use crate::numbers::Series;
use crate::plan::Plan;
use crate::wrk;
use crate::yard::{Tally, config, database};

const MILLION: u64 = 1_000_000;
const WANTED: f64 = 0.8;

pub(super) fn run(plan: &Plan) -> anyhow::Result<Found> {
    let mut found = Found::new("6", "a store with a million events, against an empty one");
    let count = plan.scaled(MILLION);
    let full = Yard::new();
    let began = Instant::now();
    fill(&full, count)?;
    found.fact("events in the store", format!("{count}, made in {:.0?}", began.elapsed()));
    let bytes = database(&full).metadata()?.len();
    found.fact("size of the database", format!("{:.2} GiB", bytes as f64 / f64::from(1 << 30)));

    let (mut alone, mut ours) = (Rates::default(), Rates::default());
    for _ in 0..plan.rounds() {
        alone.measure(&Yard::new(), plan)?;
        ours.measure(&full, plan)?;
    }
    for (what, before, after) in [
        ("jobs worked off", &alone.claims, &ours.claims),
        ("lists of 100 events", &alone.lists, &ours.lists),
    ] {
        let ratio = after.median() / before.median();
        let (before, after) = (before.median(), after.median());
        let value = format!("{after:.0} a second against {before:.0}: {ratio:.2}");
        found.bound(what, value, format!("≥ {WANTED}"), ratio >= WANTED);
    }
    let empty = Side { name: "an empty store", unit: "acks/s", series: alone.acks };
    let million = Side { name: "a million events", unit: "acks/s", series: ours.acks };
    found.compared(empty, million, WANTED);
    Ok(found)
}

#[derive(Default)]
struct Rates {
    acks: Series,
    claims: Series,
    lists: Series,
}

impl Rates {
    fn measure(&mut self, yard: &Yard, plan: &Plan) -> anyhow::Result<()> {
        let _ = std::fs::remove_file(yard.plugin_path("keeper"));
        let daemon = Daemon::start(yard, &config(yard))?;
        let load = wrk::load(daemon.public, "/count", &Delivery::push(), plan.run())?;
        self.acks.push(load.rate);
        self.claims.push(drain(yard, &daemon, &Tally::open(yard)?)?);
        self.lists.push(lists(yard));
        daemon.stop()?;
        Ok(())
    }
}

/// Lists a second: the newest hundred, by the command that an operator uses.
fn lists(yard: &Yard) -> f64 {
    const TIMES: u32 = 20;
    let began = Instant::now();
    for _ in 0..TIMES {
        let output = yard.command(&["events", "list", "--limit", "100", "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    f64::from(TIMES) / began.elapsed().as_secs_f64()
}

/// Stores events with the store's own code, then ends their jobs as a handler's success would.
fn fill(yard: &Yard, count: u64) -> anyhow::Result<()> {
    const WRITERS: u64 = 256;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(SqliteOptions::new(database(yard))).await?);
        let delivery = Arc::new(Delivery::push());
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (store, delivery) = (store.clone(), delivery.clone());
                tokio::spawn(async move {
                    for number in (writer..count).step_by(WRITERS as usize) {
                        store.ingest(event(&delivery, number)).await?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for writer in writers {
            writer.await??;
        }
        store.close().await;
        anyhow::Ok(())
    })?;
    let connection = Connection::open(database(yard))?;
    connection.busy_timeout(Duration::from_secs(60))?;
    connection.execute_batch(
        "INSERT INTO attempts (job, number, tenant, started_at, duration, outcome, message,
                               plugin_hash, log, log_dropped)
           SELECT job, 1, tenant, due_at, 120, 'done', '1900 bytes', hex(zeroblob(32)), '[]', 0
             FROM jobs;
         UPDATE jobs SET state = 'succeeded', due_at = NULL, attempts = 1, leases = 1;",
    )?;
    Ok(())
}
