//! Messages that an attempt sends: stored in the transaction of its outcome.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use hookyard_types::JobId;
use rusqlite::{Connection, params};

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

    /// Why they cannot be stored. Changes nothing. `ending` is the job that is finished with them, and
    /// so makes room for one.
    pub(super) fn refusal(
        &self,
        batch: &Batch<'_>,
        ending: Option<JobId>,
    ) -> Result<Option<Refusal>, Fault> {
        let mut stored: Vec<&Ingest> = Vec::new();
        // How many jobs each lane gets.
        let mut lanes: BTreeMap<String, u64> = BTreeMap::new();
        for Message { event, max_pending } in &self.0 {
            // One that is left out needs no room.
            if stored.iter().any(|earlier| event.repeats(earlier)) || event.is_known(batch.conn)? {
                continue;
            }
            if !batch.room {
                return Ok(Some(Refusal::NoRoom));
            }
            let new = event.new_event();
            for job in &new.jobs {
                let lane = job.target.lane(&new.event.source);
                let gets = lanes.entry(lane.clone()).or_default();
                *gets = gets.saturating_add(1);
                if !batch.backlogs.have_room(batch.conn, &lane, *gets, *max_pending, ending)? {
                    let topic = new.event.source.name().to_owned();
                    return Ok(Some(Refusal::Flooded { topic }));
                }
            }
            stored.push(event);
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

/// How many unfinished jobs the lanes of topics have, at most. Counting them takes as long as there are
/// many, and holds up every other commit; so it is done when a lane is first asked for, and again only
/// where the figure leaves no room: jobs that were finished since are still in it.
#[derive(Debug, Default)]
pub(super) struct Backlogs(RefCell<HashMap<String, u64>>);

impl Backlogs {
    /// Counts a job that is new in its lane, or open again.
    pub(super) fn add(&self, lane: &str) {
        if let Some(most) = self.0.borrow_mut().get_mut(lane) {
            *most = most.saturating_add(1);
        }
    }

    /// Forgets what was counted in a transaction, or part of one, that did not happen: the ends of jobs
    /// did not either.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    /// Whether a lane can have `more` jobs and no more than `max`, once the job `ending` is finished.
    fn have_room(
        &self,
        conn: &Connection,
        lane: &str,
        more: u64,
        max: u64,
        ending: Option<JobId>,
    ) -> Result<bool, Fault> {
        let known = self.0.borrow().get(lane).copied();
        if known.is_some_and(|most| most.saturating_add(more) <= max) {
            return Ok(true);
        }
        let has = open_jobs(conn, lane)?;
        self.0.borrow_mut().insert(lane.to_owned(), has);
        if has.saturating_add(more) <= max {
            return Ok(true);
        }
        let Some(ending) = ending else { return Ok(false) };
        let ends: bool = conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND lane = ?2)")?
            .query_row(params![ending.as_bytes(), lane], |row| row.get(0))?;
        Ok(has.saturating_add(more).saturating_sub(u64::from(ends)) <= max)
    }
}

/// The unfinished jobs of a lane.
fn open_jobs(conn: &Connection, lane: &str) -> Result<u64, Fault> {
    let count: i64 = conn
        .prepare_cached(
            "SELECT count(*) FROM jobs WHERE state IN ('ready', 'running') AND lane = ?1",
        )?
        .query_row(params![lane], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_counted_again_only_where_its_figure_leaves_no_room() {
        let conn = Connection::open_in_memory().expect("opens");
        conn.execute_batch(include_str!("migrations/0001.sql")).expect("creates");
        let change = |sql: &str| conn.execute(sql, []).expect("changes");
        let add = || {
            change(
                "INSERT INTO jobs (id, event, tenant, target_kind, target, lane, state, attempts, \
                 leases) VALUES (randomblob(16), 1, '', 'handler', 'p/h', 't/p', 'ready', 0, 0)",
            )
        };
        let backlogs = Backlogs::default();
        let room = |more| backlogs.have_room(&conn, "t/p", more, 3, None).expect("counts");
        add();
        assert!(room(2) && !room(3));
        // What it is not told of, it does not see: it does not look.
        add();
        assert!(room(2));
        change("DELETE FROM jobs");
        backlogs.add("t/p");
        backlogs.add("elsewhere/p");
        assert!(room(1) && room(3), "it looks where its figure of two would leave too little");
    }
}
