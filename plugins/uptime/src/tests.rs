//! Checks as a schedule makes them, one after the other.

use hookyard_sdk::ConnectionError;
use hookyard_sdk::testing::{self, HostBuilder, Run};

use super::*;

/// 2026-01-01T00:00:00Z.
const THEN: u64 = 1_767_225_600;

fn host(after: Option<&Run>, minute: u64) -> HostBuilder {
    let host = testing::host()
        .setting("checks", json!([{ "connection": "site" }]))
        .setting(
            "report",
            json!({ "connection": "slack", "path": "chat.postMessage", "body": { "channel": "#ops" } }),
        )
        .setting("failures", 2)
        .now(SystemTime::UNIX_EPOCH + Duration::from_secs(THEN + 60 * minute));
    match after {
        Some(run) => host.after(run),
        None => host,
    }
}

fn firing() -> Firing {
    testing::firing().schedule("uptime").build()
}

fn refused() -> ConnectionError {
    ConnectionError::Network("connection refused".into())
}

/// The texts that were reported.
fn reports(run: &Run) -> Vec<String> {
    let sent = run.requests().iter().filter(|request| request.connection == "slack");
    sent.map(|request| {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "chat.postMessage"));
        let body: Value = request.json();
        assert_eq!(body["channel"], "#ops");
        body["text"].as_str().unwrap_or_default().to_owned()
    })
    .collect()
}

#[test]
fn a_url_is_reported_when_it_goes_down_and_when_it_comes_back() {
    let ok = || testing::response(200).json(&json!({ "ok": true }));
    let run = host(None, 0).answer("site", testing::response(204)).run(check, firing());
    assert_eq!(run.expect_done().message(), Some("1 checked, 0 down, 0 changed"));
    assert_eq!(run.requests()[0].timeout, Some(Duration::from_secs(5)));

    let run = host(Some(&run), 1).fail("site", refused()).run(check, firing());
    assert_eq!(run.expect_done().message(), Some("1 checked, 0 down, 0 changed"));

    let host_2 = host(Some(&run), 2).answer("site", testing::response(502)).answer("slack", ok());
    let run = host_2.run(check, firing());
    assert_eq!(run.expect_done().message(), Some("1 checked, 1 down, 1 changed"));
    assert_eq!(reports(&run), ["DOWN site: it answers 502 (2 times in a row)"]);

    // It is said once.
    let run = host(Some(&run), 3).fail("site", refused()).run(check, firing());
    assert_eq!(run.expect_done().message(), Some("1 checked, 1 down, 0 changed"));

    let host_4 = host(Some(&run), 4).answer("site", testing::response(200)).answer("slack", ok());
    let run = host_4.run(check, firing());
    assert_eq!(reports(&run), ["UP site: it answers 200 again, after 3 min"]);
    let run = host(Some(&run), 5).answer("site", testing::response(200)).run(check, firing());
    assert_eq!(run.expect_done().message(), Some("1 checked, 0 down, 0 changed"));
}

#[test]
fn a_failure_in_between_is_not_reported() {
    let mut last = None;
    for minute in 0..6 {
        let host = host(last.as_ref(), minute);
        let host = match minute % 2 {
            0 => host.fail("site", ConnectionError::Timeout("no answer within 5s".into())),
            _ => host.answer("site", testing::response(200)),
        };
        let run = host.run(check, firing());
        assert_eq!(run.expect_done().message(), Some("1 checked, 0 down, 0 changed"));
        last = Some(run);
    }
}

#[test]
fn every_way_to_fail_counts_and_none_fails_the_attempt() {
    let checks = json!([
        { "connection": "site", "path": "/health", "status": 200, "contains": "good" },
    ]);
    for (host, found) in [
        (host(None, 0).fail("site", refused()), "connection refused"),
        (host(None, 0).fail("site", ConnectionError::Timeout("no answer".into())), "no answer"),
        (
            host(None, 0).fail("site", ConnectionError::Refused("a loopback address".into())),
            "a loopback address",
        ),
        (host(None, 0).fail("site", ConnectionError::TooLarge("too large".into())), "too large"),
        (host(None, 0).fail("site", ConnectionError::Credential("no token".into())), "no token"),
        (host(None, 0).answer("site", testing::response(500)), "it answers 500"),
        (host(None, 0).answer("site", testing::response(204)), "it answers 204"),
        (
            host(None, 0).answer("site", testing::response(200).text("bad")),
            "it answers 200 without the text expected",
        ),
    ] {
        let host = host.setting("checks", &checks).setting("failures", 1);
        let run = host.answer("slack", testing::response(200).text("ok")).run(check, firing());
        run.expect_done();
        assert_eq!(reports(&run), [format!("DOWN site/health: {found}")]);
    }
    let host = host(None, 0).answer("site", testing::response(200).text("all good"));
    let run = host.setting("checks", &checks).setting("failures", 1).run(check, firing());
    assert_eq!(run.expect_done().message(), Some("1 checked, 0 down, 0 changed"));
}

#[test]
fn all_changes_of_a_firing_are_one_report() {
    let checks = json!([{ "connection": "site" }, { "connection": "api", "path": "v1" }]);
    let host = host(None, 0).setting("checks", &checks).setting("failures", 1);
    let host = host.fail("site", refused()).answer("api", testing::response(503));
    let run = host.answer("slack", testing::response(200)).run(check, firing());
    assert_eq!(reports(&run), ["DOWN site: connection refused\nDOWN api/v1: it answers 503"]);
}

#[test]
fn what_could_not_be_reported_is_found_again() {
    let failing = || host(None, 0).setting("failures", 1).fail("site", refused());
    for (run, message) in [
        (
            failing().answer("slack", testing::response(503)).run(check, firing()),
            "the connection `slack` answered 503",
        ),
        (
            failing()
                .answer(
                    "slack",
                    testing::response(200).json(&json!({ "ok": false, "error": "not_in_channel" })),
                )
                .run(check, firing()),
            "the report was refused: not_in_channel",
        ),
    ] {
        assert_eq!(run.expect_retry().message(), message);
        assert_eq!(run.kv("checks", "site"), None);
    }
}

#[test]
fn a_rate_that_is_used_up_says_nothing_about_the_url() {
    let full =
        ConnectionError::Rate { message: "10 each minute".into(), after: Duration::from_secs(9) };
    let run = host(None, 0).setting("failures", 1).fail("site", full).run(check, firing());
    assert_eq!(run.expect_done().message(), Some("1 checked, 0 down, 0 changed"));
    assert_eq!(run.log_messages(), ["not checked: 10 each minute"]);
}

#[test]
fn mistakes_in_the_settings_are_rejects() {
    let many: Vec<Value> = (0..20).map(|n| json!({ "connection": format!("c{n}") })).collect();
    let run = host(None, 0).setting("checks", many).run(check, firing());
    assert_eq!(run.expect_rejected(), "there are 20 `checks`, and 19 at most");
    let twice = json!([{ "connection": "site" }, { "connection": "site", "status": 204 }]);
    let run = host(None, 0).setting("checks", twice).run(check, firing());
    assert_eq!(run.expect_rejected(), "two of the `checks` are of the same connection and path");
    let run = host(None, 0)
        .fail("site", ConnectionError::Invalid("the path leaves the base".into()))
        .run(check, firing());
    assert_eq!(run.expect_rejected(), "the check site cannot be made: the path leaves the base");
    let run = host(None, 0)
        .setting("checks", json!([{ "connection": "site", "url": "https://a.test" }]))
        .run(check, firing());
    assert!(run.expect_rejected().contains("unknown field `url`"), "{}", run.expect_rejected());
}
