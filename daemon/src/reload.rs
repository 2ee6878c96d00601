//! Changes while the daemon runs: a new configuration is tried against everything that is in
//! force, and taken whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hookyard_runtime::Plugins;
use ipnet::IpNet;
use notify::{EventKind, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::task::block_in_place;

use crate::admission::{ConfigAdmission, missing_plugins};
use crate::config::{Config, ConfigError, Limits};
use crate::connections;
use crate::dispatch::Dispatcher;
use crate::live::{self, Generation, Live};
use crate::schedule::Scheduler;
use crate::secret::Stamp;

/// Editors write a file in several steps; a change is looked at once it has rested for this long.
const REST: Duration = Duration::from_millis(100);

/// How often the files of configuration and secrets are looked at: notices come only from the
/// configuration's own folder, and either may lie behind links that are exchanged elsewhere.
const LOOK: Duration = Duration::from_secs(2);

/// What a new configuration reaches.
pub(crate) struct Reloader {
    pub(crate) live: Arc<Live>,
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) limits: Arc<ArcSwap<Limits>>,
    pub(crate) proxies: Arc<ArcSwap<Vec<IpNet>>>,
}

/// The configuration's file, followed from before it was read for the first time: whatever is
/// changed while the daemon starts is noticed too.
pub(crate) struct Followed {
    file: PathBuf,
    changes: mpsc::Receiver<()>,
    watcher: notify::Result<notify::RecommendedWatcher>,
}

impl Followed {
    /// Begins to follow `file`. What stands in the way is logged by [`Reloader::run`].
    pub(crate) fn begin(file: &Path) -> Self {
        // One place: a change that comes while one is waiting to be looked at is the same one.
        let (changed, changes) = mpsc::channel(1);
        Self { file: file.to_owned(), changes, watcher: watch_file(file, changed) }
    }
}

impl Reloader {
    /// Reads the configuration again when its file or that of a secret changes, or `asked` says
    /// so, until `stop`.
    pub(crate) async fn run(
        self,
        followed: Followed,
        mut asked: mpsc::Receiver<()>,
        mut stop: watch::Receiver<bool>,
    ) {
        let Followed { file, mut changes, watcher } = followed;
        if let Err(error) = &watcher {
            tracing::warn!(
                file = %file.display(), %error,
                "the configuration cannot be watched; send SIGHUP after a change"
            );
        }
        let mut look = tokio::time::interval(LOOK);
        // What was tried last: when it was refused, it is not tried, and logged, again and again.
        let mut tried = None;
        loop {
            tokio::select! {
                _ = look.tick() => {
                    let generation = self.live.load();
                    let now = current_stamps(Arc::clone(&generation.config)).await;
                    if now == generation.stamps || tried.as_ref() == Some(&now) {
                        continue;
                    }
                }
                Some(()) = changes.recv() => {
                    tokio::time::sleep(REST).await;
                    while changes.try_recv().is_ok() {}
                }
                // Waits while the loading thread is busy, as `readmit` does.
                Some(()) = asked.recv() => block_in_place(|| self.plugins.rescan()),
                _ = stop.changed() => return,
            }
            tried = Some(current_stamps(self.live.config()).await);
            self.reload(&file).await;
        }
    }

    async fn reload(&self, file: &Path) {
        let _alone = self.live.changing.lock().await;
        let path = file.to_owned();
        let loaded = tokio::task::spawn_blocking(move || prepare(&path)).await;
        let refusal = match loaded {
            Ok(Ok(generation)) => match block_in_place(|| self.take(generation)) {
                Ok(()) => {
                    tracing::info!(file = %file.display(), "configuration reloaded");
                    self.live.set_refused(false);
                    for missing in missing_plugins(&self.live.config(), &self.plugins) {
                        tracing::warn!("{missing}");
                    }
                    return;
                }
                Err(refusal) => refusal,
            },
            Ok(Err(refusal)) => refusal.to_string(),
            Err(error) => error.to_string(),
        };
        self.live.set_refused(true);
        tracing::error!(
            file = %file.display(),
            "configuration refused, the one before stays in force: {refusal}"
        );
    }

    fn take(&self, mut generation: Generation) -> Result<(), String> {
        connections::inherit(&mut generation.connections, &self.live.load().connections);
        let config = Arc::clone(&generation.config);
        let stranded = self.plugins.check(&ConfigAdmission::of(&generation));
        if !stranded.is_empty() {
            return Err(stranded.join("; "));
        }
        let generation = Arc::new(generation);
        let before = self.live.swap(Arc::clone(&generation));
        // From here on plugins are admitted under the new configuration; one that came in under the
        // old one, after the check above, is found by a second look.
        let stranded = self.plugins.check(&ConfigAdmission::of(&generation));
        if !stranded.is_empty() {
            self.live.swap(before);
            return Err(stranded.join("; "));
        }
        for setting in fixed_settings_changed(&before.config, &config) {
            tracing::warn!("{setting} has changed; that takes effect at the next start");
        }
        self.limits.store(Arc::new(config.server.limits.clone()));
        self.proxies.store(Arc::new(config.server.trusted_proxies.clone()));
        for refused in self.plugins.readmit() {
            tracing::warn!("{refused}");
        }
        self.dispatcher.configure();
        self.scheduler.configure();
        Ok(())
    }
}

/// Loads a configuration and builds what is made from it alone. What should be known about it goes
/// to the log.
pub(crate) fn prepare(file: &Path) -> Result<Generation, ConfigError> {
    let (generation, warnings) = Generation::load(file)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(generation)
}

async fn current_stamps(config: Arc<Config>) -> Vec<Option<Stamp>> {
    tokio::task::spawn_blocking(move || live::stamps(&config)).await.unwrap_or_default()
}

/// What is bound or opened once.
fn fixed_settings_changed(before: &Config, after: &Config) -> Vec<&'static str> {
    let mut changed = Vec::new();
    let mut compare = |same: bool, setting| {
        if !same {
            changed.push(setting);
        }
    };
    compare(before.server.listen == after.server.listen, "[server] listen");
    compare(before.server.tls == after.server.tls, "[server.tls]");
    compare(before.admin.listen == after.admin.listen, "[admin] listen");
    compare(before.store == after.store, "[store]");
    let (a, b) = (&before.runtime, &after.runtime);
    compare(a.plugins_dir == b.plugins_dir, "[runtime] plugins_dir");
    compare(a.cache_dir == b.cache_dir, "[runtime] cache_dir");
    compare(a.concurrency == b.concurrency, "[runtime] concurrency");
    compare(a.compile_timeout == b.compile_timeout, "[runtime] compile_timeout");
    compare(a.compile_memory == b.compile_memory, "[runtime] compile_memory");
    compare(before.outbound == after.outbound, "[outbound]");
    changed
}

/// Watches the file's folder: an editor may put another file in its place.
fn watch_file(
    file: &Path,
    changed: mpsc::Sender<()>,
) -> notify::Result<notify::RecommendedWatcher> {
    let name = file.file_name().map(std::ffi::OsStr::to_owned);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let concerns = event.paths.iter().any(|path| path.file_name() == name.as_deref());
        if concerns && !matches!(event.kind, EventKind::Access(notify::event::AccessKind::Open(_)))
        {
            // A full channel holds a change that has not been looked at: this one goes with it.
            let _ = changed.try_send(());
        }
    })?;
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
