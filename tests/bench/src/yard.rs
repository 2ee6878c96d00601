//! The daemon as it is shipped, with the configuration that a user would write.

use std::path::PathBuf;

use anyhow::Context;
use hookyard_tests::{Config, Yard};
use rusqlite::{Connection, OpenFlags};

/// A `respond` route with everything; one without a store; one that queues; one that counts.
pub(crate) fn config(yard: &Yard) -> Config {
    let respond = ["mode = \"respond\"", "deadline = \"30s\""];
    let unstored = [&respond[..], &["store = false"]].concat();
    yard.config()
        .route("respond", "echo/echo", &respond)
        .route("unstored", "echo/echo", &unstored)
        .route("queue", "echo/echo", &[])
        .route("count", "keeper/tally", &[])
        .set("plugin.keeper", "kv = { shared = [\"customers\"] }")
}

/// Its database.
pub(crate) fn database(yard: &Yard) -> PathBuf {
    yard.data().join("hookyard.db")
}

/// What stands in the database, read beside the daemon.
pub(crate) struct Tally(Connection);

impl Tally {
    pub(crate) fn open(yard: &Yard) -> anyhow::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(database(yard), flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(Self(connection))
    }

    /// Jobs that are not at their end.
    pub(crate) fn open_jobs(&self) -> anyhow::Result<u64> {
        self.count("SELECT count(*) FROM jobs WHERE state IN ('ready', 'running')")
    }

    pub(crate) fn succeeded(&self) -> anyhow::Result<u64> {
        self.count("SELECT count(*) FROM jobs WHERE state = 'succeeded'")
    }

    pub(crate) fn events(&self) -> anyhow::Result<u64> {
        self.count("SELECT count(*) FROM events")
    }

    fn count(&self, query: &str) -> anyhow::Result<u64> {
        let count: i64 = self.0.query_row(query, [], |row| row.get(0)).context("a count")?;
        Ok(count.unsigned_abs())
    }
}

/// Bytes of the write-ahead log.
pub(crate) fn wal(yard: &Yard) -> u64 {
    let file = yard.data().join("hookyard.db-wal");
    file.metadata().map_or(0, |metadata| metadata.len())
}
