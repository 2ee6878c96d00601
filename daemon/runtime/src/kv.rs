//! Capability `kv`, as one attempt sees it: what is stored, under what the attempt itself has
//! changed. Nothing is changed here; what the attempt read and what it wants to change go back to
//! the caller, who commits them with the outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hookyard_types::{
    HandlerName, KvChange, KvEntry, KvPage, KvRead, KvSpan, KvWrite, Namespace, Owner, Timestamp,
    kv_number,
};

use crate::Limits;
use crate::bindings::kv;
use crate::state::{LimitReached, Misuse, State};
use crate::text::clip;

/// What a call counts besides the bytes of keys and values: so few calls fit into an attempt that
/// its commit, which looks at each of them again, holds nobody up.
const CALL_COST: usize = 1 << 10;
/// What a listed entry counts besides its bytes.
const ENTRY_COST: usize = 64;
/// Most entries of one page, as the interface says.
const PAGE: usize = 1000;
/// A page ends once its keys and values have this many bytes, as the interface says.
const PAGE_BYTES: usize = 64 << 10;

/// What is committed, for attempts to read. The daemon answers from its store.
#[async_trait]
pub trait Kv: fmt::Debug + Send + Sync + 'static {
    /// The key, unless it has expired.
    ///
    /// # Errors
    /// Why it cannot be read now; ends the attempt as a failed one.
    async fn get(&self, namespace: &Namespace, key: &str) -> Result<Option<KvEntry>, String>;

    /// The first keys of a span: at most `limit`, and no further one once they have `max_bytes`.
    ///
    /// # Errors
    /// As [`Kv::get`].
    async fn list(&self, span: &KvSpan, limit: usize, max_bytes: usize) -> Result<KvPage, String>;
}

/// What config.toml lets a plugin do with `kv`: everything in namespaces of its own, and these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvGrant {
    /// Namespaces that it shares with other plugins.
    pub shared: BTreeSet<String>,
}

/// What an attempt saw of what plugins keep, and what it wants to change there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvEffects {
    /// To be compared with what is there when the attempt's outcome is committed, whatever it is.
    pub reads: Vec<KvRead>,
    /// To be made with a good outcome; at most one for each key.
    pub writes: Vec<KvWrite>,
}

/// What the attempts of one plugin work with.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) plugin: String,
    pub(crate) store: Arc<dyn Kv>,
    pub(crate) grant: KvGrant,
    /// The shared namespaces that the plugin's manifest names.
    pub(crate) named: BTreeSet<String>,
    pub(crate) key_bytes: usize,
    pub(crate) value_bytes: usize,
    pub(crate) attempt_bytes: usize,
}

impl Access {
    pub(crate) fn new(
        plugin: &str,
        store: Arc<dyn Kv>,
        grant: KvGrant,
        named: BTreeSet<String>,
        limits: &Limits,
    ) -> Self {
        Self {
            plugin: plugin.to_owned(),
            store,
            grant,
            named,
            key_bytes: limits.kv_key_bytes,
            value_bytes: limits.kv_value_bytes,
            attempt_bytes: limits.kv_attempt_bytes,
        }
    }
}

type Place = (Namespace, String);

/// One attempt's view.
#[derive(Default)]
pub(crate) struct Session {
    access: Option<Arc<Access>>,
    /// Counted of `kv_attempt_bytes`.
    used: usize,
    reads: BTreeMap<Place, Option<KvEntry>>,
    spans: Vec<KvRead>,
    writes: BTreeMap<Place, KvChange>,
}

impl Session {
    pub(crate) fn new(access: Option<Arc<Access>>) -> Self {
        Self { access, ..Self::default() }
    }

    /// Whether the plugin may use it.
    pub(crate) fn is_open(&self) -> bool {
        self.access.is_some()
    }

