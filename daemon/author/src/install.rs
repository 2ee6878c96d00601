//! Putting a built file into its folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// Puts the file into `out` in one step: a daemon that watches it sees the old one or the new one,
/// and never a part. `what` names the plugin in an error, and `advice` completes "is no plugin yet: ".
pub(crate) fn install(
    what: &str,
    wasm: &Path,
    out: &Path,
    advice: &str,
) -> anyhow::Result<PathBuf> {
    let bytes = fs::read(wasm).with_context(|| format!("failed to read {}", wasm.display()))?;
    ensure!(contains(&bytes, b"hookyard:plugin/manifest@"), "{what} is no plugin yet: {advice}");
    let name = wasm.file_name().context("a built file has a name")?;
    let installed = out.join(name);
    // The daemon only looks at names that end in .wasm.
    let unfinished = out.join(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    fs::create_dir_all(out)
        .and_then(|()| fs::write(&unfinished, &bytes))
        .and_then(|()| fs::rename(&unfinished, &installed))
        .with_context(|| format!("failed to write {}", installed.display()))?;
    Ok(installed)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    #[test]
    fn a_module_without_handlers_is_refused_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let built = folder.path().join("built.wasm");
        fs::write(&built, b"\0asm\x01\0\0\0").unwrap();
        let out = folder.path().join("plugins");
        fs::create_dir(&out).unwrap();
        let error = install("`built`", &built, &out, "add `plugin!`").unwrap_err();
        assert_eq!(error.to_string(), "`built` is no plugin yet: add `plugin!`");

        fs::write(&built, b"\0asm\x01\0\0\0 hookyard:plugin/manifest@0.1.0").unwrap();
        let installed = install("`built`", &built, &out, "").unwrap();
        assert_eq!(fs::read(&installed).unwrap(), fs::read(&built).unwrap());
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    }
}
