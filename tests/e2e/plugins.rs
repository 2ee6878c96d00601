//! Plugins come, change and go while the daemon runs.

use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;

use hookyard_tests::{
    Client, Daemon, Reply, Request, Yard, attempts, outcomes, plugin_file, until_true, variant_of,
};

const RESPOND: &str = r#"mode = "respond""#;
const SOON: Duration = Duration::from_secs(30);

/// Asks the route `/ask` with a delivery of its own each time.
fn ask(client: &mut Client) -> Reply {
    let delivery = format!("ask-{}", fastrand::u64(..));
    client.send(&Request::github("/ask", "push", &delivery, "{}"))
}

#[track_caller]
fn until_variant(daemon: &Daemon, number: u32) {
    let mut client = daemon.client();
    let wanted = format!("variant {number:06}");
    until_true(&wanted, SOON, || ask(&mut client).text().contains(&wanted));
}

fn misbehave() -> Vec<u8> {
    fs::read(plugin_file("misbehave")).unwrap()
}

#[test]
fn a_start_without_the_plugin_stores_and_runs_it_once_it_is_there() {
    let yard = Yard::new();
    let config =
        yard.config().route("q", "misbehave/ok", &[]).route("ask", "misbehave/reply", &[RESPOND]);
    let daemon = yard.start(&config);

    let id = daemon.send(&Request::github("/q", "push", "1", "{}")).accepted();
    let mut client = daemon.client();
    let refused = ask(&mut client);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(daemon.admin("/healthz").status, 200, "it is alive");
    assert_eq!(yard.state(&id).as_deref(), Some("pending"));
    assert_eq!(attempts(&yard.show(&id)).len(), 0, "no attempt is wasted");

    yard.swap_plugin("misbehave", &misbehave());

    assert_eq!(outcomes(&yard.until_state(&id, "succeeded")), ["done"]);
    until_variant(&daemon, 0);
}

#[test]
fn a_deleted_plugin_is_waited_for() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config =
        yard.config().route("q", "misbehave/ok", &[]).route("ask", "misbehave/reply", &[RESPOND]);
    let daemon = yard.start(&config);
    until_variant(&daemon, 0);

    fs::remove_file(yard.plugin_path("misbehave")).unwrap();
    let mut client = daemon.client();
    until_true("respond routes answer 503", SOON, || ask(&mut client).status == 503);
    let id = daemon.send(&Request::github("/q", "push", "1", "{}")).accepted();
    assert_eq!(yard.state(&id).as_deref(), Some("pending"));

    yard.swap_plugin("misbehave", &variant_of(&misbehave(), 2));

    assert_eq!(outcomes(&yard.until_state(&id, "succeeded")), ["done"]);
    until_variant(&daemon, 2);
}

#[test]
fn a_deleted_plugin_stays_away_at_the_next_start_and_its_routes_are_named() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().route("ask", "misbehave/reply", &[RESPOND]);
    let daemon = yard.start(&config);
    until_variant(&daemon, 0);
    let mark = daemon.mark();
    fs::remove_file(yard.plugin_path("misbehave")).unwrap();
    daemon.until_logged_text(mark, "plugin retired");
    daemon.stop();

    let daemon = yard.start(&config);
    assert_eq!(ask(&mut daemon.client()).status, 503);
    let log = daemon.log_text();
    assert!(
        log.contains("plugin `misbehave` is not loaded and is used by the route `ask`"),
        "{log}"
    );
    let ready = daemon.admin("/readyz");
    assert_eq!(ready.json()["status"], "degraded", "{}", ready.text());
}

