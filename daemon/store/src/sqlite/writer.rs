//! The one writer: what waits at a moment goes into one transaction and one fsync.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::checkpoint::{self, Keeper};
use super::fault::{Fault, Reach};
use super::intake::{Intake, refuse};
use super::lock::Lock;
use super::messages::Backlogs;
use super::open::Opened;
use super::shared::{Shared, lock};
use super::verb::{Batch, Request, Step};
use crate::StoreError;

/// Most bytes of events in one transaction; the log's limit can make it less.
const BATCH_BYTES: u64 = 16 << 20;

/// How long the writer waits for readers when it ends a checkpoint.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(250);

/// How often a checkpoint that found no room is tried again, while there are requests.
const RETRY_STUCK: Duration = Duration::from_millis(50);

/// Starts the writer's thread. It ends after [`Request::Close`] or when every sender is gone, and
/// has then committed all that it took in.
pub(super) fn spawn(
    opened: Opened,
    lock: Lock,
    keeper: Keeper,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Request>,
    wal_max: u64,
) -> std::io::Result<()> {
    let writer = Writer {
        next_seq: opened.last_seq.saturating_add(1),
        conn: opened.conn,
        incarnation: opened.incarnation,
        backlogs: Backlogs::default(),
        shared,
        batch_bytes: BATCH_BYTES.min(wal_max / 2),
        wal_max_pages: (wal_max / opened.page_size).max(1),
        try_checkpoint_at: 0,
        stuck_since: None,
    };
    std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
        let mut ended = Ended { shared: Arc::clone(&writer.shared), in_order: false };
        writer.work(queue, keeper);
        // The next holder must find the file as this one left it.
        drop(lock);
        ended.in_order = true;
    })?;
    Ok(())
}

/// Tells the handle that the writer has ended, and, if it panicked, that the store failed.
struct Ended {
    shared: Arc<Shared>,
    in_order: bool,
}

impl Drop for Ended {
    fn drop(&mut self) {
        if !self.in_order {
            self.shared.fail("the writer's thread ended unexpectedly");
        }
        self.shared.stopped.send_replace(true);
    }
}

struct Writer {
    conn: Connection,
    shared: Arc<Shared>,
    incarnation: i64,
    /// Kept from one transaction to the next, until one is rolled back.
    backlogs: Backlogs,
    next_seq: i64,
    batch_bytes: u64,
    wal_max_pages: u64,
    /// After a checkpoint that readers held up: at how many pages to try again.
    try_checkpoint_at: u64,
    /// When a checkpoint last found no room. The first room that there is again is for the next
    /// one: commits that append to the log could use it up and leave none to move the log to.
    stuck_since: Option<Instant>,
}

impl Writer {
    fn work(mut self, mut queue: mpsc::Receiver<Request>, keeper: Keeper) {
        loop {
            // `None`: the handle is gone and the queue is empty.
            let Some(request) = queue.blocking_recv() else { break };
            if matches!(request, Request::Close) {
                queue.close();
                continue;
            }
            self.take(request, &mut queue);
        }
        self.finish_orphans();
        keeper.stop();
        if self.shared.closing.load(Ordering::Acquire) && self.shared.failure().is_none() {
            self.last_checkpoint();
        }
    }

    /// Carries out `first` and what else waits.
    fn take(&mut self, first: Request, queue: &mut mpsc::Receiver<Request>) {
        self.shared.space.refresh();
        if self.stuck_since.is_some_and(|since| since.elapsed() > RETRY_STUCK) {
            self.make_room();
        }
        let mut intake = Intake::new(self.batch_bytes);
        intake.take(first, &self.shared);
        intake.take_orphans(&self.shared);
        if intake.steps.is_empty() {
            return;
        }
        self.commit(intake, Some(queue));
        self.bound_log();
    }

    fn finish_orphans(&mut self) {
        let mut intake = Intake::new(self.batch_bytes);
        intake.take_orphans(&self.shared);
        if !intake.steps.is_empty() {
            self.commit(intake, None);
        }
    }

