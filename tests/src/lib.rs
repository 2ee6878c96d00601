//! What the end-to-end tests are written with: a folder with a configuration and plugins in it
//! ([`Yard`]), the real daemon running on it ([`Daemon`]), and a client that signs ([`Client`]).
//!
//! Nothing here sleeps in order to let something happen: [`until`] asks again and again, and says
//! what it waited for when the time is over.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic here is the failure of the test that called"
)]

mod binary;
mod client;
mod clock;
mod config;
pub mod courier;
mod crash;
mod daemon;
mod disk;
mod http2;
mod poll;
mod powercut;
mod recorded;
mod request;
mod shim;
mod stand_in;
mod yard;

pub use binary::{hookyard, plugin_file, unbuilt, variant_of};
pub use client::{Client, ClientError, Reply};
pub use clock::Clock;
pub use config::{Config, SECRET, SECRET_VARIABLE};
pub use crash::{Sent, Traffic};
pub use daemon::{Daemon, Exit};
pub use disk::SmallDisk;
pub use http2::{TlsFiles, http2_cleartext, http2_tls, http2_unfinished, serves_certificate};
pub use poll::{until, until_true};
pub use powercut::PowerCut;
pub use recorded::Recorded;
pub use request::{Request, hmac_sha256};
pub use stand_in::{Asked, StandIn};
pub use yard::{Yard, attempts, outcomes};
