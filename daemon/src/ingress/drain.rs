//! The end of serving: told once by the owner, heard by every accept loop and connection.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Tells its tokens when to stop.
#[derive(Debug)]
pub(crate) struct Drain {
    deadline: watch::Sender<Option<Instant>>,
}

/// Hears of the end. A token whose [`Drain`] was dropped without a word hears nothing, ever.
#[derive(Clone, Debug)]
pub(crate) struct DrainToken {
    deadline: watch::Receiver<Option<Instant>>,
}

impl Drain {
    pub(crate) fn new() -> Self {
        Self { deadline: watch::Sender::new(None) }
    }

    pub(crate) fn token(&self) -> DrainToken {
        DrainToken { deadline: self.deadline.subscribe() }
    }

    /// Nothing new is taken in from now on; what is open after `within` is dropped. Said again, it
    /// can only bring the end nearer.
    pub(crate) fn begin(&self, within: Duration) {
        let end = Instant::now() + within;
        self.deadline.send_modify(|deadline| {
            *deadline = Some(deadline.map_or(end, |earlier| earlier.min(end)));
        });
    }
}

impl DrainToken {
    /// Waits for the drain to begin.
    pub(crate) async fn begun(&mut self) {
        if self.deadline.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the drain's deadline to pass.
    pub(crate) async fn ended(&mut self) {
        loop {
            let deadline = *self.deadline.borrow_and_update();
            let changed = async {
                if self.deadline.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            match deadline {
                None => changed.await,
                Some(deadline) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(deadline) => return,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_can_only_come_nearer() {
        let drain = Drain::new();
        let mut token = drain.token();
        let quiet = tokio::time::timeout(Duration::from_secs(3600), token.begun()).await;
        assert!(quiet.is_err(), "nothing was said");
        let start = Instant::now();
        drain.begin(Duration::from_secs(30));
        token.begun().await;
        drain.begin(Duration::from_secs(5));
        drain.begin(Duration::from_secs(60));
        token.ended().await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }
}
