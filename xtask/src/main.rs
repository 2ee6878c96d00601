//! `cargo xtask`: the one door for developers.
//!
//! Everything is built with the release profile, so that what is tested and shown is what is
//! shipped.

#![forbid(unsafe_code)]
#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer null for what they do not have"
)]

mod bench;
mod cargo;
mod demo;
mod fuzz;
mod languages;
mod steps;
mod suite;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask <command>

  demo [--keep]   build everything, start the daemon and show what it does, step by step;
                  --keep leaves it running and prints a curl line to play with
  test            formatting, lints, unit, property and end-to-end tests: all that must pass
  ci              the same as test
  plugins         build the shipped plugins into plugins/
  fuzz [TARGET] [--minutes N]
                  fuzz signature verification, each target for N minutes (20)
  bench [--quick] [--only ID,ID,…]
                  measure the daemon against its baselines; writes docs/performance.md

Everything else is plain cargo.";

/// What was asked for.
enum Task<'a> {
    Demo { keep: bool },
    Test,
    Plugins,
    Fuzz { target: Option<String>, minutes: String },
    Bench { arguments: &'a [&'a str] },
    Help,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let task = match arguments.as_slice() {
        ["demo"] => Task::Demo { keep: false },
        ["demo", "--keep"] => Task::Demo { keep: true },
        ["test" | "ci"] => Task::Test,
        ["plugins"] => Task::Plugins,
        ["fuzz"] => Task::Fuzz { target: None, minutes: FUZZ_MINUTES.into() },
        ["fuzz", "--minutes", minutes] => Task::Fuzz { target: None, minutes: (*minutes).into() },
        ["fuzz", target] => {
            Task::Fuzz { target: Some((*target).into()), minutes: FUZZ_MINUTES.into() }
        }
        ["fuzz", target, "--minutes", minutes] => {
            Task::Fuzz { target: Some((*target).into()), minutes: (*minutes).into() }
        }
        ["bench", arguments @ ..] => Task::Bench { arguments },
        ["help" | "--help" | "-h"] => Task::Help,
        [] => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
        other => {
            eprintln!("error: no such command: {}\n\n{USAGE}", other.join(" "));
            return ExitCode::from(2);
        }
    };
    let root = root();
    let result = match task {
        Task::Demo { keep } => demo::run(&root, keep),
        Task::Test => suite::run(&root),
        Task::Plugins => build_plugins(&root),
        Task::Fuzz { target, minutes } => fuzz::run(&root, target.as_deref(), &minutes),
        Task::Bench { arguments } => bench::run(&root, arguments),
        Task::Help => {
            println!("{USAGE}");
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How long a target is fuzzed when nothing is said, in minutes.
const FUZZ_MINUTES: &str = "20";

/// The top of the repository: the folder above this crate's.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn build_plugins(root: &Path) -> anyhow::Result<()> {
    let packages = cargo::packages_under(root, "plugins")?;
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let out = root.join("plugins");
    for file in hookyard_author::rust::build_packages(root, &names, &out)? {
        println!("{}", file.display());
    }
    let (built, missing) = languages::build(root, &out)?;
    for file in built {
        println!("{}", file.display());
    }
    for missing in missing {
        println!("not built: {missing}");
    }
    Ok(())
}
