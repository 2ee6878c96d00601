//! Leasing jobs, ending their attempts, giving them back.

use hookyard_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::Fault;
use super::kv::{self, Verdict};
use super::messages::Messages;
use super::rows::{self, EVENT_COLUMNS, EVENT_WIDTH};
use super::verb::{Batch, Verb};
use crate::{Claimed, Claims, Completed, Completion, LaneWant, Lease, Next, StoreError};

/// See [`crate::Store::claim`].
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) lanes: Vec<LaneWant>,
    pub(super) now: Timestamp,
}

impl Verb for Claim {
    type Output = Claims;

    fn run(&self, batch: &mut Batch<'_>) -> Result<Claims, Fault> {
        let mut claims = Claims::default();
        for want in &self.lanes {
            for job in due_jobs(batch.conn, want, self.now)? {
                match read_due(batch.conn, job) {
                    Ok(candidate) => claims.jobs.push(lease(batch, job, candidate, self.now)?),
                    Err(fault) => match fault.into_error() {
                        // It would be found first again, and keep all others from being claimed.
                        StoreError::Damaged(why) => set_aside(batch, job, self.now, &why)?,
                        error => return Err(error.into()),
                    },
                }
            }
            let next: Option<i64> = batch
                .conn
                .prepare_cached(
                    "SELECT min(due_at) FROM jobs WHERE state = 'ready' AND lane = ?1 \
                     AND due_at > ?2 AND state IN ('ready', 'running')",
                )?
                .query_row(params![want.lane, self.now.as_millis()], |r| r.get(0))?;
            if let Some(next) = next.map(Timestamp::from_millis) {
                claims.next_due = Some(claims.next_due.map_or(next, |known| known.min(next)));
            }
        }
        Ok(claims)
    }

    fn leases(output: &Claims) -> Vec<Lease> {
        output.jobs.iter().map(|claimed| claimed.lease.clone()).collect()
    }
}

/// A job that could be leased: as it will be once it is, with its lease's `incarnation` to be set.
fn candidate(row: &Row<'_>) -> Result<(i64, Claimed), Fault> {
    let (_, event) = rows::event(row)?;
    let kind: String = row.get(EVENT_WIDTH + 2)?;
    let target: String = row.get(EVENT_WIDTH + 3)?;
    let lease = Lease {
        job: rows::job_id(row, EVENT_WIDTH + 1)?,
        incarnation: 0,
        attempt: row.get::<_, u32>(EVENT_WIDTH + 4)?.saturating_add(1),
        serial: row.get::<_, i64>(EVENT_WIDTH + 5)?.saturating_add(1),
    };
    let claimed = Claimed { lease, target: rows::target(&kind, &target)?, event };
    Ok((row.get(EVENT_WIDTH)?, claimed))
}

/// The rows of the due jobs, without their events: one that cannot be read spoils only itself.
fn due_jobs(conn: &Connection, want: &LaneWant, now: Timestamp) -> Result<Vec<i64>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT job FROM jobs WHERE state = 'ready' AND lane = ?1 AND due_at <= ?2 \
         AND state IN ('ready', 'running') ORDER BY due_at, job LIMIT ?3",
    )?;
    let max = i64::try_from(want.max).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![want.lane, now.as_millis(), max], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn read_due(conn: &Connection, job: i64) -> Result<Claimed, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {EVENT_COLUMNS}, j.job, j.id, j.target_kind, j.target, j.attempts, j.leases \
         FROM jobs j JOIN events e ON e.seq = j.event JOIN bodies b ON b.event = j.event \
         WHERE j.job = ?1",
    ))?;
    let mut rows = statement.query([job])?;
    match rows.next()? {
        Some(row) => Ok(candidate(row)?.1),
        None => Err(StoreError::Damaged("the job's event is missing".to_owned()).into()),
    }
}

