use std::time::Instant;

use super::*;

/// What a request came to: its last status or the kind of its error, and how often it was sent.
async fn outcome(steps: Vec<Step>, lines: &str, call: Call) -> (String, u32) {
    let server = Server::start(steps).await;
    let api = Place::new().connection(&server, lines);
    let called = made(&api, call).await;
    let tries = called.tries;
    assert_eq!(server.seen().len(), tries as usize);
    let what = match called.outcome {
        Ok(answer) => answer.status.to_string(),
        Err(CallError::Network(_)) => "network".to_owned(),
        Err(CallError::Timeout(_)) => "timeout".to_owned(),
        Err(error) => format!("{error:?}"),
    };
    (what, tries)
}

#[tokio::test]
async fn what_does_no_harm_is_sent_again() {
    let keyed = |mut call: Call| {
        call.keyed_by_author = true;
        call
    };
    let broken = || Step::Cut(Vec::new());
    let half = || Step::Cut("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".into());
    let trust = "retry = { idempotent = true }";
    let short = "timeout = \"200ms\"";
    for (steps, lines, call, wanted) in [
        (vec![say(503, "", ""), ok("")], "", call("GET", ""), ("200", 2)),
        (vec![say(500, "", ""), say(502, "", ""), ok("")], "", call("DELETE", ""), ("200", 3)),
        (vec![say(500, "", "")], "", call("PUT", ""), ("500", 3)),
        (vec![say(500, "", "")], "retry = { max_attempts = 1 }", call("PUT", ""), ("500", 1)),
        (vec![say(501, "", ""), ok("")], "", call("GET", ""), ("501", 1)),
        (vec![say(404, "", ""), ok("")], "", call("GET", ""), ("404", 1)),
        (vec![broken(), ok("")], "", call("GET", ""), ("200", 2)),
        (vec![half(), ok("")], "", call("GET", ""), ("200", 2)),
        (vec![Step::Stall, ok("")], short, call("GET", ""), ("200", 2)),
        (vec![broken()], "", call("GET", ""), ("network", 3)),
        // These may have been carried out.
        (vec![say(500, "", ""), ok("")], "", call("POST", ""), ("500", 1)),
        (vec![broken(), ok("")], "", call("POST", ""), ("network", 1)),
        (vec![half(), ok("")], "", call("PATCH", ""), ("network", 1)),
        (vec![Step::Stall, ok("")], short, call("POST", ""), ("timeout", 1)),
        (vec![say(500, "", ""), ok("")], "", keyed(call("POST", "")), ("200", 2)),
        (vec![say(500, "", ""), ok("")], trust, call("POST", ""), ("200", 2)),
        (vec![broken(), ok("")], trust, call("PATCH", ""), ("200", 2)),
        // These have not.
        (vec![say(429, "", ""), ok("")], "", call("POST", ""), ("200", 2)),
    ] {
        let shown = format!("{steps:?} {lines} {call:?}");
        let (what, tries) = outcome(steps, lines, call).await;
        assert_eq!((what.as_str(), tries), wanted, "{shown}");
    }
}

/// A redirect says that the request was carried out, whatever comes of where it leads, but for 307 and
/// 308.
#[tokio::test]
async fn what_was_answered_with_a_redirect_is_not_sent_again() {
    let to = |status: u16, location: &str| say(status, &format!("location: {location}\r\n"), "");
    let gone = "http://127.0.0.1:1/";
    for (steps, method, wanted) in [
        (vec![to(303, "b"), say(429, "", ""), ok("")], "POST", (1, Some(429), 2)),
        (vec![to(302, "b"), say(429, "", ""), ok("")], "PATCH", (1, Some(429), 2)),
        (vec![to(303, gone), ok("")], "POST", (1, Some(303), 1)),
        // Nothing was carried out, or sending it twice does no harm.
        (vec![to(307, "b"), say(429, "", ""), ok("")], "POST", (2, Some(200), 3)),
        (vec![to(307, gone), ok("")], "POST", (2, Some(200), 2)),
        (vec![to(303, "b"), say(429, "", ""), ok("")], "PUT", (2, Some(200), 3)),
    ] {
        let server = Server::start(steps.clone()).await;
        let api = Place::new().connection(&server, "redirects = 1");
        let called = made(&api, call(method, "a")).await;
        let came = (called.tries, called.status, server.seen().len());
        assert_eq!(came, wanted, "{method} {steps:?}");
    }

    let token = say(200, "", r#"{"access_token":"a-token","expires_in":3600}"#);
    let tokens = Server::start([token]).await;
    for (status, requests) in [(303, 2), (307, 3)] {
        let server = Server::start([to(status, "b"), say(401, "", ""), ok("")]).await;
        let auth = super::proof::oauth(&tokens, "");
        let api = Place::new().connection(&server, &format!("{auth}\nredirects = 1"));
        made(&api, call("POST", "a")).await;
        assert_eq!(server.seen().len(), requests, "{status}");
    }
}

#[tokio::test]
async fn what_cannot_be_connected_to_is_tried_again() {
    let gone = Server::start([ok("")]).await;
    let place = Place::new();
    let api = place.connection(&gone, "");
    let port = gone.port;
    drop(gone);
    // The port is free again as soon as the task has ended.
    tokio::task::yield_now().await;
    let called = made(&api, call("POST", "a")).await;
    assert_eq!((called.tries, called.status), (3, None));
    let CallError::Network(message) = failed(called) else { panic!("another error") };
    assert!(message.starts_with(&format!("cannot connect to 127.0.0.1:{port}: ")), "{message}");
}

#[tokio::test]
async fn retry_after_is_waited_for_if_there_is_time() {
    let steps = || [say(429, "retry-after: 1\r\n", "slow"), ok("")];
    let server = Server::start(steps()).await;
    let api = Place::new().connection(&server, "");
    let begun = Instant::now();
    let called = made(&api, call("POST", "a")).await;
    assert_eq!((called.tries, called.status), (2, Some(200)));
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());

    // Else the plugin is told at once, and can ask for a retry.
    let server = Server::start(steps()).await;
    let api = Place::new().connection(&server, "");
    let begun = Instant::now();
    let called = made(&api, within(call("POST", "a"), SOON)).await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!((called.tries, called.status), (1, Some(429)));
    let answer = answered(called);
    assert_eq!(answer.headers, [("retry-after".to_owned(), b"1".to_vec())]);

    // A date, long past.
    let date = "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let server = Server::start([say(503, date, ""), ok("")]).await;
    let api = Place::new().connection(&server, "");
    assert_eq!(made(&api, call("GET", "a")).await.status, Some(200));
}

