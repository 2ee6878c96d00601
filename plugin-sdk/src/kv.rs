//! What outlives an attempt: namespaces of keys and values.

use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;
use crate::guest::bindings::imports::hookyard::plugin::kv as wire;
use crate::host::calls;

/// A namespace of keys and values that outlives the attempt; from [`Host::kv`](crate::Host::kv).
///
/// An attempt is a transaction. It sees its own changes at once; everybody else sees them when it is
/// done (or has ignored its event), all together, and never when it fails. If what it read has changed
/// by then, a key that was not there or a list included, the daemon runs it again, which does not
/// count as a failed attempt: what a handler does outside of Hookyard can then happen twice. So read
/// little, and [`increment`](Self::increment) where the number need not be known.
///
/// Values are bytes, and JSON through the methods that say so. The daemon bounds keys, values, what
/// one attempt does, and what a plugin keeps in all; past a bound the attempt ends, and says which.
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// #[derive(Deserialize, Serialize, Default)]
/// struct Customer {
///     orders: u32,
///     last: String,
/// }
///
/// /// Remembers what each customer ordered last.
/// #[handler(kinds("order.created"))]
/// fn remember(event: Event, host: Host) -> Outcome {
///     let order: Value = event.json()?;
///     let name = order["customer"].as_str().or_reject("the order has no customer")?;
///     let customers = host.kv("customers");
///     let mut customer: Customer = customers.get_json(name)?.unwrap_or_default();
///     customer.orders += 1;
///     customer.last = order["item"].to_string();
///     customers.set_json(name, &customer)?;
///     host.kv("counts").increment("orders", 1);
///     done().message(format!("order {} of {name}", customer.orders))
/// }
///
/// hookyard_sdk::plugin!(remember);
///
/// # fn main() {
/// let order = json!({ "customer": "ada", "item": "a lamp" });
/// let event = testing::event().kind("order.created").json(&order).build();
/// let run = testing::host()
///     .kv("customers", "ada", r#"{ "orders": 2, "last": "a chair" }"#)
///     .run(remember, event);
/// assert_eq!(run.expect_done().message(), Some("order 3 of ada"));
/// assert_eq!(run.kv("counts", "orders"), Some(&b"1"[..]));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Kv {
    namespace: wire::Namespace,
    /// The native fake belongs to the thread that runs the handler.
    not_send: PhantomData<*const ()>,
}

/// Part of a namespace; from [`Kv::list`].
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// /// Lists all orders, however many there are.
/// fn all(_event: Event, host: Host) -> Outcome {
///     let (mut names, mut after) = (Vec::new(), None);
///     loop {
///         let page = host.kv("orders").list("", after.as_deref(), 2);
///         names.extend(page.entries.into_iter().map(|entry| entry.key));
///         after = page.next;
///         if after.is_none() {
///             return done().message(names.join(" "));
///         }
///     }
/// }
///
/// let host = testing::host().kv("orders", "a", "1").kv("orders", "b", "2").kv("orders", "c", "3");
/// let run = host.run(all, testing::event().build());
/// assert_eq!(run.expect_done().message(), Some("a b c"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of the keys' bytes.
    pub entries: Vec<Entry>,
    /// What to pass as `after` for what follows; `None` when nothing does.
    pub next: Option<String>,
}

/// A key and its value, in a [`Page`].
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn longest(_event: Event, host: Host) -> Outcome {
///     let page = host.kv("notes").list("", None, 100);
///     let longest = page.entries.iter().max_by_key(|entry| entry.value.len());
///     done().message(longest.map_or("none", |entry| &entry.key))
/// }
///
/// let host = testing::host().kv("notes", "short", "a").kv("notes", "long", "abc");
/// let run = host.run(longest, testing::event().build());
/// assert_eq!(run.expect_done().message(), Some("long"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub value: Vec<u8>,
}

impl Kv {
    pub(crate) fn new(scope: wire::Scope, name: &str) -> Self {
        let namespace = wire::Namespace { scope, name: name.to_owned() };
        Self { namespace, not_send: PhantomData }
    }

