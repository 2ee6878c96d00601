//! The calls outside of a sandbox: the fake host of the test that runs on this thread.

use std::cell::RefCell;

use crate::guest::bindings::imports::hookyard::plugin::{connection, kv, queue};
use crate::log::Level;
use crate::testing::Fake;

thread_local! {
    static FAKE: RefCell<Option<Fake>> = const { RefCell::new(None) };
}

/// Runs `body` with `fake` as the host; gives the fake back, with what it was told.
pub(crate) fn with_fake<R>(fake: Fake, body: impl FnOnce() -> R) -> (R, Fake) {
    /// Takes the fake away again even when the handler panics, as a test may expect it to.
    struct Installed(Option<Fake>);
    impl Drop for Installed {
        fn drop(&mut self) {
            FAKE.set(self.0.take());
        }
    }
    let before = Installed(FAKE.replace(Some(fake)));
    let result = body();
    let fake = FAKE.take().expect("nothing else takes the fake of this thread");
    drop(before);
    (result, fake)
}

fn ask<R>(question: impl FnOnce(&mut Fake) -> R) -> R {
    FAKE.with_borrow_mut(|fake| match fake {
        Some(fake) => question(fake),
        None => panic!(
            "a Host was used on a thread that runs no handler: outside of the daemon, call handlers through hookyard_sdk::testing"
        ),
    })
}

pub(crate) fn log(level: Level, message: String, fields: Vec<(String, String)>) {
    FAKE.with_borrow_mut(|fake| match fake {
        Some(fake) => fake.log(level, message, fields),
        // The macros may run in a test of some function that no handler calls.
        None => eprintln!("{level}: {message} {fields:?}"),
    });
}

pub(crate) fn setting(name: &str) -> Option<String> {
    ask(|fake| fake.setting_text(name))
}

pub(crate) fn secret(name: &str) -> Option<String> {
    ask(|fake| fake.secret(name))
}

pub(crate) fn now() -> u64 {
    ask(|fake| fake.now_millis())
}

pub(crate) fn monotonic() -> u64 {
    ask(Fake::next_monotonic)
}

pub(crate) fn random(len: usize) -> Vec<u8> {
    ask(|fake| fake.random(len))
}

pub(crate) fn kv_get(namespace: &kv::Namespace, key: &str) -> Option<Vec<u8>> {
    ask(|fake| fake.kv_get(namespace, key))
}

pub(crate) fn kv_set(namespace: &kv::Namespace, key: &str, value: &[u8], ttl_ms: Option<u64>) {
    ask(|fake| fake.kv_set(namespace, key, value, ttl_ms));
}

pub(crate) fn kv_delete(namespace: &kv::Namespace, key: &str) {
    ask(|fake| fake.kv_delete(namespace, key));
}

pub(crate) fn kv_list(
    namespace: &kv::Namespace,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> kv::Page {
    ask(|fake| fake.kv_list(namespace, prefix, after, limit))
}

pub(crate) fn kv_increment(namespace: &kv::Namespace, key: &str, by: i64) {
    let counted = ask(|fake| fake.kv_add(namespace, key, by));
    if let Err(error) = counted {
        // The daemon fails the attempt, which a test sees as a panic.
        panic!("`{key}` in `{}` cannot be incremented: {error:?}", namespace.name);
    }
}

pub(crate) fn kv_increment_and_get(
    namespace: &kv::Namespace,
    key: &str,
    by: i64,
) -> Result<i64, kv::NotCounted> {
    ask(|fake| fake.kv_add(namespace, key, by))
}

pub(crate) fn kv_compare_and_set(
    namespace: &kv::Namespace,
    key: &str,
    expected: Option<&[u8]>,
    value: &[u8],
    ttl_ms: Option<u64>,
) -> bool {
    ask(|fake| {
        let same = fake.kv_get(namespace, key).as_deref() == expected;
        if same {
            fake.kv_set(namespace, key, value, ttl_ms);
        }
        same
    })
}

pub(crate) fn connection_request(
    name: &str,
    call: &connection::Call,
) -> Result<connection::Response, connection::Error> {
    ask(|fake| fake.connection_request(name, call))
}

pub(crate) fn queue_send(
    topic: &str,
    body: &[u8],
    due: queue::Due,
    dedupe: Option<&queue::Dedupe>,
) -> String {
    ask(|fake| fake.queue_send(topic, body, due, dedupe))
}