/// Makes a job that cannot be read a dead letter, with the reason as its last attempt.
fn set_aside(batch: &mut Batch<'_>, job: i64, now: Timestamp, why: &str) -> Result<(), Fault> {
    tracing::error!(job, why, "a job cannot be read from the store; it is a dead letter");
    let message = format!("the job cannot be read from the store: {why}");
    batch
        .conn
        .prepare_cached(
            "INSERT INTO attempts (job, number, tenant, started_at, duration, outcome, message, \
             plugin_hash, log, log_dropped) \
             SELECT job, attempts + 1, tenant, ?2, 0, 'reject', ?3, '', '[]', 0 \
             FROM jobs WHERE job = ?1",
        )?
        .execute(params![job, now.as_millis(), message])?;
    batch
        .conn
        .prepare_cached(
            "UPDATE jobs SET state = 'dead-letter', attempts = attempts + 1, due_at = NULL \
             WHERE job = ?1",
        )?
        .execute([job])?;
    unblock_after(batch.conn, job)?;
    // It took a place that others of its lane are due for.
    batch.wakes = true;
    Ok(())
}

/// Begins an attempt of a job that was read.
pub(super) fn lease(
    batch: &Batch<'_>,
    job: i64,
    mut claimed: Claimed,
    now: Timestamp,
) -> Result<Claimed, Fault> {
    claimed.lease.incarnation = batch.incarnation;
    batch
        .conn
        .prepare_cached(
            // A dead letter that is tried again has no time any more; without one it would never be
            // found, were the lease given back.
            "UPDATE jobs SET state = 'running', attempts = ?2, leases = ?3, incarnation = ?4, \
             leased_at = ?5, due_at = coalesce(due_at, ?5) WHERE job = ?1",
        )?
        .execute(params![
            job,
            claimed.lease.attempt,
            claimed.lease.serial,
            batch.incarnation,
            now.as_millis()
        ])?;
    Ok(claimed)
}

/// See [`crate::Store::complete`].
#[derive(Debug)]
pub(super) struct Complete {
    lease: Lease,
    completion: Completion,
    messages: Messages,
    log: String,
    /// `None` without any.
    requests: Option<String>,
    reply_headers: Option<String>,
}

impl Complete {
    pub(super) fn of(lease: Lease, mut completion: Completion) -> Result<Self, StoreError> {
        let messages = Messages::of(&mut completion.effects)?;
        let log = rows::json(&completion.record.log)?;
        let requests = &completion.record.requests;
        let requests = (!requests.is_empty()).then(|| rows::json(requests)).transpose()?;
        let reply_headers = match &completion.next {
            Next::Succeeded { reply: Some(reply) } => Some(rows::headers_to_json(&reply.headers)?),
            _ => None,
        };
        Ok(Self { lease, completion, messages, log, requests, reply_headers })
    }

    fn is_held(&self, conn: &Connection) -> rusqlite::Result<bool> {
        conn.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM jobs \
             WHERE id = ?1 AND state = 'running' AND incarnation = ?2 AND leases = ?3)",
        )?
        .query_row(
            params![self.lease.job.as_bytes(), self.lease.incarnation, self.lease.serial],
            |row| row.get(0),
        )
    }
}

impl Verb for Complete {
    type Output = Completed;

    fn size(&self) -> usize {
        kv::size(&self.completion.effects)
            .saturating_add(self.messages.size())
            .saturating_add(self.requests.as_ref().map_or(0, String::len))
    }

    fn grows(&self) -> bool {
        kv::grows(&self.completion.effects) || !self.messages.is_empty()
    }

