//! The small C libraries in `shim/`, which are preloaded into the daemon.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A folder with the compiled shim `name` in it, as `NAME.so`.
pub(crate) fn compiled(name: &str) -> TempDir {
    let folder = TempDir::with_prefix("hookyard-shim-").expect("a temporary folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("shim/{name}.c"));
    let status = Command::new("cc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
        .arg(folder.path().join(format!("{name}.so")))
        .arg(&source)
        .args(["-ldl", "-lpthread"])
        .status()
        .expect("run cc (the package gcc has it)");
    assert!(status.success(), "cc could not build {}", source.display());
    folder
}