#[tokio::test]
async fn the_deadline_is_for_everything() {
    let slow = Step::Cut("HTTP/1.1 200 OK\r\ncontent-".into());
    let dripping =
        Step::Endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into(), Vec::new());
    for step in [Step::Stall, dripping, Step::After(PATIENCE, Box::new(slow))] {
        let server = Server::start([step]).await;
        let api = Place::new().connection(&server, "");
        let begun = Instant::now();
        let called = made(&api, within(call("GET", "a"), SOON)).await;
        assert!(begun.elapsed() < SOON * 3, "{:?}", begun.elapsed());
        assert_eq!(called.tries, 1);
        let CallError::Timeout(message) = failed(called) else { panic!("another error") };
        assert!(message.contains("that the attempt, or the call's own timeout, left"), "{message}");
    }
    let server = Server::start([Step::Stall]).await;
    let api = Place::new().connection(&server, "timeout = \"150ms\"");
    let CallError::Timeout(message) = failed(made(&api, call("POST", "a")).await) else {
        panic!("another error")
    };
    assert_eq!(message, "no whole answer within the connection's `timeout` of 150ms");
}

#[tokio::test]
async fn the_rate_is_for_all_and_waited_for_within_the_deadline() {
    let server = Server::start([ok("")]).await;
    let api = Arc::new(Place::new().connection(&server, "rate = \"3/500ms\""));
    let begun = Instant::now();
    let calls = (0..7).map(|_| {
        let api = Arc::clone(&api);
        tokio::spawn(async move { made(&api, call("GET", "a")).await.status })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), Some(200));
    }
    // Three, three and one.
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());

    let server = Server::start([ok("")]).await;
    let api = Place::new().connection(&server, "rate = \"1/min\"");
    assert_eq!(made(&api, call("GET", "a")).await.status, Some(200));
    let called = made(&api, call("GET", "a")).await;
    assert_eq!(called.tries, 0);
    let CallError::Rate { message, after } = failed(called) else { panic!("another error") };
    assert!(after > Duration::from_secs(50), "{after:?}");
    assert!(
        message
            .starts_with("the `rate` of [connection.api], 1 each 60s, has no room for another 5"),
        "{message}"
    );
    assert_eq!(server.seen().len(), 1);
}

/// A rate without room for another try does not hide what the first one came to.
#[tokio::test]
async fn what_a_try_came_to_is_told_when_there_is_no_room_for_the_next() {
    let server = Server::start([say(503, "", "busy")]).await;
    let api = Place::new().connection(&server, "rate = \"1/min\"");
    let called = made(&api, call("GET", "a")).await;
    assert_eq!((called.tries, called.status), (1, Some(503)));
    assert_eq!(text(&answered(called)), "busy");
}

/// A changed credential takes over what was counted; a connection that has not changed stays as it is.
#[tokio::test]
async fn a_reload_keeps_what_has_not_changed() {
    let server = Server::start([ok("")]).await;
    let place = Place::new();
    let lines = format!("{BEARER}rate = \"1/min\"");
    let make = || {
        let connection = Arc::new(place.connection(&server, &lines));
        Set::from([("api".to_owned(), connection)])
    };
    let before = make();
    assert_eq!(made(&before["api"], call("GET", "a")).await.status, Some(200));
    let mut now = make();
    inherit(&mut now, &before);
    assert!(Arc::ptr_eq(&now["api"], &before["api"]));

    place.put("secret", "another-s3cret");
    let mut now = make();
    inherit(&mut now, &before);
    assert!(!Arc::ptr_eq(&now["api"], &before["api"]));
    assert!(matches!(failed(made(&now["api"], call("GET", "a")).await), CallError::Rate { .. }));
}
