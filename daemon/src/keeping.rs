//! Changes of the stored secrets while the daemon runs: each is tried against everything in force,
//! then stored, then in force, or nothing of it happens.

use std::sync::Arc;

use hookyard_runtime::Plugins;
use hookyard_store::{Store, StoreError};
use hookyard_types::Timestamp;
use tokio::sync::mpsc;
use tokio::task::block_in_place;

use crate::config;
use crate::live::Live;
use crate::secret::{CannotKeep, SecretValue, Vault};

/// Who changes stored secrets while the daemon holds the store.
pub(crate) struct SecretKeeper {
    pub(crate) live: Arc<Live>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) plugins: Arc<Plugins>,
    /// Asks for the configuration's file to be read again.
    pub(crate) reload: mpsc::Sender<()>,
}

/// Why nothing was changed. `Display` is for a person and shows no value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotChanged {
    #[error("{0}")]
    CannotKeep(#[from] CannotKeep),
    /// What refers to the secret cannot use its value.
    #[error("nothing was changed: {}", .0.join("; "))]
    Useless(Vec<String>),
    #[error("there is no stored secret {0}; `hookyard secrets list` shows those that there are")]
    Unknown(String),
    #[error(
        "{name} is used by {}: take it out of the configuration first, or remove it with --force, \
         and what uses it stops working at once",
        users.join(", ")
    )]
    Used { name: String, users: Vec<String> },
    #[error("{0}")]
    Key(String),
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl SecretKeeper {
    /// Keeps a secret, new or in place of one of its name. Durable and in force when this returns.
    /// Returns who refers to it.
    pub(crate) async fn set(
        self: &Arc<Self>,
        name: String,
        value: SecretValue,
        now: Timestamp,
    ) -> Result<Vec<String>, NotChanged> {
        let keeper = Arc::clone(self);
        alone(async move {
            let _alone = keeper.live.changing.lock().await;
            let vault = keeper.vault().await?;
            let secret = vault.seal(&name, &value, now)?;
            let all = vault.secrets().filter(|kept| kept.name != name).cloned();
            let vault = vault.holding(all.chain([secret.clone()]).collect());
            let next = block_in_place(|| keeper.live.load().with_vault(Arc::new(vault), None));
            let next = next.map_err(NotChanged::Useless)?;
            keeper.store.put_secrets(vec![secret]).await?;
            let users = next.config.users_of_secret(&name);
            tracing::info!(secret = name, "a stored secret was set");
            keeper.take(next);
            Ok(users)
        })
        .await
    }

    /// Drops a secret. With `force`, what refers to it gets nothing any more. Returns who that is.
    pub(crate) async fn remove(
        self: &Arc<Self>,
        name: String,
        force: bool,
    ) -> Result<Vec<String>, NotChanged> {
        let keeper = Arc::clone(self);
        alone(async move {
            let _alone = keeper.live.changing.lock().await;
            let vault = keeper.vault().await?;
            if !vault.secrets().any(|kept| kept.name == name) {
                return Err(NotChanged::Unknown(name));
            }
            let live = keeper.live.load();
            let users = live.config.users_of_secret(&name);
            if !users.is_empty() && !force {
                return Err(NotChanged::Used { name, users });
            }
            let left = vault.secrets().filter(|kept| kept.name != name).cloned().collect();
            let vault = Arc::new(vault.holding(left));
            let next = block_in_place(|| live.with_vault(vault, Some(&name)));
            let next = next.map_err(NotChanged::Useless)?;
            keeper.store.remove_secret(&name).await?;
            tracing::warn!(secret = name, users = users.join(", "), "a stored secret was removed");
            keeper.take(next);
            Ok(users)
        })
        .await
    }

    /// Encrypts everything with the first key that another one encrypted. Returns how many secrets.
    pub(crate) async fn rekey(self: &Arc<Self>) -> Result<usize, NotChanged> {
        let keeper = Arc::clone(self);
        alone(async move {
            let _alone = keeper.live.changing.lock().await;
            let vault = keeper.vault().await?;
            let again = vault.rekeyed().map_err(|error| NotChanged::Key(format!("{error:#}")))?;
            let count = again.len();
            let vault = vault.holding(vault.secrets().chain(&again).cloned().collect());
            let next = block_in_place(|| keeper.live.load().with_vault(Arc::new(vault), None));
            let next = next.map_err(NotChanged::Useless)?;
            keeper.store.put_secrets(again).await?;
            tracing::info!(secrets = count, "stored secrets were encrypted with the new key");
            keeper.take(next);
            Ok(count)
        })
        .await
    }

    /// What is stored, with the keys in force; where there are none, with those that the file names
    /// now: a configuration can be refused just because it refers to a secret that is yet to be set.
    async fn vault(&self) -> Result<Vault, NotChanged> {
        let sealed = self.store.secrets().await?;
        let live = self.live.load();
        if live.places.vault.key().is_some() {
            return Ok(live.places.vault.holding(sealed));
        }
        let file = live.config.file.clone();
        let keys = block_in_place(|| {
            let (config, _) = config::load(&file).ok()?;
            let keys = Vault::keys(&config.secrets, config.base());
            Some(keys.map_err(|problems| {
                let messages = problems.into_iter().map(|(_, problem)| problem.message);
                NotChanged::Key(format!("[secrets]: {}", messages.collect::<Vec<_>>().join("; ")))
            }))
        });
        Ok(Vault::new(keys.transpose()?.unwrap_or_default(), sealed))
    }

    fn take(&self, next: crate::live::Generation) {
        self.live.swap(Arc::new(next));
        block_in_place(|| {
            for refused in self.plugins.readmit() {
                tracing::warn!("{refused}");
            }
        });
        if self.live.is_refused() {
            // It may have been refused for want of this secret. A full channel holds the same wish.
            let _ = self.reload.try_send(());
        }
    }
}

/// In a task of its own: whoever asked may hang up, and what is stored must come into force.
async fn alone<T: Send + 'static>(
    change: impl Future<Output = Result<T, NotChanged>> + Send + 'static,
) -> Result<T, NotChanged> {
    tokio::spawn(change).await.unwrap_or(Err(NotChanged::Store(StoreError::Closed)))
}
