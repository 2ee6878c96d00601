//! The shipped plugins that are not written in Rust.

use std::path::{Path, PathBuf};

use hookyard_author::{Language, script};

/// The shipped ones, by their folders in `plugins/`.
const SHIPPED: [(&str, Language); 2] =
    [("alert-lines", Language::JavaScript), ("pipeline-times", Language::Python)];

/// The tests' own plugin for `wasm32-wasip2`.
pub(crate) const WASIP2: &str = "worldly";

/// Builds them into `out`. Returns the files, and a sentence for each that could not be built
/// because this machine lacks its tools and they cannot be installed.
///
/// # Errors
/// One of them does not build.
pub(crate) fn build(root: &Path, out: &Path) -> anyhow::Result<(Vec<PathBuf>, Vec<String>)> {
    let (mut built, mut missing) = (Vec::new(), Vec::new());
    for (name, language) in SHIPPED {
        script::provide(language);
        match script::missing(language) {
            Some(why) => missing.push(format!("{name}: {why}")),
            None => {
                built.push(script::build(&root.join("plugins").join(name), language, Some(out))?);
            }
        }
    }
    Ok((built, missing))
}
