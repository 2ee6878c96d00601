//! Where the built things are.

use std::env;
use std::path::{Path, PathBuf};

/// What every variant of `misbehave` carries; the six digits are there to be replaced.
const MARKER: &[u8] = b"misbehave reply, variant 000000, and this is the end of the marker";

/// The daemon's binary: `HOOKYARD_BIN`, or that of the release build.
///
/// # Panics
/// When there is none.
pub fn hookyard() -> PathBuf {
    let path = match env::var_os("HOOKYARD_BIN") {
        Some(path) => PathBuf::from(path),
        None => workspace().join("target/release/hookyard"),
    };
    assert!(
        path.is_file(),
        "no daemon at {}: run `cargo build --release`, or set HOOKYARD_BIN; \
         `cargo xtask test` does everything in order",
        path.display()
    );
    path
}

/// The built file of a plugin crate, as cargo names it: `github-push` is `github_push.wasm`.
/// Looked for in `HOOKYARD_TEST_PLUGINS`; else the newest of those that `cargo xtask` put into the
/// workspace's plugin folders and those that cargo left in its target folder.
///
/// # Panics
/// When there is none.
pub fn plugin_file(name: &str) -> PathBuf {
    let file = format!("{}.wasm", name.replace('-', "_"));
    let found = match env::var_os("HOOKYARD_TEST_PLUGINS") {
        Some(folder) => Some(PathBuf::from(folder).join(&file)).filter(|path| path.is_file()),
        None => ["plugins", "tests/plugins", "target/wasm32-unknown-unknown/plugin"]
            .iter()
            .map(|folder| workspace().join(folder).join(&file))
            .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
            .max()
            .map(|(_, path)| path),
    };
    found.unwrap_or_else(|| {
        panic!(
            "{file} is not built: run `cargo build -p {name} --profile plugin --target \
             wasm32-unknown-unknown`, or set HOOKYARD_TEST_PLUGINS to a folder that has it; \
             `cargo xtask test` does everything in order"
        )
    })
}

/// Whether `cargo xtask test` could not build this plugin for want of its tools, which it says at its
/// end; then its tests are left out.
pub fn unbuilt(name: &str) -> bool {
    let unbuilt = env::var("HOOKYARD_UNBUILT").unwrap_or_default();
    let why = unbuilt.split("; ").find(|why| why.starts_with(&format!("{name}:")));
    if let Some(why) = why {
        eprintln!("LEFT OUT: {why}");
    }
    why.is_some()
}

/// `misbehave` in another version: its handler `reply` answers with this number.
pub fn variant_of(misbehave: &[u8], number: u32) -> Vec<u8> {
    let at = misbehave
        .windows(MARKER.len())
        .position(|window| window == MARKER)
        .expect("misbehave.wasm holds its marker");
    let digits = at + MARKER.iter().position(|b| *b == b'0').expect("the marker has digits");
    let mut changed = misbehave.to_vec();
    changed[digits..digits + 6].copy_from_slice(format!("{number:06}").as_bytes());
    changed
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}
