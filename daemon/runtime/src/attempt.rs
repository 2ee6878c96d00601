//! What came of one attempt.

use std::fmt;
use std::time::{Duration, SystemTime};

use hookyard_types::OutgoingRequest;

use crate::{ContentHash, KvEffects, Sending};

/// What came of one attempt, with what it cost.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub outcome: Outcome,
    /// In the order written, no more than the plugin's `log_bytes`.
    pub log: Vec<LogLine>,
    /// Lines that were written past `log_bytes`.
    pub log_dropped: u64,
    /// Wall clock, without the wait for a free instance.
    pub duration: Duration,
    /// Time on a processor.
    pub cpu: Duration,
    /// The most bytes that its linear memories had together.
    pub memory_peak: u64,
    /// What it saw of what plugins keep, and what it wants to change there.
    pub kv: KvEffects,
    /// The requests that it made through connections, in their order; those happened, whatever the
    /// outcome is.
    pub requests: Vec<OutgoingRequest>,
    /// What it wants to send; to be sent with a good outcome, and not with another.
    pub sendings: Vec<Sending>,
    /// The file that was run.
    pub plugin_hash: ContentHash,
}

/// How an attempt ended. Messages are for a person, at most 4 KiB long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The event was handled.
    Done { reply: Option<Reply>, message: Option<String> },
    /// The event is not for this handler; why.
    Ignored(String),
    /// The handler asks for another attempt.
    Retry {
        /// Not before this much time from now; without it the caller's back-off decides.
        after: Option<Duration>,
        message: String,
    },
    /// No further attempt can succeed; why.
    Reject(String),
    /// The plugin broke: a wasm trap, a panic, an answer that is not one.
    Trap(String),
    /// `timeout`, `cpu` or the caller's deadline passed.
    Timeout(String),
    /// The plugin met another of its limits: memory, reply or copied bytes.
    Limit(String),
}

/// An HTTP answer: the status is 200 to 599, there are at most 256 header lines, names and values are
/// valid in HTTP/1 and none of them belongs to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// A line that the handler logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub at: SystemTime,
    pub level: Level,
    /// As the plugin wrote it: line breaks and control characters included.
    pub message: String,
    pub fields: Vec<(String, String)>,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// `debug`, `info`, `warn` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
