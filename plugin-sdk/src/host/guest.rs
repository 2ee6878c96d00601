//! The calls inside the sandbox: the imported interfaces.

use crate::guest::bindings::imports::hookyard::plugin::{
    clock, connection, kv, log as imported, queue, random, secret, settings,
};
use crate::log::Level;

pub(crate) fn log(level: Level, message: String, fields: Vec<(String, String)>) {
    let level = match level {
        Level::Debug => imported::Level::Debug,
        Level::Info => imported::Level::Info,
        Level::Warn => imported::Level::Warn,
        Level::Error => imported::Level::Error,
    };
    imported::write(level, &message, &fields);
}

pub(crate) fn setting(name: &str) -> Option<String> {
    settings::get(name)
}

pub(crate) fn secret(name: &str) -> Option<String> {
    secret::get(name)
}

pub(crate) fn now() -> u64 {
    clock::now()
}

pub(crate) fn monotonic() -> u64 {
    clock::monotonic()
}

/// At most 64 KiB.
pub(crate) fn random(len: usize) -> Vec<u8> {
    random::bytes(len as u32)
}

pub(crate) fn kv_get(namespace: &kv::Namespace, key: &str) -> Option<Vec<u8>> {
    kv::get(namespace, key)
}

pub(crate) fn kv_set(namespace: &kv::Namespace, key: &str, value: &[u8], ttl_ms: Option<u64>) {
    kv::set(namespace, key, value, ttl_ms);
}

pub(crate) fn kv_delete(namespace: &kv::Namespace, key: &str) {
    kv::delete(namespace, key);
}

pub(crate) fn kv_list(
    namespace: &kv::Namespace,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> kv::Page {
    kv::list(namespace, prefix, after, limit)
}

pub(crate) fn kv_increment(namespace: &kv::Namespace, key: &str, by: i64) {
    kv::increment(namespace, key, by);
}

pub(crate) fn kv_increment_and_get(
    namespace: &kv::Namespace,
    key: &str,
    by: i64,
) -> Result<i64, kv::NotCounted> {
    kv::increment_and_get(namespace, key, by)
}

pub(crate) fn kv_compare_and_set(
    namespace: &kv::Namespace,
    key: &str,
    expected: Option<&[u8]>,
    value: &[u8],
    ttl_ms: Option<u64>,
) -> bool {
    kv::compare_and_set(namespace, key, expected, value, ttl_ms)
}

pub(crate) fn connection_request(
    name: &str,
    call: &connection::Call,
) -> Result<connection::Response, connection::Error> {
    connection::request(name, call)
}

pub(crate) fn queue_send(
    topic: &str,
    body: &[u8],
    due: queue::Due,
    dedupe: Option<&queue::Dedupe>,
) -> String {
    queue::send(topic, body, due, dedupe)
}
