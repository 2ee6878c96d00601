//! A disk that is full: refused with 503, nothing lost, and back when there is space.

use std::time::Duration;

use hookyard_tests::{Client, Daemon, Reply, Request, SmallDisk, Yard, until_true};

const LIMIT: Duration = Duration::from_secs(60);

/// Sends deliveries of 32 KiB until one is refused; returns the ids of the acknowledged ones and
/// the refusal.
fn send_until_refused(client: &mut Client, name: &str) -> (Vec<String>, Reply) {
    let mut acknowledged = Vec::new();
    for number in 0..4000 {
        let delivery = format!("{name}-{number}");
        let reply = client.send(&Request::github("/q", "push", &delivery, vec![b' '; 32 << 10]));
        if reply.status != 202 {
            return (acknowledged, reply);
        }
        acknowledged.push(reply.accepted());
    }
    panic!("4000 deliveries of 32 KiB fit on the small disk");
}

#[track_caller]
fn assert_all_handled(yard: &Yard, acknowledged: &[String]) {
    until_true("every acknowledged event is handled", LIMIT, || {
        let events = yard.events();
        acknowledged
            .iter()
            .all(|id| events.iter().any(|e| e["id"] == **id && e["state"] == "succeeded"))
    });
}

#[test]
fn a_full_disk_is_503_while_completions_commit_and_recovers_when_there_is_space() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let disk = SmallDisk::new(&yard.data(), "24m");
    let config = yard
        .config()
        .set("store", r#"wal_max = "1MiB""#)
        .set("store", r#"min_free = "4MiB""#)
        .route("q", "misbehave/ok", &[]);
    yard.write_config(&config);
    let daemon = Daemon::start(&yard.config_file(), |command| disk.wrap(command));
    let data = disk.seen_from_here(&yard, daemon.pid());
    let ballast = data.join("ballast");
    SmallDisk::fill(&ballast, 10 << 20);

    let mut client = daemon.client();
    let (first, refusal) = send_until_refused(&mut client, "first");
    assert!(!first.is_empty());
    assert_eq!(refusal.status, 503, "{refusal:?}");
    assert!(refusal.header("retry-after").is_some(), "{refusal:?}");
    assert_eq!(daemon.admin("/healthz").status, 200, "full is not dead");

    // What was taken in before is handled all the same, and can be looked at.
    assert_all_handled(&yard, &first);

    // Not one byte left, for whatever is in flight.
    SmallDisk::fill(&data.join("rest"), usize::MAX);
    let reply = client.send(&Request::github("/q", "push", "none", vec![b' '; 32 << 10]));
    assert_eq!(reply.status, 503, "{reply:?}");

    SmallDisk::free(&data.join("rest"));
    SmallDisk::free(&ballast);
    until_true("deliveries are taken again", LIMIT, || {
        client.send(&Request::github("/q", "push", "back", "{}")).status == 202
    });
    let (second, refusal) = send_until_refused(&mut client, "second");
    assert!(second.len() > 20, "{} went into 10 MiB", second.len());
    assert_eq!(refusal.status, 503);
    assert_all_handled(&yard, &second);
    assert_all_handled(&yard, &first);
    daemon.stop();
}

#[test]
fn a_store_at_its_max_size_is_503_and_what_it_took_is_handled() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard
        .config()
        .set("store", r#"wal_max = "1MiB""#)
        .set("store", r#"max_size = "16MiB""#)
        .route("q", "misbehave/ok", &[]);
    let daemon = yard.start(&config);

    let (acknowledged, refusal) = send_until_refused(&mut daemon.client(), "n");

    assert_eq!(refusal.status, 503, "{refusal:?}");
    assert!(refusal.header("retry-after").is_some());
    assert!(acknowledged.len() > 100, "{} went into 16 MiB", acknowledged.len());
    assert_all_handled(&yard, &acknowledged);

    // A larger limit, and a start: the same store takes more.
    daemon.stop();
    let daemon = yard.start(&config.set("store", r#"max_size = "64MiB""#));
    daemon.send(&Request::github("/q", "push", "more", "{}")).accepted();
    assert_all_handled(&yard, &acknowledged);
}
