//! Tests that load the machine or measure on it: one at a time, and cargo runs this binary when no
//! other is running.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is the failure that a test reports"
)]

mod kills;
mod loops;
mod messages;
mod reloads;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by each test while it runs.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