    pub(crate) fn into_effects(self) -> KvEffects {
        let keys = self.reads.into_iter().map(|((namespace, key), found)| KvRead::Key {
            namespace,
            key,
            version: found.map(|entry| entry.version),
        });
        let writes = self.writes.into_iter();
        KvEffects {
            reads: keys.chain(self.spans).collect(),
            writes: writes
                .map(|((namespace, key), change)| KvWrite { namespace, key, change })
                .collect(),
        }
    }

    fn access(&self) -> wasmtime::Result<Arc<Access>> {
        match &self.access {
            Some(access) => Ok(Arc::clone(access)),
            None => Err(Misuse("kv cannot be used here".to_owned()).into()),
        }
    }

    fn namespace(&self, named: kv::Namespace) -> wasmtime::Result<Namespace> {
        let access = self.access()?;
        let name = named.name;
        if !HandlerName::is_valid_part(&name) {
            return Err(Misuse(format!(
                "kv: `{}` cannot name a namespace: use 1 to 64 lower-case letters, digits, `-` \
                 and `_`; keys can be any text",
                clip(&name, 80)
            ))
            .into());
        }
        let plugin = &access.plugin;
        let owner = match named.scope {
            kv::Scope::Plugin => Owner::Plugin(plugin.clone()),
            kv::Scope::Shared if !access.grant.shared.contains(&name) => {
                return Err(Misuse(format!(
                    "kv: plugin `{plugin}` uses the shared namespace `{name}`, which \
                     [plugin.{plugin}] does not grant: add `kv = {{ shared = [\"{name}\"] }}`"
                ))
                .into());
            }
            kv::Scope::Shared if !access.named.contains(&name) => {
                return Err(Misuse(format!(
                    "kv: plugin `{plugin}` uses the shared namespace `{name}`, which its manifest \
                     does not name: add `shared({name})` to `plugin!(…)`"
                ))
                .into());
            }
            kv::Scope::Shared => Owner::Shared,
        };
        Ok(Namespace { owner, name })
    }

    /// Checks a key and counts it.
    fn place(&mut self, namespace: kv::Namespace, key: String) -> wasmtime::Result<Place> {
        let namespace = self.namespace(namespace)?;
        let access = self.access()?;
        if key.is_empty() {
            return Err(Misuse("kv: a key cannot be empty".to_owned()).into());
        }
        self.bound("key", key.len(), access.key_bytes, "kv_key_bytes")?;
        self.count(key.len().saturating_add(CALL_COST))?;
        Ok((namespace, key))
    }

    fn bound(&self, what: &str, has: usize, most: usize, setting: &str) -> wasmtime::Result<()> {
        if has <= most {
            return Ok(());
        }
        let plugin = &self.access()?.plugin;
        Err(LimitReached(format!(
            "kv: a {what} of {has} bytes is more than its `{setting}` of {most}: use less, or raise \
             `{setting}` under `[plugin.{plugin}]`"
        ))
        .into())
    }

    /// Counts bytes, and what a call costs: bounds what one attempt holds in the daemon's memory,
    /// and what its commit does.
    fn count(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.used = self.used.saturating_add(bytes);
        let access = self.access()?;
        if self.used <= access.attempt_bytes {
            return Ok(());
        }
        Err(LimitReached(format!(
            "kv: read and changed more than its `kv_attempt_bytes` of {} allows: do less in one \
             attempt, or raise `kv_attempt_bytes` under `[plugin.{}]`",
            access.attempt_bytes, access.plugin
        ))
        .into())
    }

    /// The key as it is committed. A second look sees the same.
    async fn stored(&mut self, place: &Place) -> wasmtime::Result<Option<KvEntry>> {
        if let Some(known) = self.reads.get(place) {
            return Ok(known.clone());
        }
        let (namespace, key) = place;
        let found = self.access()?.store.get(namespace, key).await.map_err(unavailable)?;
        // First, so that a failure for its size is checked against what is there as well.
        self.reads.insert(place.clone(), found.clone());
        self.count(found.as_ref().map_or(0, |entry| entry.value.len()))?;
        Ok(found)
    }