    /// Runs a batch to its end: every step of it is answered when this returns. What arrives in
    /// `queue` while the batch is carried out joins it.
    fn commit(&mut self, mut intake: Intake, mut queue: Option<&mut mpsc::Receiver<Request>>) {
        let shared = Arc::clone(&self.shared);
        if let Some(failure) = shared.failure() {
            return refuse(intake.steps, &failure, &shared);
        }
        let mut plan = Plan::Together;
        loop {
            if let Err(full) = shared.space.admits() {
                intake.refuse_newcomers(&full, &shared);
            }
            let attempt = match plan {
                Plan::Together => self.together(&mut intake, queue.as_deref_mut()),
                Plan::Apart => self.apart(&mut intake),
                Plan::Alone => return self.alone(intake.steps),
            };
            let fault = match attempt {
                Ok(()) => break,
                Err(fault) => fault,
            };
            self.roll_back();
            match fault.reach() {
                Reach::Item if matches!(plan, Plan::Together) => plan = Plan::Apart,
                Reach::Full => {
                    let newcomers = intake.steps.iter().any(|step| step.admits());
                    // A plugin that would keep more must not stop the routes: it goes first.
                    let growing = intake.refuse_growing(&fault.into_error(), &shared);
                    if !growing {
                        // Refuses the newcomers at the loop's start; what was begun goes on.
                        shared.space.met_full();
                    }
                    // The log begins anew in the room that it has, if its content can move.
                    self.make_room();
                    plan = if newcomers || growing { plan } else { Plan::Alone };
                }
                // An item's fault that reaches past its savepoint is the whole transaction's: with it,
                // trying again would never end.
                Reach::Item | Reach::Locked | Reach::Store => {
                    let error = fault.into_error();
                    if let StoreError::Untrusted(reason) = &error {
                        shared.fail(reason);
                    }
                    return refuse(intake.steps, &error, &shared);
                }
            }
            if let Some(failure) = shared.failure() {
                return refuse(intake.steps, &failure, &shared);
            }
            queue = None;
        }
        // Counted first: whoever has an answer finds it counted.
        shared.counters.items.fetch_add(intake.steps.len() as u64, Ordering::Relaxed);
        for (step, refusal) in intake.steps.into_iter().zip(intake.refusals) {
            step.answer(refusal, &shared);
        }
    }

    /// One transaction without savepoints: the common case.
    fn together(
        &mut self,
        intake: &mut Intake,
        mut queue: Option<&mut mpsc::Receiver<Request>>,
    ) -> Result<(), Fault> {
        let mut batch = self.begin()?;
        let mut next = 0;
        while let Some(step) = intake.steps.get_mut(next) {
            step.run(&mut batch)?;
            next += 1;
            if next == intake.steps.len()
                && let Some(queue) = queue.as_deref_mut()
            {
                intake.fill(queue, &self.shared);
            }
        }
        let (next_seq, wakes) = (batch.next_seq, batch.wakes);
        self.end(next_seq, wakes)?;
        intake.refusals.clear();
        intake.refusals.resize(intake.steps.len(), None);
        Ok(())
    }

    /// One transaction with a savepoint for each step, after one of them was refused: the others
    /// are not affected.
    fn apart(&mut self, intake: &mut Intake) -> Result<(), Fault> {
        let mut batch = self.begin()?;
        intake.refusals.clear();
        for step in &mut intake.steps {
            batch.conn.execute_batch("SAVEPOINT step")?;
            let before = (batch.next_seq, batch.wakes);
            let refusal = match step.run(&mut batch) {
                Ok(()) => None,
                Err(fault) if fault.reach() == Reach::Item => {
                    (batch.next_seq, batch.wakes) = before;
                    batch.conn.execute_batch("ROLLBACK TO step")?;
                    batch.backlogs.clear();
                    Some(fault.into_error())
                }
                Err(fault) => return Err(fault),
            };
            batch.conn.execute_batch("RELEASE step")?;
            intake.refusals.push(refusal);
        }
        let (next_seq, wakes) = (batch.next_seq, batch.wakes);
        self.end(next_seq, wakes)
    }

