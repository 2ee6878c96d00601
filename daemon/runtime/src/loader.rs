//! From a file to a version that can serve. Blocks; runs on the loader's threads.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Component;

use crate::cache::{Cache, LastGood};
use crate::compile::{compile, write};
use crate::engine::{Host, MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use crate::text::line;
use crate::version::Version;
use crate::{Compiler, ContentHash, artefact};

pub(crate) struct Loader {
    pub(crate) host: Arc<Host>,
    pub(crate) cache: Cache,
    pub(crate) compiler: Compiler,
    pub(crate) max_memory: u64,
    pub(crate) max_file: u64,
    pub(crate) compile_memory: u64,
    pub(crate) compile_timeout: Duration,
}

/// A file as it was read, to see whether it changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    modified: (i64, i64),
    device: u64,
    inode: u64,
}

impl Stamp {
    pub(crate) fn of(data: &std::fs::Metadata) -> Self {
        Self {
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            device: data.dev(),
            inode: data.ino(),
        }
    }
}

/// A plugin that loaded, with the bytes that it was loaded from.
pub(crate) struct Loaded {
    pub(crate) version: Arc<Version>,
    pub(crate) bytes: Vec<u8>,
}

impl Loader {
    /// Loads the plugin in `path`. What is `known` of the same contents is not loaded again.
    pub(crate) fn load(
        &self,
        path: &Path,
        known: Option<&Arc<Version>>,
    ) -> (Option<Stamp>, Result<Loaded, String>) {
        let (stamp, read) = read(path, self.max_file);
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(why) => return (stamp, Err(why)),
        };
        let hash = ContentHash::of(&bytes);
        let version = match known.filter(|known| known.hash == hash) {
            Some(known) => Ok(known.clone()),
            None => self.version(hash, &bytes),
        };
        (stamp, version.map(|version| Loaded { version, bytes }))
    }

    /// Loads a plugin's last good version from the cache.
    pub(crate) fn load_last_good(&self, good: &LastGood) -> Result<Arc<Version>, String> {
        let hash = good.hash().ok_or("the cache's index is broken")?;
        if let Some(version) = self.cached(hash) {
            return version;
        }
        let bytes = self.cache.source(hash).ok_or("it is no longer in the cache")?;
        self.version(hash, &bytes)
    }

    fn version(&self, hash: ContentHash, bytes: &[u8]) -> Result<Arc<Version>, String> {
        if let Some(version) = self.cached(hash) {
            return version;
        }
        let (input, output) = (self.cache.scratch(), self.cache.scratch());
        let kept = |error| format!("it cannot be kept in the cache: {error}");
        write(&input.0, bytes).map_err(kept)?;
        compile(&self.compiler, &input.0, &output.0, self.compile_memory, self.compile_timeout)?;
        let path = self.cache.keep(hash, &output).map_err(kept)?;
        let component = artefact::load(&self.host.engine, &path)
            .map_err(|error| self.unloadable(&format!("{error:#}")))?;
        self.describe(component, hash)
    }

    fn unloadable(&self, why: &str) -> String {
        let why = line(why, 1024);
        if why.contains("minimum byte size") {
            return format!(
                "it starts with more memory than the {} bytes that any plugin may have, which is \
                 fixed: {why}",
                self.max_memory
            );
        }
        if why.contains("pooling allocator") {
            return format!(
                "it is made of more parts than an instance may have ({MAX_CORE_INSTANCES} core \
                 instances, {MAX_MEMORIES} memories, {MAX_TABLES} tables, which is fixed): {why}"
            );
        }
        format!("its compiled code cannot be loaded: {why}; is `hookyard` being replaced?")
    }

    /// The version whose code is in the cache. Code that cannot be loaded counts as missing.
    fn cached(&self, hash: ContentHash) -> Option<Result<Arc<Version>, String>> {
        let path: PathBuf = self.cache.code(hash)?;
        let component = artefact::load(&self.host.engine, &path).ok()?;
        Some(self.describe(component, hash))
    }

    fn describe(&self, component: Component, hash: ContentHash) -> Result<Arc<Version>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| format!("it cannot be asked for its manifest: {error}"))?;
        runtime
            .block_on(Version::new(self.host.clone(), &component, hash, self.max_memory))
            .map(Arc::new)
    }
}

/// The whole file, which must be one and have at most `most` bytes; and what it was when it was
/// opened, so that a change during the reading makes another stamp. Without a stamp it is worth
/// another try although it did not change.
fn read(path: &Path, most: u64) -> (Option<Stamp>, Result<Vec<u8>, String>) {
    let failed = |error: std::io::Error| format!("it cannot be read: {error}");
    // Opening a pipe must not wait for its other end.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let opened = File::options()
        .read(true)
        .custom_flags(nonblock)
        .open(path)
        .and_then(|file| Ok((file.metadata()?, file)));
    let (data, file) = match opened {
        Ok(opened) => opened,
        Err(error) => return (None, Err(failed(error))),
    };
    let stamp = Some(Stamp::of(&data));
    if !data.is_file() {
        return (stamp, Err("it is not a regular file".into()));
    }
    let too_large = || {
        format!(
            "it is larger than {most} bytes, the most that a plugin's file may have, which is fixed"
        )
    };
    if data.len() > most {
        return (stamp, Err(too_large()));
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    match file.take(most.saturating_add(1)).read_to_end(&mut bytes) {
        Err(error) => (None, Err(failed(error))),
        Ok(size) if u64::try_from(size).unwrap_or(u64::MAX) > most => (stamp, Err(too_large())),
        Ok(_) => (stamp, Ok(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_be_a_plugin_is_not_read_and_has_a_stamp() {
        let folder = tempfile::tempdir().expect("a folder");
        let huge = folder.path().join("huge.wasm");
        File::create(&huge).and_then(|file| file.set_len(1 << 36)).expect("a sparse file");
        for path in [huge.as_path(), folder.path(), Path::new("/dev/zero")] {
            let (stamp, read) = read(path, 100);
            assert!(stamp.is_some() && read.is_err(), "{}: {read:?}", path.display());
        }
        // This one grows without its size saying so.
        let (stamp, endless) = read(Path::new("/proc/self/maps"), 100);
        assert!(stamp.is_some() && endless.is_err_and(|why| why.contains("larger than 100")));
        let (stamp, missing) = read(&folder.path().join("missing.wasm"), 100);
        assert!(stamp.is_none() && missing.is_err());
    }
}
