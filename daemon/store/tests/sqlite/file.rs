//! A place for a store on a file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hookyard_store::sqlite::{OpenError, SqliteOptions, SqliteStore};
use hookyard_store::{NewEvent, Store};
use rusqlite::Connection;

use crate::contract::{Backend, job, new_event};

pub(crate) struct File {
    pub(crate) folder: tempfile::TempDir,
}

impl File {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    pub(crate) fn options(&self) -> SqliteOptions {
        SqliteOptions { min_free: 0, ..SqliteOptions::new(self.path()) }
    }

    pub(crate) async fn sqlite(&self, options: SqliteOptions) -> Arc<SqliteStore> {
        // A store that was dropped lets go of the file a moment later.
        for _ in 0..500 {
            match SqliteStore::open(options.clone()).await {
                Ok(store) => return Arc::new(store),
                Err(OpenError::Held { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the store was not let go");
    }

    /// Keeps the writer from beginning a transaction until the connection is dropped.
    pub(crate) fn hold_up(&self) -> Connection {
        let conn = Connection::open(self.path()).expect("opens");
        conn.execute_batch("BEGIN IMMEDIATE").expect("begins");
        conn
    }
}

impl Backend for File {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.sqlite(self.options()).await
    }
}

/// An event with a body of so many bytes.
pub(crate) fn big(bytes: usize) -> NewEvent {
    let mut new = new_event("", vec![job("p/h")]);
    new.event.body = Bytes::from(vec![7; bytes]);
    new
}
