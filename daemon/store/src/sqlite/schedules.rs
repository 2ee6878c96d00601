//! Schedules: which there are, and their firings, each in one transaction with its event.

use hookyard_types::{EventId, Target, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::ingest::Ingest;
use super::reader::{EVENT_STATE, event_state};
use super::rows;
use super::verb::{Batch, Verb};
use crate::{
    Fired, Ingested, LastFiring, NewEvent, NewFiring, NewJob, NewSchedule, ScheduleState,
    StoreError, WhileGoing,
};

/// The states of jobs that are not finished.
const OPEN: &str = "('ready', 'waiting', 'running')";

/// See [`crate::Store::set_schedules`].
#[derive(Debug)]
pub(super) struct SetSchedules {
    pub(super) schedules: Vec<NewSchedule>,
    pub(super) now: Timestamp,
}

impl Verb for SetSchedules {
    type Output = Vec<ScheduleState>;

    fn run(&self, batch: &mut Batch<'_>) -> Result<Vec<ScheduleState>, Fault> {
        let conn = batch.conn;
        let known: Vec<String> = conn
            .prepare_cached("SELECT name FROM schedules")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let wanted = |name: &String| self.schedules.iter().any(|wanted| wanted.name == *name);
        for gone in known.iter().filter(|name| !wanted(name)) {
            conn.prepare_cached("DELETE FROM schedules WHERE name = ?1")?.execute([gone])?;
        }
        for NewSchedule { name, timing, seed } in &self.schedules {
            // What is past is not for a timing that there was not then.
            conn.prepare_cached(
                "INSERT INTO schedules (name, timing, settled, seed) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (name) DO UPDATE SET timing = excluded.timing, \
                 settled = excluded.settled WHERE timing <> excluded.timing",
            )?
            .execute(params![
                name,
                timing,
                self.now.as_millis(),
                seed.cast_signed()
            ])?;
        }
        schedules(conn)
    }
}

/// See [`crate::Store::settle`].
#[derive(Debug)]
pub(super) struct Settle {
    pub(super) schedule: String,
    pub(super) until: Timestamp,
}

impl Verb for Settle {
    type Output = ();

    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        batch
            .conn
            .prepare_cached("UPDATE schedules SET settled = ?2 WHERE name = ?1")?
            .execute(params![self.schedule, self.until.as_millis()])?;
        Ok(())
    }
}

/// See [`crate::Store::fire`].
#[derive(Debug)]
pub(super) struct Fire {
    schedule: String,
    /// Of its jobs that wait for each other.
    order_key: String,
    scheduled_at: Timestamp,
    fired_at: Timestamp,
    settles: bool,
    while_going: WhileGoing,
    targets: Vec<Target>,
    event: EventId,
    ingest: Ingest,
}

impl Fire {
    pub(super) fn of(firing: NewFiring) -> Result<Self, StoreError> {
        let NewFiring { schedule, scheduled_at, settles, while_going, event, targets } = firing;
        let order_key = format!("schedule:{schedule}");
        let jobs = targets.iter().map(|target| NewJob {
            target: target.clone(),
            order_key: (while_going != WhileGoing::Join).then(|| order_key.clone()),
            lease: false,
        });
        let jobs = jobs.collect();
        let (id, fired_at) = (event.id, event.received_at);
        let ingest = Ingest::of(NewEvent { event, dedupe: Vec::new(), jobs, due_at: None })?;
        Ok(Self {
            schedule,
            order_key,
            scheduled_at,
            fired_at,
            settles,
            while_going,
            targets,
            event: id,
            ingest,
        })
    }

    /// An event of the schedule that has a job, for one of the targets, which is not finished.
    fn going(&self, conn: &Connection) -> Result<Option<EventId>, Fault> {
        for target in &self.targets {
            let (kind, target) = rows::target_columns(target);
            let ordered = conn
                .prepare_cached(&format!(
                    "SELECT e.id FROM jobs j JOIN events e ON e.seq = j.event \
                     WHERE j.order_key = ?1 AND j.target_kind = ?2 AND j.target = ?3 \
                     AND j.order_key IS NOT NULL AND j.state IN {OPEN} LIMIT 1"
                ))?
                .query_row(params![self.order_key, kind, target], |row| row.get(0))
                .optional()?;
            // One that was made when firings joined each other has no key.
            let found = match ordered {
                Some(event) => Some(event),
                None => conn
                    .prepare_cached(&format!(
                        "SELECT e.id FROM schedules s JOIN events e ON e.id = s.last_event \
                         JOIN jobs j ON j.event = e.seq WHERE s.name = ?1 \
                         AND j.target_kind = ?2 AND j.target = ?3 AND j.state IN {OPEN} LIMIT 1"
                    ))?
                    .query_row(params![self.schedule, kind, target], |row| row.get(0))
                    .optional()?,
            };
            if let Some(event) = found {
                return Ok(Some(EventId::from_bytes(event)));
            }
        }
        Ok(None)
    }
}

impl Verb for Fire {
    type Output = Fired;
    const ADMITS: bool = true;

    fn size(&self) -> usize {
        self.ingest.size()
    }

    fn run(&self, batch: &mut Batch<'_>) -> Result<Fired, Fault> {
        let conn = batch.conn;
        let settled: Option<i64> = conn
            .prepare_cached("SELECT settled FROM schedules WHERE name = ?1")?
            .query_row([&self.schedule], |row| row.get(0))
            .optional()?;
        let Some(settled) = settled else { return Ok(Fired::Unknown) };
        if self.settles {
            if settled >= self.scheduled_at.as_millis() {
                return Ok(Fired::Settled);
            }
            conn.prepare_cached("UPDATE schedules SET settled = ?2 WHERE name = ?1")?
                .execute(params![self.schedule, self.scheduled_at.as_millis()])?;
        }
        if self.while_going == WhileGoing::Skip
            && let Some(event) = self.going(conn)?
        {
            return Ok(Fired::StillGoing(event));
        }
        match self.ingest.run(batch)? {
            Ingested::Stored(_) => {}
            // It has no keys by which it could be one.
            Ingested::Duplicate(_) | Ingested::TokenReused => return Ok(Fired::Settled),
        }
        conn.prepare_cached(
            "UPDATE schedules SET last_event = ?2, last_scheduled_at = ?3, last_fired_at = ?4 \
             WHERE name = ?1",
        )?
        .execute(params![
            self.schedule,
            self.event.as_bytes(),
            self.scheduled_at.as_millis(),
            self.fired_at.as_millis(),
        ])?;
        Ok(Fired::Stored(self.event))
    }
}

/// See [`crate::Store::schedules`].
pub(super) fn schedules(conn: &Connection) -> Result<Vec<ScheduleState>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT s.name, s.timing, s.settled, s.seed, s.last_event, s.last_scheduled_at, \
         s.last_fired_at, {EVENT_STATE} \
         FROM schedules s LEFT JOIN events e ON e.id = s.last_event ORDER BY s.name"
    ))?;
    let found = statement.query_map([], |row| {
        let last = match row.get::<_, Option<[u8; 16]>>(4)? {
            None => None,
            Some(event) => Some(LastFiring {
                event: EventId::from_bytes(event),
                scheduled_at: Timestamp::from_millis(row.get(5)?),
                fired_at: Timestamp::from_millis(row.get(6)?),
                state: event_state(row.get(7)?),
            }),
        };
        Ok(ScheduleState {
            name: row.get(0)?,
            timing: row.get(1)?,
            settled: Timestamp::from_millis(row.get(2)?),
            seed: row.get::<_, i64>(3)?.cast_unsigned(),
            last,
        })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}