    /// The key as the attempt sees it.
    async fn get(&mut self, place: &Place) -> wasmtime::Result<Option<Vec<u8>>> {
        let change = self.writes.get(place).cloned();
        let stored = match change {
            Some(KvChange::Set { .. } | KvChange::Delete) => None,
            Some(KvChange::Add(_)) | None => self.stored(place).await?,
        };
        seen(place, change.as_ref(), stored.map(|entry| entry.value.to_vec()))
    }

    fn set(&mut self, place: Place, value: Vec<u8>, ttl_ms: Option<u64>) -> wasmtime::Result<()> {
        let most = self.access()?.value_bytes;
        self.bound("value", value.len(), most, "kv_value_bytes")?;
        self.count(value.len())?;
        let expires_at =
            ttl_ms.map(|ttl| Timestamp::now().saturating_add(Duration::from_millis(ttl)));
        self.writes.insert(place, KvChange::Set { value: value.into(), expires_at });
        Ok(())
    }

    fn add(&mut self, place: Place, by: i64) -> wasmtime::Result<()> {
        let change = match self.writes.get(&place) {
            None => KvChange::Add(by),
            Some(KvChange::Delete) => KvChange::Set { value: number(by), expires_at: None },
            Some(KvChange::Set { expires_at: Some(end), .. }) if *end <= Timestamp::now() => {
                KvChange::Set { value: number(by), expires_at: None }
            }
            Some(KvChange::Add(before)) => match before.checked_add(by) {
                Some(sum) => KvChange::Add(sum),
                None => return Err(out_of_range(&place)),
            },
            Some(KvChange::Set { value, expires_at }) => {
                let before = kv_number(value).ok_or_else(|| not_a_number(&place))?;
                let sum = before.checked_add(by).ok_or_else(|| out_of_range(&place))?;
                KvChange::Set { value: number(sum), expires_at: *expires_at }
            }
        };
        self.writes.insert(place, change);
        Ok(())
    }

