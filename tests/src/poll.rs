//! Waiting for something to be so.

use std::thread;
use std::time::{Duration, Instant};

/// Asks every 10 ms until there is an answer, and panics with `what` when there is none in time.
#[track_caller]
pub fn until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain for this: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// [`until`] for a yes.
#[track_caller]
pub fn until_true(what: &str, limit: Duration, mut ask: impl FnMut() -> bool) {
    until(what, limit, || ask().then_some(()));
}
