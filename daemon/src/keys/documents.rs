//! What is known of each document with keys, and what to do when one is asked for. Decides and does
//! nothing else: the time comes in, no fetch is made here.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hookyard_verify::{KeySource, Keyring, Settings};
use tokio::sync::watch;
use tokio::time::Instant;

use super::account::Account;
use super::{Fetched, host};

/// Fetches of one document are at least so far apart, whatever senders ask for: an unknown key id
/// costs a stranger nothing, and a fetch costs us and the provider something.
pub(super) const FLOOR: Duration = Duration::from_secs(60);

/// How long a document is used after it should have been fetched anew, while that fails.
pub(super) const STALE: Duration = Duration::from_secs(24 * 3600);

/// Documents at one time, those that could not be fetched included.
pub(super) const MOST: usize = 256;

/// Of these, those of one host without a document to keep: whoever names keys that a sender does not
/// have takes no room from what other senders have.
pub(super) const MOST_EMPTY: usize = 32;

/// What is one document: its address and, where it is given out to accounts, which one has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) address: String,
    pub(super) account: Option<Account>,
}

/// Every document that was asked for lately.
#[derive(Debug, Default)]
pub(super) struct Documents {
    known: HashMap<Place, Known>,
    /// Counts the documents that came in, so that two of one address can be told apart.
    serial: u64,
}

#[derive(Debug)]
struct Known {
    source: KeySource,
    good: Option<Good>,
    /// The last fetch that was begun, and how it ended.
    tried: Option<(Instant, Outcome)>,
    /// Open while a fetch is under way.
    under_way: Option<watch::Receiver<()>>,
    used: Instant,
}

#[derive(Debug)]
enum Outcome {
    Fetched,
    /// There is no such key.
    Absent,
    Failed(Arc<str>),
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
    /// The newest document is at hand and does not have the key.
    Lacking,
    /// It could not be fetched lately.
    Failed(Arc<str>),
}

/// The documents that can be used without asking, and until when that holds.
pub(super) struct Ready {
    /// What is published to everybody.
    keyring: Keyring,
    /// With what was given out to an account besides.
    accounts: HashMap<Account, Keyring>,
    pub(super) serials: HashMap<Place, u64>,
    pub(super) until: Instant,
}

impl Ready {
    /// For a route whose settings are these.
    pub(super) fn keyring(&self, settings: &Settings) -> &Keyring {
        let account = (!self.accounts.is_empty()).then(|| Account::of(settings)).flatten();
        self.keyring_of(account)
    }

    fn keyring_of(&self, account: Option<Account>) -> &Keyring {
        account.and_then(|account| self.accounts.get(&account)).unwrap_or(&self.keyring)
    }
}

impl Good {
    fn expires(&self) -> Instant {
        self.fetched + self.fresh_for
    }

    /// From here on a use of it leads to a fetch in the background.
    fn due(&self) -> Instant {
        self.fetched + self.fresh_for * 4 / 5
    }

    /// From here on it is not even used while it cannot be fetched anew.
    fn ends(&self) -> Instant {
        self.expires() + STALE
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

    /// What is worth least is forgotten first, and of that what was not used for the longest time.
    fn worth(&self) -> (u8, Instant) {
        let absent = matches!(self.tried, Some((_, Outcome::Absent)));
        let worth = match self.good {
            None if absent => 0,
            None => 1,
            Some(_) => 2,
        };
        (worth, self.used)
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
        match (unseen, &self.tried) {
            (Some(good), _) if now < good.ends() => {
                Next::Use { good: good.clone(), refresh: false }
            }
            (_, Some((_, Outcome::Failed(why)))) => Next::Failed(Arc::clone(why)),
            _ => Next::Lacking,
        }
    }
}

impl Documents {
    /// What to do for a request that needs a key of this document and was tried with that of the
    /// serial `had`, if with any.
    pub(super) fn next(&mut self, place: &Place, had: Option<u64>, now: Instant) -> Next {
        let Some(known) = self.known.get_mut(place) else { return Next::Fetch };
        known.used = now;
        known.next(had, now)
    }

