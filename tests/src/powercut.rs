//! What a power cut leaves behind; see `shim/powercut.c`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::shim::compiled;

/// Keeps a folder as it was at each file's last sync, for a process that is told by
/// [`PowerCut::apply`] to do so.
#[derive(Debug)]
pub struct PowerCut {
    folder: PathBuf,
    shadow: TempDir,
    /// Holds the compiled shim.
    shim: TempDir,
}

impl PowerCut {
    /// For the files directly in `folder` (absolute, without symbolic links).
    pub fn new(folder: &Path) -> Self {
        let shadow = TempDir::with_prefix("hookyard-shadow-").expect("a temporary folder");
        Self { folder: folder.to_owned(), shadow, shim: compiled("powercut") }
    }

    /// Preloads the shim into a process that is about to start.
    pub fn apply(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", self.shim.path().join("powercut.so"))
            .env("POWERCUT_DIR", &self.folder)
            .env("POWERCUT_SHADOW", self.shadow.path());
    }

    /// After the process was killed: the folder holds what was synced, and nothing else.
    pub fn cut(&self) {
        for entry in fs::read_dir(&self.folder).expect("list the folder") {
            let path = entry.expect("an entry").path();
            fs::remove_file(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        for entry in fs::read_dir(self.shadow.path()).expect("list the shadow") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), self.folder.join(entry.file_name())).expect("copy a file back");
        }
    }

    /// The shadow of one file: what a power cut would leave of it now.
    pub fn durable(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.shadow.path().join(name)).ok()
    }
}
