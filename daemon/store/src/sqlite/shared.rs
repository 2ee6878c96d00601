//! What the store's handle, its writer and its checkpoints tell each other.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Notify, mpsc, watch};

use super::space::Space;
use super::verb::Request;
use crate::{Lease, StoreError};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) space: Space,
    /// Signalled when jobs became ready that nobody holds.
    pub(super) wake: Notify,
    /// Why the store is not trusted any more, once it is not.
    failed: watch::Sender<Option<String>>,
    /// The cheap form of `failed`.
    has_failed: AtomicBool,
    /// Set when `close` begins: nothing new is taken in.
    pub(super) closing: AtomicBool,
    /// Whether the writer has ended.
    pub(super) stopped: watch::Sender<bool>,
    /// Bytes of events in the queue.
    pub(super) queued_bytes: AtomicUsize,
    /// Leases whose receiver went away before it got them.
    orphans: Mutex<Vec<Lease>>,
    /// Tells the writer of orphans. Weak, so that the handle's end ends the writer.
    pub(super) nudge: OnceLock<mpsc::WeakSender<Request>>,
    pub(super) counters: Counters,
    /// Held while a checkpoint runs: SQLite answers a second one with an error instead of waiting.
    pub(super) checkpoint: Mutex<()>,
}

/// Running totals since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) items: AtomicU64,
    /// Pages in the write-ahead log that the next commit appends to.
    pub(super) wal_pages: AtomicU64,
}

impl Shared {
    pub(super) fn new(space: Space) -> Self {
        Self {
            space,
            wake: Notify::new(),
            failed: watch::Sender::new(None),
            has_failed: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            stopped: watch::Sender::new(false),
            queued_bytes: AtomicUsize::new(0),
            orphans: Mutex::new(Vec::new()),
            nudge: OnceLock::new(),
            counters: Counters::default(),
            checkpoint: Mutex::new(()),
        }
    }

    /// Ends the trust in the store. The first reason is kept.
    pub(super) fn fail(&self, reason: &str) {
        self.failed.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                tracing::error!(reason, "the store failed; the daemon must restart");
                *known = Some(reason.to_owned());
            }
            first
        });
        self.has_failed.store(true, Ordering::Release);
    }

    pub(super) fn failure(&self) -> Option<StoreError> {
        if !self.has_failed.load(Ordering::Acquire) {
            return None;
        }
        let reason = self.failed.borrow().clone().unwrap_or_default();
        Some(StoreError::Untrusted(reason))
    }

    pub(super) async fn failed(&self) -> String {
        let mut failed = self.failed.subscribe();
        let reason = failed.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            // The sender lives as long as `self`, so waiting ends only with a reason.
            None => std::future::pending().await,
        }
    }

    /// Gives back leases that nobody received.
    pub(super) fn orphan(&self, leases: Vec<Lease>) {
        lock(&self.orphans).extend(leases);
        if let Some(writer) = self.nudge.get().and_then(mpsc::WeakSender::upgrade) {
            // Full is as good: the writer is busy then and looks before it waits again.
            let _ = writer.try_send(Request::Orphans);
        }
    }

    /// Keeps a lease that could not be given back for the writer's next transaction.
    pub(super) fn keep_orphan(&self, lease: Lease) {
        lock(&self.orphans).push(lease);
    }

    pub(super) fn take_orphans(&self) -> Vec<Lease> {
        std::mem::take(&mut *lock(&self.orphans))
    }
}

/// Locks what a panic elsewhere cannot leave half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
