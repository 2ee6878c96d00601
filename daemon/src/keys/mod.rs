//! The keys that senders publish: fetched when a request needs them, kept, and fetched anew before
//! they grow old.
//!
//! Where a sender answers questions about single requests, [`Inquiries`] asks them.
//!
//! A request is tried with what is [at hand](KeyCache::at_hand). Where that lacks a key,
//! [`KeyCache::obtain`] gets its document, once for all requests that wait for it. What to do is
//! decided by [`documents`], and [`fetch`] does it.

mod account;
mod documents;
mod fetch;
mod inquiries;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use hookyard_verify::{KeySource, Keyring, Question, Settings, Verdict};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::budget::SharedBudget;
use account::Account;
use documents::{Documents, Good, Next, Place, Ready};

pub(crate) use fetch::Online;
pub(crate) use inquiries::Inquiries;

/// What one fetch may take, from the name's look-up to the last byte.
const DEADLINE: Duration = Duration::from_secs(5);

/// What a sender answers who is asked for keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// A document and how long it may be used without asking again.
    Document { document: Bytes, fresh_for: Duration },
    /// The key that was asked for by its name does not exist.
    NoSuchKey,
}

/// What [`Fetch::fetch`] answers with; the error is for the log.
pub(crate) type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Fetched, String>> + Send + 'a>>;

/// Gets documents from where they are.
pub(crate) trait Fetch: Send + Sync {
    /// `settings` are those of a route that needs the document: some are given out to accounts.
    fn fetch<'a>(&'a self, source: &'a KeySource, settings: &'a Settings) -> Fetching<'a>;
}

/// Every document with keys that the daemon has.
pub(crate) struct KeyCache {
    fetch: Arc<dyn Fetch>,
    /// With the roots that certificates have to lead to, and no documents.
    base: Keyring,
    documents: Mutex<Documents>,
    ready: ArcSwap<Ready>,
}

/// The keys that one request is tried with.
#[derive(Clone)]
pub(crate) struct AtHand {
    keyring: Keyring,
    ready: Arc<Ready>,
    /// What was added for this request alone, by its place.
    added: HashMap<Place, u64>,
}

/// On whose behalf keys are fetched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'r> {
    /// The route's.
    pub(crate) settings: &'r Arc<Settings>,
    /// Who sends the request.
    pub(crate) client: IpAddr,
    /// For documents that are not known, since which ones there are is the sender's word, or for
    /// questions.
    pub(crate) budget: &'r SharedBudget,
}

/// Why a request cannot be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unobtainable {
    /// The newest document is at hand and does not have the key: no such key was given out.
    Lacking,
    /// Whether there is such a key is not known: the document could not be fetched.
    Failed(String),
    /// So many unknown documents were asked for that this one has to wait.
    Later(Duration),
}

impl KeyCache {
    pub(crate) fn new(fetch: Arc<dyn Fetch>, base: Keyring) -> Arc<Self> {
        let documents = Documents::default();
        let ready = documents.ready(&base, Instant::now());
        Arc::new(Self {
            fetch,
            base,
            documents: Mutex::new(documents),
            ready: ArcSwap::from_pointee(ready),
        })
    }

    /// The documents that are there and need no second look, for a first try of a request to a
    /// route with these settings.
    pub(crate) fn at_hand(&self, settings: &Settings) -> AtHand {
        let now = Instant::now();
        let mut ready = self.ready.load_full();
        if now >= ready.until {
            ready = self.make_ready(&mut self.documents.lock(), now);
        }
        AtHand { keyring: ready.keyring(settings).clone(), ready, added: HashMap::new() }
    }

    /// The keys for another try of a request that lacked one of `source` when it was tried with
    /// `tried`. Waits while the document is fetched.
    pub(crate) async fn obtain(
        self: &Arc<Self>,
        source: &KeySource,
        tried: AtHand,
        asking: Asking<'_>,
    ) -> Result<AtHand, Unobtainable> {
        let account = Account::asking(source, asking.settings);
        let place = Place { address: source.address(), account };
        let had = tried.serial(&place);
        loop {
            let mut end = match self.step(&place, source, had, asking)? {
                Step::Use(good) => return Ok(tried.with(place, source, good)),
                Step::Wait(end) => end,
            };
            // Closed at the end of the fetch, whatever became of it.
            let _ = end.changed().await;
        }
    }

