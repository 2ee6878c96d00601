//! What was found, for people and programs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::plan::Plan;
use crate::plot;
use crate::scenario::Found;

/// What follows this line in docs/performance.md is written by people and kept.
const KEPT: &str = "<!-- Below this line nothing is generated. -->";

#[derive(Serialize)]
struct Results<'a> {
    machine: Machine,
    rounds: usize,
    found: &'a [Found],
}

#[derive(Serialize)]
struct Machine {
    processor: String,
    processors: usize,
    kernel: String,
}

/// Writes the JSON always, and the document and its plot when all of it was run.
pub(crate) fn write(root: &Path, plan: &Plan, found: &[Found]) -> anyhow::Result<()> {
    let results = Results { machine: Machine::this(), rounds: plan.rounds(), found };
    let json = root.join("target/bench/results.json");
    fs::create_dir_all(json.parent().context("it has a folder")?)?;
    fs::write(&json, serde_json::to_string_pretty(&results)?)?;
    println!("\nwritten: target/bench/results.json");
    if !plan.is_whole() {
        return Ok(());
    }
    plot::ratios(&root.join("docs/performance.svg"), found)?;
    let document = root.join("docs/performance.md");
    let before = fs::read_to_string(&document).unwrap_or_default();
    let kept = before.split_once(KEPT).map_or("\n", |(_, kept)| kept);
    fs::write(&document, format!("{}{KEPT}{kept}", markdown(&results)?))?;
    println!("written: docs/performance.md, docs/performance.svg");
    Ok(())
}

impl Machine {
    fn this() -> Self {
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        Self {
            processor: model
                .map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']))
                .into(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().into(),
        }
    }
}

fn markdown(results: &Results<'_>) -> anyhow::Result<String> {
    let Machine { processor, processors, kernel } = &results.machine;
    let mut text = format!(
        "# Performance\n\n\
         Written by `cargo xtask bench`; run it to have the numbers of your machine. Load generator and daemon\n\
         share {processors} processors ({processor}, Linux {kernel}). Each side of a comparison ran {} times, by\n\
         turns with the other; medians, and in brackets how far the runs lie apart. What a delivery is: GitHub's\n\
         `push` of 1.9 KB, signed, over 32 connections, each with a delivery id of its own; the handler is\n\
         `echo`, which parses it. The machine's speed changes by the minute: trust the ratios.\n\n\
         ![Ratios and targets](performance.svg)\n\n\
         | | scenario | baseline | Hookyard | ratio | wanted |\n|---|---|---|---|---|---|\n",
        results.rounds,
    );
    for found in results.found {
        let (Some(baseline), Some(ours), Some(ratio)) =
            (&found.baseline, &found.ours, found.ratio())
        else {
            continue;
        };
        let target = found.target.unwrap_or_default();
        let met = if ratio >= target { "" } else { " **missed**" };
        let side = |side: &crate::scenario::Side| {
            let (median, spread) = (side.series.median(), side.series.spread() * 100.0);
            format!("{}: {median:.0} {} ({spread:.0} %)", side.name, side.unit)
        };
        writeln!(
            text,
            "| {} | {} | {} | {} | {ratio:.2} | ≥ {target}{met} |",
            found.id,
            found.title,
            side(baseline),
            side(ours),
        )?;
    }
    text.push_str("\n## Each by itself\n");
    for found in results.found.iter().filter(|found| !found.facts.is_empty()) {
        write!(text, "\n**{}: {}**\n\n", found.id, found.title)?;
        for fact in &found.facts {
            let target = fact.target.as_ref().map_or(String::new(), |(target, met)| {
                format!(" (wanted: {target}{})", if *met { "" } else { "; **missed**" })
            });
            writeln!(text, "- {}: {}{target}", fact.what, fact.value)?;
        }
    }
    text.push('\n');
    Ok(text)
}
