//! Calls of cargo: always the cargo that started us, never with backtraces on.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// A cargo call in the workspace at `root`.
///
/// With RUST_BACKTRACE set, every error that is made inside the WebAssembly engine captures a
/// backtrace: that is neither what is shipped nor fast.
pub(crate) fn cargo(root: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root).env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    command
}

/// Runs `command` to its end; its output goes where ours goes.
pub(crate) fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("could not start `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(())
}

/// A command line as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Builds the daemon as it is shipped and says where the binary is.
pub(crate) fn build_daemon(root: &Path) -> anyhow::Result<PathBuf> {
    let mut command = cargo(root);
    command.args(["build", "--release", "--package", "hookyard"]);
    command.arg("--message-format=json-render-diagnostics");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start `{}`", shown(&command)))?;
    let output = child.stdout.take().context("cargo's output is piped")?;
    let mut binary = None;
    for line in BufReader::new(output).lines() {
        let message: Value = serde_json::from_str(&line?).context("cargo's message is JSON")?;
        if message["target"]["name"] == "hookyard"
            && let Some(path) = message["executable"].as_str()
        {
            binary = Some(PathBuf::from(path));
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "`{}` failed ({status})", shown(&command));
    binary.context("cargo built no program named hookyard")
}

/// The names of the workspace's packages that are in `folder`, in order.
pub(crate) fn packages_under(root: &Path, folder: &str) -> anyhow::Result<Vec<String>> {
    let mut command = cargo(root);
    command.args(["metadata", "--no-deps", "--format-version=1"]);
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "`{}` failed ({})", shown(&command), output.status);
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let workspace = metadata["workspace_root"].as_str().context("cargo metadata names the root")?;
    let folder = Path::new(workspace).join(folder);
    let mut names: Vec<String> = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|package| {
            package["manifest_path"]
                .as_str()
                .is_some_and(|path| Path::new(path).starts_with(&folder))
        })
        .filter_map(|package| package["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

/// Makes sure that `cargo fmt` and `cargo clippy` are there: a minimal toolchain lacks them.
pub(crate) fn require_fmt_and_clippy(root: &Path) -> anyhow::Result<()> {
    let there = |subcommand: &str| {
        let mut command = cargo(root);
        command.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if there("fmt") && there("clippy") {
        return Ok(());
    }
    println!("rustfmt or clippy is missing: rustup component add rustfmt clippy");
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add", "rustfmt", "clippy"]).current_dir(root);
    let added = rustup.status().is_ok_and(|status| status.success());
    if !(added && there("fmt") && there("clippy")) {
        bail!(
            "rustfmt and clippy are needed and could not be added. With rustup: \
             `rustup component add rustfmt clippy`; with a distribution's Rust: \
             `sudo apt-get install --yes rustfmt rust-clippy`"
        );
    }
    Ok(())
}