    /// A transaction for each step, when there is not room for all.
    fn alone(&mut self, steps: Vec<Box<dyn Step>>) {
        let shared = Arc::clone(&self.shared);
        for mut step in steps {
            if let Some(failure) = shared.failure() {
                step.answer(Some(failure), &shared);
                continue;
            }
            let outcome = self.one(step.as_mut());
            let error = outcome.err().map(|fault| {
                self.roll_back();
                let error = fault.into_error();
                if let StoreError::Untrusted(reason) = &error {
                    shared.fail(reason);
                }
                error
            });
            shared.counters.items.fetch_add(1, Ordering::Relaxed);
            step.answer(error, &shared);
        }
    }

    fn one(&mut self, step: &mut dyn Step) -> Result<(), Fault> {
        let mut batch = self.begin()?;
        step.run(&mut batch)?;
        let (next_seq, wakes) = (batch.next_seq, batch.wakes);
        self.end(next_seq, wakes)
    }

    fn begin(&self) -> Result<Batch<'_>, Fault> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Batch {
            conn: &self.conn,
            incarnation: self.incarnation,
            room: self.shared.space.admits().is_ok(),
            backlogs: &self.backlogs,
            next_seq: self.next_seq,
            wakes: false,
        })
    }

    fn end(&mut self, next_seq: i64, wakes: bool) -> Result<(), Fault> {
        if let Err(error) = self.conn.prepare_cached("COMMIT").and_then(|mut c| c.execute([])) {
            let fault = Fault::Sql(error);
            if fault.reach() != Reach::Item {
                return Err(fault);
            }
            // A commit that fails for no reason of its items: what is on disk is not known.
            let reason = format!("a commit failed: {}", fault.into_error());
            return Err(Fault::Store(StoreError::Untrusted(reason)));
        }
        self.next_seq = next_seq;
        self.shared.counters.commits.fetch_add(1, Ordering::Relaxed);
        if wakes {
            self.shared.wake.notify_one();
        }
        Ok(())
    }

    fn roll_back(&self) {
        self.backlogs.clear();
        if self.conn.is_autocommit() {
            return;
        }
        if let Err(error) = self.conn.execute_batch("ROLLBACK") {
            self.shared.fail(&format!("a transaction could not be rolled back: {error}"));
        }
    }

    /// Ends the checkpoint that runs beside the writer when the log has grown past its limit.
    fn bound_log(&mut self) {
        let pages = self.shared.counters.wal_pages.load(Ordering::Relaxed);
        if pages < self.wal_max_pages.max(self.try_checkpoint_at) {
            return;
        }
        if self.restart_log() {
            self.try_checkpoint_at = 0;
        } else {
            // Somebody reads an old snapshot. Waiting for them at every commit would stop the
            // store; the log grows a little instead.
            self.try_checkpoint_at = pages.saturating_add(self.wal_max_pages / 4);
            tracing::warn!(pages, "a long read holds up the checkpoint of the store's log");
        }
    }

    fn make_room(&mut self) {
        self.stuck_since = if self.restart_log() { None } else { Some(Instant::now()) };
    }

    /// Moves all of the log into the database, so that the next commit writes from its start.
    fn restart_log(&self) -> bool {
        if self.shared.failure().is_some() {
            return false;
        }
        let _alone = lock(&self.shared.checkpoint);
        let _ = self.conn.busy_timeout(CHECKPOINT_PATIENCE);
        let done = checkpoint::run(&self.conn, "RESTART", &self.shared);
        let _ = self.conn.busy_timeout(super::open::BUSY_TIMEOUT);
        if done {
            self.shared.counters.wal_pages.store(0, Ordering::Relaxed);
        }
        done
    }

    fn last_checkpoint(&self) {
        let _alone = lock(&self.shared.checkpoint);
        // A reader may still be there; the log it holds is worked off at the next start.
        let _ = self.conn.busy_timeout(CHECKPOINT_PATIENCE);
        checkpoint::run(&self.conn, "TRUNCATE", &self.shared);
    }
}

/// How a batch is carried out.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Together,
    Apart,
    Alone,
}
