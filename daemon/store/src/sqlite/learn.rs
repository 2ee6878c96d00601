//! Arming a route, learning the one secret that this lets in, and reading what was learned.

use hookyard_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use super::fault::Fault;
use super::verb::{Batch, Verb};
use crate::{LearnedSecret, Learning, LearningRoute, Lesson, Teaching};

/// How many secrets are kept of one route, provider and scope. Some providers have one for each
/// webhook, and nothing tells which are in use: none is dropped to make room.
const KEPT: i64 = 16;

/// See [`crate::Store::arm`].
#[derive(Debug)]
pub(super) struct Arm {
    pub(super) what: Teaching,
    pub(super) until: Timestamp,
}

impl Verb for Arm {
    type Output = ();

    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        let Teaching { route, provider, scope } = &self.what;
        batch
            .conn
            .prepare_cached(
                "INSERT INTO armed_routes (route, provider, scope, until) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (route, provider, scope) DO UPDATE SET until = excluded.until",
            )?
            .execute(params![route, provider, scope, self.until.as_millis()])?;
        Ok(())
    }
}

/// See [`crate::Store::learn`].
#[derive(Debug)]
pub(super) struct Learn {
    pub(super) what: Teaching,
    pub(super) secret: LearnedSecret,
    pub(super) now: Timestamp,
}

impl Verb for Learn {
    type Output = Learning;
    const ADMITS: bool = true;

    fn size(&self) -> usize {
        self.secret.as_bytes().len()
    }

    fn run(&self, batch: &mut Batch<'_>) -> Result<Learning, Fault> {
        let (conn, secret) = (batch.conn, self.secret.as_bytes());
        let Teaching { route, provider, scope } = &self.what;
        if armed(conn, &self.what, self.now)?.is_none() {
            return Ok(Learning::NotArmed);
        }
        let others: i64 = conn
            .prepare_cached(
                "SELECT count(*) FROM learned_secrets \
                 WHERE route = ?1 AND provider = ?2 AND scope = ?3 AND secret <> ?4",
            )?
            .query_row(params![route, provider, scope, secret], |row| row.get(0))?;
        if others >= KEPT {
            return Ok(Learning::Full);
        }
        conn.prepare_cached(
            "DELETE FROM armed_routes WHERE route = ?1 AND provider = ?2 AND scope = ?3",
        )?
        .execute(params![route, provider, scope])?;
        // Taught again, it is the newest.
        conn.prepare_cached(
            "DELETE FROM learned_secrets \
             WHERE route = ?1 AND provider = ?2 AND scope = ?3 AND secret = ?4",
        )?
        .execute(params![route, provider, scope, secret])?;
        conn.prepare_cached(
            "INSERT INTO learned_secrets (route, provider, scope, secret, learned_at) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![route, provider, scope, secret, self.now.as_millis()])?;
        Ok(Learning::Learned)
    }
}

/// See [`crate::Store::forget`].
#[derive(Debug)]
pub(super) struct Forget {
    pub(super) route: String,
    pub(super) scope: Option<String>,
}

impl Verb for Forget {
    type Output = u64;

    fn run(&self, batch: &mut Batch<'_>) -> Result<u64, Fault> {
        batch
            .conn
            .prepare_cached(
                "DELETE FROM armed_routes WHERE route = ?1 AND (?2 IS NULL OR scope = ?2)",
            )?
            .execute(params![self.route, self.scope])?;
        let forgotten = batch
            .conn
            .prepare_cached(
                "DELETE FROM learned_secrets WHERE route = ?1 AND (?2 IS NULL OR scope = ?2)",
            )?
            .execute(params![self.route, self.scope])?;
        Ok(forgotten as u64)
    }
}

/// See [`crate::Store::armed`].
pub(super) fn armed(
    conn: &Connection,
    what: &Teaching,
    now: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    let until = conn
        .prepare_cached(
            "SELECT until FROM armed_routes \
             WHERE route = ?1 AND provider = ?2 AND scope = ?3 AND until > ?4",
        )?
        .query_row(params![what.route, what.provider, what.scope, now.as_millis()], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(until.map(Timestamp::from_millis))
}

/// See [`crate::Store::learned`].
pub(super) fn learned(
    conn: &Connection,
    route: &str,
    provider: &str,
) -> Result<Vec<Lesson>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT scope, secret FROM learned_secrets WHERE route = ?1 AND provider = ?2 \
         ORDER BY number DESC",
    )?;
    let lessons = statement
        .query_map(params![route, provider], |row| {
            let secret = LearnedSecret::new(Zeroizing::new(row.get::<_, Vec<u8>>(1)?));
            Ok(Lesson { scope: row.get(0)?, secret })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(lessons)
}

/// See [`crate::Store::learning`].
pub(super) fn learning(conn: &Connection, now: Timestamp) -> Result<Vec<LearningRoute>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT route, max(until), sum(secrets) FROM \
         (SELECT route, until, 0 AS secrets FROM armed_routes WHERE until > ?1 UNION ALL \
          SELECT route, NULL, 1 FROM learned_secrets) GROUP BY route ORDER BY route",
    )?;
    let routes = statement
        .query_map([now.as_millis()], |row| {
            Ok(LearningRoute {
                route: row.get(0)?,
                armed_until: row.get::<_, Option<i64>>(1)?.map(Timestamp::from_millis),
                secrets: row.get::<_, i64>(2)?.unsigned_abs(),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(routes)
}