    fn run(&self, batch: &mut Batch<'_>) -> Result<Completed, Fault> {
        let conn = batch.conn;
        let effects = &self.completion.effects;
        let mut plan = None;
        if !effects.is_empty() || !self.messages.is_empty() {
            if !self.is_held(conn)? {
                return Ok(Completed::LeaseLost);
            }
            match kv::check(batch, effects)? {
                Verdict::Sound(sound) => plan = Some(sound),
                Verdict::Stale => return Ok(Completed::Conflict),
                Verdict::Refused(refusal) => return Ok(Completed::Refused(refusal)),
            }
            let ends = !matches!(self.completion.next, Next::RetryAt(_));
            let ending = ends.then_some(self.lease.job);
            if let Some(refusal) = self.messages.refusal(batch, ending)? {
                return Ok(Completed::Refused(refusal));
            }
        }
        let (state, due_at, reply) = match &self.completion.next {
            Next::Succeeded { reply } => ("succeeded", None, reply.as_ref()),
            Next::Ignored => ("ignored", None, None),
            Next::DeadLetter => ("dead-letter", None, None),
            Next::RetryAt(at) => ("ready", Some(at.as_millis()), None),
        };
        let ended = conn
            .prepare_cached(
                "UPDATE jobs SET state = ?4, due_at = ?5, interrupted = 0, incarnation = NULL, \
                 leased_at = NULL, reply_status = ?6, reply_headers = ?7, reply_body = ?8 \
                 WHERE id = ?1 AND state = 'running' AND incarnation = ?2 AND leases = ?3 \
                 RETURNING job, tenant, order_key IS NOT NULL",
            )?
            .query_row(
                params![
                    self.lease.job.as_bytes(),
                    self.lease.incarnation,
                    self.lease.serial,
                    state,
                    due_at,
                    reply.map(|reply| reply.status),
                    self.reply_headers,
                    reply.map(|reply| reply.body.as_ref()),
                ],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get(2)?)),
            )
            .optional()?;
        let Some((job, tenant, ordered)) = ended else { return Ok(Completed::LeaseLost) };
        let record = &self.completion.record;
        conn.prepare_cached(
            "INSERT INTO attempts (job, number, tenant, started_at, duration, outcome, message, \
             plugin_hash, log, log_dropped, calls) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            job,
            self.lease.attempt,
            tenant,
            record.started_at.as_millis(),
            i64::try_from(record.duration.as_micros()).unwrap_or(i64::MAX),
            record.outcome.as_str(),
            record.message,
            record.plugin_hash,
            self.log,
            record.log_dropped,
            self.requests,
        ])?;
        if let Some(plan) = plan {
            plan.apply(conn)?;
        }
        self.messages.store(batch)?;
        if due_at.is_some() {
            batch.wakes = true;
        } else if ordered {
            batch.wakes |= unblock_after(conn, job)?;
        }
        Ok(Completed::Committed)
    }
}

/// Makes the next job of an ended job's order key ready. Says whether there was one.
pub(super) fn unblock_after(conn: &Connection, ended: i64) -> rusqlite::Result<bool> {
    let unblocked = conn
        .prepare_cached(
            "UPDATE jobs SET state = 'ready' WHERE state = 'waiting' AND signal IS NULL AND job = \
             (SELECT n.job FROM jobs d JOIN jobs n ON n.order_key = d.order_key \
              AND n.target_kind = d.target_kind AND n.target = d.target \
              WHERE d.job = ?1 AND n.order_key IS NOT NULL \
              AND n.state IN ('ready', 'waiting', 'running') ORDER BY n.event, n.job LIMIT 1)",
        )?
        .execute([ended])?;
    Ok(unblocked > 0)
}

/// See [`crate::Store::release`].
#[derive(Debug)]
pub(super) struct Release {
    pub(super) lease: Lease,
}

impl Verb for Release {
    type Output = ();

    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        let released = batch
            .conn
            .prepare_cached(
                "UPDATE jobs SET state = 'ready', attempts = attempts - 1, incarnation = NULL, \
                 leased_at = NULL \
                 WHERE id = ?1 AND state = 'running' AND incarnation = ?2 AND leases = ?3",
            )?
            .execute(params![
                self.lease.job.as_bytes(),
                self.lease.incarnation,
                self.lease.serial
            ])?;
        batch.wakes |= released > 0;
        Ok(())
    }

    fn owed(&self) -> Option<Lease> {
        Some(self.lease.clone())
    }
}
