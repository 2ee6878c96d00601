//! Messages that an attempt sends: stored in the transaction of its outcome.

use std::collections::BTreeMap;

use rusqlite::params;

use super::fault::Fault;
use super::ingest::Ingest;
use super::verb::Batch;
use crate::{Effects, NewMessage, Refusal, StoreError};

/// What a message counts of a transaction besides its bytes.
const STEP_COST: usize = 1 << 10;

/// An attempt's messages, made ready for the writer.
#[derive(Debug)]
pub(super) struct Messages(Vec<Message>);

#[derive(Debug)]
struct Message {
    event: Ingest,
    max_pending: u64,
}

impl Messages {
    /// Takes the messages out of the effects.
    pub(super) fn of(effects: &mut Effects) -> Result<Self, StoreError> {
        let messages = std::mem::take(&mut effects.messages);
        let ready =
            |NewMessage { new, max_pending }| Ok(Message { event: Ingest::of(new)?, max_pending });
        messages.into_iter().map(ready).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they count of a transaction.
    pub(super) fn size(&self) -> usize {
        let sizes = self.0.iter().map(|message| message.event.new_event().event.body.len());
        sizes.map(|size| size + STEP_COST).sum()
    }

    /// Why they cannot be stored. Changes nothing.
    pub(super) fn refusal(&self, batch: &Batch<'_>) -> Result<Option<Refusal>, Fault> {
        if self.is_empty() {
            return Ok(None);
        }
        if !batch.room {
            return Ok(Some(Refusal::NoRoom));
        }
        // How many jobs each lane has and gets.
        let mut lanes: BTreeMap<String, u64> = BTreeMap::new();
        for Message { event, max_pending } in &self.0 {
            let new = event.new_event();
            for job in &new.jobs {
                let lane = job.target.lane(&new.event.source);
                let pending = match lanes.get_mut(&lane) {
                    Some(pending) => pending,
                    None => {
                        let has = pending(batch, &lane)?;
                        lanes.entry(lane).or_insert(has)
                    }
                };
                *pending = pending.saturating_add(1);
                if *pending > *max_pending {
                    let topic = new.event.source.name().to_owned();
                    return Ok(Some(Refusal::Flooded { topic }));
                }
            }
        }
        Ok(None)
    }

    /// Stores them, but for those that the topic has had.
    pub(super) fn store(&self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        for Message { event, .. } in &self.0 {
            event.put(batch)?;
        }
        Ok(())
    }
}

/// The unfinished jobs of a lane.
fn pending(batch: &Batch<'_>, lane: &str) -> Result<u64, Fault> {
    let count: i64 = batch
        .conn
        .prepare_cached(
            "SELECT count(*) FROM jobs WHERE state IN ('ready', 'running') AND lane = ?1",
        )?
        .query_row(params![lane], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}
