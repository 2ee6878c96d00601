//! The private folder of compiled code, and the memory of each plugin's last good version.
//!
//! Loading compiled code is as trusting as running a program, so the folder must belong to this
//! user alone: that is what keeps others' code out. The checksum beside each piece of code is not
//! against them; it finds what a failing disk or a crash made of it, which is then compiled again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::ContentHash;
use crate::compile::write;

/// Pieces of code kept besides those of last good versions; the oldest go first.
const KEPT: usize = 64;
const INDEX: &str = "last-good.json";

pub(crate) struct Cache {
    dir: PathBuf,
    fingerprint: u64,
    last_good: Mutex<BTreeMap<String, LastGood>>,
    scratches: AtomicU64,
}

/// The version of a plugin that was last accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastGood {
    hash: String,
    /// The file's name in the plugins folder.
    pub(crate) file: String,
}

impl LastGood {
    pub(crate) fn hash(&self) -> Option<ContentHash> {
        ContentHash::parse(&self.hash)
    }
}

impl Cache {
    /// Opens the folder, making it when it is missing, and clears what earlier processes left.
    pub(crate) fn open(dir: &Path, fingerprint: u64) -> Result<Self, String> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| format!("it cannot be made: {error}"))?;
        private(dir)?;
        let last_good = fs::read(dir.join(INDEX))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        let cache = Self {
            dir: dir.to_owned(),
            fingerprint,
            last_good: Mutex::new(last_good),
            scratches: AtomicU64::new(0),
        };
        cache.clear();
        cache.prune();
        Ok(cache)
    }

    /// The compiled code of `hash`, if it is there and whole.
    pub(crate) fn code(&self, hash: ContentHash) -> Option<PathBuf> {
        let path = self.code_path(hash);
        let expected = fs::read_to_string(path.with_extension("sha256")).ok()?;
        let found = ContentHash::of_file(&path).ok()?;
        (ContentHash::parse(expected.trim()) == Some(found)).then_some(path)
    }

    /// Takes over the compiled code in `scratch` as that of `hash`.
    pub(crate) fn keep(&self, hash: ContentHash, scratch: &Scratch) -> std::io::Result<PathBuf> {
        let path = self.code_path(hash);
        let sum = ContentHash::of_file(&scratch.0)?;
        let sum_path = self.scratch();
        write(&sum_path.0, sum.to_string().as_bytes())?;
        fs::rename(&sum_path.0, path.with_extension("sha256"))?;
        fs::rename(&scratch.0, &path)?;
        self.prune();
        Ok(path)
    }

    /// A name for a temporary file, removed at the end.
    pub(crate) fn scratch(&self) -> Scratch {
        let number = self.scratches.fetch_add(1, Ordering::Relaxed);
        Scratch(self.dir.join(format!("tmp-{}-{number}", std::process::id())))
    }

    /// The file that `hash` was compiled from, kept with last good versions: a newer engine
    /// cannot use older code.
    pub(crate) fn source(&self, hash: ContentHash) -> Option<Vec<u8>> {
        let bytes = fs::read(self.source_path(hash)).ok()?;
        (ContentHash::of(&bytes) == hash).then_some(bytes)
    }

    pub(crate) fn last_good(&self) -> BTreeMap<String, LastGood> {
        self.index().clone()
    }

    /// Notes that `plugin` is served from `file` with these contents. A failure is only worth a
    /// warning: it matters at a start with a bad file.
    pub(crate) fn remember(
        &self,
        plugin: &str,
        file: &str,
        hash: ContentHash,
        bytes: &[u8],
    ) -> std::io::Result<()> {
        let mut index = self.index();
        let entry = LastGood { hash: hash.to_string(), file: file.to_owned() };
        if index.get(plugin) == Some(&entry) && self.source_path(hash).exists() {
            return Ok(());
        }
        let source = self.scratch();
        write(&source.0, bytes)?;
        fs::rename(&source.0, self.source_path(hash))?;
        let before = index.insert(plugin.to_owned(), entry);
        self.write_index(&index)?;
        if let Some(old) = before.and_then(|old| old.hash())
            && !index.values().any(|entry| entry.hash() == Some(old))
        {
            fs::remove_file(self.source_path(old))?;
        }
        Ok(())
    }

    /// Forgets the last good version of a plugin whose file was taken away: it must not come back by
    /// itself at the next start.
    pub(crate) fn forget(&self, plugin: &str) -> std::io::Result<()> {
        let mut index = self.index();
        let Some(old) = index.remove(plugin).and_then(|old| old.hash()) else { return Ok(()) };
        self.write_index(&index)?;
        if !index.values().any(|entry| entry.hash() == Some(old)) {
            fs::remove_file(self.source_path(old))?;
        }
        Ok(())
    }

    fn write_index(&self, index: &BTreeMap<String, LastGood>) -> std::io::Result<()> {
        let scratch = self.scratch();
        write(&scratch.0, &serde_json::to_vec_pretty(index)?)?;
        fs::rename(&scratch.0, self.dir.join(INDEX))
    }

    fn index(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, LastGood>> {
        // The map is whole between any two statements that hold the lock.
        self.last_good.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Code belongs to contents and to the engine that compiled it.
    fn code_path(&self, hash: ContentHash) -> PathBuf {
        self.dir.join(format!("{hash}-{:016x}.cwasm", self.fingerprint))
    }

    fn source_path(&self, hash: ContentHash) -> PathBuf {
        self.dir.join(format!("{hash}.wasm"))
    }

    /// Removes the temporary files of a process that ended early.
    fn clear(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("tmp-") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Removes old code past [`KEPT`]. What is mapped stays usable without its name, and failures
    /// leave the file for next time.
    fn prune(&self) {
        let needed: Vec<PathBuf> = self
            .index()
            .values()
            .filter_map(LastGood::hash)
            .map(|hash| self.code_path(hash))
            .collect();
        let mut old: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|kind| kind == "cwasm") && !needed.contains(&path) {
                let written = entry.metadata().and_then(|data| data.modified());
                old.push((written.unwrap_or(SystemTime::UNIX_EPOCH), path));
            }
        }
        old.sort();
        let excess = old.len().saturating_sub(KEPT);
        for (_, path) in old.into_iter().take(excess) {
            let _ = fs::remove_file(path.with_extension("sha256"));
            let _ = fs::remove_file(path);
        }
    }
}

