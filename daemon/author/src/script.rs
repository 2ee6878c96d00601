//! Building plugins in languages that bring their own tools: the folder says how in its build
//! script, and leaves its component in `dist/`.
//!
//! JavaScript: `package.json` with a script `build`, run by npm. Python: `build.sh`, which keeps its
//! tools in `.venv`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::Language;
use crate::command::{is_there, succeed};
use crate::install::install;

/// Builds the plugin in `folder` by its script, getting the tools that it names from npm or PyPI the
/// first time. Returns its file: in `out`, or else in `dist/`.
///
/// # Errors
/// A tool of the system is missing and how to get it; or the script failed, or made no component.
pub fn build(folder: &Path, language: Language, out: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(missing) = missing(language) {
        bail!(missing);
    }
    let dist = folder.join("dist");
    fs::create_dir_all(&dist).with_context(|| format!("failed to make {}", dist.display()))?;
    for component in components(&dist)? {
        fs::remove_file(&component)
            .with_context(|| format!("failed to remove {}", component.display()))?;
    }
    match language {
        Language::JavaScript => {
            if !is_newer(&folder.join("node_modules/.package-lock.json"), folder, "package.json") {
                npm(folder, &["install", "--no-audit", "--no-fund"])?;
            }
            npm(folder, &["run", "--silent", "build"])?;
        }
        _ => succeed(Command::new("sh").arg("build.sh").current_dir(folder))?,
    }
    let mut built = components(&dist)?.into_iter();
    let (Some(wasm), None) = (built.next(), built.next()) else {
        bail!("the build script of {} must leave one .wasm file in dist/", folder.display());
    };
    let Some(out) = out else { return Ok(wasm) };
    let what = format!("the component in {}", folder.display());
    install(&what, &wasm, out, "its world must export `hookyard:plugin/manifest`")
}

/// The `.wasm` files in `dist/`. What else is there is not ours: the folder may be that of a larger
/// project.
fn components(dist: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(dist).with_context(|| format!("failed to read {}", dist.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let is_wasm = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    Ok(paths.filter(is_wasm).collect())
}

/// What the system lacks for plugins in this language, with the way to get it.
pub fn missing(language: Language) -> Option<String> {
    match language {
        Language::Rust => None,
        Language::JavaScript if is_there("node") && is_there("npm") => None,
        Language::JavaScript => Some(
            "JavaScript plugins are built with Node.js 20 or newer and npm: `apt-get install nodejs \
             npm`, or https://nodejs.org"
                .to_owned(),
        ),
        Language::Python if has_python() => None,
        Language::Python => Some(
            "Python plugins are built with Python 3.10 or newer and its venv: `apt-get install \
             python3-venv`"
                .to_owned(),
        ),
    }
}

/// Installs what is missing with apt, where that is possible; whether nothing is missing now.
pub fn provide(language: Language) -> bool {
    if missing(language).is_none() {
        return true;
    }
    let packages: &[&str] = match language {
        Language::Rust => return true,
        Language::JavaScript => &["nodejs", "npm"],
        Language::Python => &["python3", "python3-venv"],
    };
    if !crate::rust::is_root() || !is_there("apt-get") {
        return false;
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        succeed(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive")).is_ok()
    };
    let install: Vec<&str> = ["install", "--yes", "--no-install-recommends"]
        .into_iter()
        .chain(packages.iter().copied())
        .collect();
    apt(&["update"]) && apt(&install) && missing(language).is_none()
}

fn has_python() -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))"]);
    let status = python.stdin(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn npm(folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    ensure!(folder.join("package.json").is_file(), "{} has no package.json", folder.display());
    succeed(Command::new("npm").args(arguments).current_dir(folder))
}

fn is_newer(made: &Path, folder: &Path, source: &str) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    matches!((time(made), time(&folder.join(source))), (Some(made), Some(source)) if made >= source)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    #[test]
    fn a_build_replaces_the_component_and_leaves_everything_else_in_dist() {
        if missing(Language::Python).is_some() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("dist")).unwrap();
        fs::write(at("dist/old.wasm"), "old").unwrap();
        fs::write(at("dist/index.html"), "of the author's other work").unwrap();
        fs::write(at("build.sh"), "echo new > dist/new.wasm").unwrap();
        let built = build(folder.path(), Language::Python, None).unwrap();
        assert_eq!(built, at("dist/new.wasm"));
        assert!(at("dist/index.html").is_file());
        assert!(!at("dist/old.wasm").exists());
    }
}
