//! Slow senders and too many of them.

use std::thread;
use std::time::{Duration, Instant};

use hookyard_tests::{ClientError, Config, Request, Yard, until_true};

fn config(yard: &Yard) -> Config {
    yard.config().route("q", "misbehave/ok", &[])
}

#[test]
fn a_sender_that_drips_its_headers_is_cut_off_and_others_are_served() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&config(&yard).set("server.limits", r#"header_timeout = "600ms""#));

    let mut slow = daemon.client();
    let start = Instant::now();
    slow.write(b"POST /q HTTP/1.1\r\nhost: localhost\r\n").unwrap();
    // A byte now and then must not prolong it.
    let mut cut_off = false;
    while start.elapsed() < Duration::from_secs(10) && !cut_off {
        let delivery = format!("{:?}", start.elapsed());
        daemon.send(&Request::github("/q", "push", &delivery, "{}")).accepted();
        cut_off =
            slow.write(b"x").is_err() || slow.has_something_within(Duration::from_millis(100));
    }
    let took = start.elapsed();
    assert!(cut_off && took < Duration::from_secs(5), "cut off after {took:?}");
    assert!(took >= Duration::from_millis(500), "not before its time: {took:?}");
    assert!(
        slow.is_closed_within(Duration::from_secs(5)),
        "it may be told 408, but then it is over"
    );
}

#[test]
fn a_connection_that_never_says_anything_is_closed() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&config(&yard).set("server.limits", r#"header_timeout = "500ms""#));
    let mut silent = daemon.client();
    let mut idle = daemon.client();
    idle.send(&Request::github("/q", "push", "1", "{}")).accepted();

    assert!(silent.is_closed_within(Duration::from_secs(10)));
    assert!(idle.is_closed_within(Duration::from_secs(10)), "kept alive, but not for ever");
}

#[test]
fn a_sender_that_drips_its_body_is_cut_off_with_408() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&config(&yard).set("server.limits", r#"body_timeout = "600ms""#));
    let request = Request::github("/q", "push", "slow", vec![b' '; 10_000]);

    let mut slow = daemon.client();
    let start = Instant::now();
    slow.write(&request.head()).unwrap();
    let mut answered = false;
    while start.elapsed() < Duration::from_secs(10) && !answered {
        daemon
            .send(&Request::github("/q", "push", &format!("{:?}", start.elapsed()), "{}"))
            .accepted();
        let _ = slow.write(b" ");
        answered = slow.has_something_within(Duration::from_millis(100));
    }
    let took = start.elapsed();
    let reply = slow.read_reply();
    assert!(matches!(&reply, Ok(reply) if reply.status == 408), "{reply:?} after {took:?}");
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(5), "{took:?}");
    assert!(slow.is_closed_within(Duration::from_secs(5)), "the rest is not waited for");
    let stored = yard.events();
    assert!(stored.iter().all(|event| event["delivery_id"] != "slow"));
}

#[test]
fn one_address_cannot_take_all_connections() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&config(&yard).set("server.limits", "connections_per_client = 4"));
    let mut held: Vec<_> = (0..4).map(|_| daemon.client()).collect();
    for (n, client) in held.iter_mut().enumerate() {
        client.send(&Request::github("/q", "push", &format!("held-{n}"), "{}")).accepted();
    }

    let mut fifth = daemon.client();
    match fifth.try_send(&Request::github("/q", "push", "fifth", "{}")) {
        Ok(reply) => {
            assert_eq!(reply.status, 429, "{reply:?}");
            assert!(reply.header("retry-after").is_some());
        }
        Err(ClientError::Closed) => {}
        Err(other) => panic!("{other:?}"),
    }

    // Room again as soon as one goes; the others never noticed.
    held.pop();
    until_true("a new connection is taken", Duration::from_secs(10), || {
        let reply = daemon.client().try_send(&Request::github("/q", "push", "sixth", "{}"));
        matches!(reply, Ok(reply) if reply.status == 202)
    });
    for (n, client) in held.iter_mut().enumerate() {
        client.send(&Request::github("/q", "push", &format!("again-{n}"), "{}")).accepted();
    }
}

#[test]
fn more_requests_at_once_than_allowed_are_503() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard
        .config()
        .set("server.limits", "in_flight = 2")
        .set("plugin.misbehave", r#"cpu = "20s""#)
        .set("plugin.misbehave", r#"timeout = "20s""#)
        .route("ask", "misbehave/slow", &[r#"mode = "respond""#, r#"deadline = "20s""#])
        .route("q", "misbehave/ok", &[]);
    let daemon = yard.start(&config);

    thread::scope(|scope| {
        for n in 0..2 {
            let daemon = &daemon;
            scope.spawn(move || {
                let body = r#"{"ms":3000}"#;
                let reply =
                    daemon.send(&Request::github("/ask", "push", &format!("slow-{n}"), body));
                assert_eq!(reply.status, 200, "{reply:?}");
            });
        }
        // Both run: each has been stored before its attempt began.
        until_true("both are stored", Duration::from_secs(10), || yard.events().len() == 2);
        until_true("a third is refused", Duration::from_secs(10), || {
            let delivery = format!("third-{}", fastrand::u64(..));
            let reply = daemon.send(&Request::github("/q", "push", &delivery, "{}"));
            assert!([202, 503].contains(&reply.status), "{reply:?}");
            reply.status == 503 && reply.header("retry-after").is_some()
        });
    });
    until_true("room again", Duration::from_secs(10), || {
        daemon.send(&Request::github("/q", "push", "after", "{}")).status == 202
    });
}
