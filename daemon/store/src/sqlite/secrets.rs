//! The operator's secrets: sealed by the caller, kept and given back as they are.

use hookyard_types::Timestamp;
use rusqlite::{Connection, params};

use super::fault::Fault;
use super::verb::{Batch, Verb};
use crate::SealedSecret;

/// See [`crate::Store::put_secrets`].
#[derive(Debug)]
pub(super) struct Put {
    pub(super) secrets: Vec<SealedSecret>,
}

impl Verb for Put {
    type Output = ();

    fn size(&self) -> usize {
        self.secrets.iter().map(|secret| secret.name.len() + secret.sealed.len()).sum()
    }

    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        let mut statement = batch.conn.prepare_cached(
            "INSERT INTO secrets (name, key, sealed, set_at) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (name) DO UPDATE SET \
             key = excluded.key, sealed = excluded.sealed, set_at = excluded.set_at",
        )?;
        for SealedSecret { name, key, sealed, set_at } in &self.secrets {
            statement.execute(params![name, key, sealed, set_at.as_millis()])?;
        }
        Ok(())
    }
}

/// See [`crate::Store::remove_secret`].
#[derive(Debug)]
pub(super) struct Remove {
    pub(super) name: String,
}

impl Verb for Remove {
    type Output = bool;

    fn run(&self, batch: &mut Batch<'_>) -> Result<bool, Fault> {
        let mut statement = batch.conn.prepare_cached("DELETE FROM secrets WHERE name = ?1")?;
        Ok(statement.execute([&self.name])? > 0)
    }
}

/// See [`crate::Store::secrets`].
pub(super) fn all(conn: &Connection) -> Result<Vec<SealedSecret>, Fault> {
    Ok(read(conn)?)
}

/// As [`all`], of a file whose schema may be older than the table: there are none then.
pub(super) fn of_any_schema(conn: &Connection) -> rusqlite::Result<Vec<SealedSecret>> {
    let exists: bool = conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'secrets')",
        [],
        |row| row.get(0),
    )?;
    if exists { read(conn) } else { Ok(Vec::new()) }
}

fn read(conn: &Connection) -> rusqlite::Result<Vec<SealedSecret>> {
    conn.prepare_cached("SELECT name, key, sealed, set_at FROM secrets ORDER BY name")?
        .query_map([], |row| {
            Ok(SealedSecret {
                name: row.get(0)?,
                key: row.get(1)?,
                sealed: row.get(2)?,
                set_at: Timestamp::from_millis(row.get(3)?),
            })
        })?
        .collect()
}
