//! `cargo xtask test`: all that must pass before a change is good.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};

use crate::cargo::{build_daemon, cargo, packages_under, require_fmt_and_clippy, shown, succeed};
use crate::plugins;
use crate::steps::Steps;

/// Runs every check. A failed check does not hide the next one; only what cannot be run without
/// an earlier step is left out.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    require_fmt_and_clippy(root)?;
    let mut steps = Steps::new(5);

    steps.run("formatting", || {
        succeed(cargo(root).args(["fmt", "--all", "--check"]))?;
        Ok(((), String::new()))
    });
    // Before the tests, which load the shipped plugins and the hostile ones.
    let plugins = steps.run("plugins", || {
        let shipped = build(root, "plugins", &root.join("plugins"))?;
        let tests = build(root, "tests/plugins", &root.join("tests/plugins"))?;
        Ok(((), format!("{shipped} shipped, {tests} for the tests")))
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
    if let (Some(()), Some(binary)) = (plugins, daemon) {
        steps.run("unit, property, documentation and end-to-end tests", || {
            let passed = test(root, &binary)?;
            Ok(((), format!("({passed} tests passed)")))
        });
    }
    steps.finish()
}

/// Builds the plugins of one folder; says how many.
fn build(root: &Path, folder: &str, out_dir: &Path) -> anyhow::Result<usize> {
    let packages = packages_under(root, folder)?;
    if packages.is_empty() {
        return Ok(0);
    }
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    Ok(plugins::build(root, &names, out_dir)?.len())
}

/// Runs every test of the workspace against `daemon`; says how many passed.
fn test(root: &Path, daemon: &Path) -> anyhow::Result<u64> {
    let mut command = cargo(root);
    command.args(["test", "--release", "--workspace", "--no-fail-fast"]);
    command.env("HOOKYARD_BIN", daemon).stdout(Stdio::piped());
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
