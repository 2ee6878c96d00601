//! The calls inside the sandbox: the imported interfaces.

use crate::guest::bindings::imports::hookyard::plugin::{clock, log as imported, random, settings};
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
