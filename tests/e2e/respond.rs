//! Routes whose sender waits for the handler.

use std::thread;
use std::time::{Duration, Instant};

use hookyard_tests::{Config, Daemon, Request, Yard, attempts, outcomes, until_true};
use serde_json::Value;

const LATER: &str = r#"retry = { max_attempts = 5, first = "1h", max = "1h" }"#;
const QUICK: &str = r#"deadline = "400ms""#;

#[test]
fn a_first_try_that_traps_is_503_and_the_resend_succeeds_once_and_for_all() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().route("ask", "misbehave/trap_once", &[r#"mode = "respond""#, LATER]);
    let daemon = yard.start(&config);
    let request = Request::github("/ask", "push", "resent", "{}");

    let failed = daemon.send(&request);
    assert_eq!(failed.status, 503, "{failed:?}");
    assert!(failed.header("retry-after").is_some());

    let answered = daemon.send(&request);
    assert_eq!(answered.status, 200, "{answered:?} {}", answered.text());
    assert!(answered.text().starts_with("attempt 2"), "{}", answered.text());
    assert_eq!(answered.header("x-attempt"), Some("2"));

    // The handler's answer has randomness in it: the same one again is the stored one.
    for _ in 0..2 {
        let again = daemon.send(&request);
        assert_eq!((again.status, again.text()), (200, answered.text()));
        assert_eq!(again.header("x-attempt"), Some("2"));
    }
    daemon.stop();
    let daemon = yard.restart();
    assert_eq!(daemon.send(&request).text(), answered.text(), "and after a restart");

    let events = yard.events();
    assert_eq!(events.len(), 1);
    let shown = yard.show(events[0]["id"].as_str().unwrap());
    assert_eq!(outcomes(&shown), ["trap", "done"]);
    let message = attempts(&shown)[0]["message"].as_str().unwrap();
    assert!(!message.is_empty(), "a trap says something to a person");
}

#[test]
fn the_sender_gets_the_handlers_status_headers_and_body() {
    let yard = Yard::with_plugins(&["echo"]);
    let daemon = yard.start(&yard.config().route("echo", "echo/echo", &[r#"mode = "respond""#]));

    let reply = daemon.send(&Request::github("/echo", "push", "e-1", r#"{"a":1}"#));

    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.json()["body_bytes"], 7);
    assert_eq!(reply.json()["delivery_id"], "e-1");
    let events = yard.events();
    assert_eq!(events[0]["state"], "succeeded", "committed before the answer");
}

#[test]
fn at_the_deadline_a_fallback_accepts_and_the_attempt_ends_in_the_queue() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard
        .config()
        .set("plugin.misbehave", r#"cpu = "20s""#)
        .set("plugin.misbehave", r#"timeout = "20s""#)
        .route(
            "ask",
            "misbehave/slow",
            &[r#"mode = "respond""#, QUICK, r#"fallback = "queue""#, LATER],
        );
    let daemon = yard.start(&config);

    let in_time = daemon.send(&Request::github("/ask", "push", "fast", r#"{"ms":1}"#));
    assert_eq!((in_time.status, in_time.text().as_str()), (200, "worked for 1 ms"));

    let request = Request::github("/ask", "push", "slow", r#"{"ms":2500}"#);
    let start = Instant::now();
    let id = daemon.send(&request).accepted();
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(350), "not before the deadline: {waited:?}");
    assert!(waited < Duration::from_millis(2000), "at the deadline: {waited:?}");
    assert_eq!(yard.state(&id).as_deref(), Some("pending"));

    let shown = yard.until_state(&id, "succeeded");
    assert_eq!(outcomes(&shown), ["done"], "the running attempt went on; there was no second");
    assert!(attempts(&shown)[0]["duration_ms"].as_f64().unwrap() >= 2500.0);

    // Its reply came too late for the first sender; whoever sends again gets it.
    let again = daemon.send(&request);
    assert_eq!((again.status, again.text().as_str()), (200, "worked for 2500 ms"));
}

#[test]
fn at_the_deadline_without_a_fallback_the_attempt_is_ended_and_answered_503() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard
        .config()
        .set("plugin.misbehave", r#"cpu = "20s""#)
        .set("plugin.misbehave", r#"timeout = "20s""#)
        .route("ask", "misbehave/slow", &[r#"mode = "respond""#, QUICK, LATER]);
    let daemon = yard.start(&config);

    let start = Instant::now();
    let reply = daemon.send(&Request::github("/ask", "push", "slow", r#"{"ms":15000}"#));
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(reply.header("retry-after").is_some());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());

    let id = yard.events()[0]["id"].as_str().unwrap().to_owned();
    let shown = yard.show(&id);
    assert_eq!(outcomes(&shown), ["timeout"], "{shown}");
}

#[test]
fn resends_that_come_while_the_first_runs_wait_for_it() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().set("plugin.misbehave", r#"cpu = "20s""#).route(
        "ask",
        "misbehave/slow",
        &[r#"mode = "respond""#, r#"deadline = "15s""#, LATER],
    );
    let daemon = yard.start(&config);
    let request = Request::github("/ask", "push", "at-once", r#"{"ms":600}"#);

    let replies: Vec<_> = thread::scope(|scope| {
        let senders: Vec<_> = (0..4).map(|_| scope.spawn(|| daemon.send(&request))).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });

    for reply in &replies {
        assert_eq!((reply.status, reply.text().as_str()), (200, "worked for 600 ms"));
    }
    let events = yard.events();
    assert_eq!(events.len(), 1);
    assert_eq!(outcomes(&yard.show(events[0]["id"].as_str().unwrap())), ["done"]);
}

/// A route that waits for `handler`, for as long as a busy machine may take.
fn ask(yard: &Yard, handler: &str) -> Config {
    let more = [r#"mode = "respond""#, r#"deadline = "15s""#, LATER];
    yard.config().set("plugin.misbehave", r#"cpu = "20s""#).route("ask", handler, &more)
}

fn hand_over(yard: &Yard, daemon: &Daemon, handler: &str) {
    let mark = daemon.mark();
    yard.write_config(&ask(yard, handler));
    daemon.until_logged_text(mark, "configuration reloaded");
}

/// The jobs of the one event: handler, state and number of attempts.
fn jobs(yard: &Yard) -> Vec<(String, String, usize)> {
    let events = yard.events();
    assert_eq!(events.len(), 1, "{events:?}");
    let shown = yard.show(events[0]["id"].as_str().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let job = |job: &Value| {
        (text(&job["handler"]), text(&job["state"]), job["attempts"].as_array().unwrap().len())
    };
    shown["jobs"].as_array().unwrap().iter().map(job).collect()
}

fn job(handler: &str, state: &str, attempts: usize) -> (String, String, usize) {
    (handler.to_owned(), state.to_owned(), attempts)
}

#[test]
fn a_resend_is_tried_by_the_handler_that_the_route_has_by_then() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&ask(&yard, "misbehave/trap"));
    let request = Request::github("/ask", "push", "handed-over", r#"{"ms":600}"#);
    assert_eq!(daemon.send(&request).status, 503);

    // One that fails too is tried again like the first.
    hand_over(&yard, &daemon, "misbehave/trap_once");
    assert_eq!(daemon.send(&request).status, 503);
    let answered = daemon.send(&request);
    assert_eq!((answered.status, answered.header("x-attempt")), (200, Some("2")));

    // It has succeeded: whatever the route says now, that is the answer.
    for handler in ["misbehave/trap", "misbehave/reply"] {
        hand_over(&yard, &daemon, handler);
        let again = daemon.send(&request);
        assert_eq!((again.status, again.text()), (200, answered.text()), "{handler}");
    }
    assert_eq!(
        jobs(&yard),
        [job("misbehave/trap", "dead-letter", 1), job("misbehave/trap_once", "succeeded", 2)]
    );
}

#[test]
fn resends_to_another_handler_that_come_together_are_one_attempt() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&ask(&yard, "misbehave/trap"));
    let request = Request::github("/ask", "push", "together", r#"{"ms":600}"#);
    assert_eq!(daemon.send(&request).status, 503);
    hand_over(&yard, &daemon, "misbehave/slow");

    let replies: Vec<_> = thread::scope(|scope| {
        let senders: Vec<_> = (0..4).map(|_| scope.spawn(|| daemon.send(&request))).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });

    for reply in &replies {
        assert_eq!((reply.status, reply.text().as_str()), (200, "worked for 600 ms"));
    }
    assert_eq!(
        jobs(&yard),
        [job("misbehave/trap", "dead-letter", 1), job("misbehave/slow", "succeeded", 1)]
    );
}

#[test]
fn a_resend_waits_while_the_former_handler_runs() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&ask(&yard, "misbehave/slow"));
    let request = Request::github("/ask", "push", "former", r#"{"ms":5000}"#);

    thread::scope(|scope| {
        let first = scope.spawn(|| daemon.send(&request));
        until_true("the first attempt runs", Duration::from_secs(10), || {
            yard.events().iter().any(|event| event["state"] == "pending")
        });
        hand_over(&yard, &daemon, "misbehave/reply");
        assert_eq!(jobs(&yard), [job("misbehave/slow", "running", 0)], "it runs still");
        let resent = daemon.send(&request);
        assert_eq!((resent.status, resent.text().as_str()), (200, "worked for 5000 ms"));
        assert_eq!(first.join().unwrap().text(), resent.text());
    });
    assert_eq!(jobs(&yard), [job("misbehave/slow", "succeeded", 1)]);
}

#[test]
fn a_reject_is_422_and_a_trap_is_503_on_a_respond_route() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let respond = [r#"mode = "respond""#, LATER];
    let config = yard.config().route("reject", "misbehave/reject", &respond).route(
        "trap",
        "misbehave/trap",
        &respond,
    );
    let daemon = yard.start(&config);

    assert_eq!(daemon.send(&Request::github("/reject", "push", "1", "{}")).status, 422);
    assert_eq!(daemon.send(&Request::github("/trap", "push", "1", "{}")).status, 503);
    let states: Vec<_> = yard.events().iter().map(|event| event["state"].clone()).collect();
    // Only the sender tries again, by sending again; nothing waits in the queue.
    assert_eq!(states, ["dead-letter", "dead-letter"]);
}
