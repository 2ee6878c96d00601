//! What a plugin may do and use, and who decides it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::{KvGrant, Manifest, SecretText};

/// The bounds of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall clock, from the moment the instance is made.
    pub timeout: Duration,
    /// Time on a processor, the guest's code and the host's work for it together.
    pub cpu: Duration,
    /// Bytes of all linear memories together; never more than the engine's `max_memory`.
    pub memory: u64,
    /// Bytes of log lines kept: messages, field names and values, and 32 for each line. What does
    /// not fit is dropped and counted.
    pub log_bytes: usize,
    /// Bytes of a reply's body and header lines together.
    pub reply_bytes: usize,
    /// Bytes of a key of `kv`.
    pub kv_key_bytes: usize,
    /// Bytes of a value of `kv`.
    pub kv_value_bytes: usize,
    /// Bytes that an attempt may read and change through `kv`: keys, values, 1024 for each call and
    /// 64 for each listed entry.
    pub kv_attempt_bytes: usize,
    /// Requests that an attempt may make through connections.
    pub requests: u32,
    /// Bytes of all their requests and answers together: paths, queries, headers and bodies, as the
    /// plugin gives and gets them.
    pub request_bytes: usize,
    /// Bytes of a message.
    pub queue_message_bytes: usize,
    /// Bytes of the messages that an attempt sends, and 1024 for each.
    pub queue_attempt_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            cpu: Duration::from_secs(1),
            memory: 64 << 20,
            log_bytes: 64 << 10,
            reply_bytes: 1 << 20,
            kv_key_bytes: 512,
            kv_value_bytes: 64 << 10,
            kv_attempt_bytes: 256 << 10,
            requests: 20,
            request_bytes: 4 << 20,
            queue_message_bytes: 64 << 10,
            queue_attempt_bytes: 256 << 10,
        }
    }
}

/// What config.toml gives a plugin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grant {
    pub limits: Limits,
    /// What the plugin reads as its settings.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// The secrets that it may read, by the names under which it asks for them. What it says of an
    /// attempt is told without them.
    pub secrets: BTreeMap<String, SecretText>,
    /// Whether it may keep things, and which namespaces it shares.
    pub kv: Option<KvGrant>,
    /// The connections that it may use.
    pub connections: BTreeSet<String>,
    /// The topics that it may send to; without any it cannot import `queue`.
    pub topics: BTreeSet<String>,
}

/// Decides which plugins may serve, and with what. The daemon answers from its configuration.
///
/// The methods are called from the loader's thread and from [`Plugins::check`] and
/// [`Plugins::readmit`]; they must not wait for the loader.
///
/// [`Plugins::check`]: crate::Plugins::check
/// [`Plugins::readmit`]: crate::Plugins::readmit
pub trait Admission: Send + Sync + 'static {
    /// What a plugin with this manifest gets.
    ///
    /// # Errors
    /// Why it must not serve: a whole sentence that names both sides and says what to change, as
    /// "route `github` uses `github-push/record`, which this version does not have: …".
    fn admit(&self, manifest: &Manifest) -> Result<Grant, String>;

    /// The plugins that routes use. At a start, one of these that has no good file is served by its
    /// last good version.
    fn wanted(&self) -> Vec<String> {
        Vec::new()
    }
}