    /// Whether the document was there before, so that fetching it is no stranger's idea.
    pub(super) fn has(&self, place: &Place) -> bool {
        self.known.get(place).is_some_and(|known| known.good.is_some())
    }

    /// Makes sure that there is a place for the document, if need be at the cost of another's.
    /// There is none while so many are being fetched.
    pub(super) fn admit(&mut self, place: &Place, source: &KeySource, now: Instant) -> bool {
        if self.known.contains_key(place) {
            return true;
        }
        let room = self.make_room(source);
        if room {
            self.known.insert(place.clone(), Known::new(source.clone(), now));
        }
        room
    }

    /// Notes that a fetch begins, which ends when `end` is closed.
    pub(super) fn begin(&mut self, place: &Place, end: watch::Receiver<()>, now: Instant) {
        if let Some(known) = self.known.get_mut(place) {
            known.tried = Some((now, Outcome::Failed(Arc::from("the fetch broke off"))));
            known.under_way = Some(end);
        }
    }

    /// Notes how a fetch ended. What is there stays when it failed, and when the sender says that
    /// there is nothing.
    pub(super) fn end(&mut self, place: &Place, fetched: Result<Fetched, Arc<str>>, now: Instant) {
        self.serial += 1;
        let serial = self.serial;
        let Some(known) = self.known.get_mut(place) else { return };
        known.under_way = None;
        let outcome = match fetched {
            Ok(Fetched::Document { document, fresh_for }) => {
                known.good = Some(Good { document, serial, fetched: now, fresh_for });
                Outcome::Fetched
            }
            Ok(Fetched::NoSuchKey) => {
                known.good = known.good.take().filter(|good| now < good.ends());
                Outcome::Absent
            }
            Err(why) => Outcome::Failed(why),
        };
        if let Some(tried) = &mut known.tried {
            tried.1 = outcome;
        }
    }

    /// Notes which documents requests have found at hand.
    pub(super) fn note_uses(&mut self, ready: &Ready, now: Instant) {
        for (place, known) in &mut self.known {
            if ready.keyring_of(place.account).was_used(&known.source) {
                known.used = now;
            }
        }
    }

    /// The documents that are far from their end, on top of `base`.
    pub(super) fn ready(&self, base: &Keyring, now: Instant) -> Ready {
        // Looked at again after this time at the latest.
        let mut ready = Ready {
            keyring: base.clone(),
            accounts: HashMap::new(),
            serials: HashMap::new(),
            until: now + Duration::from_secs(3600),
        };
        let fresh = |known: &Known| known.good.clone().filter(|good| now < good.due());
        let (given_out, published): (Vec<_>, Vec<_>) = self
            .known
            .iter()
            .filter_map(|(place, known)| Some((place, &known.source, fresh(known)?)))
            .partition(|(place, ..)| place.account.is_some());
        // Accounts start from what is published.
        for (place, source, good) in published.into_iter().chain(given_out) {
            let keyring = match place.account {
                None => &mut ready.keyring,
                Some(account) => {
                    ready.accounts.entry(account).or_insert_with(|| ready.keyring.clone())
                }
            };
            *keyring = mem::take(keyring).with(source, good.document.clone());
            ready.serials.insert(place.clone(), good.serial);
            ready.until = ready.until.min(good.due());
        }
        ready
    }

    /// Forgets one document when there are as many as may be, or as many of this host that there is
    /// nothing of. One that is being fetched is left, as somebody waits for it.
    fn make_room(&mut self, source: &KeySource) -> bool {
        let host = host(source.url());
        let empty = |known: &Known| known.good.is_none() && self::host(known.source.url()) == host;
        let crowded = self.known.values().filter(|known| empty(known)).count() >= MOST_EMPTY;
        if !crowded && self.known.len() < MOST {
            return true;
        }
        let idle = self.known.iter().filter(|(_, known)| known.under_way().is_none());
        let least = idle
            .filter(|(_, known)| !crowded || empty(known))
            .min_by_key(|(_, known)| known.worth())
            .map(|(place, _)| place.clone());
        least.is_some_and(|place| self.known.remove(&place).is_some())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}
