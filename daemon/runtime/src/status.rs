//! How each plugin is doing, for people.

use crate::{ContentHash, HandlerInfo};

/// How a plugin, or a file that did not become one, is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginStatus {
    /// The plugin's name; for a file that never loaded, the file's name.
    pub name: String,
    /// The file in the plugins folder; empty when the plugin is served from the cache and its file
    /// is gone.
    pub file: String,
    /// What its manifest says; empty when nothing is loaded.
    pub version: String,
    /// The SHA-256 of what serves.
    pub hash: Option<ContentHash>,
    /// What serves.
    pub handlers: Vec<HandlerInfo>,
    pub state: State,
    /// Why the newest file does not serve: what, where and what to do, in one sentence.
    pub last_error: Option<String>,
}

/// Whether a plugin serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The file in the folder serves.
    Ready,
    /// An older version serves; `last_error` says why the newest does not.
    Degraded,
    /// Nothing of it serves; `last_error` says why.
    Failed,
}

impl State {
    /// `ready`, `degraded` or `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

impl PluginStatus {
    pub(crate) fn failed(name: String, file: String, error: String) -> Self {
        Self {
            name,
            file,
            version: String::new(),
            hash: None,
            handlers: Vec::new(),
            state: State::Failed,
            last_error: Some(error),
        }
    }
}
