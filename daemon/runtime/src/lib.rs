//! Plugins: loading, reload, limits and calls, on wasmtime. Knows no HTTP and no store.
//!
//! [`Plugins`] watches a folder and keeps the newest good version of each plugin in it. A
//! [`Plugin`] runs a handler on an event, in a fresh instance with its own bounds, and always
//! answers with an [`Attempt`]: nothing that a plugin does is an error of the daemon.
//!
//! What a plugin may do and use is decided by the caller's [`Admission`].

mod artefact;
mod attempt;
mod bindings;
mod cache;
mod compile;
mod connection;
mod engine;
mod failure;
mod folder;
mod grant;
mod hash;
mod inspect;
mod kv;
mod loader;
mod manifest;
mod meter;
mod options;
mod plugin;
mod plugins;
mod queue;
mod reply;
mod secret;
mod shape;
mod state;
mod status;
mod text;
mod version;
mod wasi;
mod watch;

/// Bounds that no option changes.
pub mod fixed {
    pub use crate::engine::{
        KEEP_RESIDENT, MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_STACK, MAX_TABLE_ELEMENTS, MAX_TABLES,
        STACK,
    };
    pub use crate::plugins::MAX_WORKERS;
    pub use crate::version::COPY_SLACK;
    pub use crate::wasi::MAX_HANDLES;
}

pub use attempt::{Attempt, Level, LogLine, Outcome, Reply};
pub use compile::compile_main;
pub use connection::{Answer, Call, CallError, Called, Connections};
pub use grant::{Admission, Grant, Limits};
pub use hash::ContentHash;
pub use inspect::{Inspected, Parts, inspect};
pub use kv::{Kv, KvEffects, KvGrant};
pub use manifest::{ANY_CONNECTION, HandlerInfo, InvalidManifest, Manifest, Need, Setting};
pub use options::{Compiler, Options};
pub use plugin::Plugin;
pub use plugins::{Plugins, StartError};
pub use queue::{SendKey, Sending};
pub use secret::{SecretText, UnfitSecret};
pub use status::{PluginStatus, State as PluginState};
