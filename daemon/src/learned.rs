//! Secrets that providers teach in a handshake which nothing signs: taken only in a window that the
//! operator opens, kept by the store, and held here for the requests that they sign.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use hookyard_store::{LearnedSecret, Learning, LearningRoute, Store, StoreError};
use hookyard_types::Timestamp;
use parking_lot::Mutex;

use crate::config;
use crate::secret::SecretValue;

/// For how long a route is armed when nobody says.
pub(crate) const DEFAULT_WINDOW: Duration = Duration::from_secs(600);

/// Whoever knows the URL can teach a secret meanwhile: long enough for a person at the provider's
/// settings, and no longer.
const WINDOWS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// How many routes and scopes have their secrets held. Scopes come from paths that nothing has
/// verified yet.
const KEPT: usize = 4096;

/// Whether the route's provider teaches its secret, so that arming the route means something.
pub(crate) fn learns_secret(route: &config::Route) -> bool {
    route.profile().is_some_and(|profile| profile.teaches_secret())
}

/// Reads for how long a route is to be armed.
///
/// # Errors
/// What is wrong with it, for a person.
pub(crate) fn window(text: &str) -> Result<Duration, String> {
    let window = humantime::parse_duration(text)
        .map_err(|error| format!("{text:?} is not a duration such as \"10m\": {error}"))?;
    if WINDOWS.contains(&window) {
        return Ok(window);
    }
    Err("a route is armed for 1s to 1h".to_owned())
}

/// The learned secrets of all routes.
pub(crate) struct Learned {
    store: Arc<dyn Store>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    secrets: HashMap<Place, Vec<SecretValue>>,
    /// How often something was learned or forgotten: what was read before that is not held after.
    changes: u64,
}

/// A route's name and the scope: what its path's parameters matched.
type Place = (String, String);

impl Learned {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, held: Mutex::default() })
    }

    /// The secrets that were learned for (route, scope), newest first. The scope is that of
    /// [`crate::event::scope`].
    pub(crate) async fn secrets(
        &self,
        route: &str,
        scope: &str,
    ) -> Result<Vec<SecretValue>, StoreError> {
        let place = (route.to_owned(), scope.to_owned());
        let before = {
            let held = self.held.lock();
            if let Some(secrets) = held.secrets.get(&place) {
                return Ok(secrets.clone());
            }
            held.changes
        };
        let read = self.store.learned(route, scope).await?;
        let secrets: Vec<SecretValue> = read.into_iter().map(LearnedSecret::into_bytes).collect();
        let mut held = self.held.lock();
        if held.changes == before {
            if held.secrets.len() >= KEPT {
                held.secrets.clear();
            }
            held.secrets.insert(place, secrets.clone());
        }
        Ok(secrets)
    }

    /// Keeps the secret of a handshake and disarms the route, if the route is armed. Durable, and
    /// what [`Learned::secrets`] gives, when this returns.
    ///
    /// Handshakes of routes that are not armed cost one read: anybody can send them.
    pub(crate) async fn learn(
        self: &Arc<Self>,
        route: &str,
        scope: &str,
        secret: SecretValue,
        now: Timestamp,
    ) -> Result<Learning, StoreError> {
        if self.store.armed(route, now).await?.is_none() {
            return Ok(Learning::NotArmed);
        }
        let (learned, route, scope) = (Arc::clone(self), route.to_owned(), scope.to_owned());
        self.change(async move {
            let secret = LearnedSecret::new(secret);
            learned.store.learn(&route, &scope, secret, now).await
        })
        .await
    }

    /// Lets the route take one secret before `until`.
    pub(crate) async fn arm(&self, route: &str, until: Timestamp) -> Result<(), StoreError> {
        self.store.arm(route, until).await
    }

    /// Drops the route's secrets and disarms it. Returns how many there were.
    pub(crate) async fn forget(self: &Arc<Self>, route: &str) -> Result<u64, StoreError> {
        let (learned, route) = (Arc::clone(self), route.to_owned());
        self.change(async move { learned.store.forget(&route).await }).await
    }

    /// The routes that are armed or have secrets.
    pub(crate) async fn routes(&self, now: Timestamp) -> Result<Vec<LearningRoute>, StoreError> {
        self.store.learning(now).await
    }

    /// In a task of its own: a sender that hangs up must not leave secrets held that the store has
    /// replaced.
    async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let learned = Arc::clone(self);
        let changing = tokio::spawn(async move {
            let outcome = change.await;
            let mut held = learned.held.lock();
            held.changes += 1;
            held.secrets.clear();
            outcome
        });
        changing.await.unwrap_or(Err(StoreError::Closed))
    }
}

#[cfg(test)]
mod tests {
    use hookyard_store::sqlite::{SqliteOptions, SqliteStore};
    use zeroize::Zeroizing;

    use super::*;

    #[tokio::test]
    async fn what_was_learned_is_held_until_it_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let options =
            SqliteOptions { min_free: 0, ..SqliteOptions::new(folder.path().join("store.db")) };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(options).await.expect("opens"));
        let learned = Learned::new(Arc::clone(&store));
        let now = Timestamp::from_millis(1_700_000_000_000);
        let later = now.saturating_add(DEFAULT_WINDOW);
        let secret = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
        let secrets = async || {
            let read = learned.secrets("asana", "").await.expect("reads");
            read.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect::<Vec<_>>()
        };

        assert!(secrets().await.is_empty());
        let refused = learned.learn("asana", "", secret("one"), now).await.expect("runs");
        assert_eq!(refused, Learning::NotArmed);
        for (text, known) in [("one", vec!["one"]), ("two", vec!["two", "one"])] {
            learned.arm("asana", later).await.expect("arms");
            let taken = learned.learn("asana", "", secret(text), now).await.expect("runs");
            assert_eq!(taken, Learning::Learned);
            assert_eq!(secrets().await, known);
        }
        // They are held: what happens to the store behind its back is not seen.
        store.forget("asana").await.expect("runs");
        assert_eq!(secrets().await, ["two", "one"]);
        assert_eq!(learned.forget("asana").await.expect("runs"), 0);
        assert!(secrets().await.is_empty());
        store.close().await;
        assert!(learned.secrets("notion", "").await.is_err());
    }

    #[test]
    fn windows_are_durations_within_an_hour() {
        assert_eq!(window("10m"), Ok(DEFAULT_WINDOW));
        assert_eq!(window("1h"), Ok(Duration::from_secs(3600)));
        for wrong in ["", "10", "0s", "61m", "2 fortnights"] {
            assert!(window(wrong).is_err(), "{wrong}");
        }
    }
}
