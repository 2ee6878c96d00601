//! The benchmark suite. `cargo xtask bench` builds what it needs and runs it.
//!
//! Every scenario runs the daemon as it is shipped, with the configuration that a user would write,
//! and is interleaved with its baseline: A B A B …, because machines change their speed by the minute.
//! What counts is the ratio of the medians.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on ends here, and says where"
)]

mod baseline;
mod daemon;
mod delivery;
mod numbers;
mod paced;
mod peers;
mod plan;
mod plot;
mod process;
mod report;
mod scenario;
mod wrk;
mod yard;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::plan::Plan;

const USAGE: &str = "\
Usage: cargo xtask bench [--quick] [--only ID,ID,…]

  --quick   shorter and fewer runs, to see that all of it works: not for quoting, writes no document
  --only    some scenarios: 1 1b 3a 3b 4 5 6 7 8 9 peers; writes no document

Needs `wrk` (Debian: apt-get install wrk). Results: target/bench/results.json, docs/performance.md.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        // The baselines are this program too, in processes of their own.
        ["bare-hyper"] => baseline::bare_hyper(),
        ["store-only", folder, seconds] => baseline::store_only(folder.as_ref(), seconds),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        rest => match Plan::parse(rest) {
            Some(plan) => run(&plan),
            None => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(plan: &Plan) -> anyhow::Result<()> {
    wrk::require()?;
    let results = scenario::run(plan)?;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    report::write(&root, plan, &results)
}
