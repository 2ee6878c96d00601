//! Nothing acknowledged is lost: not by SIGKILL, and not by a power cut.

use std::thread;
use std::time::{Duration, Instant};

use hookyard_tests::{Config, Daemon, PowerCut, Sent, Traffic, Yard, outcomes};

use crate::alone;

/// How often the daemon is killed.
const KILLS: u32 = 20;
/// How often the power is cut.
const CUTS: u32 = 20;
/// How many deliveries are acknowledged before each of them, at least.
const ACKNOWLEDGED: u64 = 200;
const SENDERS: usize = 8;

fn config(yard: &Yard) -> Config {
    yard.config()
        // Small, so that checkpoints and restarts of the log fall into the test.
        .set("store", r#"wal_max = "1MiB""#)
        .route("q", "misbehave/ok", &[])
}

#[test]
fn no_acknowledged_delivery_is_lost_by_sigkill() {
    let _alone = alone();
    let yard = Yard::with_plugins(&["misbehave"]);
    yard.write_config(&config(&yard));
    let start = || yard.restart();
    let all = crash(&yard, KILLS, "kill", start, |daemon| {
        daemon.kill();
    });
    let daemon = start();
    handled_once(&yard, &daemon, &all);
    daemon.stop();
}

#[test]
fn no_acknowledged_delivery_is_lost_by_a_power_cut() {
    let _alone = alone();
    let yard = Yard::with_plugins(&["misbehave"]);
    yard.write_config(&config(&yard));
    let cut = PowerCut::new(&yard.data());
    let start = || Daemon::start(&yard.config_file(), |command| cut.apply(command));
    let all = crash(&yard, CUTS, "cut", start, |daemon| {
        daemon.kill();
        cut.cut();
    });
    // Without this the shim was not in the daemon and the test has shown nothing.
    let database = cut.durable("hookyard.db").expect("the shim saw the database being synced");
    assert!(!database.is_empty());
    let daemon = start();
    handled_once(&yard, &daemon, &all);
    daemon.stop();
}

/// Lets senders send, ends the daemon at a random moment, starts it again, and looks for every
/// acknowledged delivery; `times` times. Returns everything that was acknowledged.
fn crash(
    yard: &Yard,
    times: u32,
    name: &str,
    start: impl Fn() -> Daemon,
    end: impl Fn(Daemon),
) -> Sent {
    let began = Instant::now();
    let mut all = Sent::default();
    let mut daemon = start();
    for round in 0..times {
        let traffic = Traffic::start(daemon.public, "/q", &format!("{name}-{round}"), SENDERS);
        traffic.until_acknowledged(ACKNOWLEDGED);
        // Not to wait for anything: the moment is to be any moment of the traffic.
        thread::sleep(Duration::from_micros(fastrand::u64(0..60_000)));
        end(daemon);
        let sent = traffic.finish();
        assert!(sent.refused.is_empty(), "refused: {:?}", sent.refused);

        // Before the next daemon has touched the store, and after it has.
        yard.assert_stored(&sent);
        daemon = start();
        yard.assert_stored(&sent);
        // Who got no answer sends again; whatever had become of it, now it is acknowledged.
        let mut client = daemon.client();
        let mut sent = sent;
        for delivery in std::mem::take(&mut sent.unanswered) {
            let id = client.send(&Sent::again("/q", &delivery)).accepted();
            sent.acknowledged.insert(delivery, id);
        }
        yard.until_all_succeeded(&sent);
        all.acknowledged.extend(sent.acknowledged);
    }
    yard.assert_stored(&all);
    eprintln!(
        "{name}: {times} times, {} acknowledged deliveries, {:?}",
        all.acknowledged.len(),
        began.elapsed()
    );
    end(daemon);
    all
}

/// Each delivery is one event, and each event was handled with success once; an attempt that the
/// end of a daemon interrupted is on record as that.
fn handled_once(yard: &Yard, daemon: &Daemon, all: &Sent) {
    yard.until_all_succeeded(all);
    let events = yard.events();
    assert_eq!(events.len(), all.acknowledged.len(), "one event for each delivery");
    for (delivery, id) in all.acknowledged.iter().step_by(1 + all.acknowledged.len() / 50) {
        let shown = yard.show(id);
        let mut ended = outcomes(&shown);
        assert_eq!(ended.pop(), Some("done"), "{delivery}: {shown}");
        assert!(ended.iter().all(|outcome| *outcome == "interrupted"), "{delivery}: {ended:?}");
        let again = daemon.send(&Sent::again("/q", delivery));
        assert_eq!(&again.accepted(), id, "{delivery} is still known");
    }
}
