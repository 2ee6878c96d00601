//! Senders that go on until the daemon is gone, and remember what they were told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::{Client, Request, until_true};

/// What several senders were answered.
#[derive(Debug, Default)]
pub struct Sent {
    /// Delivery id → event id of everything answered 2xx.
    pub acknowledged: BTreeMap<String, String>,
    /// Delivery ids of requests that got no answer.
    pub unanswered: Vec<String>,
    /// Answers that were not 2xx, in words.
    pub refused: Vec<String>,
}

/// Senders at work, each on its own connection, one delivery after the other.
#[derive(Debug)]
pub struct Traffic {
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Sent>>,
}

impl Traffic {
    /// Starts `senders` threads that send to `path` until the daemon is gone or
    /// [`Traffic::finish`] is called. Delivery ids begin with `name`.
    pub fn start(address: SocketAddr, path: &str, name: &str, senders: usize) -> Self {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let senders = (0..senders)
            .map(|sender| {
                let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
                let (path, name) = (path.to_owned(), format!("{name}-{sender}"));
                thread::spawn(move || send(address, &path, &name, &acknowledged, &stop))
            })
            .collect();
        Self { acknowledged, stop, senders }
    }

    /// Waits until this many were acknowledged.
    #[track_caller]
    pub fn until_acknowledged(&self, count: u64) {
        until_true(&format!("{count} acknowledged deliveries"), Duration::from_secs(30), || {
            self.acknowledged.load(Ordering::Relaxed) >= count
        });
    }

    /// Ends the senders (each finishes the request that it is at) and gathers what they know.
    #[track_caller]
    pub fn finish(self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Sent::default();
        for sender in self.senders {
            let sent = sender.join().expect("a sender does not panic");
            all.acknowledged.extend(sent.acknowledged);
            all.unanswered.extend(sent.unanswered);
            all.refused.extend(sent.refused);
        }
        all
    }
}

/// The body of a delivery of [`Traffic`], so that it can be sent again.
pub(crate) fn body(delivery: &str) -> String {
    // Of the size of a small real one, so that pages and log frames are filled like real ones.
    format!(r#"{{"delivery":{delivery:?},"padding":{:?}}}"#, "x".repeat(900))
}

impl Sent {
    /// The request of a delivery, as it was sent.
    pub fn again(path: &str, delivery: &str) -> Request {
        Request::github(path, "push", delivery, body(delivery))
    }
}

fn send(
    address: SocketAddr,
    path: &str,
    name: &str,
    acknowledged: &AtomicU64,
    stop: &AtomicBool,
) -> Sent {
    let mut sent = Sent::default();
    let Ok(mut client) = Client::try_connect(address) else { return sent };
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let delivery = format!("{name}-{number}");
        match client.try_send(&Sent::again(path, &delivery)) {
            Ok(reply) if reply.status == 202 => {
                sent.acknowledged.insert(delivery, reply.accepted());
                acknowledged.fetch_add(1, Ordering::Relaxed);
                // A daemon that is going away says so.
                if reply.header("connection") == Some("close") {
                    match Client::try_connect(address) {
                        Ok(next) => client = next,
                        Err(_) => break,
                    }
                }
            }
            Ok(reply) => {
                sent.refused.push(format!("{delivery}: {} {}", reply.status, reply.text()));
                // Refused for now: a real sender comes back much later than this.
                thread::sleep(Duration::from_millis(2));
            }
            Err(_) => {
                sent.unanswered.push(delivery);
                break;
            }
        }
    }
    sent
}
