//! The plugins that serve now.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};

use crate::cache::Cache;
use crate::engine::{self, Host};
use crate::folder::{Folder, Message};
use crate::loader::Loader;
use crate::version::Version;
use crate::{Admission, Connections, Grant, Kv, Options, Plugin, PluginStatus};

/// Why the runtime could not be started. A bad plugin is never a reason.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "failed to set up the WebAssembly engine: {0}; where address space is limited \
         (`ulimit -v`), lower `concurrency` under `[runtime]`"
    )]
    Engine(String),
    #[error("failed to use the cache folder {}: {reason}", path.display())]
    Cache { path: PathBuf, reason: String },
    #[error("failed to start the thread that loads plugins: {0}")]
    Thread(#[source] std::io::Error),
}

/// Plugins that are loaded at the same time, at most; there are no more than processors.
pub const MAX_WORKERS: usize = 8;

/// The plugins that serve now, kept up to date with their folder until this is dropped.
pub struct Plugins {
    shared: Arc<Shared>,
    messages: SyncSender<Message>,
}

/// What the loading thread writes and everybody reads.
pub(crate) struct Shared {
    pub(crate) admission: Arc<dyn Admission>,
    /// Set when nobody can read any more.
    pub(crate) ended: AtomicBool,
    slots: Arc<Semaphore>,
    kv: Option<Arc<dyn Kv>>,
    connections: Option<Arc<dyn Connections>>,
    /// Held by whoever changes what serves, never while something is loaded or run.
    served: Mutex<HashMap<String, Served>>,
    serving: ArcSwap<HashMap<String, Arc<Plugin>>>,
    status: ArcSwap<Vec<PluginStatus>>,
    changes: watch::Sender<u64>,
}

/// A plugin that serves, and the file that it came from.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) plugin: Arc<Plugin>,
    /// Its name in the plugins folder.
    pub(crate) file: std::ffi::OsString,
    /// Why it is served from the cache, if it is.
    pub(crate) fallback: Option<String>,
}

impl Plugins {
    /// Loads what is in the folder and begins to watch it.
    ///
    /// Blocks until every file was tried, for at most `start_patience`: at a first start that is the
    /// time to compile them, later it is milliseconds. A bad or missing plugin does not stop the start; see
    /// [`status`](Self::status).
    ///
    /// # Errors
    /// The engine cannot be set up, or the cache folder cannot be made private.
    pub fn start(options: Options, admission: Arc<dyn Admission>) -> Result<Arc<Self>, StartError> {
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
        let concurrency = options.concurrency.max(1);
        // Loading needs an instance to ask it for its manifest.
        let host = Host::new(concurrency.saturating_add(workers), options.max_memory)
            .map_err(|error| StartError::Engine(format!("{error:#}")))?;
        let cache = Cache::open(&options.cache_dir, engine::fingerprint(&host.engine))
            .map_err(|reason| StartError::Cache { path: options.cache_dir.clone(), reason })?;
        let shared = Arc::new(Shared {
            admission,
            ended: AtomicBool::new(false),
            slots: Arc::new(Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS))),
            kv: options.kv,
            connections: options.connections,
            served: Mutex::default(),
            serving: ArcSwap::default(),
            status: ArcSwap::default(),
            changes: watch::Sender::new(0),
        });
        let loader = Loader {
            host: Arc::new(host),
            cache,
            compiler: options.compiler,
            max_memory: options.max_memory,
            max_file: options.max_file,
            compile_memory: options.compile_memory,
            compile_timeout: options.compile_timeout,
        };
        // Full: the watcher drops what it saw, and the next look at the folder finds it; loading
        // threads and `rescan` wait.
        let (messages, inbox) = sync_channel(64);
        let (started, ready) = sync_channel(1);
        let folder = Folder::new(
            options.plugins_dir,
            shared.clone(),
            Arc::new(loader),
            workers,
            messages.clone(),
        );
        let patience = options.start_patience;
        std::thread::Builder::new()
            .name("hookyard-plugins".into())
            .spawn(move || folder.run(&inbox, &started, patience))
            .map_err(StartError::Thread)?;
        // An error means that the thread ended, which it does not before it was ready.
        let _ = ready.recv();
        Ok(Arc::new(Self { shared, messages }))
    }

    /// The version of `name` that serves now. Cheap; hold it for one attempt and ask again.
    pub fn plugin(&self, name: &str) -> Option<Arc<Plugin>> {
        self.shared.serving.load().get(name).cloned()
    }

    /// Every plugin, every file that did not become one, and every wanted plugin that is missing;
    /// by name.
    pub fn status(&self) -> Arc<Vec<PluginStatus>> {
        self.shared.status.load_full()
    }

    /// A number that grows whenever [`plugin`](Self::plugin) or [`status`](Self::status) changes.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// What `admission` says against the plugins that serve now: one sentence for each that it
    /// refuses, empty when [`readmit`](Self::readmit) would succeed with it.
    pub fn check(&self, admission: &dyn Admission) -> Vec<String> {
        let serving = self.shared.serving.load_full();
        let mut refusals: Vec<String> = serving
            .values()
            .filter_map(|plugin| admission.admit(plugin.manifest()).err())
            .collect();
        refusals.sort();
        refusals
    }

    /// Asks the admission again about every plugin and gives each its new grant, at once; then
    /// tries the files again that were refused, soon. For use after the configuration changed.
    /// Attempts that run keep the grant that they began with; a plugin that is refused now keeps
    /// its old one. Returns what was refused.
    pub fn readmit(&self) -> Vec<String> {
        let refusals = self.shared.readmit();
        self.rescan();
        refusals
    }

    /// Looks at every file again, soon, whether or not it seems changed.
    pub fn rescan(&self) {
        // It fails when the loading thread is gone, and that only happens in `drop`.
        let _ = self.messages.send(Message::Rescan);
    }
}

impl Drop for Plugins {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Full: the thread is busy and sees the flag afterwards.
        let _ = self.messages.try_send(Message::Rescan);
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.shared.serving.load().iter().map(|(name, p)| (name, p.version())))
            .finish()
    }
}

impl Shared {
    pub(crate) fn plugin(&self, version: Arc<Version>, grant: Grant) -> Arc<Plugin> {
        let (slots, kv, connections) =
            (self.slots.clone(), self.kv.clone(), self.connections.clone());
        Arc::new(Plugin::new(version, grant, slots, kv, connections))
    }

    pub(crate) fn served(&self) -> MutexGuard<'_, HashMap<String, Served>> {
        // The map is whole between any two statements that hold the lock.
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes what is in `served` what serves.
    pub(crate) fn publish(&self, served: &HashMap<String, Served>) {
        let serving =
            served.iter().map(|(name, served)| (name.clone(), served.plugin.clone())).collect();
        self.serving.store(Arc::new(serving));
    }

    pub(crate) fn report(&self, status: Vec<PluginStatus>) {
        if **self.status.load() != status {
            self.status.store(Arc::new(status));
            self.notify();
        }
    }

    fn notify(&self) {
        self.changes.send_modify(|number| *number = number.wrapping_add(1));
    }

    fn readmit(&self) -> Vec<String> {
        let mut served = self.served();
        let mut refusals = Vec::new();
        for entry in served.values_mut() {
            match self.admission.admit(entry.plugin.manifest()) {
                Ok(grant) => entry.plugin = self.plugin(entry.plugin.loaded().clone(), grant),
                Err(why) => refusals.push(why),
            }
        }
        self.publish(&served);
        drop(served);
        self.notify();
        refusals.sort();
        refusals
    }
}
