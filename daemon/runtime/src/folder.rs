//! The plugins folder: one thread owns what is known of its files, decides what to load and swaps
//! what serves. Loading itself happens on short-lived threads, so that a plugin that takes seconds
//! to compile does not delay the others.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use crate::loader::{Loaded, Loader, Stamp};
use crate::plugins::{Served, Shared};
use crate::status::{PluginStatus, State};
use crate::version::Version;
use crate::watch::Watch;

/// How long the folder must be quiet before what changed is loaded: several events belong together.
const QUIET: Duration = Duration::from_millis(20);
/// How often the folder is looked at without an event, because events can get lost.
const LOOK: Duration = Duration::from_secs(2);
/// How long a file may be missing before its plugin is retired: many tools replace a file by
/// removing it first.
const GRACE: Duration = Duration::from_millis(300);

/// What the folder's thread is told.
pub(crate) enum Message {
    /// Something was done to this file.
    Touched(OsString),
    /// Look at all files again.
    Rescan,
    /// A loading thread is done with this file.
    Tried { file: OsString, stamp: Option<Stamp>, result: Result<Loaded, String> },
}

pub(crate) struct Folder {
    dir: PathBuf,
    shared: Arc<Shared>,
    loader: Arc<Loader>,
    /// Loading threads at the same time.
    workers: usize,
    messages: SyncSender<Message>,
    files: BTreeMap<OsString, Known>,
    /// To load, when a thread is free.
    waiting: BTreeSet<OsString>,
    loading: BTreeSet<OsString>,
}

/// What is known of a file.
#[derive(Default)]
struct Known {
    /// As it was when it was last read.
    read: Option<Stamp>,
    /// As it was when the folder was last looked at.
    seen: Option<Stamp>,
    /// What it last loaded as, whether or not that was admitted.
    loaded: Option<Arc<Version>>,
    /// Why it does not serve.
    error: Option<String>,
    /// Since when it is missing.
    gone: Option<Instant>,
}

impl Folder {
    pub(crate) fn new(
        dir: PathBuf,
        shared: Arc<Shared>,
        loader: Arc<Loader>,
        workers: usize,
        messages: SyncSender<Message>,
    ) -> Self {
        Self {
            dir,
            shared,
            loader,
            workers,
            messages,
            files: BTreeMap::new(),
            waiting: BTreeSet::new(),
            loading: BTreeSet::new(),
        }
    }

