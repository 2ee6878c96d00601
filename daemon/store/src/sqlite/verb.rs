//! What the writer is asked to do, and the way back of its answers.

use std::fmt;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::fault::Fault;
use super::messages::Backlogs;
use super::shared::Shared;
use crate::{Lease, StoreError};

/// One of the store's verbs, ready to be carried out inside a transaction.
pub(super) trait Verb: Send + 'static {
    type Output: Send + 'static;
    /// Whether it brings something new in, which a full store refuses.
    const ADMITS: bool = false;

    /// How many bytes it holds while it waits, roughly.
    fn size(&self) -> usize {
        0
    }

    /// Whether it may make what plugins keep more: a full disk refuses it before it refuses events.
    fn grows(&self) -> bool {
        false
    }

    /// May run more than once: a transaction that failed is begun again.
    fn run(&self, batch: &mut Batch<'_>) -> Result<Self::Output, Fault>;

    /// The leases in an output, to be given back when nobody receives it.
    fn leases(_output: &Self::Output) -> Vec<Lease> {
        Vec::new()
    }

    /// The lease that it was to give back: kept and tried again when there was no room for it and
    /// nobody waits to hear that.
    fn owed(&self) -> Option<Lease> {
        None
    }
}

/// An open transaction.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) conn: &'a Connection,
    pub(super) incarnation: i64,
    /// Whether there is room for something new.
    pub(super) room: bool,
    pub(super) backlogs: &'a Backlogs,
    /// The next event's `seq`.
    pub(super) next_seq: i64,
    /// Whether it leaves ready jobs that nobody holds.
    pub(super) wakes: bool,
}

/// What the writer's queue carries.
#[derive(Debug)]
pub(super) enum Request {
    Step(Box<dyn Step>),
    /// There are leases to give back.
    Orphans,
    Close,
}

/// A verb with somebody waiting for its output.
pub(super) trait Step: Send + fmt::Debug {
    fn admits(&self) -> bool;
    fn grows(&self) -> bool;
    fn size(&self) -> usize;
    /// Carries it out and keeps the output.
    fn run(&mut self, batch: &mut Batch<'_>) -> Result<(), Fault>;
    /// Answers: with `error`, or with what was kept.
    fn answer(self: Box<Self>, error: Option<StoreError>, shared: &Arc<Shared>);
}

/// An answer on its way. Leases in it go back to the writer if it is dropped on the way, as it is
/// when a sender hangs up while its event is being stored.
pub(super) struct Parcel<T> {
    content: Option<Result<T, StoreError>>,
    leases: Vec<Lease>,
    shared: Arc<Shared>,
}

impl<T> Parcel<T> {
    pub(super) fn open(mut self) -> Result<T, StoreError> {
        self.leases.clear();
        self.content.take().unwrap_or(Err(StoreError::Closed))
    }
}

impl<T> Drop for Parcel<T> {
    fn drop(&mut self) {
        if !self.leases.is_empty() {
            self.shared.orphan(std::mem::take(&mut self.leases));
        }
    }
}

pub(super) struct Pending<V: Verb> {
    verb: V,
    output: Option<Result<V::Output, StoreError>>,
    answer: Option<oneshot::Sender<Parcel<V::Output>>>,
}

impl<V: Verb> Pending<V> {
    pub(super) fn new(verb: V) -> (Box<Self>, oneshot::Receiver<Parcel<V::Output>>) {
        let (answer, receiver) = oneshot::channel();
        (Box::new(Self { verb, output: None, answer: Some(answer) }), receiver)
    }

    /// One that nobody waits for.
    pub(super) fn unheard(verb: V) -> Box<Self> {
        Box::new(Self { verb, output: None, answer: None })
    }
}

impl<V: Verb> fmt::Debug for Pending<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

impl<V: Verb> Step for Pending<V> {
    fn admits(&self) -> bool {
        V::ADMITS
    }

    fn grows(&self) -> bool {
        self.verb.grows()
    }

    fn size(&self) -> usize {
        self.verb.size()
    }

    fn run(&mut self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        self.output = Some(Ok(self.verb.run(batch)?));
        Ok(())
    }

    fn answer(self: Box<Self>, error: Option<StoreError>, shared: &Arc<Shared>) {
        let Self { verb, output, answer } = *self;
        if answer.is_none()
            && matches!(error, Some(StoreError::Full(_) | StoreError::Busy))
            && let Some(lease) = verb.owed()
        {
            shared.keep_orphan(lease);
        }
        let content = match error {
            Some(error) => Err(error),
            None => output.unwrap_or(Err(StoreError::Closed)),
        };
        let leases = content.as_ref().map(V::leases).unwrap_or_default();
        let parcel = Parcel { content: Some(content), leases, shared: Arc::clone(shared) };
        if let Some(answer) = answer {
            // A receiver that is gone drops the parcel, which gives its leases back.
            let _ = answer.send(parcel);
        }
    }
}

#[cfg(test)]
mod tests {
    use hookyard_types::JobId;

    use super::super::jobs::Release;
    use super::super::space::Space;
    use super::*;

    #[test]
    fn a_lease_that_there_was_no_room_to_give_back_is_kept() {
        let space = Space::new(std::path::Path::new("store.db"), 0, None);
        let shared = Arc::new(Shared::new(space));
        let lease = Lease { job: JobId::new(), incarnation: 1, attempt: 1, serial: 1 };
        let release = || Release { lease: lease.clone() };

        Pending::unheard(release()).answer(Some(StoreError::Full("disk".into())), &shared);
        assert_eq!(shared.take_orphans(), std::slice::from_ref(&lease));
        // Whoever waits for the answer tries again by itself.
        let (heard, _answer) = Pending::new(release());
        heard.answer(Some(StoreError::Full("disk".into())), &shared);
        Pending::unheard(release()).answer(None, &shared);
        assert!(shared.take_orphans().is_empty());
    }
}