/// A temporary file, or only its name.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // Usually it was renamed.
        let _ = fs::remove_file(&self.0);
    }
}

/// Makes sure that nobody else can write into `dir`, or read from it.
fn private(dir: &Path) -> Result<(), String> {
    let data =
        fs::symlink_metadata(dir).map_err(|error| format!("it cannot be looked at: {error}"))?;
    if !data.is_dir() {
        return Err("it is not a folder: name a real one in `cache_dir` under `[runtime]`".into());
    }
    let me = rustix::process::geteuid().as_raw();
    if data.uid() != me {
        return Err(format!(
            "it belongs to user {}, not to the user {me} that runs this: compiled code is loaded \
             from it, so it must be nobody else's",
            data.uid()
        ));
    }
    if data.mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
            .map_err(|error| format!("it is open to others and cannot be closed: {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_code_goes_while_the_newest_and_the_last_good_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(&folder.path().join("cache"), 0).expect("a cache");
        let hash = |number: usize| ContentHash::of(&number.to_le_bytes());
        for number in 0..KEPT + 3 {
            let scratch = cache.scratch();
            fs::write(&scratch.0, "code").expect("written");
            // Written long ago, one second after the other.
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
            let file = fs::File::options().write(true).open(&scratch.0).expect("opened");
            file.set_modified(at).expect("dated");
            cache.keep(hash(number), &scratch).expect("kept");
            if number == 0 {
                cache.remember("first", "first.wasm", hash(0), b"source").expect("remembered");
            }
        }
        let kept: Vec<usize> =
            (0..KEPT + 3).filter(|number| cache.code(hash(*number)).is_some()).collect();
        let expected: Vec<usize> = std::iter::once(0).chain(3..KEPT + 3).collect();
        assert_eq!(kept, expected);
    }
}
