//! `cargo xtask test`: all that must pass before a change is good.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use hookyard_author::rust;

use crate::cargo::{build_daemon, cargo, packages_under, require_fmt_and_clippy, shown, succeed};
use crate::languages;
use crate::steps::Steps;

/// Runs every check. A failed check does not hide the next one; only what cannot be run without
/// an earlier step is left out.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    require_fmt_and_clippy(root)?;
    let mut steps = Steps::new(6);

    steps.run("formatting", || {
        succeed(cargo(root).args(["fmt", "--all", "--check"]))?;
        Ok(((), String::new()))
    });
    // Before the tests, which load the shipped plugins and the hostile ones.
    let plugins = steps.run("plugins", || {
        let (folder, shipped, hostile) = build_plugins(root)?;
        Ok((folder, format!("({shipped} shipped, {hostile} for the tests)")))
    });
    let mut unbuilt = Vec::new();
    let languages = steps.run("plugins with WASI: JavaScript, Python, wasm32-wasip2", || {
        let folder = root.join("target/test-plugins");
        let (built, missing) = languages::build(root, &folder)?;
        let mut note = format!("({} built)", built.len());
        unbuilt = missing;
        if rust::build_wasip2(root, languages::WASIP2, &folder)?.is_none() {
            unbuilt.push("worldly: rustup cannot add the target wasm32-wasip2".to_owned());
        }
        if !unbuilt.is_empty() {
            note = format!("NOT TESTED: {}", unbuilt.join("; "));
        }
        Ok(((), note))
    });
    steps.run("lints", || {
        let mut clippy = cargo(root);
        clippy.args(["clippy", "--release", "--workspace", "--all-targets"]);
        succeed(clippy.args(["--", "--deny", "warnings"]))?;
        Ok(((), String::new()))
    });
    let daemon = steps.run("the daemon, as it is shipped", || {
        let binary = build_daemon(root)?;
        Ok((binary, String::new()))
    });
    if let (Some(plugins), Some(()), Some(binary)) = (plugins, languages, daemon) {
        steps.run("unit, property, documentation and end-to-end tests", || {
            let passed = test(root, &binary, &plugins, &unbuilt)?;
            Ok(((), format!("({passed} tests passed)")))
        });
    }
    steps.finish()
}

/// Builds the shipped plugins and those of the tests; the folder where they are, and how many of each.
pub(crate) fn build_plugins(root: &Path) -> anyhow::Result<(PathBuf, usize, usize)> {
    let shipped = packages_under(root, "plugins")?;
    let hostile = packages_under(root, "tests/plugins")?;
    let names: Vec<&str> = shipped.iter().chain(&hostile).map(String::as_str).collect();
    let folder = root.join("target/test-plugins");
    rust::build_packages(root, &names, &folder)?;
    Ok((folder, shipped.len(), hostile.len()))
}

/// Runs every test of the workspace, against `daemon` and with what is in the folder `plugins`;
/// says how many passed. The tests of plugins that are `unbuilt` say that they are left out.
fn test(root: &Path, daemon: &Path, plugins: &Path, unbuilt: &[String]) -> anyhow::Result<u64> {
    let mut command = cargo(root);
    command.args(["test", "--release", "--workspace", "--no-fail-fast"]);
    command.env("HOOKYARD_BIN", daemon).env("HOOKYARD_TEST_PLUGINS", plugins);
    command.env("HOOKYARD_UNBUILT", unbuilt.join("; "));
    command.stdout(Stdio::piped());
    let mut child =
        command.spawn().with_context(|| format!("could not start `{}`", shown(&command)))?;
    let output = child.stdout.take().context("the tests' output is piped")?;
    let mut passed = 0;
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        std::io::stdout().write_all(&line)?;
        println!();
        passed += count_passed(&String::from_utf8_lossy(&line));
    }
    let status = child.wait()?;
    ensure!(status.success(), "`{}` failed ({status})", shown(&command));
    ensure!(passed > 0, "`{}` ran no test", shown(&command));
    Ok(passed)
}

/// The number in `test result: ok. 12 passed; 0 failed; …`.
fn count_passed(line: &str) -> u64 {
    let Some((_, rest)) = line.split_once("test result: ") else { return 0 };
    let Some((before, _)) = rest.split_once(" passed") else { return 0 };
    before.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_counted() {
        let line = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(count_passed(line), 12);
        assert_eq!(count_passed("test result: FAILED. 3 passed; 1 failed"), 3);
        assert_eq!(count_passed("test store::tests::one ... ok"), 0);
    }
}
