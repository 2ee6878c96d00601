//! How a daemon ends, and that there is one of them.

use std::thread;
use std::time::Duration;

use hookyard_tests::{Daemon, Request, Traffic, Yard, until_true};
use rustix::process::Signal;

#[test]
fn a_stop_under_load_loses_nothing() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().route("q", "misbehave/ok", &[]);
    let daemon = yard.start(&config);

    let traffic = Traffic::start(daemon.public, "/q", "term", 4);
    traffic.until_acknowledged(200);
    daemon.signal(Signal::TERM);
    daemon.stopped();
    let sent = traffic.finish();

    assert!(sent.acknowledged.len() >= 200);
    yard.assert_stored(&sent);
    let daemon = yard.restart();
    yard.until_all_succeeded(&sent);
    daemon.stop();
}

#[test]
fn a_request_in_flight_is_answered_before_the_end() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard
        .config()
        .set("plugin.misbehave", r#"cpu = "20s""#)
        .set("plugin.misbehave", r#"timeout = "20s""#)
        .route("ask", "misbehave/slow", &[r#"mode = "respond""#, r#"deadline = "20s""#])
        .route("open", "misbehave/ok", &[]);
    let daemon = yard.start(&config);
    let mut idle = daemon.client();
    idle.send(&Request::github("/open", "push", "0", "{}")).accepted();

    thread::scope(|scope| {
        let waiting =
            scope.spawn(|| daemon.send(&Request::github("/ask", "push", "1", r#"{"ms":1500}"#)));
        until_true("the attempt has begun", Duration::from_secs(10), || yard.events().len() == 2);
        daemon.signal(Signal::TERM);
        let reply = waiting.join().unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (200, "worked for 1500 ms"));
    });
    assert!(idle.is_closed_within(Duration::from_secs(10)), "an idle connection is not waited for");
    daemon.stopped();
}

#[test]
fn a_second_daemon_on_the_same_folder_names_the_first_and_ends() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));

    let second = Daemon::run_to_end(&yard.config_file());
    assert!(!second.status.success());
    let said = second.log.join("\n");
    assert!(said.contains(&daemon.pid().to_string()), "it names the pid {}: {said}", daemon.pid());

    daemon.send(&Request::github("/q", "push", "1", "{}")).accepted();
    // The lock goes with its holder, however that ends.
    daemon.kill();
    yard.restart().stop();
}

#[test]
fn an_address_that_is_taken_is_said_so() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));
    let other = Yard::new();
    let listen = format!("listen = \"{}\"", daemon.public);
    other.write_config(&other.config().set("server", &listen));

    let exit = Daemon::run_to_end(&other.config_file());

    assert!(!exit.status.success());
    assert!(exit.log.join("\n").contains(&daemon.public.to_string()), "{:?}", exit.log);
}

#[test]
fn readiness_and_health_are_told_on_the_admin_listener() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));
    assert_eq!(daemon.admin("/healthz").status, 200);
    assert_eq!(daemon.admin("/readyz").status, 200);
    assert_eq!(daemon.admin("/other").status, 404);
    assert_eq!(daemon.send(&Request::new("GET", "/healthz")).status, 404, "not in public");
}
