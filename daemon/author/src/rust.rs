//! Building Rust plugins to WebAssembly on a machine that may have no WebAssembly target yet.
//!
//! Three ways, in order:
//! 1. the toolchain in use has the target: use it;
//! 2. `rustup target add`;
//! 3. Debian's and Ubuntu's own Rust for wasm, from apt, which builds the standard library from its
//!    matching source: for distribution toolchains and for networks that do not reach rustup's server.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::command::{cargo, is_there, shown};
use crate::install::install;

const TARGET: &str = "wasm32-unknown-unknown";
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];

const ADVICE: &str = "name its handlers once in the crate, as in `hookyard_sdk::plugin!(notify);`";

/// Builds packages of the workspace at `root` with its profile `plugin` and puts each plugin's
/// `.wasm` file into `out`, replacing the one that is there in one step. Returns the files, in the
/// order of `packages`.
///
/// Installs what is needed for it: by rustup, or as root by apt.
///
/// # Errors
/// Otherwise the error says the one line to run.
pub fn build_packages(root: &Path, packages: &[&str], out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let built = compile(root, "plugin", packages, &way(root)?)?;
    packages
        .iter()
        .map(|package| {
            let wasm = built
                .iter()
                .find_map(|(name, wasm)| (name == package).then_some(wasm))
                .with_context(|| nothing(&format!("package `{package}`")))?;
            install(&format!("package `{package}`"), wasm, out, ADVICE)
        })
        .collect()
}

/// Builds the crate in `folder` with its profile `release`; the files stay where cargo puts them if
/// they are not to go into `out`.
pub(crate) fn build_folder(folder: &Path, out: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
    ensure!(
        is_there("cargo") || std::env::var_os("CARGO").is_some(),
        "there is no `cargo`: install Rust from https://rustup.rs, or a distribution's \
         (`apt-get install cargo`), and try again"
    );
    let built = compile(folder, "release", &[], &way(folder)?)?;
    ensure!(!built.is_empty(), nothing(&format!("the crate in {}", folder.display())));
    let files = built.into_iter().map(|(package, wasm)| match out {
        Some(out) => install(&format!("package `{package}`"), &wasm, out, ADVICE),
        None => Ok(wasm),
    });
    files.collect()
}

/// Builds a crate of this workspace for `wasm32-wasip2` into `out`. `None` where the target is
/// missing and cannot be had.
///
/// # Errors
/// It does not compile.
pub fn build_wasip2(root: &Path, package: &str, out: &Path) -> anyhow::Result<Option<PathBuf>> {
    const WASIP2: &str = "wasm32-wasip2";
    if !has_target(root, WASIP2) && !add_target(root, WASIP2) {
        return Ok(None);
    }
    let mut command = cargo(root);
    command.args(["build", "--profile", "plugin", "--target", WASIP2, "--package", package]);
    command.arg("--message-format=json-render-diagnostics");
    let built = wasm_files(command)?;
    let (_, wasm) = built.first().with_context(|| nothing(&format!("package `{package}`")))?;
    install(&format!("package `{package}`"), wasm, out, ADVICE).map(Some)
}

fn nothing(what: &str) -> String {
    format!(
        "{what} made no .wasm file: its Cargo.toml needs `[lib]` with \
         `crate-type = [\"cdylib\", \"rlib\"]`"
    )
}

fn way(root: &Path) -> anyhow::Result<Way> {
    if has_target(root, TARGET) || add_target(root, TARGET) {
        return Ok(Way::Rustup);
    }
    distribution(root)
}

/// What the plugins are compiled with.
enum Way {
    /// The toolchain in use.
    Rustup,
    /// The distribution's, with this linker.
    Distribution { linker: PathBuf },
}

/// Whether the toolchain in use has the target's standard library.
fn has_target(root: &Path, target: &str) -> bool {
    let output = rustc(root).args(["--print=target-libdir", "--target", target]).output();
    let Ok(output) = output else { return false };
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let Ok(files) = fs::read_dir(folder) else { return false };
    files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
}

fn add_target(root: &Path, target: &str) -> bool {
    eprintln!("the target {target} is missing: rustup target add {target}");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", target]).current_dir(root).stdout(std::io::stderr());
    match rustup.status() {
        Ok(status) if status.success() && has_target(root, target) => true,
        Ok(_) => {
            eprintln!("rustup could not add it");
            false
        }
        Err(_) => {
            eprintln!("there is no rustup");
            false
        }
    }
}