    /// Loads what is there, says so on `started`, and follows the folder until nobody reads.
    ///
    /// `started` is told after `patience` even when some files are still being loaded.
    pub(crate) fn run(
        mut self,
        inbox: &Receiver<Message>,
        started: &SyncSender<()>,
        patience: Duration,
    ) {
        let mut watch = Watch::new(&self.dir, self.messages.clone());
        self.rescan();
        if !self.try_all(inbox, patience) {
            return;
        }
        self.fall_back();
        self.report();
        // Nobody waits only if the start was given up.
        let _ = started.send(());

        let mut looked = Instant::now();
        while !self.shared.ended.load(Ordering::Relaxed) {
            let wait = if self.waiting.is_empty() { self.wait(looked) } else { QUIET };
            match inbox.recv_timeout(wait) {
                Ok(message) => {
                    self.take(message);
                    // What is already there belongs together.
                    if !self.waiting.is_empty() {
                        std::thread::sleep(QUIET);
                    }
                    inbox.try_iter().for_each(|message| self.take(message));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                watch.renew(&self.dir);
                self.look();
            }
            self.start_loading();
            self.retire();
            self.report();
        }
    }

    /// Tries every file that is there once, for as long as `patience`; `false` when nobody is left to
    /// tell. What changes meanwhile is tried afterwards, so that a file that changes all the time, or
    /// one that takes minutes to compile, delays no start.
    fn try_all(&mut self, inbox: &Receiver<Message>, patience: Duration) -> bool {
        let begun = Instant::now();
        let mut untried = self.waiting.clone();
        let mut tried = BTreeMap::new();
        self.start_loading();
        while !untried.is_empty() && !self.loading.is_empty() {
            match inbox.recv_timeout(patience.saturating_sub(begun.elapsed())) {
                Ok(Message::Tried { file, stamp, result }) => {
                    self.loading.remove(&file);
                    untried.remove(&file);
                    tried.insert(file, (stamp, result));
                }
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {
                    tracing::warn!(
                        files = untried.len(),
                        "the start goes on while plugins are still being compiled"
                    );
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => return false,
            }
            self.start_loading();
        }
        // Of two files with the same plugin that serves which served before, and not the one that
        // happened to load faster.
        let before = self.loader.cache.last_good();
        let served_before = |file: &OsStr, result: &Result<Loaded, String>| {
            let name = result.as_ref().map(|loaded| loaded.version.manifest.name.as_str());
            name.is_ok_and(|name| before.get(name).is_some_and(|good| *good.file == *file))
        };
        let (first, then): (Vec<_>, Vec<_>) =
            tried.into_iter().partition(|(file, (_, result))| served_before(file, result));
        for (file, (stamp, result)) in first.into_iter().chain(then) {
            self.tried(&file, stamp, result);
        }
        true
    }

    /// Until when nothing happens by itself.
    fn wait(&self, looked: Instant) -> Duration {
        let grace = self
            .files
            .iter()
            .filter(|(file, _)| !self.loading.contains(*file))
            .filter_map(|(_, known)| known.gone)
            .min()
            .map(|gone| GRACE.saturating_sub(gone.elapsed()) + Duration::from_millis(1));
        LOOK.saturating_sub(looked.elapsed()).min(grace.unwrap_or(LOOK))
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Touched(file) => {
                if self.removed(&file) {
                    self.missing(&file);
                } else {
                    self.waiting.insert(file);
                }
            }
            Message::Rescan => self.rescan(),
            Message::Tried { file, stamp, result } => {
                self.loading.remove(&file);
                self.tried(&file, stamp, result);
            }
        }
    }

    /// Every file is to be loaded again. What serves and did not change costs a read and a hash; what
    /// did not compile is compiled once more.
    fn rescan(&mut self) {
        let found = self.list();
        self.waiting.extend(found.keys().cloned());
        self.miss_others(&found);
    }

    /// Finds what no event told: files that changed and have been left alone since the last look.
    fn look(&mut self) {
        let found = self.list();
        for (file, stamp) in &found {
            let known = self.files.entry(file.clone()).or_default();
            let settled = known.seen == Some(*stamp);
            known.seen = Some(*stamp);
            if settled && (known.read != Some(*stamp) || known.gone.is_some()) {
                self.waiting.insert(file.clone());
            }
        }
        self.miss_others(&found);
    }

    fn miss_others(&mut self, found: &BTreeMap<OsString, Stamp>) {
        let missing: Vec<OsString> = self
            .files
            .keys()
            .filter(|file| !found.contains_key(*file) && self.removed(file))
            .cloned()
            .collect();
        missing.iter().for_each(|file| self.missing(file));
    }

    fn missing(&mut self, file: &OsStr) {
        self.waiting.remove(file);
        if let Some(known) = self.files.get_mut(file) {
            known.gone.get_or_insert_with(Instant::now);
        }
    }

    /// Whether there is no file of this name. One that cannot be looked at, or that a listing lacks
    /// because the process has no descriptor left, was not removed.
    fn removed(&self, file: &OsStr) -> bool {
        use std::io::ErrorKind::{NotADirectory, NotFound};
        std::fs::metadata(self.dir.join(file))
            .is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
    }

    fn list(&self) -> BTreeMap<OsString, Stamp> {
        // What a folder that cannot be read is known to hold is not `removed` for that.
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name())
            .filter(|file| is_plugin(file))
            .filter_map(|file| self.stamp(&file).map(|stamp| (file, stamp)))
            .collect()
    }

    /// Follows links: a link to another file is a change of the plugin.
    fn stamp(&self, file: &OsStr) -> Option<Stamp> {
        std::fs::metadata(self.dir.join(file)).ok().as_ref().map(Stamp::of)
    }

