//! Pushes that keep coming in while something else goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::anyhow;

use super::delivery::Delivery;

/// Between two pushes: about fifty a second, which leaves a small machine room to compile.
const PAUSE: Duration = Duration::from_millis(20);

/// A sender on a thread of its own.
pub(crate) struct Traffic {
    enough: Arc<AtomicBool>,
    sender: JoinHandle<anyhow::Result<Sent>>,
}

/// What was sent.
#[derive(Default)]
pub(crate) struct Sent {
    /// The ids of the accepted events, in the order in which they were sent.
    pub(crate) ids: Vec<String>,
    /// What went wrong with the others.
    pub(crate) failures: Vec<String>,
}

impl Traffic {
    /// Begins to send.
    pub(crate) fn begin(url: String, secret: String) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&enough);
        let sender = thread::spawn(move || {
            let mut sent = Sent::default();
            while !told.load(Ordering::Relaxed) {
                match Delivery::push(&secret)?.send(&url) {
                    Ok(answer) if answer.status == 202 => sent.ids.push(answer.event_id()?),
                    Ok(answer) => {
                        sent.failures.push(format!("{} {}", answer.status, answer.body));
                    }
                    Err(error) => sent.failures.push(format!("{error:#}")),
                }
                thread::sleep(PAUSE);
            }
            Ok(sent)
        });
        Self { enough, sender }
    }

    /// Stops sending and says what came of it.
    pub(crate) fn end(self) -> anyhow::Result<Sent> {
        self.enough.store(true, Ordering::Relaxed);
        self.sender.join().map_err(|_| anyhow!("the sending thread panicked"))?
    }
}
