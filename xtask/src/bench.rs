//! `cargo xtask bench`: everything that is measured, as it is shipped.

use std::path::Path;

use crate::cargo::{build_daemon, cargo, succeed};
use crate::suite::build_plugins;

/// Builds the daemon and the plugins and hands over to the suite, `tests/bench`.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let (folder, ..) = build_plugins(root)?;
    let binary = build_daemon(root)?;
    let mut suite = cargo(root);
    suite.args(["run", "--release", "--package", "hookyard-bench", "--"]).args(arguments);
    suite.env("HOOKYARD_BIN", binary).env("HOOKYARD_TEST_PLUGINS", &folder);
    // Errors inside the engine would collect backtraces, which takes time.
    suite.env_remove("RUST_BACKTRACE");
    succeed(&mut suite)
}
