use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

const GZIP: &str = "content-encoding: gzip\r\n";

#[tokio::test]
async fn gzip_is_undone() {
    let text = "the same again and again ".repeat(10_000);
    let sent = gzip(text.as_bytes());
    let server = Server::start([say(200, &format!("{GZIP}etag: 7\r\n"), &sent)]).await;
    let api = Place::new().connection(&server, "");
    let called = made(&api, call("GET", "a")).await;
    assert_eq!(called.received, sent.len() as u64);
    let answer = answered(called);
    assert_eq!(super::text(&answer), text);
    assert_eq!(answer.headers, [("etag".to_owned(), b"7".to_vec())]);
    let server = Server::start([say(200, "content-encoding: GZip\r\n", &sent)]).await;
    let api = Place::new().connection(&server, "");
    assert_eq!(super::text(&answered(made(&api, call("GET", "a")).await)), text);
    // The answer to a HEAD has no body.
    let server = Server::start([say(200, GZIP, "")]).await;
    let api = Place::new().connection(&server, "");
    assert_eq!(answered(made(&api, call("HEAD", "a")).await).body, b"");
}

#[tokio::test]
async fn an_answer_is_no_larger_than_it_may_be() {
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096)).into_bytes();
    let endless =
        Step::Endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into(), chunk);
    let announced = Step::Cut("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".into());
    let until_closed = Step::Endless("HTTP/1.1 200 OK\r\n\r\n".into(), vec![b'x'; 4096]);
    let bomb = gzip(&vec![0; 64 << 20]);
    assert!(bomb.len() < 100 << 10);
    let twice = gzip(&gzip(&vec![0; 1 << 20]));
    for step in [endless, announced, until_closed, say(200, GZIP, &bomb)] {
        let server = Server::start([step]).await;
        let place = Place::new();
        let api = place.connection(&server, "max_response = \"100KiB\"");
        let called = made(&api, call("GET", "a")).await;
        assert_eq!((called.tries, called.status), (1, Some(200)));
        let CallError::TooLarge(message) = failed(called) else { panic!("another error") };
        assert_eq!(
            message,
            "the answer is more than the connection's `max_response` of 102400 bytes"
        );
        // What is left of the attempt's own bytes is less.
        let mut small = call("GET", "a");
        small.max_answer = 50 << 10;
        assert_eq!(failed(made(&api, small).await), CallError::OverLimit);
    }
    // Undone once, and not again.
    let server = Server::start([say(200, GZIP, &twice)]).await;
    let api = Place::new().connection(&server, "max_response = \"100KiB\"");
    assert!(answered(made(&api, call("GET", "a")).await).body.starts_with(b"\x1f\x8b"));
}

#[tokio::test]
async fn headers_are_bounded() {
    let long = format!("x-a: {}\r\n", "x".repeat(4000));
    for headers in [long.repeat(60), "x-a: 1\r\n".repeat(200)] {
        let server = Server::start([say(200, &headers, "")]).await;
        let api = Place::new().connection(&server, "");
        let CallError::Network(message) = failed(made(&api, call("POST", "a")).await) else {
            panic!("another error")
        };
        assert_eq!(message, "the answer's headers are more than is taken (32 KiB, 128 lines)");
    }
    for headers in [long.repeat(7), "x-a: 1\r\n".repeat(120)] {
        let server = Server::start([say(200, &headers, "")]).await;
        let api = Place::new().connection(&server, "");
        let lines = headers.lines().count();
        assert_eq!(answered(made(&api, call("GET", "a")).await).headers.len(), lines);
    }
}

#[tokio::test]
async fn what_is_no_sound_answer_is_an_error() {
    let cut = |text: &str| Step::Cut(text.as_bytes().to_vec());
    for step in [
        cut("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"),
        cut("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"),
        cut("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
        cut("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
        cut("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"),
        cut("SSH-2.0-OpenSSH_9.2\r\n"),
        cut(""),
        say(200, GZIP, "not gzip"),
        say(200, GZIP, &gzip(b"hello")[..15]),
    ] {
        let shown = format!("{step:?}");
        let server = Server::start([step]).await;
        let api = Place::new().connection(&server, "");
        let error = failed(made(&api, call("POST", "a")).await);
        assert!(matches!(error, CallError::Network(_)), "{shown}: {error:?}");
    }
    // More than was announced is no part of the answer, and spoils the connection for the next one.
    let more = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
    let server = Server::start([Step::Say(more.into()), ok("real")]).await;
    let api = Place::new().connection(&server, "");
    assert_eq!(text(&answered(made(&api, call("GET", "a")).await)), "ok");
    assert_eq!(text(&answered(made(&api, call("GET", "b")).await)), "real");
}
