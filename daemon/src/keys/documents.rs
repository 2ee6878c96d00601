//! What is known of each document with keys, and what to do when one is asked for. Decides and does
//! nothing else: the time comes in, no fetch is made here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hookyard_verify::{KeySource, Keyring};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Fetched;

/// Fetches of one document are at least so far apart, whatever senders ask for: an unknown key id
/// costs a stranger nothing, and a fetch costs us and the provider something.
pub(super) const FLOOR: Duration = Duration::from_secs(60);

/// How long a document is used after it should have been fetched anew, while that fails.
pub(super) const STALE: Duration = Duration::from_secs(24 * 3600);

/// Documents at one time, those that could not be fetched included.
pub(super) const MOST: usize = 256;

/// Every document that was asked for lately.
#[derive(Debug, Default)]
pub(super) struct Documents {
    known: HashMap<String, Known>,
    /// Counts the documents that came in, so that two of one address can be told apart.
    serial: u64,
}

#[derive(Debug)]
struct Known {
    source: KeySource,
    good: Option<Good>,
    /// The last fetch that was begun, and how it failed, if it did.
    tried: Option<(Instant, Option<Arc<str>>)>,
    /// Open while a fetch is under way.
    under_way: Option<watch::Receiver<()>>,
    used: Instant,
}

/// A document as it was fetched.
#[derive(Clone, Debug)]
pub(super) struct Good {
    pub(super) document: Bytes,
    pub(super) serial: u64,
    fetched: Instant,
    fresh_for: Duration,
}

/// What to do for a request that lacks a key.
#[derive(Debug)]
pub(super) enum Next {
    /// Try it with this document; when `refresh`, fetch it anew in the background.
    Use { good: Good, refresh: bool },
    /// Fetch the document and ask again.
    Fetch,
    /// It is being fetched: wait for the end of that and ask again.
    Wait(watch::Receiver<()>),
    /// The newest document is at hand and does not have the key, or there is none of that key.
    Lacking,
    /// It could not be fetched lately.
    Failed(Arc<str>),
    /// As many as may be are being fetched.
    NoRoom,
}

/// The documents that can be used without asking, and until when that holds.
pub(super) struct Ready {
    pub(super) keyring: Keyring,
    pub(super) serials: HashMap<String, u64>,
    pub(super) until: Instant,
}

impl Good {
    fn expires(&self) -> Instant {
        self.fetched + self.fresh_for
    }

    /// From here on a use of it leads to a fetch in the background.
    fn due(&self) -> Instant {
        self.fetched + self.fresh_for * 4 / 5
    }
}

impl Known {
    fn new(source: KeySource, now: Instant) -> Self {
        Self { source, good: None, tried: None, under_way: None, used: now }
    }

    /// A fetch whose task is gone without a result is not under way.
    fn under_way(&self) -> Option<&watch::Receiver<()>> {
        self.under_way.as_ref().filter(|end| end.has_changed().is_ok())
    }

    fn may_fetch(&self, now: Instant) -> bool {
        self.tried.as_ref().is_none_or(|(at, _)| now.duration_since(*at) >= FLOOR)
    }

    fn failure(&self) -> Option<&Arc<str>> {
        self.tried.as_ref().and_then(|(_, failed)| failed.as_ref())
    }

    fn next(&self, had: Option<u64>, now: Instant) -> Next {
        let unseen = self.good.as_ref().filter(|good| had != Some(good.serial));
        if let Some(good) = unseen.filter(|good| now < good.expires()) {
            let refresh = now >= good.due() && self.under_way().is_none() && self.may_fetch(now);
            return Next::Use { good: good.clone(), refresh };
        }
        if let Some(end) = self.under_way() {
            return Next::Wait(end.clone());
        }
        if self.may_fetch(now) {
            return Next::Fetch;
        }
        // Fetched or tried a moment ago.
        match (unseen, self.failure()) {
            (Some(good), _) if now < good.expires() + STALE => {
                Next::Use { good: good.clone(), refresh: false }
            }
            (_, Some(why)) => Next::Failed(Arc::clone(why)),
            (_, None) => Next::Lacking,
        }
    }
}

impl Documents {
    /// What to do for a request that needs a key of `source` and was tried with its document of the
    /// serial `had`, if with any.
    pub(super) fn next(
        &mut self,
        address: &str,
        source: &KeySource,
        had: Option<u64>,
        now: Instant,
    ) -> Next {
        if !self.known.contains_key(address) && !self.make_room() {
            return Next::NoRoom;
        }
        let fresh = || Known::new(source.clone(), now);
        let known = self.known.entry(address.to_owned()).or_insert_with(fresh);
        known.used = now;
        known.next(had, now)
    }

    /// Whether the document was there before, so that fetching it is no stranger's idea.
    pub(super) fn has(&self, address: &str) -> bool {
        self.known.get(address).is_some_and(|known| known.good.is_some())
    }

    /// Notes that a fetch begins, which ends when `end` is closed.
    pub(super) fn begin(&mut self, address: &str, end: watch::Receiver<()>, now: Instant) {
        if let Some(known) = self.known.get_mut(address) {
            known.tried = Some((now, Some(Arc::from("the fetch broke off"))));
            known.under_way = Some(end);
        }
    }

    /// Notes how a fetch ended. What is there stays when it failed, and goes when the sender says so.
    pub(super) fn end(&mut self, address: &str, fetched: Result<Fetched, Arc<str>>, now: Instant) {
        self.serial += 1;
        let serial = self.serial;
        let Some(known) = self.known.get_mut(address) else { return };
        known.under_way = None;
        let failed = match fetched {
            Ok(Fetched::Document { document, fresh_for }) => {
                known.good = Some(Good { document, serial, fetched: now, fresh_for });
                None
            }
            Ok(Fetched::NoSuchKey) => {
                known.good = None;
                None
            }
            Err(why) => Some(why),
        };
        if let Some(tried) = &mut known.tried {
            tried.1 = failed;
        }
    }

    /// The documents that are far from their end, on top of `base`.
    pub(super) fn ready(&self, base: &Keyring, now: Instant) -> Ready {
        // Looked at again after this time at the latest.
        let mut ready = Ready {
            keyring: base.clone(),
            serials: HashMap::new(),
            until: now + Duration::from_secs(3600),
        };
        for (address, known) in &self.known {
            if let Some(good) = known.good.as_ref().filter(|good| now < good.due()) {
                ready.keyring = ready.keyring.with(&known.source, good.document.clone());
                ready.serials.insert(address.clone(), good.serial);
                ready.until = ready.until.min(good.due());
            }
        }
        ready
    }

    /// Forgets one document when there are as many as may be: one that could not be fetched before
    /// one that could, and of those the one that was not asked for for the longest time. One that
    /// is being fetched is left, as somebody waits for it.
    fn make_room(&mut self) -> bool {
        if self.known.len() < MOST {
            return true;
        }
        let idle = self.known.iter().filter(|(_, known)| known.under_way().is_none());
        let least = idle.min_by_key(|(_, known)| (known.good.is_some(), known.used));
        let least = least.map(|(address, _)| address.clone());
        least.is_some_and(|address| self.known.remove(&address).is_some())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}