    fn step(
        self: &Arc<Self>,
        place: &Place,
        source: &KeySource,
        had: Option<u64>,
        asking: Asking<'_>,
    ) -> Result<Step, Unobtainable> {
        let now = Instant::now();
        let mut documents = self.documents.lock();
        Ok(match documents.next(place, had, now) {
            Next::Use { good, refresh } => {
                if refresh {
                    self.begin(&mut documents, place, source, asking, now);
                }
                Step::Use(good)
            }
            Next::Fetch => {
                if !documents.has(place) {
                    asking.budget.take(asking.client, now).map_err(Unobtainable::Later)?;
                    documents.note_uses(&self.ready.load(), now);
                }
                if !documents.admit(place, source, now) {
                    return Err(Unobtainable::Later(Duration::from_secs(1)));
                }
                Step::Wait(self.begin(&mut documents, place, source, asking, now))
            }
            Next::Wait(end) => Step::Wait(end),
            Next::Lacking => return Err(Unobtainable::Lacking),
            Next::Failed(why) => return Err(Unobtainable::Failed(why.to_string())),
        })
    }

    /// Fetches in a task of its own: a sender that hangs up must not end it for those that wait.
    fn begin(
        self: &Arc<Self>,
        documents: &mut Documents,
        place: &Place,
        source: &KeySource,
        asking: Asking<'_>,
        now: Instant,
    ) -> watch::Receiver<()> {
        // Never sent on: its end is the news.
        let (under_way, end) = watch::channel(());
        documents.begin(place, end.clone(), now);
        let (cache, place, source) = (Arc::clone(self), place.clone(), source.clone());
        let settings = Arc::clone(asking.settings);
        tokio::spawn(async move {
            cache.fetch(&place, &source, &settings).await;
            drop(under_way);
        });
        end
    }

    async fn fetch(&self, place: &Place, source: &KeySource, settings: &Settings) {
        let fetched = match tokio::time::timeout(DEADLINE, self.fetch.fetch(source, settings)).await
        {
            Ok(fetched) => fetched,
            Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
        };
        match &fetched {
            Ok(Fetched::Document { fresh_for, .. }) => {
                tracing::info!(%source, fresh_for_s = fresh_for.as_secs(), "fetched a sender's keys");
            }
            Ok(Fetched::NoSuchKey) => tracing::info!(%source, "the sender has no such key"),
            Err(why) => tracing::warn!(%source, "failed to fetch a sender's keys: {why}"),
        }
        let now = Instant::now();
        let mut documents = self.documents.lock();
        documents.end(place, fetched.map_err(Arc::from), now);
        self.make_ready(&mut documents, now);
    }

    /// Called with the documents locked, so that an older state never replaces a newer one.
    fn make_ready(&self, documents: &mut Documents, now: Instant) -> Arc<Ready> {
        documents.note_uses(&self.ready.load(), now);
        let ready = Arc::new(documents.ready(&self.base, now));
        self.ready.store(Arc::clone(&ready));
        ready
    }
}

enum Step {
    Use(Good),
    Wait(watch::Receiver<()>),
}

impl AtHand {
    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// With what the sender says of this request.
    pub(crate) fn answered(mut self, question: Question, verdict: Verdict) -> Self {
        self.keyring = self.keyring.with_answer(question, verdict);
        self
    }

    fn serial(&self, place: &Place) -> Option<u64> {
        self.added.get(place).or_else(|| self.ready.serials.get(place)).copied()
    }

    fn with(mut self, place: Place, source: &KeySource, good: Good) -> Self {
        self.keyring = self.keyring.with(source, good.document);
        self.added.insert(place, good.serial);
        self
    }
}

/// The host of a source's URL, which is https.
fn host(url: &str) -> Option<&str> {
    url.strip_prefix("https://").and_then(|rest| rest.split('/').next())
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache").field("documents", &self.documents).finish_non_exhaustive()
    }
}
