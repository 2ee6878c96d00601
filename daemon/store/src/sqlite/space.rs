//! The low-water mark: room is kept so that what was begun can be finished.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::StoreError;

/// How old a sample may be before the writer takes a new one: three system calls, and in the
/// meantime a fast disk takes a megabyte or two, which a small `min_free` must have room for.
const SAMPLE_EVERY: Duration = Duration::from_millis(2);

/// For how long events are refused after a write met a full disk.
const HOLD_AFTER_FULL: Duration = Duration::from_secs(1);

const OPEN: u8 = 0;
const LOW: u8 = 1;
const LARGE: u8 = 2;
const MET_FULL: u8 = 3;

/// Knows how much room there is. Reading it costs a few loads; [`Space::sample`] asks the system.
#[derive(Debug)]
pub(super) struct Space {
    folder: PathBuf,
    database: PathBuf,
    log: PathBuf,
    min_free: u64,
    /// From which size on events are refused.
    mark: Option<u64>,
    verdict: AtomicU8,
    /// The figure behind the verdict, in bytes.
    figure: AtomicU64,
    began: Instant,
    /// In milliseconds since `began`.
    sampled_at: AtomicU64,
    hold_until: AtomicU64,
}

impl Space {
    pub(super) fn new(database: &Path, min_free: u64, max_size: Option<u64>) -> Self {
        let folder = match database.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Self {
            folder,
            database: database.to_owned(),
            log: log_path(database),
            min_free,
            mark: max_size.map(|size| size - reserve(size)),
            verdict: AtomicU8::new(OPEN),
            figure: AtomicU64::new(0),
            began: Instant::now(),
            sampled_at: AtomicU64::new(0),
            hold_until: AtomicU64::new(0),
        }
    }

    /// Whether an event may be written, by the last sample.
    pub(super) fn admits(&self) -> Result<(), StoreError> {
        let figure = self.figure.load(Ordering::Relaxed);
        let message = match self.verdict.load(Ordering::Relaxed) {
            OPEN => return Ok(()),
            LOW => format!(
                "{figure} bytes are free in {}, and min_free keeps {}",
                self.folder.display(),
                self.min_free
            ),
            LARGE => format!(
                "it takes {figure} bytes, and of max_size {} are for events",
                self.mark.unwrap_or(0)
            ),
            _ => "the disk or the file was full at the last write".to_owned(),
        };
        Err(StoreError::Full(message))
    }

    /// Notes that a write found no room.
    pub(super) fn met_full(&self) {
        let until = self.now().saturating_add(as_millis(HOLD_AFTER_FULL));
        self.hold_until.store(until, Ordering::Relaxed);
        self.set(MET_FULL, 0);
    }

    /// Takes a new sample if the last one is old.
    pub(super) fn refresh(&self) {
        let age = self.now().saturating_sub(self.sampled_at.load(Ordering::Relaxed));
        if age >= as_millis(SAMPLE_EVERY) {
            self.sample();
        }
    }

    /// Asks the file system.
    pub(super) fn sample(&self) {
        let now = self.now();
        self.sampled_at.store(now, Ordering::Relaxed);
        if now < self.hold_until.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(figures) = rustix::fs::statvfs(&self.folder) {
            let free = figures.f_bavail.saturating_mul(figures.f_frsize);
            if free < self.min_free {
                return self.set(LOW, free);
            }
        }
        let size = file_size(&self.database).saturating_add(file_size(&self.log));
        if self.mark.is_some_and(|mark| size >= mark) {
            return self.set(LARGE, size);
        }
        self.set(OPEN, size);
    }

    /// The length of the write-ahead log's file, in bytes.
    pub(super) fn log_size(&self) -> u64 {
        file_size(&self.log)
    }

    fn set(&self, verdict: u8, figure: u64) {
        self.figure.store(figure, Ordering::Relaxed);
        let before = self.verdict.swap(verdict, Ordering::Relaxed);
        if (before == OPEN) != (verdict == OPEN) {
            match self.admits() {
                Ok(()) => tracing::info!("the store takes events again"),
                Err(error) => tracing::warn!(%error, "the store takes no events"),
            }
        }
    }

    fn now(&self) -> u64 {
        as_millis(self.began.elapsed())
    }
}

/// How much of `max_size` is kept for completions: an eighth, but not more than 64 MiB.
fn reserve(max_size: u64) -> u64 {
    (max_size / 8).min(64 << 20)
}

fn file_size(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

fn log_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
