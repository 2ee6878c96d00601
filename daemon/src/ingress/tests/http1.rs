use std::time::Instant;

use super::*;

#[tokio::test]
async fn a_body_comes_back_as_it_was_sent() {
    let serving = Setup::default().start();
    let answer = serving
        .send("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 7\r\n\r\n{ a\r\n\t}")
        .await;
    assert_eq!((status(&answer), body(&answer)), (StatusCode::OK, "{ a\r\n\t}"));
    let answer = serving
        .send(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
             content-encoding: gzip\r\n\r\n3\r\nnot\r\n4\r\n zip\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!((status(&answer), body(&answer)), (StatusCode::OK, "not zip"));
}

#[tokio::test]
async fn requests_follow_each_other_on_a_connection() {
    let serving = Setup::default().start();
    let mut wire = serving.connect().await;
    for text in ["a", "bc"] {
        let length = text.len();
        wire.write(format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{text}"))
            .await;
        let answer = wire.answer().await;
        assert_eq!(body(&answer), text);
        assert_eq!(header(&answer, "connection"), None);
    }
    // A body that says nothing is there leaves nothing unread.
    wire.write("GET /unread HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = wire.answer().await;
    assert_eq!((status(&answer), header(&answer, "connection")), (StatusCode::NOT_FOUND, None));
    wire.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(status(&wire.answer().await), StatusCode::OK);
}

#[tokio::test]
async fn the_peer_is_the_socket_s_other_end() {
    let serving = Setup::default().start();
    let mut wire = serving.connect().await;
    wire.write("GET /peer HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let expected = format!("{} false", wire.0.local_addr().unwrap());
    assert_eq!(body(&wire.answer().await), expected);
}

#[tokio::test]
async fn slow_headers_are_cut_off_however_they_trickle() {
    let header_timeout = Duration::from_millis(150);
    let mut setup = Setup::default();
    setup.limits.header_timeout = header_timeout;
    let serving = setup.start();
    let start = Instant::now();
    let (mut read, mut write) = serving.connect().await.0.into_split();
    let trickle = tokio::spawn(async move {
        let mut head = b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ".to_vec();
        loop {
            if write.write_all(&head).await.is_err() {
                return;
            }
            head = b"a".to_vec();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut answer = Vec::new();
    // A reset is as good an end as a close: nothing was owed.
    let _ = patiently(read.read_to_end(&mut answer)).await;
    assert_eq!(answer, b"");
    assert!(start.elapsed() >= header_timeout);
    patiently(trickle).await.unwrap();
}

#[tokio::test]
async fn silence_is_cut_off_wherever_it_falls() {
    let mut setup = Setup::default();
    setup.limits.header_timeout = Duration::from_millis(100);
    let serving = setup.start();
    // Nothing at all; half of HTTP/2's first bytes; half a request.
    for start in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM", "POST / HT"] {
        assert_eq!(serving.send(start).await, "", "{start:?}");
    }
    // After an answer.
    let mut wire = serving.connect().await;
    wire.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answered = Instant::now();
    assert_eq!(status(&wire.answer().await), StatusCode::OK);
    assert_eq!(wire.rest().await, "");
    assert!(answered.elapsed() >= Duration::from_millis(95));
}

#[tokio::test]
async fn a_request_may_take_longer_than_its_headers() {
    let mut setup = Setup::default();
    setup.limits.header_timeout = Duration::from_millis(50);
    let serving = setup.start();
    let mut wire = serving.connect().await;
    wire.write("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n").await;
    serving.holds().await;
    tokio::time::sleep(Duration::from_millis(160)).await;
    serving.release();
    assert_eq!(status(&wire.answer().await), StatusCode::OK);
}

#[tokio::test]
async fn a_slow_body_is_408_and_the_end() {
    let serving = Setup { body_timeout: Duration::from_millis(80), ..Setup::default() }.start();
    for request in [
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let answer = serving.send(request).await;
        assert_eq!(status(&answer), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(header(&answer, "connection"), Some("close"));
        assert_eq!(body(&answer), "{\"error\":\"the body did not arrive in time\"}\n");
    }
}

#[tokio::test]
async fn a_large_body_is_413_before_it_is_sent() {
    let serving = Setup::default().start();
    for request in [
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n",
        // A sender that asks first is not told to go on.
        "POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1001\r\n\r\n",
    ] {
        let answer = serving.send(request).await;
        assert_eq!(status(&answer), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(header(&answer, "connection"), Some("close"));
    }
}

#[tokio::test]
async fn chunks_are_413_as_soon_as_they_are_too_many() {
    let serving = Setup::default().start();
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    let head = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = serving.send(format!("{head}{chunk}{chunk}1\r\nx\r\n")).await;
    assert_eq!(status(&answer), StatusCode::PAYLOAD_TOO_LARGE);
    let answer = serving.send(format!("{head}{chunk}{chunk}0\r\n\r\nGET / HTTP/1.0\r\n\r\n")).await;
    assert_eq!(status(&answer), StatusCode::OK);
}

#[tokio::test]
async fn the_answer_arrives_though_the_body_is_still_being_sent() {
    let serving = Setup::default().start();
    for path in ["/", "/unread"] {
        let mut request =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n")
                .into_bytes();
        request.resize(request.len() + 200_000, b'x');
        let answer = serving.send(request).await;
        assert!(status(&answer).is_client_error(), "{answer}");
        assert_eq!(header(&answer, "connection"), Some("close"));
    }
}

#[tokio::test]
async fn a_sender_that_asks_first_is_told_to_go_on() {
    let serving = Setup::default().start();
    let mut wire = serving.connect().await;
    wire.write("POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        .await;
    assert_eq!(wire.answer().await, "HTTP/1.1 100 Continue\r\n\r\n");
    wire.write("hi").await;
    assert_eq!(body(&wire.answer().await), "hi");
}

#[tokio::test]
async fn a_broken_body_is_400() {
    let serving = Setup::default().start();
    let answer = serving
        .send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno length\r\n")
        .await;
    assert_eq!(status(&answer), StatusCode::BAD_REQUEST);
    assert_eq!(header(&answer, "connection"), Some("close"));

    let mut wire = serving.connect().await;
    wire.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").await;
    wire.0.shutdown().await.unwrap();
    assert_eq!(status(&wire.rest().await), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_not_http_is_400() {
    let serving = Setup::default().start();
    for junk in ["\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/1.1\r\nbad header\r\n\r\n"] {
        assert_eq!(status(&serving.send(junk).await), StatusCode::BAD_REQUEST, "{junk:?}");
    }
}

#[tokio::test]
async fn headers_past_the_limit_are_431() {
    let serving = Setup::default().start();
    let filler = "x".repeat(4096);
    let answer = serving.send(format!("GET / HTTP/1.1\r\nx-large: {filler}\r\n\r\n")).await;
    assert_eq!(status(&answer), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    // Before the end of the line is there, too.
    let answer = serving.send(format!("GET / HTTP/1.1\r\nx-large: {filler}")).await;
    assert_eq!(status(&answer), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let lines = "a: b\r\n".repeat(200);
    let answer = serving.send(format!("GET / HTTP/1.1\r\n{lines}\r\n")).await;
    assert_eq!(status(&answer), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn a_panic_is_500_and_nobody_else_s_matter() {
    let serving = Setup::default().start();
    let mut wire = serving.connect().await;
    wire.write("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = wire.answer().await;
    assert_eq!(status(&answer), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body(&answer), "{\"error\":\"internal error\"}\n");
    wire.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(status(&wire.answer().await), StatusCode::OK);
}