    async fn list(
        &mut self,
        namespace: Namespace,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<kv::Page> {
        let limit = usize::try_from(limit).unwrap_or(PAGE).clamp(1, PAGE);
        let store = Arc::clone(&self.access()?.store);
        let mut page = kv::Page { entries: Vec::new(), next: None };
        let mut bytes = 0;
        let mut from = after;
        // Each turn looks at a part of the span and lays the attempt's own changes over it.
        loop {
            let span = KvSpan {
                namespace: namespace.clone(),
                prefix: prefix.clone(),
                after: from.clone(),
            };
            let left = limit.saturating_sub(page.entries.len());
            self.count(CALL_COST)?;
            let found = store.list(&span, left, PAGE_BYTES).await.map_err(unavailable)?;
            let until = found.next;
            let seen = found.entries.iter().map(|entry| (entry.key.clone(), entry.version));
            let seen = seen.collect();
            let read = KvRead::Span { span: span.clone(), until: until.clone(), seen };
            if !self.spans.contains(&read) {
                self.spans.push(read);
            }
            let bytes_of = |entry: &KvEntry| entry.key.len() + entry.value.len() + ENTRY_COST;
            self.count(found.entries.iter().map(bytes_of).sum())?;
            let merged = self.merge(&span, until.as_deref(), &found.entries)?;
            for (key, value) in merged {
                if page.entries.len() == limit || bytes >= PAGE_BYTES {
                    page.next = page.entries.last().map(|entry| entry.key.clone());
                    return Ok(page);
                }
                bytes += key.len() + value.len();
                page.entries.push(kv::Entry { key, value });
            }
            let Some(until) = until else { return Ok(page) };
            if page.entries.len() == limit || bytes >= PAGE_BYTES {
                page.next = Some(until);
                return Ok(page);
            }
            from = Some(until);
        }
    }

    /// What was found in a part of a span, with what the attempt has changed in it.
    fn merge(
        &self,
        span: &KvSpan,
        until: Option<&str>,
        found: &[KvEntry],
    ) -> wasmtime::Result<BTreeMap<String, Vec<u8>>> {
        let mut merged: BTreeMap<String, Vec<u8>> =
            found.iter().map(|entry| (entry.key.clone(), entry.value.to_vec())).collect();
        let start = (span.namespace.clone(), span.prefix.clone());
        for (place, change) in self.writes.range((Bound::Included(start), Bound::Unbounded)) {
            let (namespace, key) = place;
            if *namespace != span.namespace || !key.starts_with(&span.prefix) {
                break;
            }
            if until.is_some_and(|until| key.as_str() > until) {
                break;
            }
            if span.after.as_ref().is_some_and(|after| key <= after) {
                continue;
            }
            match seen(place, Some(change), merged.remove(key))? {
                Some(value) => merged.insert(key.clone(), value),
                None => None,
            };
        }
        Ok(merged)
    }
}

/// A key's value, given the attempt's change and what is stored.
fn seen(
    place: &Place,
    change: Option<&KvChange>,
    stored: Option<Vec<u8>>,
) -> wasmtime::Result<Option<Vec<u8>>> {
    Ok(match change {
        None => stored,
        Some(KvChange::Delete) => None,
        Some(KvChange::Set { expires_at: Some(end), .. }) if *end <= Timestamp::now() => None,
        Some(KvChange::Set { value, .. }) => Some(value.to_vec()),
        Some(KvChange::Add(by)) => {
            let before = match stored {
                None => 0,
                Some(value) => kv_number(&value).ok_or_else(|| not_a_number(place))?,
            };
            let sum = before.checked_add(*by).ok_or_else(|| out_of_range(place))?;
            Some(sum.to_string().into_bytes())
        }
    })
}

fn number(number: i64) -> bytes::Bytes {
    number.to_string().into()
}

fn not_a_number((namespace, key): &Place) -> wasmtime::Error {
    Misuse(format!(
        "kv: `{}` in `{}` is not a number, so it cannot be incremented",
        clip(key, 128),
        namespace.name
    ))
    .into()
}

fn out_of_range((namespace, key): &Place) -> wasmtime::Error {
    Misuse(format!("kv: `{}` in `{}` would not fit into 64 bits", clip(key, 128), namespace.name))
        .into()
}

fn unavailable(why: String) -> wasmtime::Error {
    Misuse(format!("kv cannot be read now: {why}")).into()
}

impl kv::Host for State {
    async fn get(
        &mut self,
        namespace: kv::Namespace,
        key: String,
    ) -> wasmtime::Result<Option<Vec<u8>>> {
        let place = self.kv.place(namespace, key)?;
        self.kv.get(&place).await
    }