#[test]
fn a_file_that_is_written_in_two_halves_is_loaded_when_it_is_whole() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().route("ask", "misbehave/reply", &[RESPOND]);
    let daemon = yard.start(&config);
    until_variant(&daemon, 0);
    let new = variant_of(&misbehave(), 3);
    let (first, second) = new.split_at(new.len() / 2);

    // As `cp` over it does, stopped half-way and closed: the old version goes on.
    let mark = daemon.mark();
    fs::write(yard.plugin_path("misbehave"), first).unwrap();
    daemon.until_logged(mark, "the refusal of half a file", |line| {
        line["level"] != "INFO" && line.to_string().contains("misbehave.wasm")
    });
    let mut client = daemon.client();
    for _ in 0..20 {
        let reply = ask(&mut client);
        assert_eq!((reply.status, reply.text().contains("variant 000000")), (200, true));
    }

    let mut file = File::options().append(true).open(yard.plugin_path("misbehave")).unwrap();
    file.write_all(second).unwrap();
    drop(file);
    until_true("variant 3, and never a failure", SOON, || {
        let reply = ask(&mut client);
        assert_eq!(reply.status, 200);
        reply.text().contains("variant 000003")
    });
}

#[test]
fn half_a_file_at_the_start_is_503_until_it_is_whole() {
    let yard = Yard::new();
    let bytes = misbehave();
    fs::write(yard.plugin_path("misbehave"), &bytes[..bytes.len() / 2]).unwrap();
    let config =
        yard.config().route("q", "misbehave/ok", &[]).route("ask", "misbehave/reply", &[RESPOND]);
    let daemon = yard.start(&config);
    assert_eq!(ask(&mut daemon.client()).status, 503);
    let id = daemon.send(&Request::github("/q", "push", "1", "{}")).accepted();

    fs::write(yard.plugin_path("misbehave"), &bytes).unwrap();

    until_variant(&daemon, 0);
    yard.until_state(&id, "succeeded");
}

#[test]
fn at_a_restart_the_last_good_version_serves_when_the_file_has_gone_bad() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().route("ask", "misbehave/reply", &[RESPOND]);
    let daemon = yard.start(&config);
    until_variant(&daemon, 0);
    daemon.stop();

    fs::write(yard.plugin_path("misbehave"), b"gone bad").unwrap();
    let daemon = yard.restart();

    until_variant(&daemon, 0);
    yard.swap_plugin("misbehave", &variant_of(&misbehave(), 4));
    until_variant(&daemon, 4);
}

#[test]
fn the_attempt_says_which_file_ran() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config =
        yard.config().route("q", "misbehave/ok", &[]).route("ask", "misbehave/reply", &[RESPOND]);
    let daemon = yard.start(&config);
    let hash_of = |delivery: &str| {
        let id = daemon.send(&Request::github("/q", "push", delivery, "{}")).accepted();
        let shown = yard.until_state(&id, "succeeded");
        attempts(&shown)[0]["plugin_hash"].as_str().unwrap().to_owned()
    };
    let before = hash_of("before");

    let new = variant_of(&misbehave(), 5);
    yard.swap_plugin("misbehave", &new);
    until_variant(&daemon, 5);

    let after = hash_of("after");
    assert_ne!(before, after);
    assert_eq!(after, sha256(&new));
}

#[test]
fn a_version_without_the_handler_that_a_route_uses_is_refused() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().route("ask", "misbehave/reply", &[RESPOND]);
    let daemon = yard.start(&config);
    until_variant(&daemon, 0);

    // The handler's name as the manifest says it is changed in the file, not the code.
    let mut without = variant_of(&misbehave(), 6);
    let renamed = replace_all(&mut without, b"trap_once", b"trap_0nce");
    assert!(renamed > 0, "the manifest holds the handler's name");
    let stranding = yard.config().route("ask", "misbehave/reply", &[RESPOND]).route(
        "once",
        "misbehave/trap_once",
        &[],
    );
    let mark = daemon.mark();
    yard.write_config(&stranding);
    daemon.until_logged_text(mark, "configuration reloaded");

    let mark = daemon.mark();
    yard.swap_plugin("misbehave", &without);
    let line = daemon.until_logged(mark, "the refusal", |line| line["level"] != "INFO");
    assert!(line.to_string().contains("trap_once"), "it names the handler: {line}");
    assert!(ask(&mut daemon.client()).text().contains("variant 000000"));
}

fn replace_all(bytes: &mut [u8], from: &[u8], to: &[u8]) -> usize {
    assert_eq!(from.len(), to.len());
    let mut count = 0;
    for at in 0..=bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from {
            bytes[at..at + from.len()].copy_from_slice(to);
            count += 1;
        }
    }
    count
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}
