//! The SDK, as it was when this program was built.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use toml::{Table, Value};

/// The SDK's sources, by their names below `plugin-sdk`.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

const WORKSPACE: &str = include_str!("../../../Cargo.toml");
const SDK: &str = include_str!("../../../plugin-sdk/Cargo.toml");
const MACROS: &str = include_str!("../../../plugin-sdk/macros/Cargo.toml");

/// The interfaces between the daemon and a plugin.
pub(crate) const WIT: &str = include_str!("../../../plugin-sdk/wit/plugin.wit");

/// Writes the SDK's crates into `folder`, as `hookyard-sdk` and, inside it, `macros`.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    for (name, text) in FILES {
        put(&folder.join(name), text)?;
    }
    put(&folder.join("Cargo.toml"), &alone(SDK)?)?;
    put(&folder.join("macros/Cargo.toml"), &alone(MACROS)?)
}

/// Writes a file and the folders above it.
pub(crate) fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("failed to write {}", path.display()))
}

/// A manifest of the workspace as one that stands alone: what it takes from the workspace is
/// written out, and what only its own tests need is left out.
fn alone(manifest: &str) -> anyhow::Result<String> {
    let workspace: Table = WORKSPACE.parse()?;
    let workspace = workspace.get("workspace").and_then(Value::as_table).context("a workspace")?;
    let mut manifest: Table = manifest.parse()?;
    manifest.remove("dev-dependencies");
    if let Some(lints) = workspace.get("lints") {
        manifest.insert("lints".to_owned(), lints.clone());
    }
    let shared = |of: &str, name: &str| {
        let found = workspace.get(of).and_then(|table| table.get(name)).cloned();
        found.with_context(|| format!("the workspace has no {of} {name}"))
    };
    let package = manifest.get_mut("package").and_then(Value::as_table_mut);
    for (name, value) in package.context("a package")?.iter_mut() {
        if is_shared(value) {
            *value = shared("package", name)?;
        }
    }
    let mut tables: Vec<&mut Table> = Vec::new();
    for (name, value) in &mut manifest {
        match (name.as_str(), value) {
            ("dependencies", Value::Table(table)) => tables.push(table),
            ("target", Value::Table(targets)) => tables.extend(
                targets.iter_mut().filter_map(|(_, of)| of.get_mut("dependencies")?.as_table_mut()),
            ),
            _ => {}
        }
    }
    for (name, value) in tables.into_iter().flatten() {
        if !is_shared(value) {
            continue;
        }
        let mut full = match shared("dependencies", name)? {
            Value::String(version) => Table::from_iter([("version".to_owned(), version.into())]),
            Value::Table(table) => table,
            _ => bail!("the workspace's dependency {name} is no table"),
        };
        if name == "hookyard-sdk-macros" {
            full.insert("path".to_owned(), "macros".into());
        }
        for (key, own) in value.as_table().into_iter().flatten() {
            if key != "workspace" {
                full.insert(key.clone(), own.clone());
            }
        }
        *value = Value::Table(full);
    }
    Ok(toml::to_string(&manifest)?)
}

fn is_shared(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    #[test]
    fn manifests_stand_alone() {
        for manifest in [SDK, MACROS] {
            let alone = alone(manifest).unwrap();
            assert!(!alone.contains("workspace"), "{alone}");
            assert!(alone.contains("unsafe_code = \"deny\""), "{alone}");
        }
        assert!(alone(SDK).unwrap().contains("path = \"macros\""));
    }

    #[test]
    fn every_file_of_the_sdk_is_here() {
        let names: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        for name in ["src/lib.rs", "src/guest/arena.rs", "wit/plugin.wit", "macros/src/lib.rs"] {
            assert!(names.contains(&name), "{names:?}");
        }
    }
}
