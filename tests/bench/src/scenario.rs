//! The scenarios, and what each of them found.

mod drain;
mod memory;
mod pace;
mod queue;
mod reload;
mod respond;
mod size;
mod start;

use serde::Serialize;

use crate::baseline::BareHyper;
use crate::delivery::Delivery;
use crate::numbers::Series;
use crate::plan::Plan;
use crate::{peers, wrk};

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What ours is a ratio of.
    pub(crate) baseline: Option<Side>,
    pub(crate) ours: Option<Side>,
    /// The least ratio of the medians that is wanted.
    pub(crate) target: Option<f64>,
    pub(crate) facts: Vec<Fact>,
}

/// One side of a comparison.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) series: Series,
}

/// A number of its own.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fact {
    pub(crate) what: String,
    pub(crate) value: String,
    /// What is wanted, and whether it is so.
    pub(crate) target: Option<(String, bool)>,
}

impl Found {
    pub(crate) fn new(id: &'static str, title: &'static str) -> Self {
        println!("\n{id}: {title}");
        Self { id, title, baseline: None, ours: None, target: None, facts: Vec::new() }
    }

    pub(crate) fn ratio(&self) -> Option<f64> {
        let (baseline, ours) = (self.baseline.as_ref()?, self.ours.as_ref()?);
        Some(ours.series.median() / baseline.series.median())
    }

    pub(crate) fn fact(&mut self, what: impl Into<String>, value: impl Into<String>) {
        self.add(Fact { what: what.into(), value: value.into(), target: None });
    }

    /// A number with the bound that it is to keep.
    pub(crate) fn bound(
        &mut self,
        what: impl Into<String>,
        value: impl Into<String>,
        target: impl Into<String>,
        met: bool,
    ) {
        let target = Some((target.into(), met));
        self.add(Fact { what: what.into(), value: value.into(), target });
    }

    fn add(&mut self, fact: Fact) {
        let target = fact.target.as_ref().map_or(String::new(), |(target, met)| {
            format!(" (wanted: {target}: {})", if *met { "yes" } else { "NO" })
        });
        println!("  {}: {}{target}", fact.what, fact.value);
        self.facts.push(fact);
    }

    /// Keeps both sides, and prints them.
    pub(crate) fn compared(&mut self, baseline: Side, ours: Side, target: f64) {
        for side in [&baseline, &ours] {
            let (median, spread) = (side.series.median(), side.series.spread() * 100.0);
            println!("  {}: {median:.0} {} (spread {spread:.0} %)", side.name, side.unit);
        }
        (self.baseline, self.ours, self.target) = (Some(baseline), Some(ours), Some(target));
        if let Some(ratio) = self.ratio() {
            let met = if ratio >= target { "yes" } else { "NO" };
            println!("  ratio {ratio:.3} (wanted: {target}: {met})");
        }
    }
}

/// Runs what the plan wants.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut sustained = None;
    if plan.wants("1") || plan.wants("1b") {
        found.append(&mut respond::run(plan)?);
    }
    if plan.wants("3a") {
        found.push(queue::taking_in(plan)?);
    }
    if plan.wants("3b") {
        let (both, rate) = queue::handling(plan)?;
        found.push(both);
        sustained = Some(rate);
    }
    type Scenario = fn(&Plan) -> anyhow::Result<Found>;
    let paced = |plan: &Plan| pace::run(plan, sustained);
    if plan.wants("5") {
        found.push(paced(plan)?);
    }
    let others: [(&str, Scenario); 6] = [
        ("4", drain::run),
        ("6", size::run),
        ("7", reload::run),
        ("8", start::run),
        ("9", memory::run),
        ("peers", peers::run),
    ];
    for (id, scenario) in others {
        if plan.wants(id) {
            found.push(scenario(plan)?);
        }
    }
    Ok(found)
}

/// One run of a bare server under the closed loop.
pub(crate) fn bare(plan: &Plan, delivery: &Delivery) -> anyhow::Result<wrk::Load> {
    let server = BareHyper::start()?;
    wrk::load(server.address, "/", delivery, plan.run())
}

const BARE: &str = "bare hyper";
const PER_SECOND: &str = "requests/s";
