//! Secrets that providers teach in a handshake which nothing signs: taken only in a window that the
//! operator opens, kept by the store, and held here for the requests that they sign.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use hookyard_store::{LearnedSecret, Learning, LearningRoute, Store, StoreError, Teaching};
use hookyard_types::Timestamp;
use parking_lot::Mutex;
use subtle::ConstantTimeEq;

use crate::config;
use crate::event;
use crate::secret::SecretValue;

/// For how long a route is armed when nobody says.
pub(crate) const DEFAULT_WINDOW: Duration = Duration::from_secs(600);

/// Whoever knows the URL can teach a secret meanwhile: long enough for a person at the provider's
/// settings, and no longer.
const WINDOWS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// The name of the route's provider if it teaches its secret, so that arming the route means
/// something.
pub(crate) fn teacher(route: &config::Route) -> Option<&'static str> {
    route.profile().filter(|profile| profile.teaches_secret()).map(|profile| profile.name)
}

/// The scope of a route for these values of its path's parameters, which must be all that it has.
///
/// # Errors
/// What is wrong with them, for a person.
pub(crate) fn scope(
    route: &config::Route,
    mut given: BTreeMap<String, String>,
) -> Result<String, String> {
    let named = |segment: &str| {
        segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).map(str::to_owned)
    };
    let mut params = Vec::new();
    for name in route.path.split('/').filter_map(named) {
        match given.remove(&name) {
            Some(value) if !value.is_empty() => params.push((name, value)),
            _ => {
                return Err(format!(
                    "the path {} has the parameter {name}, and each of its values has secrets of \
                     its own: say which is meant, `--param {name}=VALUE`",
                    route.path
                ));
            }
        }
    }
    match given.keys().next() {
        Some(name) => Err(format!("the path {} has no parameter {name}", route.path)),
        None => Ok(event::scope(&params)),
    }
}

/// A scope for a person's eyes.
pub(crate) fn show(scope: &str) -> String {
    scope.trim_end().replace('\n', ", ")
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

/// By scope, newest first.
type Secrets = BTreeMap<String, Vec<SecretValue>>;

#[derive(Default)]
struct Held {
    /// By the names of a route and its provider, and by scope. Whole routes, so that nobody can have
    /// the store read, or memory used, for scopes of which there are no secrets.
    secrets: HashMap<(String, String), Arc<Secrets>>,
    /// How often something was learned or forgotten: what was read before that is not held after.
    changes: u64,
}

impl Learned {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, held: Mutex::default() })
    }

    /// The secrets that were taught, newest first. The scope is that of [`crate::event::scope`].
    pub(crate) async fn secrets(&self, what: &Teaching) -> Result<Vec<SecretValue>, StoreError> {
        let all = self.all(&what.route, &what.provider).await?;
        Ok(all.get(&what.scope).cloned().unwrap_or_default())
    }

    /// What the provider taught the route, by scope, newest first.
    pub(crate) async fn all(
        &self,
        route: &str,
        provider: &str,
    ) -> Result<Arc<Secrets>, StoreError> {
        let key = (route.to_owned(), provider.to_owned());
        let before = {
            let held = self.held.lock();
            if let Some(secrets) = held.secrets.get(&key) {
                return Ok(Arc::clone(secrets));
            }
            held.changes
        };
        let mut secrets = Secrets::new();
        for lesson in self.store.learned(route, provider).await? {
            secrets.entry(lesson.scope).or_default().push(lesson.secret.into_bytes());
        }
        let secrets = Arc::new(secrets);
        let mut held = self.held.lock();
        if held.changes == before {
            held.secrets.insert(key, Arc::clone(&secrets));
        }
        Ok(secrets)
    }

    /// Keeps the secret of a handshake and ends the arming, if there is one. Durable, and what
    /// [`Learned::secrets`] gives, when this returns. The newest secret is learned whenever it is
    /// taught again: its sender did not get the answer.
    ///
    /// Handshakes that nobody waits for cost one read: anybody can send them.
    pub(crate) async fn learn(
        self: &Arc<Self>,
        what: &Teaching,
        secret: SecretValue,
        now: Timestamp,
    ) -> Result<Learning, StoreError> {
        let mut answer = Learning::NotArmed;
        if self.store.armed(what, now).await?.is_some() {
            let (learned, taught) = (Arc::clone(self), what.clone());
            let brought = LearnedSecret::new(secret.clone());
            answer = self
                .change(async move { learned.store.learn(&taught, brought, now).await })
                .await?;
        }
        // It may have come twice at once.
        if answer == Learning::NotArmed
            && let Some(newest) = self.secrets(what).await?.first()
            && bool::from(newest.ct_eq(&secret))
        {
            return Ok(Learning::Learned);
        }
        Ok(answer)
    }

    /// Lets one secret be taught before `until`.
    pub(crate) async fn arm(&self, what: &Teaching, until: Timestamp) -> Result<(), StoreError> {
        self.store.arm(what, until).await
    }

    /// Drops the route's secrets and disarms it, or what has this scope. Returns how many there
    /// were.
    pub(crate) async fn forget(
        self: &Arc<Self>,
        route: &str,
        scope: Option<&str>,
    ) -> Result<u64, StoreError> {
        let (learned, route) = (Arc::clone(self), route.to_owned());
        let scope = scope.map(str::to_owned);
        self.change(async move { learned.store.forget(&route, scope.as_deref()).await }).await
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
        let asana = &Teaching {
            route: "in".to_owned(),
            provider: "asana".to_owned(),
            scope: String::new(),
        };
        let secrets = async |what: &Teaching| {
            let read = learned.secrets(what).await.expect("reads");
            read.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect::<Vec<_>>()
        };

        assert!(secrets(asana).await.is_empty());
        let refused = learned.learn(asana, secret("one"), now).await.expect("runs");
        assert_eq!(refused, Learning::NotArmed);
        for (text, known) in [("one", vec!["one"]), ("two", vec!["two", "one"])] {
            learned.arm(asana, later).await.expect("arms");
            let taken = learned.learn(asana, secret(text), now).await.expect("runs");
            assert_eq!(taken, Learning::Learned);
            assert_eq!(secrets(asana).await, known);
        }
        // The newest may come again, its answer having been lost; no other one may.
        for (text, answer) in [
            ("two", Learning::Learned),
            ("one", Learning::NotArmed),
            ("tw", Learning::NotArmed),
            ("", Learning::NotArmed),
        ] {
            assert_eq!(learned.learn(asana, secret(text), now).await.expect("runs"), answer);
        }
        // A route that is another provider's now has learned nothing from it.
        let notion = &Teaching { provider: "notion".to_owned(), ..asana.clone() };
        assert!(secrets(notion).await.is_empty());
        // They are held, of every scope: what happens to the store behind its back is not seen.
        store.forget("in", None).await.expect("runs");
        assert_eq!(secrets(asana).await, ["two", "one"]);
        assert_eq!(learned.forget("in", None).await.expect("runs"), 0);
        assert!(secrets(asana).await.is_empty());
        store.close().await;
        let another = Teaching { scope: "tenant=acme\n".to_owned(), ..asana.clone() };
        assert!(secrets(&another).await.is_empty(), "a stranger's path costs a read");
        let another = Teaching { route: "other".to_owned(), ..asana.clone() };
        assert!(learned.secrets(&another).await.is_err());
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
