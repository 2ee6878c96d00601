//! Building plugins to WebAssembly on a machine that may have no WebAssembly target yet.
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

use crate::cargo::{cargo, shown};

const TARGET: &str = "wasm32-unknown-unknown";
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];

/// Builds packages of the workspace at `root` and puts each plugin's `.wasm` file into `out_dir`,
/// replacing the one that is there in one step. Returns the files, in the order of `packages`.
///
/// Installs what is needed for it: by rustup, or as root by apt. Otherwise the error says the one
/// line to run.
pub(crate) fn build(
    root: &Path,
    packages: &[&str],
    out_dir: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    let way = if has_target(root) || add_target(root) { Way::Rustup } else { distribution(root)? };
    fs::create_dir_all(out_dir).with_context(|| format!("could not make {}", out_dir.display()))?;
    let built = compile(root, packages, &way)?;
    packages
        .iter()
        .map(|package| {
            let wasm = built
                .iter()
                .find_map(|(name, wasm)| (name == package).then_some(wasm))
                .with_context(|| {
                    format!(
                        "package `{package}` made no .wasm file: its Cargo.toml needs `[lib]` with \
                         `crate-type = [\"cdylib\", \"rlib\"]`"
                    )
                })?;
            install(package, wasm, out_dir)
        })
        .collect()
}

/// What the plugins are compiled with.
enum Way {
    /// The toolchain in use.
    Rustup,
    /// The distribution's, with this linker.
    Distribution { linker: PathBuf },
}

/// Whether the toolchain in use has the target's standard library.
fn has_target(root: &Path) -> bool {
    let output = rustc(root).args(["--print=target-libdir", "--target", TARGET]).output();
    let Ok(output) = output else { return false };
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let Ok(files) = fs::read_dir(folder) else { return false };
    files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
}

fn add_target(root: &Path) -> bool {
    println!("plugins: the target {TARGET} is missing: rustup target add {TARGET}");
    let status = Command::new("rustup").args(["target", "add", TARGET]).current_dir(root).status();
    match status {
        Ok(status) if status.success() && has_target(root) => true,
        Ok(_) => {
            println!("plugins: rustup could not add it");
            false
        }
        Err(_) => {
            println!("plugins: there is no rustup");
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
        println!("plugins: installing the distribution's Rust for wasm: {line}");
        let status = Command::new("sh")
            .args(["-c", &line])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .status()
            .context("could not start sh")?;
        ensure!(status.success() && distribution_is_there(root), "{line} failed: {by_hand}");
    }
    let linker = linker(root).with_context(|| {
        format!("no linker for wasm: neither `wasm-ld` nor `rust-lld` is there: install {packages}")
    })?;
    println!(
        "plugins: building with /usr/bin/cargo, and the standard library from source (a minute or \
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

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Compiles the packages and returns their names and `.wasm` files.
fn compile(root: &Path, packages: &[&str], way: &Way) -> anyhow::Result<Vec<(String, PathBuf)>> {
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
    command.args(["build", "--profile", "plugin", "--target", TARGET]);
    command.arg("--message-format=json-render-diagnostics");
    if let Way::Distribution { .. } = way {
        command.arg("-Zbuild-std=std,panic_abort");
        // Another compiler would throw away what the first one built, and the other way round.
        command.arg("--target-dir").arg(root.join("target/distribution"));
    }
    for package in packages {
        command.args(["--package", package]);
    }

    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start `{}`", shown(&command)))?;
    let output = child.stdout.take().context("cargo's output is piped")?;
    let mut built = Vec::new();
    for line in BufReader::new(output).lines() {
        let message: Value = serde_json::from_str(&line?).context("cargo's message is JSON")?;
        let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for file in files.filter(|file| file.ends_with(".wasm")) {
            let id = message["package_id"].as_str().unwrap_or_default();
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

/// Puts the file into its folder in one step: a daemon that watches it sees the old one or the new
/// one, and never a part.
fn install(package: &str, wasm: &Path, out_dir: &Path) -> anyhow::Result<PathBuf> {
    let bytes = fs::read(wasm).with_context(|| format!("could not read {}", wasm.display()))?;
    ensure!(
        contains(&bytes, b"hookyard:plugin/manifest@"),
        "package `{package}` is no plugin yet: name its handlers once in the crate, as in \
         `hookyard_sdk::plugin!(notify);`"
    );
    let name = wasm.file_name().context("cargo names files")?;
    let installed = out_dir.join(name);
    // The daemon only looks at names that end in .wasm.
    let unfinished =
        out_dir.join(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    fs::write(&unfinished, &bytes)
        .and_then(|()| fs::rename(&unfinished, &installed))
        .with_context(|| format!("could not write {}", installed.display()))?;
    Ok(installed)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
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

    #[test]
    fn a_module_without_handlers_is_refused_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let built = folder.path().join("built.wasm");
        fs::write(&built, b"\0asm\x01\0\0\0").unwrap();
        let out_dir = folder.path().join("plugins");
        fs::create_dir(&out_dir).unwrap();
        let error = install("built", &built, &out_dir).unwrap_err();
        assert!(error.to_string().contains("plugin!"), "{error}");

        fs::write(&built, b"\0asm\x01\0\0\0 hookyard:plugin/manifest@0.1.0").unwrap();
        let installed = install("built", &built, &out_dir).unwrap();
        assert_eq!(fs::read(&installed).unwrap(), fs::read(&built).unwrap());
        assert_eq!(fs::read_dir(&out_dir).unwrap().count(), 1);
    }
}
