//! What a user of Hookyard would notice, tried on the real binary. Tests that measure, or load the
//! machine, are in `heavy/`.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is the failure that a test reports"
)]

mod answers;
mod arming;
mod configuration;
mod connections;
mod deliveries;
mod full;
mod handshakes;
mod hostile;
mod keeping;
mod keys;
mod languages;
mod limits;
mod plugins;
mod postback;
mod powercut;
mod queues;
mod refusals;
mod respond;
mod retries;
mod schedules;
mod secrets;
mod send;
mod senders;
mod shipped;
mod stopping;
mod tls;
