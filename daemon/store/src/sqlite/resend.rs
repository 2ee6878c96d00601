//! A delivery that is sent again to a route whose sender waits for the handler.

use hookyard_types::{EventId, JobId, Source, Target, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::ingest::reply_of;
use super::jobs::{lease, read_due};
use super::rows;
use super::verb::{Batch, Verb};
use crate::{JobState, Lease, Resend};

/// See [`crate::Store::resend`].
#[derive(Debug)]
pub(super) struct ResendEvent {
    pub(super) event: EventId,
    pub(super) target: Target,
    pub(super) now: Timestamp,
}

/// A job of the event, as far as a resend has to know it.
struct Known {
    job: i64,
    id: JobId,
    state: JobState,
    /// Whether it is one of the target that is wanted now.
    wanted: bool,
}

impl Verb for ResendEvent {
    type Output = Resend;

    fn run(&self, batch: &mut Batch<'_>) -> Result<Resend, Fault> {
        let known = self.known(batch.conn)?;
        // Whichever handler it was: the sender was told of a success, or would have been.
        if known.iter().any(|job| matches!(job.state, JobState::Succeeded | JobState::Ignored)) {
            return Ok(Resend::Succeeded(reply_of(batch.conn, self.event)?));
        }
        let busy = |job: &&Known| match job.state {
            JobState::Running => true,
            JobState::Waiting => job.wanted,
            _ => false,
        };
        if let Some(job) = known.iter().find(busy) {
            return Ok(Resend::Running(job.id));
        }
        // The one that the queue would try again before one that it gave up, the youngest of each.
        let open = known
            .iter()
            .filter(|job| job.wanted)
            .max_by_key(|job| (job.state == JobState::Ready, job.job));
        let job = match open {
            Some(open) => Some(open.job),
            None => self.add_job(batch.conn)?,
        };
        let Some(job) = job else { return Ok(Resend::Gone) };
        let claimed = read_due(batch.conn, job)?;
        batch.backlogs.add(&claimed.target.lane(&claimed.event.source));
        Ok(Resend::Claimed(Box::new(lease(batch, job, claimed, self.now)?)))
    }

    fn leases(output: &Resend) -> Vec<Lease> {
        match output {
            Resend::Claimed(claimed) => vec![claimed.lease.clone()],
            _ => Vec::new(),
        }
    }
}

impl ResendEvent {
    fn known(&self, conn: &Connection) -> Result<Vec<Known>, Fault> {
        let (kind, target) = rows::target_columns(&self.target);
        let mut statement = conn.prepare_cached(
            "SELECT j.job, j.id, j.state, j.target_kind = ?2 AND j.target = ?3 \
             FROM events e JOIN jobs j ON j.event = e.seq WHERE e.id = ?1 ORDER BY j.job",
        )?;
        let mut found = statement.query(params![self.event.as_bytes(), kind, target])?;
        let mut known = Vec::new();
        while let Some(row) = found.next()? {
            known.push(Known {
                job: row.get(0)?,
                id: rows::job_id(row, 1)?,
                state: rows::state(&row.get::<_, String>(2)?)?,
                wanted: row.get(3)?,
            });
        }
        Ok(known)
    }

    /// A job of the target that is wanted now, for the event that had none; nothing when there is no
    /// such event. It is to be leased in the same transaction.
    fn add_job(&self, conn: &Connection) -> Result<Option<i64>, Fault> {
        let (kind, target) = rows::target_columns(&self.target);
        // Only a route has a sender that waits.
        let source = Source::Route(String::new());
        let added = conn
            .prepare_cached(
                "INSERT INTO jobs (id, event, tenant, target_kind, target, lane, state, due_at, \
                 attempts, leases) \
                 SELECT ?2, seq, tenant, ?3, ?4, ?5, 'ready', ?6, 0, 0 FROM events WHERE id = ?1 \
                 RETURNING job",
            )?
            .query_row(
                params![
                    self.event.as_bytes(),
                    JobId::new().as_bytes(),
                    kind,
                    target,
                    self.target.lane(&source),
                    self.now.as_millis(),
                ],
                |row| row.get(0),
            )
            .optional()?;
        Ok(added)
    }
}
