//! Checkpoints beside the writer: the log's pages move into the database while commits go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::fault::{Fault, Reach};
use super::shared::{Shared, lock};

const TICK: Duration = Duration::from_millis(250);

/// How long the log gets before moving its pages is worth an fsync.
const WORTHWHILE: u64 = 4 << 20;

/// The thread that runs checkpoints and watches the free space.
#[derive(Debug)]
pub(super) struct Keeper {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Keeper {
    pub(super) fn spawn(
        conn: Connection,
        page_size: u64,
        shared: Arc<Shared>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let worthwhile = WORTHWHILE / page_size;
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || keep(&conn, worthwhile, &shared, &stopped))?;
        Ok(Self { thread: Some(thread), stop })
    }

    /// Ends the thread and its connection.
    pub(super) fn stop(self) {
        drop(self);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the thread of the store's checkpoints panicked");
            }
        }
    }
}

fn keep(conn: &Connection, worthwhile: u64, shared: &Shared, stop: &AtomicBool) {
    let mut moved = 0;
    while !stop.load(Ordering::Acquire) {
        std::thread::park_timeout(TICK);
        shared.space.sample();
        if shared.failure().is_some() {
            continue;
        }
        let pages = shared.counters.wal_pages.load(Ordering::Relaxed);
        if pages < moved {
            // The log began anew.
            moved = 0;
        }
        if pages - moved >= worthwhile {
            let _alone = lock(&shared.checkpoint);
            if run(conn, "PASSIVE", shared) {
                moved = pages;
            }
        }
    }
}

/// Runs a checkpoint and says whether it reached the log's end, or for `PASSIVE` went as far as
/// readers let it.
pub(super) fn run(conn: &Connection, mode: &str, shared: &Shared) -> bool {
    let outcome = conn
        .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get::<_, i64>(0))
        .map_err(Fault::Sql);
    match outcome {
        Ok(busy) => busy == 0,
        Err(fault) => {
            // A full disk can be made room on, and the log still has everything.
            if fault.reach() == Reach::Store {
                shared.fail(&format!("a checkpoint failed: {}", fault.into_error()));
            }
            false
        }
    }
}
