//! A changed version of a shipped plugin, really compiled: a copy of its source with another log
//! message and another version, in a workspace of its own beside the daemon's data.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use hookyard_author::rust;

/// The changed plugin's version.
pub(crate) const NEW_VERSION: &str = "0.2.0";
/// What the changed handler's log message begins with; the shipped one's does not.
pub(crate) const NEW_MESSAGE: &str = "the changed plugin saw: pushed";
/// What the shipped handler's log message begins with, as it stands in the source.
const OLD_MESSAGE: &str = "pushed";

/// Compiles the changed plugin under `folder`; where the file is.
pub(crate) fn with_new_message(root: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let workspace = folder.join("changed");
    let crate_folder = workspace.join("plugins/github-push");
    copy(&root.join("plugins/github-push"), &crate_folder)?;

    let whole = read(&root.join("Cargo.toml"))?;
    fs::write(workspace.join("Cargo.toml"), alone(&whole, root)?)?;
    fs::copy(root.join("Cargo.lock"), workspace.join("Cargo.lock"))?;
    // What it needs is compiled already. The library gets another name, so that in the shared
    // target folder the shipped plugin's files stay what they are.
    symlink(root.join("target"), workspace.join("target"))?;
    let manifest = crate_folder.join("Cargo.toml");
    let version = format!("\nversion = \"{NEW_VERSION}\"");
    change(&manifest, "\nversion.workspace = true", &version)?;
    change(&manifest, "[lib]\n", "[lib]\nname = \"github_push_changed\"\n")?;
    let (old, new) = (format!("\"{OLD_MESSAGE} "), format!("\"{NEW_MESSAGE} "));
    change(&crate_folder.join("src/lib.rs"), &old, &new)?;

    let built = rust::build_packages(&workspace, &["github-push"], &workspace.join("built"))?;
    built.into_iter().next().context("the build made no file")
}

/// The workspace's manifest with this one plugin as its only member and the SDK where it is.
fn alone(manifest: &str, root: &Path) -> anyhow::Result<String> {
    let (before, rest) = manifest.split_once("members = [").context("members in Cargo.toml")?;
    let (_, after) = rest.split_once("[workspace.package]").context("[workspace.package]")?;
    let path = format!("path = \"{}/", root.display());
    let after = after.replace("path = \"", &path);
    Ok(format!("{before}members = [\"plugins/github-push\"]\n\n[workspace.package]{after}"))
}

fn change(file: &Path, old: &str, new: &str) -> anyhow::Result<()> {
    let text = read(file)?;
    ensure!(text.contains(old), "{} does not contain {old:?}", file.display());
    fs::write(file, text.replace(old, new))?;
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

/// Copies a folder of source files, folders within it included.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The repository's own manifest, so that a change of its layout is noticed here.
    #[test]
    fn the_plugin_gets_a_workspace_of_its_own() {
        let manifest = include_str!("../../../Cargo.toml");
        let alone = alone(manifest, Path::new("/src/hookyard")).unwrap();
        assert!(alone.contains("\nmembers = [\"plugins/github-push\"]\n"), "{alone}");
        assert!(!alone.contains("default-members"), "{alone}");
        assert!(
            alone.contains("hookyard-sdk = { path = \"/src/hookyard/plugin-sdk\" }"),
            "{alone}"
        );
        assert!(alone.contains("[profile.plugin]"), "{alone}");
    }

    #[test]
    fn the_shipped_plugin_can_still_be_changed() {
        let manifest = include_str!("../../../plugins/github-push/Cargo.toml");
        let source = include_str!("../../../plugins/github-push/src/lib.rs");
        assert!(manifest.contains("\nversion.workspace = true"));
        assert!(manifest.contains("[lib]\n"));
        assert!(source.contains(&format!("\"{OLD_MESSAGE} ")));
    }
}
