//! What goes into one transaction.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use super::jobs::Release;
use super::shared::Shared;
use super::verb::{Pending, Request, Step};
use crate::StoreError;

/// Most requests in one transaction: bounds how long the first of them waits.
const BATCH_ITEMS: usize = 1024;

/// The steps of one transaction.
pub(super) struct Intake {
    pub(super) steps: Vec<Box<dyn Step>>,
    /// For each step, once the transaction is committed: why it was left out.
    pub(super) refusals: Vec<Option<StoreError>>,
    bytes: u64,
    max_bytes: u64,
}

impl Intake {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { steps: Vec::new(), refusals: Vec::new(), bytes: 0, max_bytes }
    }

    pub(super) fn take(&mut self, request: Request, shared: &Arc<Shared>) {
        match request {
            Request::Step(step) => {
                let size = step.size();
                if step.admits() {
                    shared.queued_bytes.fetch_sub(size, Ordering::Relaxed);
                }
                self.bytes = self.bytes.saturating_add(size as u64);
                if step.admits()
                    && let Err(full) = shared.space.admits()
                {
                    return step.answer(Some(full), shared);
                }
                self.steps.push(step);
            }
            Request::Orphans => self.take_orphans(shared),
            // The loops over the queue act on it.
            Request::Close => {}
        }
    }

    pub(super) fn take_orphans(&mut self, shared: &Shared) {
        for lease in shared.take_orphans() {
            self.steps.push(Pending::unheard(Release { lease }));
        }
    }

    /// Takes what waits, as far as one transaction goes.
    pub(super) fn fill(&mut self, queue: &mut mpsc::Receiver<Request>, shared: &Arc<Shared>) {
        while self.steps.len() < BATCH_ITEMS && self.bytes < self.max_bytes {
            match queue.try_recv() {
                Ok(Request::Close) => queue.close(),
                Ok(request) => self.take(request, shared),
                Err(_) => return,
            }
        }
    }

    /// Refuses what makes more of what plugins keep; whether there was any.
    pub(super) fn refuse_growing(&mut self, full: &StoreError, shared: &Arc<Shared>) -> bool {
        let (growing, rest): (Vec<_>, _) =
            std::mem::take(&mut self.steps).into_iter().partition(|step| step.grows());
        self.steps = rest;
        let any = !growing.is_empty();
        refuse(growing, full, shared);
        any
    }

    pub(super) fn refuse_newcomers(&mut self, full: &StoreError, shared: &Arc<Shared>) {
        let (newcomers, rest) =
            std::mem::take(&mut self.steps).into_iter().partition(|step| step.admits());
        self.steps = rest;
        refuse(newcomers, full, shared);
    }
}

pub(super) fn refuse(steps: Vec<Box<dyn Step>>, error: &StoreError, shared: &Arc<Shared>) {
    for step in steps {
        step.answer(Some(error.clone()), shared);
    }
}
