//! What a plugin's author needs besides the SDK: a folder to begin with, and builds. Used by
//! `hookyard plugins` and by `cargo xtask`.
//!
//! What is done is said on standard error, as it begins.

#![forbid(unsafe_code)]

mod command;
mod install;
mod new;
pub mod rust;
pub mod script;
mod sdk;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::bail;

pub use new::{New, new};

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Rust,
    JavaScript,
    Python,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::Rust, Self::JavaScript, Self::Python];

    /// `rust`, `js` or `python`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "js",
            Self::Python => "python",
        }
    }

    /// The language of the plugin in `folder`, by the file that its tools look for.
    ///
    /// # Errors
    /// There is none of those files.
    pub fn of(folder: &Path) -> anyhow::Result<Self> {
        let marks = [
            ("Cargo.toml", Self::Rust),
            ("package.json", Self::JavaScript),
            ("requirements.txt", Self::Python),
        ];
        for (file, language) in marks {
            if folder.join(file).is_file() {
                return Ok(language);
            }
        }
        bail!(
            "{} is no plugin's folder: it has no Cargo.toml (Rust), package.json (JavaScript) or \
             requirements.txt (Python); `hookyard plugins new NAME` makes one",
            folder.display()
        )
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|language| language.as_str() == text);
        found.ok_or_else(|| "use rust, js or python".to_owned())
    }
}

/// Builds the plugin in `folder`, and puts its file into `out` if there is one. Returns the files.
///
/// # Errors
/// A tool that is missing and how to get it, or that the build failed; its own words are on
/// standard error.
pub fn build(folder: &Path, out: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
    match Language::of(folder)? {
        Language::Rust => rust::build_folder(folder, out),
        language => Ok(vec![script::build(folder, language, out)?]),
    }
}