/// Makes sure that the distribution's Rust for wasm is there.
fn distribution(root: &Path) -> anyhow::Result<Way> {
    let packages = PACKAGES.join(" ");
    if !distribution_is_there(root) {
        let line = format!("apt-get update && apt-get install --yes {packages}");
        let by_hand = format!(
            "the target {TARGET} is needed. With rustup: `rustup target add {TARGET}`; on Debian or \
             Ubuntu: `sudo sh -c '{line}'`. Then try again"
        );
        let apt = Command::new("apt-get").arg("--version").stdout(Stdio::null()).status();
        if !is_root() || !apt.is_ok_and(|status| status.success()) {
            bail!(by_hand);
        }
        eprintln!("installing the distribution's Rust for wasm: {line}");
        let status = Command::new("sh")
            .args(["-c", &line])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            // Standard output is for the answer, which may be JSON.
            .stdout(std::io::stderr())
            .status()
            .context("failed to start sh")?;
        ensure!(status.success() && distribution_is_there(root), "{line} failed: {by_hand}");
    }
    let linker = linker(root).with_context(|| {
        format!("no linker for wasm: neither `wasm-ld` nor `rust-lld` is there: install {packages}")
    })?;
    eprintln!(
        "building with /usr/bin/cargo, and the standard library from source (a minute or \
         two the first time)"
    );
    Ok(Way::Distribution { linker })
}

fn distribution_is_there(root: &Path) -> bool {
    Path::new("/usr/bin/cargo").exists()
        && Path::new("/usr/bin/rustc").exists()
        && Path::new("/usr/lib/rustlib/src/rust/library/std/Cargo.toml").exists()
        && linker(root).is_some()
}

/// rustup's `rust-lld` when there is one, as it is newer than what distributions have.
fn linker(root: &Path) -> Option<PathBuf> {
    let of_toolchain = rustc(root)
        .arg("--print=sysroot")
        .output()
        .ok()
        .map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned()))
        .and_then(|sysroot| fs::read_dir(sysroot.join("lib/rustlib")).ok())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin/rust-lld"));
    let of_system = ["/usr/bin/wasm-ld", "/usr/local/bin/wasm-ld"].map(PathBuf::from);
    of_toolchain.chain(of_system).find(|linker| linker.exists())
}

fn rustc(root: &Path) -> Command {
    let mut rustc =
        Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc")));
    rustc.current_dir(root).stderr(Stdio::null());
    rustc
}

pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Compiles packages, or those of the folder when none are named, and returns their names and
/// `.wasm` files.
fn compile(
    root: &Path,
    profile: &str,
    packages: &[&str],
    way: &Way,
) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut command = match way {
        Way::Rustup => cargo(root),
        Way::Distribution { linker } => {
            let mut command = Command::new("/usr/bin/cargo");
            command
                .current_dir(root)
                // What the cargo and rustup that run us have set would mix two toolchains.
                .env_remove("CARGO")
                .env_remove("LD_LIBRARY_PATH")
                .env_remove("RUSTUP_TOOLCHAIN")
                .env("RUSTC", "/usr/bin/rustc")
                // `-Zbuild-std` is behind this door; nothing else of nightly is used.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            command
        }
    };
    command.args(["build", "--profile", profile, "--target", TARGET]);
    command.arg("--message-format=json-render-diagnostics");
    if let Way::Distribution { .. } = way {
        command.arg("-Zbuild-std=std,panic_abort");
        // Another compiler would throw away what the first one built, and the other way round.
        // Below `root`, where cargo is started.
        command.args(["--target-dir", "target/distribution"]);
    }
    for package in packages {
        command.args(["--package", package]);
    }
    wasm_files(command)
}

/// Runs a build and returns the packages and `.wasm` files that it made.
fn wasm_files(mut command: Command) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start `{}`", shown(&command)))?;
    let output = child.stdout.take().context("cargo's output is piped")?;
    let mut built = Vec::new();
    for line in BufReader::new(output).lines() {
        let message: Value = serde_json::from_str(&line?).context("cargo's message is JSON")?;
        let files = message.get("filenames").and_then(Value::as_array).into_iter().flatten();
        let files = files.filter_map(Value::as_str);
        for file in files.filter(|file| file.ends_with(".wasm")) {
            let id = message.get("package_id").and_then(Value::as_str).unwrap_or_default();
            let name = package_name(id).with_context(|| format!("`{id}` names no package"))?;
            built.push((name.to_owned(), PathBuf::from(file)));
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "`{}` failed ({status})", shown(&command));
    Ok(built)
}

/// The name in cargo's package id: `path+file:///…/echo#0.1.0` or `…#github-push@0.1.0`.
fn package_name(id: &str) -> Option<&str> {
    let (url, fragment) = id.rsplit_once('#')?;
    match fragment.split_once('@') {
        Some((name, _)) => Some(name),
        None => url.rsplit('/').next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_ids_name_packages() {
        for (id, name) in [
            ("path+file:///src/plugins/echo#0.1.0", Some("echo")),
            ("path+file:///src/here#github-push@0.1.0", Some("github-push")),
            ("registry+https://example.com/index#serde@1.0.0", Some("serde")),
            ("nothing", None),
        ] {
            assert_eq!(package_name(id), name, "{id}");
        }
    }
}
