//! What a plugin is granted, and what bounds it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::SecretRef;

/// The most that a plugin's `memory` can be. One instruction can fill it, and none can be
/// interrupted: a plugin must not hold an I/O thread for longer than a moment.
pub(crate) const MAX_PLUGIN_MEMORY: u64 = 1 << 30;

/// When a plugin that keeps breaking is left alone, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Breaker {
    /// Attempts in a row that trap or cross a limit.
    pub(crate) failures: u32,
    /// Until one attempt is tried; doubled for each of those in a row that breaks.
    pub(crate) pause: Duration,
    /// No pause is longer.
    pub(crate) max_pause: Duration,
}

impl Breaker {
    /// What there is without a word in the configuration.
    pub(crate) const BUILT_IN: Self =
        Self { failures: 10, pause: Duration::from_secs(30), max_pause: Duration::from_secs(600) };
}

/// What bounds one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginLimits {
    /// Wall clock of an attempt.
    pub(crate) timeout: Duration,
    /// Time inside the guest, of an attempt.
    pub(crate) cpu: Duration,
    /// Bytes of linear memory.
    pub(crate) memory: u64,
    /// Attempts running at one time.
    pub(crate) concurrency: usize,
    /// Bytes of log lines kept of an attempt.
    pub(crate) log_bytes: usize,
    /// Bytes that its lines may add to the daemon's log in a second.
    pub(crate) log_rate: u64,
    /// Bytes of a reply, headers and body.
    pub(crate) reply_bytes: usize,
    /// Bytes of a key.
    pub(crate) kv_key_bytes: usize,
    /// Bytes of a value.
    pub(crate) kv_value_bytes: usize,
    /// Bytes that an attempt reads and changes.
    pub(crate) kv_attempt_bytes: usize,
    /// Bytes of all that it keeps, and of each shared namespace that it makes grow.
    pub(crate) kv_bytes: u64,
    /// Requests through connections, of an attempt.
    pub(crate) requests: u32,
    /// Bytes of those and of their answers.
    pub(crate) request_bytes: usize,
    /// Bytes of a message.
    pub(crate) queue_message_bytes: usize,
    /// Bytes of the messages of an attempt.
    pub(crate) queue_attempt_bytes: usize,
    /// `None` where a plugin that keeps breaking is tried all the same.
    pub(crate) breaker: Option<Breaker>,
}

impl PluginLimits {
    /// What there is without a word in the configuration.
    pub(crate) const BUILT_IN: Self = Self {
        timeout: Duration::from_secs(10),
        cpu: Duration::from_secs(1),
        memory: 64 << 20,
        concurrency: 32,
        log_bytes: 64 << 10,
        log_rate: 64 << 10,
        reply_bytes: 1 << 20,
        kv_key_bytes: 512,
        kv_value_bytes: 64 << 10,
        kv_attempt_bytes: 256 << 10,
        kv_bytes: 16 << 20,
        requests: 20,
        request_bytes: 4 << 20,
        queue_message_bytes: 64 << 10,
        queue_attempt_bytes: 256 << 10,
        breaker: Some(Breaker::BUILT_IN),
    };
}

/// `[plugin.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plugin {
    pub(crate) limits: PluginLimits,
    /// Whether it may keep things, and the namespaces that it shares.
    pub(crate) kv: Option<BTreeSet<String>>,
    /// The connections that it may use.
    pub(crate) connections: BTreeSet<String>,
    /// The secrets that it may read, by the names under which it asks for them.
    pub(crate) secrets: BTreeMap<String, SecretRef>,
    /// The topics that it may send to; each has a table.
    pub(crate) topics: BTreeSet<String>,
    pub(crate) settings: BTreeMap<String, serde_json::Value>,
}
