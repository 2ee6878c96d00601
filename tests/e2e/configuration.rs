//! The configuration changes while the daemon runs; a bad change is refused.

use std::fs;
use std::time::Duration;

use hookyard_tests::{Daemon, Request, SECRET, Yard, until_true};
use rustix::process::Signal;

#[test]
fn a_route_that_is_added_serves_and_one_that_is_removed_is_gone() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let one = yard.config().route("one", "misbehave/ok", &[]);
    let daemon = yard.start(&one);
    assert_eq!(daemon.send(&Request::github("/two", "push", "1", "{}")).status, 404);

    yard.write_config(&one.clone().route("two", "misbehave/ok", &[]));
    until_true("the new route serves", Duration::from_secs(20), || {
        daemon.send(&Request::github("/two", "push", "2", "{}")).status == 202
    });

    yard.write_config(&one);
    until_true("the route is gone", Duration::from_secs(20), || {
        daemon.send(&Request::github("/two", "push", "3", "{}")).status == 404
    });
    daemon.send(&Request::github("/one", "push", "4", "{}")).accepted();
}

#[test]
fn a_bad_change_is_refused_with_its_place_and_the_last_good_one_stays() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let good = yard.config().route("q", "misbehave/ok", &[]);
    let daemon = yard.start(&good);

    let bad = [
        ("a typo", good.clone().set("server", "lissten = 1").text(), "lissten"),
        ("not TOML", "[server\nlisten =".to_owned(), "config.toml"),
        ("no such handler", good.clone().route("w", "misbehave/nope", &[]).text(), "nope"),
        (
            "two routes at one path",
            good.clone()
                .raw_route(
                    "name = \"w\"\npath = \"/q\"\nverify = \"none\"\nhandlers = [\"misbehave/ok\"]",
                )
                .text(),
            "/q",
        ),
        ("nothing at all", "[[route]]\n".to_owned(), "path"),
    ];
    for (what, text, named) in &bad {
        let mark = daemon.mark();
        yard.write_config_text(text);
        let line = daemon.until_logged_text(mark, "configuration refused");
        assert!(line.to_string().contains(named), "{what}: {line}");
        let delivery = format!("during {what}");
        daemon.send(&Request::github("/q", "push", &delivery, "{}")).accepted();
    }

    let mark = daemon.mark();
    yard.write_config(&good.route("after", "misbehave/ok", &[]));
    daemon.until_logged_text(mark, "configuration reloaded");
    daemon.send(&Request::github("/after", "push", "1", "{}")).accepted();
    assert_eq!(yard.events().len(), bad.len() + 1);
}

#[test]
fn a_sighup_reloads() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));
    let mark = daemon.mark();
    daemon.signal(Signal::HUP);
    daemon.until_logged_text(mark, "configuration reloaded");
    daemon.send(&Request::github("/q", "push", "1", "{}")).accepted();
}

#[test]
fn a_secret_s_file_is_taken_up_when_it_changes_and_a_bad_one_is_not() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let file = yard.path("secret");
    fs::write(&file, "the first secret\n").unwrap();
    let daemon = yard.start(&yard.config().raw_route(&format!(
        "path = \"/q\"\nprovider = \"github\"\nsecret = {{ file = {file:?} }}\n\
         handlers = [\"misbehave/ok\"]"
    )));
    let signed = |secret, delivery| Request::github_with(secret, "/q", "push", delivery, "{}");
    daemon.send(&signed("the first secret", "1")).accepted();

    let mark = daemon.mark();
    fs::write(&file, "").unwrap();
    let refused = daemon.until_logged_text(mark, "configuration refused").to_string();
    for named in ["config.toml:", "^^^", "is empty", "put the secret into"] {
        assert!(refused.contains(named), "`{named}` is not in {refused}");
    }
    daemon.send(&signed("the first secret", "2")).accepted();
    assert_eq!(daemon.admin("/readyz").json()["status"], "degraded");

    fs::write(&file, "the second secret\n").unwrap();
    daemon.until_logged_text(mark, "configuration reloaded");
    daemon.send(&signed("the second secret", "3")).accepted();
    assert_eq!(daemon.send(&signed("the first secret", "4")).status, 401);
}

#[test]
fn check_and_serve_refuse_the_same_file_with_78_and_all_its_errors() {
    let yard = Yard::new();
    let text = yard
        .config()
        .set("server", "lissten = \"127.0.0.1:1\"")
        .set("store", "wal_max = \"lots\"")
        .raw_route("path = \"/a\"\nprovider = \"githb\"\nhandlers = [\"x/y\"]")
        .raw_route(
            "path = \"/b\"\nprovider = \"github\"\nsecret = { env = \"HOOKYARD_TEST_SECRTE\" }\n\
             handlers = [\"x/y\"]",
        )
        .text();
    yard.write_config_text(&text);
    let unset = "environment variable HOOKYARD_TEST_SECRTE is not set";

    let check = yard.command(&["check"]);
    assert_eq!(check.status.code(), Some(78));
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    for named in
        ["config.toml", "lissten", "did you mean", "wal_max", "githb", "github", "^", unset]
    {
        assert!(said.contains(named), "`{named}` is not in:\n{said}");
    }

    let exit = Daemon::run_to_end(&yard.config_file());
    assert_eq!(exit.status.code(), Some(78), "{:?}", exit.log);
    let log = exit.log.join("\n");
    for named in ["lissten", unset, "did you mean `HOOKYARD_TEST_SECRET`, which is set?"] {
        assert!(log.contains(named), "`{named}` is not in:\n{log}");
    }
    assert!(!log.contains(SECRET), "{log}");
}

#[test]
fn a_good_file_passes_the_check_and_shows_no_secret() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let secret_file = yard.path("secret");
    fs::write(&secret_file, SECRET).unwrap();
    let config = yard.config().raw_route(&format!(
        "path = \"/q\"\nprovider = \"github\"\nsecret = {{ file = {secret_file:?} }}\n\
         handlers = [\"misbehave/ok\"]"
    ));
    yard.write_config(&config);

    let check = yard.command(&["check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let said = [check.stdout, check.stderr].concat();
    assert!(!String::from_utf8_lossy(&said).contains(SECRET));
}

#[test]
fn settings_are_typed_and_the_next_attempt_has_the_new_ones() {
    let yard = Yard::with_plugins(&["confidant"]);
    fs::write(yard.path("api"), "a-key-of-some-length").unwrap();
    let config = yard
        .config()
        .set("plugin.confidant", "secrets = { api_key = { file = \"api\" } }")
        .set(
            "plugin.confidant",
            "settings = { word = { n = 1, list = [1.5, true], on = 1979-05-27 } }",
        )
        .route("in", "confidant/word", &["mode = \"respond\""]);
    let daemon = yard.start(&config);
    let word = |delivery: &str| daemon.send(&Request::github("/in", "push", delivery, "{}")).json();
    assert_eq!(word("1"), serde_json::json!({ "n": 1, "list": [1.5, true], "on": "1979-05-27" }));
    let mark = daemon.mark();
    yard.write_config(&config.set("plugin.confidant", "settings = { word = \"another\" }"));
    daemon.until_logged_text(mark, "configuration reloaded");
    assert_eq!(word("2"), serde_json::json!("another"));
    daemon.stop();
}
