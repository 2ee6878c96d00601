//! `hookyard plugins new`: a folder that builds as it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::Language;
use crate::sdk::{self, put};

/// A plugin to begin with.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// The plugin's name: 1 to 64 lower-case letters, digits, `-` and `_`, beginning with a letter.
    pub name: &'a str,
    pub language: Language,
    /// Where to write it; must be empty or not there.
    pub folder: &'a Path,
    /// The folder `plugin-sdk` of a clone of Hookyard, for Rust. Without it the SDK's sources are
    /// written into the new folder.
    pub sdk: Option<&'a Path>,
}

const GITIGNORE: &str = "/target\n/dist\n/node_modules\n/.venv\n__pycache__\n*.wasm\n";

/// Files of each language: their names, and text in which `NAME` stands for the plugin's name.
const RUST: &[(&str, &str)] = &[
    ("src/lib.rs", include_str!("../templates/rust/lib.rs.txt")),
    ("README.md", include_str!("../templates/rust/README.md")),
];
const JAVASCRIPT: &[(&str, &str)] = &[
    ("package.json", include_str!("../templates/js/package.json")),
    ("src/plugin.js", include_str!("../templates/js/plugin.js")),
    ("wit/world.wit", include_str!("../templates/world.wit")),
    ("README.md", include_str!("../templates/js/README.md")),
];
const PYTHON: &[(&str, &str)] = &[
    ("requirements.txt", include_str!("../templates/python/requirements.txt")),
    ("build.sh", include_str!("../templates/python/build.sh")),
    ("src/handlers.py", include_str!("../templates/python/handlers.py")),
    ("wit/world.wit", include_str!("../templates/world.wit")),
    ("README.md", include_str!("../templates/python/README.md")),
];
const CARGO: &str = include_str!("../templates/rust/Cargo.toml.txt");

/// Writes the folder of a new plugin.
///
/// # Errors
/// The name is none, the folder is not empty, or something cannot be written.
pub fn new(plugin: &New<'_>) -> anyhow::Result<()> {
    let New { name, language, folder, sdk } = *plugin;
    ensure!(
        is_name(name),
        "`{name}` is no name for a plugin: use 1 to 64 lower-case letters, digits, `-` and `_`, \
         beginning with a letter"
    );
    ensure!(
        language != Language::Rust || !matches!(name, "hookyard-sdk" | "hookyard-sdk-macros"),
        "`{name}` is the SDK's own name, and cargo takes a package's name once: use another"
    );
    ensure!(
        sdk.is_none() || language == Language::Rust,
        "--sdk is for Rust: {language} plugins use the interfaces alone"
    );
    let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    ensure!(is_empty, "{} is not empty: name another folder", folder.display());
    let files = match language {
        Language::Rust => {
            let path = match sdk {
                Some(given) => {
                    let found = given.canonicalize().ok().filter(|path| is_sdk(path));
                    found.with_context(|| {
                        format!("{} is not the folder `plugin-sdk` of Hookyard", given.display())
                    })?
                }
                None => {
                    sdk::write(&folder.join("vendor/hookyard-sdk"))?;
                    PathBuf::from("vendor/hookyard-sdk")
                }
            };
            // A TOML string, whatever the path has.
            let path = toml::Value::from(path.display().to_string()).to_string();
            put(&folder.join("Cargo.toml"), &CARGO.replace("NAME", name).replace("SDK", &path))?;
            RUST
        }
        Language::JavaScript => JAVASCRIPT,
        Language::Python => PYTHON,
    };
    for (file, text) in files {
        put(&folder.join(file), &text.replace("NAME", name))?;
    }
    if language != Language::Rust {
        put(&folder.join("wit/deps/hookyard-plugin/plugin.wit"), sdk::WIT)?;
    }
    put(&folder.join(".gitignore"), GITIGNORE)
}

fn is_sdk(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    manifest.contains("name = \"hookyard-sdk\"")
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_a_folder_that_says_which_it_is() {
        for language in Language::ALL {
            let folder = tempfile::tempdir().unwrap();
            let plugin = New { name: "order-notes", language, folder: folder.path(), sdk: None };
            new(&plugin).unwrap();
            assert_eq!(Language::of(folder.path()).unwrap(), language);
            let again = new(&plugin).unwrap_err().to_string();
            assert!(again.contains("is not empty"), "{again}");
        }
    }

    #[test]
    fn a_name_that_cargo_would_refuse_beside_the_sdk_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["hookyard-sdk", "hookyard-sdk-macros"] {
            let plugin = New { name, language: Language::Rust, folder: folder.path(), sdk: None };
            let error = new(&plugin).unwrap_err().to_string();
            assert!(error.contains("is the SDK's own name"), "{name}: {error}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn names_are_those_that_a_manifest_may_have() {
        for name in ["", "Orders", "1a", "-a", "a b", "../a", &"a".repeat(65)] {
            let folder = tempfile::tempdir().unwrap();
            let plugin = New { name, language: Language::Rust, folder: folder.path(), sdk: None };
            let error = new(&plugin).unwrap_err().to_string();
            assert!(error.contains("is no name for a plugin"), "{name}: {error}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
