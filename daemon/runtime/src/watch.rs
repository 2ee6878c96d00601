//! Tells the folder's thread which files were touched.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::SyncSender;

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::folder::{Message, is_plugin};

/// A watch on one folder. Without one, for whatever reason, the folder is still looked at every two
/// seconds.
pub(crate) struct Watch {
    messages: SyncSender<Message>,
    watcher: Option<RecommendedWatcher>,
    /// Device and inode of what is watched: a folder of the same name may be another one.
    watched: Option<(u64, u64)>,
}

impl Watch {
    pub(crate) fn new(dir: &Path, messages: SyncSender<Message>) -> Self {
        let mut watch = Self { messages, watcher: None, watched: None };
        watch.renew(dir);
        watch
    }

    /// Watches what has the name `dir` now, if it is not what is watched already.
    pub(crate) fn renew(&mut self, dir: &Path) {
        let there = std::fs::metadata(dir).ok().map(|data: Metadata| (data.dev(), data.ino()));
        if there == self.watched && (there.is_none() || self.watcher.is_some()) {
            return;
        }
        self.watcher = None;
        self.watched = there;
        if there.is_none() {
            return;
        }
        let messages = self.messages.clone();
        let watcher = notify::recommended_watcher(move |event| tell(event, &messages));
        let watcher = watcher.and_then(|mut watcher| {
            watcher.watch(dir, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        match watcher {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => tracing::warn!(
                dir = %dir.display(),
                %error,
                "the plugins folder cannot be watched, changes are noticed after some seconds"
            ),
        }
    }
}

fn tell(event: notify::Result<Event>, messages: &SyncSender<Message>) {
    let Ok(event) = event else {
        // Events were lost.
        let _ = messages.try_send(Message::Rescan);
        return;
    };
    if event.need_rescan() {
        let _ = messages.try_send(Message::Rescan);
    }
    let matters = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(_))
        | EventKind::Remove(_) => true,
        // A file that is created is empty, and closed when it is written; but nothing is written
        // when a link is made.
        EventKind::Create(CreateKind::File | CreateKind::Any | CreateKind::Other) => {
            event.paths.iter().any(|path| is_link(path))
        }
        _ => false,
    };
    if !matters {
        return;
    }
    for path in event.paths {
        if let Some(file) = path.file_name().filter(|file| is_plugin(file)) {
            // Full: the next look at the folder finds it.
            let _ = messages.try_send(Message::Touched(file.to_owned()));
        }
    }
}

fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|data| data.is_symlink() || data.nlink() > 1)
}
