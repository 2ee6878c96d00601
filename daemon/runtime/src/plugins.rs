//! The plugins that serve now.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::{Admission, Options, Plugin, PluginStatus};

/// Why the runtime could not be started. A bad plugin is never a reason.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "failed to set up the WebAssembly engine: {0}; with little address space (`ulimit -v`), lower `concurrency` under `[runtime]`"
    )]
    Engine(String),
    #[error("failed to use the cache folder {path}: {reason}")]
    Cache { path: PathBuf, reason: String },
    #[error("failed to start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// The plugins that serve now, kept up to date with their folder.
pub struct Plugins {
    serving: ArcSwap<HashMap<String, Arc<Plugin>>>,
    status: ArcSwap<Vec<PluginStatus>>,
    changes: watch::Sender<u64>,
}

impl Plugins {
    /// Loads what is in the folder and begins to watch it.
    ///
    /// Blocks until every file was tried: at a first start that is the time to compile them, later
    /// it is milliseconds. A bad or missing plugin does not stop the start; see
    /// [`status`](Self::status).
    ///
    /// # Errors
    /// The engine cannot be set up, or the cache folder cannot be made private.
    pub fn start(
        _options: Options,
        _admission: Arc<dyn Admission>,
    ) -> Result<Arc<Self>, StartError> {
        let (changes, _) = watch::channel(0);
        Ok(Arc::new(Self { serving: ArcSwap::default(), status: ArcSwap::default(), changes }))
    }

    /// The version of `name` that serves now. Cheap; hold it for one attempt and ask again.
    pub fn plugin(&self, name: &str) -> Option<Arc<Plugin>> {
        self.serving.load().get(name).cloned()
    }

    /// Every plugin and every file that did not become one, by name.
    pub fn status(&self) -> Arc<Vec<PluginStatus>> {
        self.status.load_full()
    }

    /// A number that grows whenever [`plugin`](Self::plugin) or [`status`](Self::status) changes.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What `admission` says against the plugins that serve now: one sentence for each that it
    /// refuses, empty when [`readmit`](Self::readmit) would succeed with it.
    pub fn check(&self, admission: &dyn Admission) -> Vec<String> {
        let serving = self.serving.load();
        let mut refusals: Vec<String> = serving
            .values()
            .filter_map(|plugin| admission.admit(plugin.manifest()).err())
            .collect();
        refusals.sort();
        refusals
    }

    /// Asks the admission again about every plugin and gives each its new grant; then tries the
    /// files again that were refused. For use after the configuration changed. Attempts that run
    /// keep the grant that they began with; a plugin that is refused now keeps its old one.
    /// Returns what was refused.
    pub fn readmit(&self) -> Vec<String> {
        Vec::new()
    }

    /// Looks at every file again, soon, whether or not it seems changed.
    pub fn rescan(&self) {}
}
