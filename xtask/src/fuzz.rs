//! `cargo xtask fuzz`: the fuzzers of signature verification, from the committed corpus.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};

use crate::cargo::{cargo, succeed};

const FOLDER: &str = "tests/fuzz";

/// Runs `target`, or each one after the other, for so many minutes. What it finds is printed, and kept
/// in `target/fuzz`.
pub(crate) fn run(root: &Path, target: Option<&str>, minutes: &str) -> anyhow::Result<()> {
    let minutes: u32 =
        minutes.parse().with_context(|| format!("`--minutes {minutes}` is not a number"))?;
    let mut version = cargo(root);
    version.args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    ensure!(
        version.status().is_ok_and(|status| status.success()),
        "cargo-fuzz is missing: `cargo install cargo-fuzz`"
    );
    let targets = targets(root)?;
    let chosen: Vec<&String> =
        targets.iter().filter(|name| target.is_none_or(|wanted| wanted == *name)).collect();
    ensure!(!chosen.is_empty(), "no such target; there are: {}", targets.join(", "));
    for name in chosen {
        println!("fuzzing {name} for {minutes} min");
        let found = root.join("target/fuzz").join(name);
        let artefacts = found.join("artefacts");
        std::fs::create_dir_all(&artefacts)?;
        let mut command = cargo(root);
        // libFuzzer's hooks in the compiler are not stable. Nothing here is unsafe, so that sanitizers
        // would only slow it down.
        command.env("RUSTC_BOOTSTRAP", "1");
        command.args(["fuzz", "run", "--fuzz-dir", FOLDER, "--sanitizer", "none", name]);
        command.arg(&found).arg(root.join(FOLDER).join("corpus").join(name)).arg("--");
        command.arg(format!("-max_total_time={}", u64::from(minutes) * 60));
        command.arg(format!("-artifact_prefix={}/", artefacts.display()));
        command.args(["-max_len=16384", "-print_final_stats=1"]);
        succeed(&mut command)?;
    }
    Ok(())
}

/// The names of the targets, in order.
fn targets(root: &Path) -> anyhow::Result<Vec<String>> {
    let folder = root.join(FOLDER).join("fuzz_targets");
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("failed to read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}
