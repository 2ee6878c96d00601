//! Write a Hookyard plugin: handlers for webhooks, compiled to WebAssembly.
//!
//! A plugin is a crate of `crate-type = ["cdylib", "rlib"]` with one or more functions marked
//! [`#[handler]`](handler) and one [`plugin!`] that names them:
//!
//! ```
//! use hookyard_sdk::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Push {
//!     r#ref: String,
//!     commits: Vec<Value>,
//! }
//!
//! /// Counts the commits of each push to the main branch.
//! #[handler(kinds("push"))]
//! fn count(event: Event, host: Host) -> Outcome {
//!     let push: Push = event.json()?; // a body of another shape is a reject, with the reason
//!     if push.r#ref != "refs/heads/main" {
//!         return ignore("not the main branch");
//!     }
//!     host.info(format!("{} commits", push.commits.len()));
//!     done()
//! }
//!
//! hookyard_sdk::plugin!(count);
//! # fn main() {}
//! ```
//!
//! Built for `wasm32-unknown-unknown` (or `wasm32-wasip2`) and dropped into the daemon's plugins
//! folder, it runs there in a sandbox. The same code compiles for the machine that you work on, and
//! [`testing`] runs a handler there against a made-up host, so that tests are ordinary `cargo test`.
//!
//! What happens to an event is the handler's [`Outcome`]: [`done`](outcome::done),
//! [`ignore`](outcome::ignore), [`retry`](outcome::retry) or [`reject`](outcome::reject). A panic is
//! a failed attempt, which is tried again; its message is logged.

mod connection;
mod event;
mod firing;
mod guest;
mod host;
mod kv;
pub mod log;
mod message;
pub mod outcome;
mod plugin;
mod queue;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use connection::{Connection, ConnectionError, NextPage, Pages, RequestBuilder, Response};
pub use event::{Event, Form};
pub use firing::Firing;
pub use hookyard_sdk_macros::{handler, plugin};
pub use host::{Attempt, Host};
pub use kv::{Entry, Kv, Page};
pub use message::Message;
pub use outcome::{Done, Failure, Outcome, Reply};
pub use queue::Queue;
/// The serde that the SDK uses, for `#[serde(crate = "hookyard_sdk::serde")]`.
pub use serde;
/// The serde_json that the SDK uses.
pub use serde_json;

/// Everything that a plugin usually needs, for `use hookyard_sdk::prelude::*;`.
///
/// `Deserialize` and `Serialize` are here as traits and as derives; the derives also need `serde` in
/// the plugin's own Cargo.toml.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// /// Says what it got.
/// #[handler]
/// fn tell(event: Event, _host: Host) -> Outcome {
///     info!(bytes = event.body().len(); "got a {}", event.kind());
///     reply(200).json(&json!({ "kind": event.kind() }))
/// }
///
/// hookyard_sdk::plugin!(tell);
/// # fn main() {}
/// ```
pub mod prelude {
    pub use std::time::Duration;

    pub use serde::{Deserialize, Serialize};
    pub use serde_json::{Value, json};

    pub use crate::outcome::{
        Done, Failure, OrFail, Outcome, OutcomeExt, Reply, done, ignore, reject, reply, retry,
    };
    pub use crate::{
        Attempt, Connection, ConnectionError, Event, Firing, Form, Host, Kv, Message, NextPage,
        Response, debug, error, handler, info, warn,
    };
}

/// What the macros expand to. Not for people; it may change in any version.
#[doc(hidden)]
pub mod __private {
    pub use crate::__export as export;
    pub use crate::guest::bindings;
    pub use crate::plugin::{
        Handler, HandlerEntry, Need, Plugin, Setting, check_handler_names, check_needs,
        check_plugin_name,
    };
}
