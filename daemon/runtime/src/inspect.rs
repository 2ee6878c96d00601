//! What a file is, found out by loading it as the daemon does, without serving it.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::cache::Cache;
use crate::engine::{self, Host};
use crate::loader::Loader;
use crate::{Compiler, ContentHash, Manifest, Options};

/// A file that is a plugin.
#[derive(Clone, Debug)]
pub struct Inspected {
    pub manifest: Manifest,
    /// The SHA-256 of the file.
    pub hash: ContentHash,
    /// Of the file, in bytes.
    pub size: u64,
    /// The interfaces that its component imports, by their full names, in its order.
    pub imports: Vec<String>,
    /// What an instance of it is made of.
    pub parts: Parts,
    /// What it took to compile it and to ask what it is.
    pub took: Duration,
}

/// What an instance is made of: each is bounded, together with all that it takes while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    pub memories: u32,
    /// Bytes that its largest memory begins with.
    pub memory: u64,
    pub tables: u32,
    /// Elements that its largest table begins with.
    pub table_elements: u64,
}

/// Loads the plugin in `file` as a daemon with these limits would, for itself alone.
///
/// Blocks until it is compiled, and uses a temporary folder for that.
///
/// # Errors
/// Why it is refused: "it …".
pub fn inspect(file: &Path, compiler: Compiler, max_memory: u64) -> Result<Inspected, String> {
    let folder = Folder::new().map_err(|error| format!("it cannot be loaded: {error}"))?;
    let options = Options::new(&folder.0, folder.0.join("cache"), compiler);
    let failed = |error: wasmtime::Error| format!("it cannot be loaded: {error:#}");
    let host = Host::new(1, max_memory).map_err(failed)?;
    let cache = Cache::open(&options.cache_dir, engine::fingerprint(&host.engine))?;
    let loader = Loader {
        host: Arc::new(host),
        cache,
        compiler: options.compiler,
        max_memory,
        max_file: options.max_file,
        compile_memory: options.compile_memory,
        compile_timeout: options.compile_timeout,
    };
    let began = Instant::now();
    let (_, loaded) = loader.load(file, None);
    let loaded = loaded?;
    Ok(Inspected {
        manifest: loaded.version.manifest.clone(),
        hash: loaded.version.hash,
        size: u64::try_from(loaded.bytes.len()).unwrap_or(u64::MAX),
        imports: loaded.version.imports(),
        parts: loaded.version.parts(),
        took: began.elapsed(),
    })
}

/// A temporary folder of this user alone, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("hookyard-inspect-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // What is there already may be somebody else's.
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
