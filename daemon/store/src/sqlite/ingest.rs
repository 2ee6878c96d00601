//! Storing an event, with its jobs and the keys of its repetitions.

use hookyard_types::{EventId, JobId};
use rusqlite::{Connection, OptionalExtension, params};

use super::dedupe::{Keys, Verdict};
use super::fault::Fault;
use super::rows::{self, Encoded};
use super::verb::{Batch, Verb};
use crate::{Duplicate, Ingested, Lease, NewEvent, NewJob, StoreError, Stored};

/// An event made ready for the writer.
#[derive(Debug)]
pub(super) struct Ingest {
    new: NewEvent,
    encoded: Encoded,
    keys: Keys,
}

impl Ingest {
    pub(super) fn of(mut new: NewEvent) -> Result<Self, StoreError> {
        let keys = Keys::of(&new.event, std::mem::take(&mut new.dedupe));
        Ok(Self { encoded: Encoded::of(&new.event)?, keys, new })
    }
}

impl Verb for Ingest {
    type Output = Ingested;
    const ADMITS: bool = true;

    fn size(&self) -> usize {
        self.new.event.body.len() + self.encoded.headers.len()
    }

    fn run(&self, batch: &mut Batch<'_>) -> Result<Ingested, Fault> {
        self.put(batch)
    }

    fn leases(output: &Ingested) -> Vec<Lease> {
        match output {
            Ingested::Stored(stored) => stored.leases.iter().flatten().cloned().collect(),
            Ingested::Duplicate(_) | Ingested::TokenReused => Vec::new(),
        }
    }
}

impl Ingest {
    /// Stores the event in an open transaction, unless its keys say otherwise.
    pub(super) fn put(&self, batch: &mut Batch<'_>) -> Result<Ingested, Fault> {
        let conn = batch.conn;
        let event = &self.new.event;
        match self.keys.take(conn, event.id)? {
            Verdict::New => {}
            Verdict::Duplicate(first) => {
                let reply = reply_of(conn, first)?;
                return Ok(Ingested::Duplicate(Duplicate { id: first, reply }));
            }
            Verdict::TokenReused => return Ok(Ingested::TokenReused),
        }
        let seq = batch.next_seq;
        conn.prepare_cached(
            "INSERT INTO events (seq, id, tenant, source_kind, source, kind, delivery_id, \
             received_at, method, path, query, params, headers, client, unauthenticated, \
             caused_by, traceparent, scheduled_at, firing_reason) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
             ?18, ?19)",
        )?
        .execute(params![
            seq,
            event.id.as_bytes(),
            event.tenant,
            event.source.kind(),
            event.source.name(),
            event.kind,
            event.delivery_id,
            event.received_at.as_millis(),
            event.method,
            event.path,
            event.query,
            self.encoded.params,
            self.encoded.headers,
            self.encoded.client,
            self.encoded.unauthenticated,
            event.caused_by.as_ref().map(EventId::as_bytes),
            event.traceparent,
            event.firing.as_ref().map(|firing| firing.scheduled_at.as_millis()),
            event.firing.as_ref().map(|firing| firing.reason.as_str()),
        ])?;
        conn.prepare_cached("INSERT INTO bodies (event, body) VALUES (?1, ?2)")?
            .execute(params![seq, event.body.as_ref()])?;
        let mut leases = Vec::with_capacity(self.new.jobs.len());
        for job in &self.new.jobs {
            leases.push(insert_job(batch, seq, &self.new, job)?);
        }
        batch.next_seq = seq + 1;
        Ok(Ingested::Stored(Stored { id: event.id, seq, leases }))
    }

    /// Whether it is a repetition of an event that is there.
    pub(super) fn is_known(&self, conn: &Connection) -> Result<bool, Fault> {
        self.keys.are_known(conn)
    }

    /// Whether it is a repetition of `earlier`, once that is stored.
    pub(super) fn repeats(&self, earlier: &Self) -> bool {
        self.keys.repeat(&earlier.keys)
    }

    pub(super) fn new_event(&self) -> &NewEvent {
        &self.new
    }
}

fn insert_job(
    batch: &mut Batch<'_>,
    seq: i64,
    new: &NewEvent,
    job: &NewJob,
) -> Result<Option<Lease>, Fault> {
    let conn = batch.conn;
    let (target_kind, target) = rows::target_columns(&job.target);
    let waits = match &job.order_key {
        None => false,
        Some(key) => conn
            .prepare_cached(
                "SELECT 1 FROM jobs WHERE order_key = ?1 AND target_kind = ?2 AND target = ?3 \
                 AND order_key IS NOT NULL AND state IN ('ready', 'waiting', 'running') LIMIT 1",
            )?
            .exists(params![key, target_kind, target])?,
    };
    let lease = (job.lease && !waits).then(|| Lease {
        job: JobId::new(),
        incarnation: batch.incarnation,
        attempt: 1,
        serial: 1,
    });
    let state = match (&lease, waits) {
        (Some(_), _) => "running",
        (None, true) => "waiting",
        (None, false) => {
            batch.wakes = true;
            "ready"
        }
    };
    let id = lease.as_ref().map_or_else(JobId::new, |lease| lease.job);
    let begun = i64::from(lease.is_some());
    let received_at = new.event.received_at.as_millis();
    let due_at = match (&lease, new.due_at) {
        (None, Some(due_at)) => due_at.as_millis(),
        _ => received_at,
    };
    let lane = job.target.lane(&new.event.source);
    batch.backlogs.add(&lane);
    conn.prepare_cached(
        "INSERT INTO jobs (id, event, tenant, target_kind, target, lane, order_key, state, \
         due_at, attempts, incarnation, leased_at, leases) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?10)",
    )?
    .execute(params![
        id.as_bytes(),
        seq,
        new.event.tenant,
        target_kind,
        target,
        lane,
        job.order_key,
        state,
        due_at,
        begun,
        lease.as_ref().map(|lease| lease.incarnation),
        lease.as_ref().map(|_| received_at),
    ])?;
    Ok(lease)
}

/// What the event's succeeded job answered, if one did.
pub(super) fn reply_of(
    conn: &Connection,
    event: EventId,
) -> Result<Option<crate::StoredReply>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT j.reply_status, j.reply_headers, j.reply_body FROM events e \
         JOIN jobs j ON j.event = e.seq \
         WHERE e.id = ?1 AND j.state = 'succeeded' AND j.reply_status IS NOT NULL \
         ORDER BY j.job DESC LIMIT 1",
    )?;
    let reply =
        statement.query_row([event.as_bytes()], |row| Ok(rows::reply(row, 0))).optional()?;
    reply.transpose().map(Option::flatten)
}
