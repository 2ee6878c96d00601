//! What the made-up host keeps.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Fake, HostBuilder, Run};
use crate::guest::bindings::imports::hookyard::plugin::kv as wire;

/// Keys with what they hold, in the order of their bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(BTreeMap<Place, Value>);

/// Whether the namespace is shared, its name, and the key.
type Place = (bool, String, String);

#[derive(Clone, Debug)]
struct Value {
    bytes: Vec<u8>,
    /// Since the Unix epoch.
    expires_at: Option<Duration>,
}

impl HostBuilder {
    /// Puts a key into a namespace of the plugin, before the handler runs.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn tell(_event: Event, host: Host) -> Outcome {
    ///     let name = host.kv("names").get("1").or_reject("nobody")?;
    ///     reply(200).bytes(name)
    /// }
    ///
    /// let run = testing::host().kv("names", "1", "ada").run(tell, testing::event().build());
    /// assert_eq!(run.expect_reply().text(), "ada");
    /// ```
    pub fn kv(mut self, namespace: &str, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.fake.kept.put(false, namespace, key, value.as_ref());
        self
    }

    /// As [`kv`](Self::kv), for a namespace that plugins share.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn known(_event: Event, host: Host) -> Outcome {
    ///     let page = host.shared_kv("customers").list("", None, 10);
    ///     done().message(page.entries.len())
    /// }
    ///
    /// let host = testing::host().shared_kv("customers", "ada", "");
    /// let run = host.run(known, testing::event().build());
    /// assert_eq!(run.expect_done().message(), Some("1"));
    /// ```
    pub fn shared_kv(mut self, namespace: &str, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.fake.kept.put(true, namespace, key, value.as_ref());
        self
    }

    /// Begins with all that was kept after an earlier run, in place of what it had: for what several
    /// events do, one after the other.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn count(event: Event, host: Host) -> Outcome {
    ///     done().message(host.kv("counts").increment_and_get(event.kind(), 1)?)
    /// }
    ///
    /// let push = || testing::event().kind("push").build();
    /// let first = testing::run(count, push());
    /// let second = testing::host().after(&first).run(count, push());
    /// assert_eq!(second.expect_done().message(), Some("2"));
    /// ```
    pub fn after(mut self, run: &Run) -> Self {
        self.fake.kept = run.kept.clone();
        self
    }
}

impl Run {
    /// What a key of the plugin holds afterwards. An attempt that failed has changed nothing.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn half(event: Event, host: Host) -> Outcome {
    ///     host.kv("notes").set("last", event.body());
    ///     if event.body().is_empty() { reject("an empty note") } else { done() }
    /// }
    ///
    /// let run = testing::run(half, testing::event().text("milk").build());
    /// assert_eq!(run.kv("notes", "last"), Some(&b"milk"[..]));
    /// let run = testing::run(half, testing::event().build());
    /// assert_eq!(run.kv("notes", "last"), None);
    /// ```
    pub fn kv(&self, namespace: &str, key: &str) -> Option<&[u8]> {
        self.kept.value(false, namespace, key)
    }

    /// As [`kv`](Self::kv), for a namespace that plugins share.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn join(event: Event, host: Host) -> Outcome {
    ///     host.shared_kv("customers").set("ada", event.kind());
    ///     done()
    /// }
    ///
    /// let run = testing::run(join, testing::event().kind("gold").build());
    /// assert_eq!(run.shared_kv("customers", "ada"), Some(&b"gold"[..]));
    /// ```
    pub fn shared_kv(&self, namespace: &str, key: &str) -> Option<&[u8]> {
        self.kept.value(true, namespace, key)
    }
}

impl Kept {
    fn put(&mut self, shared: bool, namespace: &str, key: &str, value: &[u8]) {
        let value = Value { bytes: value.to_vec(), expires_at: None };
        self.0.insert((shared, namespace.to_owned(), key.to_owned()), value);
    }

    fn value(&self, shared: bool, namespace: &str, key: &str) -> Option<&[u8]> {
        let place = (shared, namespace.to_owned(), key.to_owned());
        self.0.get(&place).map(|value| value.bytes.as_slice())
    }
}

/// The place of a key, by the daemon's rules for names.
fn place(namespace: &wire::Namespace, key: &str) -> Place {
    let name = &namespace.name;
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    assert!(
        (1..=64).contains(&name.len()) && name.bytes().all(plain),
        "`{name}` cannot name a namespace: use 1 to 64 lower-case letters, digits, `-` and `_`"
    );
    (namespace.scope == wire::Scope::Shared, name.clone(), key.to_owned())
}

fn full_place(namespace: &wire::Namespace, key: &str) -> Place {
    assert!(!key.is_empty(), "a key of kv cannot be empty");
    place(namespace, key)
}

fn number(bytes: &[u8]) -> Option<i64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

impl Fake {
    pub(crate) fn kv_get(&self, namespace: &wire::Namespace, key: &str) -> Option<Vec<u8>> {
        let value = self.kept.0.get(&full_place(namespace, key))?;
        (!self.is_over(value)).then(|| value.bytes.clone())
    }

    pub(crate) fn kv_set(
        &mut self,
        namespace: &wire::Namespace,
        key: &str,
        value: &[u8],
        ttl_ms: Option<u64>,
    ) {
        let expires_at = ttl_ms.map(|ttl| self.now.saturating_add(Duration::from_millis(ttl)));
        let value = Value { bytes: value.to_vec(), expires_at };
        self.kept.0.insert(full_place(namespace, key), value);
    }

    pub(crate) fn kv_delete(&mut self, namespace: &wire::Namespace, key: &str) {
        self.kept.0.remove(&full_place(namespace, key));
    }

    pub(crate) fn kv_list(
        &self,
        namespace: &wire::Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> wire::Page {
        let first = place(namespace, prefix);
        let limit = limit.clamp(1, 1000) as usize;
        let mut page = wire::Page { entries: Vec::new(), next: None };
        let mut bytes = 0;
        for (found, value) in self.kept.0.range(first.clone()..) {
            let (shared, name, key) = found;
            if (*shared, name) != (first.0, &first.1) || !key.starts_with(prefix) {
                break;
            }
            if after.is_some_and(|after| key.as_str() <= after) || self.is_over(value) {
                continue;
            }
            if page.entries.len() == limit || bytes >= 64 * 1024 {
                page.next = page.entries.last().map(|entry: &wire::Entry| entry.key.clone());
                break;
            }
            bytes += key.len() + value.bytes.len();
            page.entries.push(wire::Entry { key: key.clone(), value: value.bytes.clone() });
        }
        page
    }

    pub(crate) fn kv_add(
        &mut self,
        namespace: &wire::Namespace,
        key: &str,
        by: i64,
    ) -> Result<i64, wire::NotCounted> {
        let before = match self.kv_get(namespace, key) {
            None => 0,
            Some(bytes) => number(&bytes).ok_or(wire::NotCounted::NotANumber)?,
        };
        let sum = before.checked_add(by).ok_or(wire::NotCounted::OutOfRange)?;
        let place = full_place(namespace, key);
        let before = self.kept.0.get(&place).filter(|value| !self.is_over(value));
        let expires_at = before.and_then(|value| value.expires_at);
        self.kept.0.insert(place, Value { bytes: sum.to_string().into_bytes(), expires_at });
        Ok(sum)
    }

    fn is_over(&self, value: &Value) -> bool {
        value.expires_at.is_some_and(|end| end <= self.now)
    }
}
