//! A wall clock that a test sets; see `shim/clock.c`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;

use tempfile::TempDir;

use crate::shim::compiled;

/// The wall clock of a daemon, which stands still where it was set.
#[derive(Debug)]
pub struct Clock {
    file: File,
    /// Holds the compiled shim and the file.
    shim: TempDir,
}

impl Clock {
    /// At `seconds` since the epoch.
    pub fn at(seconds: i64) -> Self {
        let shim = compiled("clock");
        let file = File::create(shim.path().join("seconds")).expect("create a file");
        let clock = Self { file, shim };
        clock.set(seconds);
        clock
    }

    /// From the next look at it on.
    pub fn set(&self, seconds: i64) {
        self.file.write_all_at(&seconds.to_ne_bytes(), 0).expect("set the clock");
    }

    /// Preloads the shim into a process that is about to start.
    pub fn apply(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", self.shim.path().join("clock.so"))
            .env("CLOCK_FILE", self.shim.path().join("seconds"));
    }
}
