//! What plugins keep: read from the store for attempts that run, and swept when it has expired.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hookyard_runtime::Kv;
use hookyard_store::Store;
use hookyard_types::{KvEntry, KvPage, KvSpan, Namespace, Timestamp};
use tokio::sync::watch;

/// How often expired keys are looked for. They are not seen any more in any case.
const SWEEP: Duration = Duration::from_secs(30);

/// The store as plugins read it.
pub(crate) struct StoredKv(pub(crate) Arc<dyn Store>);

impl fmt::Debug for StoredKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoredKv").finish_non_exhaustive()
    }
}

#[async_trait]
impl Kv for StoredKv {
    async fn get(&self, namespace: &Namespace, key: &str) -> Result<Option<KvEntry>, String> {
        let found = self.0.kv_get(namespace, key, Timestamp::now()).await;
        found.map_err(|error| error.to_string())
    }

    async fn list(&self, span: &KvSpan, limit: usize, max_bytes: usize) -> Result<KvPage, String> {
        let found = self.0.kv_list(span, limit, max_bytes, Timestamp::now()).await;
        found.map_err(|error| error.to_string())
    }
}

/// Removes expired keys now and then, until `stop` is set.
pub(crate) async fn sweep(store: Arc<dyn Store>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => {}
            _ = stop.changed() => continue,
        }
        loop {
            match store.sweep(Timestamp::now()).await {
                Ok(0) => break,
                Ok(removed) => tracing::debug!(removed, "expired keys were removed"),
                Err(error) => {
                    tracing::warn!(%error, "expired keys cannot be removed now");
                    break;
                }
            }
        }
    }
}