    fn set(
        &mut self,
        namespace: kv::Namespace,
        key: String,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<()> {
        let place = self.kv.place(namespace, key)?;
        self.kv.set(place, value, ttl_ms)
    }

    fn delete(&mut self, namespace: kv::Namespace, key: String) -> wasmtime::Result<()> {
        let place = self.kv.place(namespace, key)?;
        self.kv.writes.insert(place, KvChange::Delete);
        Ok(())
    }

    async fn list(
        &mut self,
        namespace: kv::Namespace,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<kv::Page> {
        let namespace = self.kv.namespace(namespace)?;
        self.kv.count(prefix.len().saturating_add(after.as_ref().map_or(0, String::len)))?;
        self.kv.list(namespace, prefix, after, limit).await
    }

    fn increment(
        &mut self,
        namespace: kv::Namespace,
        key: String,
        by: i64,
    ) -> wasmtime::Result<()> {
        let place = self.kv.place(namespace, key)?;
        self.kv.add(place, by)
    }

    async fn increment_and_get(
        &mut self,
        namespace: kv::Namespace,
        key: String,
        by: i64,
    ) -> wasmtime::Result<Result<i64, kv::NotCounted>> {
        let place = self.kv.place(namespace, key)?;
        let before = match self.kv.get(&place).await? {
            None => 0,
            Some(value) => match kv_number(&value) {
                Some(number) => number,
                None => return Ok(Err(kv::NotCounted::NotANumber)),
            },
        };
        let Some(sum) = before.checked_add(by) else {
            return Ok(Err(kv::NotCounted::OutOfRange));
        };
        self.kv.add(place, by)?;
        Ok(Ok(sum))
    }

    async fn compare_and_set(
        &mut self,
        namespace: kv::Namespace,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<bool> {
        let place = self.kv.place(namespace, key)?;
        if self.kv.get(&place).await? != expected {
            return Ok(false);
        }
        self.kv.set(place, value, ttl_ms)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Empty;

    #[async_trait]
    impl Kv for Empty {
        async fn get(&self, _: &Namespace, _: &str) -> Result<Option<KvEntry>, String> {
            Ok(None)
        }

        async fn list(&self, _: &KvSpan, _: usize, _: usize) -> Result<KvPage, String> {
            Ok(KvPage::default())
        }
    }

    fn session() -> Session {
        session_of(Arc::new(Empty))
    }

    fn session_of(store: Arc<dyn Kv>) -> Session {
        let limits = Limits::default();
        let access = Access::new("p", store, KvGrant::default(), BTreeSet::new(), &limits);
        Session::new(Some(Arc::new(access)))
    }

    fn named() -> kv::Namespace {
        kv::Namespace { scope: kv::Scope::Plugin, name: "n".to_owned() }
    }

    #[tokio::test]
    async fn an_attempt_makes_some_hundreds_of_calls_at_most() {
        let mut session = session();
        let mut sets = 0;
        while let Ok(place) = session.place(named(), sets.to_string()) {
            session.set(place, Vec::new(), None).expect("is small");
            sets += 1;
        }
        assert!((100..=1000).contains(&sets), "{sets} sets");
        assert_eq!(session.into_effects().writes.len(), sets);

        let mut session = self::session();
        let mut lists = 0;
        let namespace = session.namespace(named()).expect("is its own");
        while session.list(namespace.clone(), String::new(), None, 1).await.is_ok() {
            lists += 1;
        }
        assert!((100..=1000).contains(&lists), "{lists} lists");
        // All of them saw the same.
        assert_eq!(session.into_effects().reads.len(), 1);
    }

    #[tokio::test]
    async fn what_the_attempt_set_for_a_time_that_is_over_counts_from_0() {
        let mut session = session();
        let place = session.place(named(), "k".to_owned()).expect("is a key");
        session.set(place.clone(), b"word".to_vec(), Some(0)).expect("is small");
        assert_eq!(session.get(&place).await.expect("reads"), None);
        session.add(place.clone(), 2).expect("is absent");
        assert_eq!(session.get(&place).await.expect("reads").as_deref(), Some(&b"2"[..]));
    }

    #[derive(Debug)]
    struct Large;

    #[async_trait]
    impl Kv for Large {
        async fn get(&self, _: &Namespace, key: &str) -> Result<Option<KvEntry>, String> {
            let value = vec![0; 2 << 20].into();
            Ok(Some(KvEntry { key: key.to_owned(), version: 1, value }))
        }

        async fn list(&self, _: &KvSpan, _: usize, _: usize) -> Result<KvPage, String> {
            let value = vec![0; 2 << 20].into();
            let entries = vec![KvEntry { key: "k".to_owned(), version: 1, value }];
            Ok(KvPage { entries, next: None })
        }
    }

    #[tokio::test]
    async fn a_read_that_is_too_much_is_remembered() {
        let mut session = session_of(Arc::new(Large));
        let place = session.place(named(), "k".to_owned()).expect("is a key");
        assert!(session.get(&place).await.is_err());
        session.used = 0;
        let namespace = place.0;
        assert!(session.list(namespace, String::new(), None, 9).await.is_err());
        assert_eq!(session.into_effects().reads.len(), 2);
    }
}
