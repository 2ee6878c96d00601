//! Arming a route, learning the one secret that this lets in, and reading what was learned.

use hookyard_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use super::fault::Fault;
use super::verb::{Batch, Verb};
use crate::{LearnedSecret, Learning, LearningRoute};

/// How many secrets of one route and scope are kept: the newest, and the one before it, with which
/// a provider that changes its secret may still sign for a while.
const KEPT: u32 = 2;

/// See [`crate::Store::arm`].
#[derive(Debug)]
pub(super) struct Arm {
    pub(super) route: String,
    pub(super) until: Timestamp,
}

impl Verb for Arm {
    type Output = ();

    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        batch
            .conn
            .prepare_cached(
                "INSERT INTO armed_routes (route, until) VALUES (?1, ?2) \
                 ON CONFLICT (route) DO UPDATE SET until = excluded.until",
            )?
            .execute(params![self.route, self.until.as_millis()])?;
        Ok(())
    }
}

/// See [`crate::Store::learn`].
#[derive(Debug)]
pub(super) struct Learn {
    pub(super) route: String,
    pub(super) scope: String,
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
        let disarmed = conn
            .prepare_cached("DELETE FROM armed_routes WHERE route = ?1 AND until > ?2")?
            .execute(params![self.route, self.now.as_millis()])?;
        if disarmed == 0 {
            return Ok(Learning::NotArmed);
        }
        // Taught again, it is the newest, and does not push the other one out.
        conn.prepare_cached(
            "DELETE FROM learned_secrets WHERE route = ?1 AND scope = ?2 AND secret = ?3",
        )?
        .execute(params![self.route, self.scope, secret])?;
        conn.prepare_cached(
            "INSERT INTO learned_secrets (route, scope, secret, learned_at) \
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![self.route, self.scope, secret, self.now.as_millis()])?;
        conn.prepare_cached(
            "DELETE FROM learned_secrets WHERE route = ?1 AND scope = ?2 AND number NOT IN \
             (SELECT number FROM learned_secrets WHERE route = ?1 AND scope = ?2 \
              ORDER BY number DESC LIMIT ?3)",
        )?
        .execute(params![self.route, self.scope, KEPT])?;
        Ok(Learning::Learned)
    }
}

/// See [`crate::Store::forget`].
#[derive(Debug)]
pub(super) struct Forget {
    pub(super) route: String,
}

impl Verb for Forget {
    type Output = u64;

    fn run(&self, batch: &mut Batch<'_>) -> Result<u64, Fault> {
        batch
            .conn
            .prepare_cached("DELETE FROM armed_routes WHERE route = ?1")?
            .execute([&self.route])?;
        let forgotten = batch
            .conn
            .prepare_cached("DELETE FROM learned_secrets WHERE route = ?1")?
            .execute([&self.route])?;
        Ok(forgotten as u64)
    }
}

/// See [`crate::Store::armed`].
pub(super) fn armed(
    conn: &Connection,
    route: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    let until = conn
        .prepare_cached("SELECT until FROM armed_routes WHERE route = ?1 AND until > ?2")?
        .query_row(params![route, now.as_millis()], |row| row.get(0))
        .optional()?;
    Ok(until.map(Timestamp::from_millis))
}

/// See [`crate::Store::learned`].
pub(super) fn learned(
    conn: &Connection,
    route: &str,
    scope: &str,
) -> Result<Vec<LearnedSecret>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT secret FROM learned_secrets WHERE route = ?1 AND scope = ?2 ORDER BY number DESC",
    )?;
    let secrets = statement
        .query_map(params![route, scope], |row| {
            Ok(LearnedSecret::new(Zeroizing::new(row.get::<_, Vec<u8>>(0)?)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(secrets)
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
