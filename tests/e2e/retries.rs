//! What fails is tried again, and set aside when its attempts are used up.

use std::time::Duration;

use hookyard_tests::{Request, Yard, attempts, outcomes, until_true};

const SOON: &str = r#"retry = { max_attempts = 3, first = "50ms", max = "200ms" }"#;

#[test]
fn a_handler_that_asks_for_another_try_gets_it() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/flaky", &[SOON]));

    let id = daemon.send(&Request::github("/q", "push", "1", r#"{"failures":2}"#)).accepted();
    let shown = yard.until_state(&id, "succeeded");

    assert_eq!(outcomes(&shown), ["retry", "retry", "done"]);
    let attempts = attempts(&shown);
    assert_eq!(attempts[0]["message"], "attempt 1 is too early");
    assert_eq!(attempts[2]["message"], "attempt 3 did it");
    let numbers: Vec<_> = attempts.iter().map(|a| a["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn a_job_out_of_attempts_is_a_dead_letter_with_its_whole_history() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/trap", &[SOON]));

    let id = daemon.send(&Request::github("/q", "push", "1", "{}")).accepted();
    let shown = yard.until_state(&id, "dead-letter");

    assert_eq!(outcomes(&shown), ["trap", "trap", "trap"]);
    for attempt in attempts(&shown) {
        let logged = attempt["log"].to_string();
        assert!(
            logged.contains("misbehave traps on purpose")
                || attempt["message"].as_str().unwrap().contains("misbehave traps on purpose"),
            "a panic's text reaches a person: {attempt}"
        );
    }
    // Kept, over restarts too.
    daemon.stop();
    let daemon = yard.restart();
    assert_eq!(yard.state(&id).as_deref(), Some("dead-letter"));
    drop(daemon);
}

#[test]
fn the_back_off_is_kept_over_a_kill() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let wait = r#"retry = { max_attempts = 3, first = "1h", max = "1h" }"#;
    let config = yard.config().route("q", "misbehave/trap", &[wait]);
    let daemon = yard.start(&config);

    let id = daemon.send(&Request::github("/q", "push", "1", "{}")).accepted();
    let before = yard.until_state(&id, "retrying");
    let due = before["jobs"][0]["due_at"].clone();
    assert!(due.is_string(), "{before}");

    daemon.kill();
    let daemon = yard.restart();
    // Something handled later shows that the queue runs.
    let other = daemon.send(&Request::github("/q", "push", "2", "{}")).accepted();
    yard.until_state(&other, "retrying");
    let after = yard.show(&id);
    assert_eq!(after["jobs"][0]["due_at"], due);
    assert_eq!(outcomes(&after), ["trap"]);
}

#[test]
fn a_job_that_three_daemons_in_a_row_did_not_survive_is_a_dead_letter() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard
        .config()
        .set("plugin.misbehave", r#"cpu = "1h""#)
        .set("plugin.misbehave", r#"timeout = "1h""#)
        .route("q", "misbehave/loop", &[])
        .route("other", "misbehave/ok", &[]);
    let mut daemon = yard.start(&config);
    let id = daemon.send(&Request::github("/q", "push", "1", "{}")).accepted();

    for _ in 0..3 {
        until_true("the attempt runs", Duration::from_secs(30), || {
            yard.show(&id)["jobs"][0]["state"] == "running"
        });
        daemon.kill();
        daemon = yard.restart();
    }

    let shown = yard.until_state(&id, "dead-letter");
    assert_eq!(outcomes(&shown), ["interrupted", "interrupted", "interrupted"]);
    let other = daemon.send(&Request::github("/other", "push", "2", "{}")).accepted();
    yard.until_state(&other, "succeeded");
}

#[test]
fn a_full_plugin_makes_jobs_wait_and_none_of_them_fail() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard
        .config()
        .set("plugin.misbehave", "concurrency = 1")
        .set("plugin.misbehave", r#"cpu = "10s""#)
        .route("q", "misbehave/slow", &[]);
    let daemon = yard.start(&config);
    let mut client = daemon.client();

    let ids: Vec<String> = (0..30)
        .map(|n| {
            let delivery = format!("n{n}");
            client.send(&Request::github("/q", "push", &delivery, r#"{"ms":20}"#)).accepted()
        })
        .collect();

    for id in &ids {
        assert_eq!(outcomes(&yard.until_state(id, "succeeded")), ["done"]);
    }
}