    /// The value; `None` when there is no such key, or when its time to live is over.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn seen(event: Event, host: Host) -> Outcome {
    ///     match host.kv("seen").get(event.kind()) {
    ///         Some(_) => ignore("seen before"),
    ///         None => done(),
    ///     }
    /// }
    ///
    /// let event = || testing::event().kind("push").build();
    /// testing::host().run(seen, event()).expect_done();
    /// testing::host().kv("seen", "push", "").run(seen, event()).expect_ignored();
    /// ```
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        calls::kv_get(&self.namespace, key)
    }

    /// The value, read as JSON; what is no `T` is a reject that says so.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn threshold(_event: Event, host: Host) -> Outcome {
    ///     let threshold: u32 = host.kv("config").get_json("threshold")?.unwrap_or(10);
    ///     done().message(threshold)
    /// }
    ///
    /// let event = || testing::event().build();
    /// assert_eq!(testing::run(threshold, event()).expect_done().message(), Some("10"));
    /// let run = testing::host().kv("config", "threshold", "many").run(threshold, event());
    /// assert!(run.expect_rejected().starts_with("`threshold` in `config`"));
    /// ```
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Failure> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match serde_json::from_slice(&value) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(self.wrong(key, &format!("is not what the plugin expects: {error}"))),
        }
    }

    /// Sets the value. It stays until it is deleted, also when it had a time to live before.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn keep(event: Event, host: Host) -> Outcome {
    ///     host.kv("last").set(event.kind(), event.body());
    ///     done()
    /// }
    ///
    /// let run = testing::run(keep, testing::event().kind("push").text("hello").build());
    /// assert_eq!(run.kv("last", "push"), Some(&b"hello"[..]));
    /// ```
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) {
        calls::kv_set(&self.namespace, key, value.as_ref(), None);
    }

    /// Sets the value for a time, after which the key is gone.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// /// At most one alert an hour.
    /// fn alert(_event: Event, host: Host) -> Outcome {
    ///     let alerts = host.kv("alerts");
    ///     if alerts.get("sent").is_some() {
    ///         return ignore("not again so soon");
    ///     }
    ///     alerts.set_for("sent", "", Duration::from_secs(3600));
    ///     done()
    /// }
    ///
    /// testing::run(alert, testing::event().build()).expect_done();
    /// ```
    pub fn set_for(&self, key: &str, value: impl AsRef<[u8]>, time_to_live: Duration) {
        calls::kv_set(&self.namespace, key, value.as_ref(), Some(millis(time_to_live)));
    }

    /// Sets the value, written as JSON; what cannot be written is a reject that says so.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn keep(event: Event, host: Host) -> Outcome {
    ///     host.kv("last").set_json("event", &json!({ "kind": event.kind() }))?;
    ///     done()
    /// }
    ///
    /// let run = testing::run(keep, testing::event().kind("push").build());
    /// assert_eq!(run.kv("last", "event"), Some(&br#"{"kind":"push"}"#[..]));
    /// ```
    pub fn set_json<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Failure> {
        self.set(key, self.json(key, value)?);
        Ok(())
    }

    /// As [`set_json`](Self::set_json), for a time, after which the key is gone.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn session(_event: Event, host: Host) -> Outcome {
    ///     host.kv("sessions").set_json_for("ada", &[1, 2], Duration::from_secs(60))?;
    ///     done()
    /// }
    ///
    /// let run = testing::run(session, testing::event().build());
    /// assert_eq!(run.kv("sessions", "ada"), Some(&b"[1,2]"[..]));
    /// ```
    pub fn set_json_for<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        time_to_live: Duration,
    ) -> Result<(), Failure> {
        self.set_for(key, self.json(key, value)?, time_to_live);
        Ok(())
    }

    /// Removes the key, if it is there.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn forget(event: Event, host: Host) -> Outcome {
    ///     host.kv("seen").delete(event.kind());
    ///     done()
    /// }
    ///
    /// let host = testing::host().kv("seen", "push", "");
    /// let run = host.run(forget, testing::event().kind("push").build());
    /// assert_eq!(run.kv("seen", "push"), None);
    /// ```
    pub fn delete(&self, key: &str) {
        calls::kv_delete(&self.namespace, key);
    }

    /// The keys that begin with `prefix` and are greater than `after`, in the order of their bytes:
    /// at most `limit` (at most 1000), and no further one once they and their values have 64 KiB.
    /// A page can have fewer, or none, and a `next` all the same.
    ///
    /// An attempt that lists is run again when a key of the part that it saw is made, changed or
    /// removed by somebody else before it is done.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn notes(_event: Event, host: Host) -> Outcome {
    ///     let page = host.kv("notes").list("ada/", None, 10);
    ///     done().message(page.entries.len())
    /// }
    ///
    /// let host = testing::host().kv("notes", "ada/1", "a").kv("notes", "bob/1", "b");
    /// let run = host.run(notes, testing::event().build());
    /// assert_eq!(run.expect_done().message(), Some("1"));
    /// ```
    pub fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Page {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let page = calls::kv_list(&self.namespace, prefix, after, limit);
        let entry = |entry: wire::Entry| Entry { key: entry.key, value: entry.value };
        Page { entries: page.entries.into_iter().map(entry).collect(), next: page.next }
    }

    /// Adds to the number, which is 0 for a key that is not there and decimal text else.
    ///
    /// It reads nothing, so that any number of attempts can do it at one time and none is run again
    /// for it. When the value is no number, or the sum does not fit into 64 bits, the attempt fails.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn count(event: Event, host: Host) -> Outcome {
    ///     host.kv("counts").increment(event.kind(), 1);
    ///     done()
    /// }
    ///
    /// let host = testing::host().kv("counts", "push", "41");
    /// let run = host.run(count, testing::event().kind("push").build());
    /// assert_eq!(run.kv("counts", "push"), Some(&b"42"[..]));
    /// ```
    pub fn increment(&self, key: &str, by: i64) {
        calls::kv_increment(&self.namespace, key, by);
    }

    /// As [`increment`](Self::increment), and says the sum. It reads the key: the attempt is run again
    /// when somebody else changes it meanwhile. What cannot be counted is a reject that says so.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn number(_event: Event, host: Host) -> Outcome {
    ///     done().message(host.kv("counts").increment_and_get("invoices", 1)?)
    /// }
    ///
    /// let host = testing::host().kv("counts", "invoices", "41");
    /// let run = host.run(number, testing::event().build());
    /// assert_eq!(run.expect_done().message(), Some("42"));
    /// ```
    pub fn increment_and_get(&self, key: &str, by: i64) -> Result<i64, Failure> {
        calls::kv_increment_and_get(&self.namespace, key, by).map_err(|error| match error {
            wire::NotCounted::NotANumber => self.wrong(key, "is not a number"),
            wire::NotCounted::OutOfRange => self.wrong(key, "would not fit into 64 bits"),
        })
    }

    /// Sets the value if it is `expected`, or if there is none and none is expected; whether it did.
    ///
    /// An attempt need not do this to be safe from others; it is for values that an earlier event
    /// handed out, such as a version that a person saw.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn lock(event: Event, host: Host) -> Outcome {
    ///     if host.kv("locks").compare_and_set("deploy", None, event.kind()) {
    ///         return done();
    ///     }
    ///     retry("somebody else deploys")
    /// }
    ///
    /// let event = || testing::event().kind("blue").build();
    /// let run = testing::host().run(lock, event());
    /// assert_eq!(run.kv("locks", "deploy"), Some(&b"blue"[..]));
    /// testing::host().kv("locks", "deploy", "green").run(lock, event()).expect_retry();
    /// ```
    pub fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: impl AsRef<[u8]>,
    ) -> bool {
        calls::kv_compare_and_set(&self.namespace, key, expected, value.as_ref(), None)
    }

    fn json<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<Vec<u8>, Failure> {
        serde_json::to_vec(value)
            .map_err(|error| self.wrong(key, &format!("cannot be written as JSON: {error}")))
    }

    fn wrong(&self, key: &str, what: &str) -> Failure {
        Failure::reject(format!("`{key}` in `{}` {what}", self.namespace.name))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