    fn start_loading(&mut self) {
        let ready: Vec<OsString> = self
            .waiting
            .iter()
            .filter(|file| !self.loading.contains(*file))
            .take(self.workers.saturating_sub(self.loading.len()))
            .cloned()
            .collect();
        for file in ready {
            self.waiting.remove(&file);
            let known = self.files.entry(file.clone()).or_default();
            known.gone = None;
            let loaded = known.loaded.clone();
            let (loader, path) = (self.loader.clone(), self.dir.join(&file));
            let (messages, name) = (self.messages.clone(), file.clone());
            let thread =
                std::thread::Builder::new().name("hookyard-load".into()).spawn(move || {
                    let load = || loader.load(&path, loaded.as_ref());
                    let (stamp, result) =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(load))
                            .unwrap_or_else(|_| {
                                (None, Err("it breaks the loader; please report it".into()))
                            });
                    // Only a daemon that is ending has no receiver.
                    let _ = messages.send(Message::Tried { file: name, stamp, result });
                });
            match thread {
                Ok(_) => {
                    self.loading.insert(file);
                }
                Err(error) => self.refuse(&file, format!("no thread can be started: {error}")),
            }
        }
    }

    fn tried(&mut self, file: &OsStr, stamp: Option<Stamp>, result: Result<Loaded, String>) {
        let known = self.files.entry(file.to_owned()).or_default();
        known.read = stamp;
        known.seen = stamp;
        let result = match result {
            Ok(loaded) => {
                known.loaded = Some(loaded.version.clone());
                self.admit(file, &loaded)
            }
            Err(why) => Err(why),
        };
        match result {
            Ok(()) => {
                if let Some(known) = self.files.get_mut(file) {
                    known.error = None;
                }
            }
            Err(why) => {
                // Removed while it was read.
                if self.removed(file) {
                    self.missing(file);
                } else {
                    self.refuse(file, why);
                }
            }
        }
    }

    /// Swaps what `file` holds in, if it may serve.
    fn admit(&self, file: &OsStr, loaded: &Loaded) -> Result<(), String> {
        let version = &loaded.version;
        let name = &version.manifest.name;
        let mut served = self.shared.served();
        if let Some(other) = served.get(name)
            && other.file != file
            && other.fallback.is_none()
            && self.files.get(&other.file).is_some_and(|known| known.gone.is_none())
        {
            return Err(format!(
                "it is another plugin `{name}`, which is already served from {}: remove one of \
                 the two files",
                self.dir.join(&other.file).display()
            ));
        }
        let before = served
            .iter()
            .find(|(other, served)| served.file == file && *other != name)
            .map(|(other, _)| other.clone());
        if let Some(before) = &before
            && self.shared.admission.wanted().contains(before)
        {
            return Err(format!(
                "it was plugin `{before}`, which routes use, and is now `{name}`: give the new \
                 plugin a file of its own, or take `{before}` out of the routes first"
            ));
        }
        if let Some(old) = served.get(name)
            && old.plugin.hash() == version.hash
            && old.file == file
            && old.fallback.is_none()
        {
            return Ok(());
        }
        let grant = self.shared.admission.admit(&version.manifest)?;
        if let Some(before) = before {
            served.remove(&before);
        }
        let plugin = self.shared.plugin(version.clone(), grant);
        served.insert(name.clone(), Served { plugin, file: file.to_owned(), fallback: None });
        self.shared.publish(&served);
        drop(served);
        tracing::info!(
            plugin = %name,
            version = %version.manifest.version,
            file = %self.dir.join(file).display(),
            hash = %version.hash,
            "plugin serves"
        );
        let file = file.to_string_lossy();
        if let Err(error) = self.loader.cache.remember(name, &file, version.hash, &loaded.bytes) {
            tracing::warn!(
                plugin = %name,
                %error,
                "this version cannot be kept for a start with a bad file: look at the cache folder"
            );
        }
        Ok(())
    }

    fn refuse(&mut self, file: &OsStr, why: String) {
        let path = self.dir.join(file);
        let serving =
            self.shared.served().iter().find(|(_, served)| served.file == file).map(
                |(name, served)| format!("`{name}` {} goes on serving", served.plugin.version()),
            );
        let known = self.files.entry(file.to_owned()).or_default();
        if known.error.as_ref() != Some(&why) {
            tracing::warn!(
                file = %path.display(),
                serving = serving.as_deref().unwrap_or("nothing serves from this file"),
                "plugin refused: {why}"
            );
        }
        known.error = Some(why);
    }

    /// Ends the plugins whose files are gone for good.
    fn retire(&mut self) {
        let gone: Vec<OsString> = self
            .files
            .iter()
            .filter(|(file, known)| {
                known.gone.is_some_and(|gone| gone.elapsed() >= GRACE)
                    && !self.loading.contains(*file)
            })
            .map(|(file, _)| file.clone())
            .collect();
        // Written anew, slowly, or waiting for a free thread: the old one serves until then.
        let (gone, back): (Vec<_>, Vec<_>) = gone.into_iter().partition(|file| self.removed(file));
        for file in back {
            if let Some(known) = self.files.get_mut(&file) {
                known.gone = None;
            }
        }
        if gone.is_empty() {
            return;
        }
        let mut served = self.shared.served();
        for file in gone {
            self.files.remove(&file);
            served.retain(|name, entry| {
                let stays = entry.file != file;
                if !stays {
                    if let Err(error) = self.loader.cache.forget(name) {
                        tracing::warn!(plugin = %name, %error, "the next start may serve it again");
                    }
                    tracing::info!(
                        plugin = %name,
                        file = %self.dir.join(&file).display(),
                        "plugin retired, its file was removed: put it back for its jobs to go on"
                    );
                }
                stays
            });
        }
        self.shared.publish(&served);
        drop(served);
        // A file that was refused for the name of one of these may serve now.
        let refused = self.files.iter().filter(|(_, known)| known.error.is_some());
        self.waiting.extend(refused.map(|(file, _)| file.clone()));
    }

    /// At a start: serves the last good version of what has no good file.
    fn fall_back(&mut self) {
        let wanted = self.shared.admission.wanted();
        for (name, good) in self.loader.cache.last_good() {
            let bad = self.files.get(OsStr::new(&good.file)).and_then(|known| known.error.clone());
            if self.shared.served().contains_key(&name)
                || !(bad.is_some() || wanted.contains(&name))
            {
                continue;
            }
            let why = bad.unwrap_or_else(|| {
                self.not_there(&name, "put it back, or take it out of the routes")
            });
            let loaded = self.loader.load_last_good(&good).and_then(|version| {
                let grant = self.shared.admission.admit(&version.manifest)?;
                Ok(self.shared.plugin(version, grant))
            });
            match loaded {
                Ok(plugin) => {
                    tracing::warn!(
                        plugin = %name,
                        version = plugin.version(),
                        "the last good version serves from the cache: {why}"
                    );
                    let file = OsString::from(good.file);
                    let entry = Served { plugin, file, fallback: Some(why) };
                    let mut served = self.shared.served();
                    served.insert(name, entry);
                    self.shared.publish(&served);
                }
                Err(error) => {
                    tracing::error!(plugin = %name, "nothing serves: {why}; its last good version: {error}");
                }
            }
        }
    }

    /// Why `name`, which routes use, does not serve; and `what_to_do`.
    fn not_there(&self, name: &str, what_to_do: &str) -> String {
        let dir = self.dir.display();
        match self.loading.union(&self.waiting).count() {
            0 => format!("no file in {dir} is plugin `{name}`: {what_to_do}"),
            count => format!(
                "no file in {dir} is plugin `{name}` so far: {count} are still being loaded"
            ),
        }
    }

    fn report(&self) {
        let served = self.shared.served().clone();
        let mut status = Vec::new();
        for (name, entry) in &served {
            let known = self.files.get(&entry.file);
            let error = known.and_then(|known| known.error.clone());
            let last_error = error.or_else(|| entry.fallback.clone());
            status.push(PluginStatus {
                name: name.clone(),
                file: if known.is_some() { text(&entry.file) } else { String::new() },
                version: entry.plugin.version().to_owned(),
                hash: Some(entry.plugin.hash()),
                handlers: entry.plugin.handlers().to_vec(),
                state: if last_error.is_some() { State::Degraded } else { State::Ready },
                last_error,
            });
        }
        let serves = |file: &OsStr| served.values().any(|entry| entry.file == file);
        for (file, known) in &self.files {
            if let Some(error) = known.error.clone().filter(|_| !serves(file)) {
                status.push(PluginStatus::failed(text(file), text(file), error));
            }
        }
        for name in self.shared.admission.wanted() {
            if !served.contains_key(&name) {
                let error = self.not_there(&name, "put it there, as routes use it");
                status.push(PluginStatus::failed(name, String::new(), error));
            }
        }
        status.sort_by(|a, b| (&a.name, &a.file).cmp(&(&b.name, &b.file)));
        self.shared.report(status);
    }
}

/// Whether a file of this name is a plugin: hidden ones are what editors and copying tools leave.
pub(crate) fn is_plugin(file: &OsStr) -> bool {
    let hidden = file.to_string_lossy().starts_with('.');
    !hidden && Path::new(file).extension().is_some_and(|kind| kind == "wasm")
}

fn text(file: &OsStr) -> String {
    file.to_string_lossy().into_owned()
}
