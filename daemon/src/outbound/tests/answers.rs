use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST as HOST_HEADER, USER_AGENT};
use http::{HeaderValue, StatusCode};

use super::*;

#[tokio::test]
async fn a_response_is_read_whole() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-kind: \
                   jwks\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n";
    let until_the_end = "HTTP/1.1 200 OK\r\nx-kind: jwks\r\n\r\nabcde";
    let more_than_said = "HTTP/1.1 200 OK\r\nx-kind: jwks\r\ncontent-length: 5\r\n\r\nabcdefgh";
    let after_hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nx-kind: \
                       jwks\r\ncontent-length: 5\r\n\r\nabcde";
    for text in [chunked, until_the_end, more_than_said, after_hints] {
        let (server, client) = pair(Script::Say(text.into())).await;
        let response = get(&client, &server.url("/")).await.expect(text);
        assert_eq!(response.status, StatusCode::OK);
        assert_eq!(header(&response.headers, "x-kind"), "jwks");
        assert_eq!(response.body, "abcde");
    }
}

#[tokio::test]
async fn the_request_is_what_was_asked_for_and_says_who_asks() {
    let (server, client) = pair(ok("")).await;
    get(&client, &server.url("/certs?Token=a%20b#c")).await.unwrap();
    let expected = format!(
        "GET /certs?Token=a%20b HTTP/1.1\r\nhost: keys.test:{}\r\nuser-agent: \
         hookyard/{}\r\nconnection: close\r\n\r\n",
        server.port,
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(server.requests(), [expected]);
}

#[tokio::test]
async fn json_is_posted_with_headers_that_stay_hidden() {
    let (server, client) = pair(ok("thanks")).await;
    let request = Request::post_json(&server.url("/token"), "{\"a\":1}")
        .unwrap()
        .header(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"))
        .header(USER_AGENT, HeaderValue::from_static("curl"))
        .header(HOST_HEADER, HeaderValue::from_static("evil.test"))
        .header(CONTENT_LENGTH, HeaderValue::from_static("99"));
    assert_eq!(request.host(), HOST);
    assert!(!format!("{request:?}").contains("s3cret"), "{request:?}");
    assert_eq!(fetch(&client, request).await.unwrap().body, "thanks");

    let sent = server.requests().remove(0);
    let (head, body) = sent.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /token HTTP/1.1\r\n"), "{head}");
    assert_eq!(body, "{\"a\":1}");
    let mut lines: Vec<&str> = head.lines().skip(1).collect();
    lines.sort_unstable();
    let host = format!("host: keys.test:{}", server.port);
    let agent = concat!("user-agent: hookyard/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        lines,
        [
            "authorization: Bearer s3cret",
            "connection: close",
            "content-length: 7",
            "content-type: application/json",
            &host,
            agent,
        ]
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (elsewhere, _) = pair(ok("elsewhere")).await;
    let to = elsewhere.url("/");
    let text = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let (server, client) = pair(Script::Say(text.into())).await;
    let response = get(&client, &server.url("/?Token=s3cret")).await.unwrap();
    assert_eq!(header(&response.headers, "location"), to);
    let error = response.expect_success().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "fetch https://keys.test:{}/: answered 302 Found, and redirects are not followed",
            server.port
        )
    );
    assert!(!error.is_transient());
    assert_eq!((server.requests().len(), elsewhere.requests().len()), (1, 0));
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_not_taken() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabcde";
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n";
    let until_the_end = "HTTP/1.1 200 OK\r\n\r\nabcde";
    for script in [
        Script::Say(half.into()),
        Script::Cut(half.into()),
        Script::Say(chunks.into()),
        Script::Cut(chunks.into()),
        // Only the end of the connection ends it, and anybody on the way can make one.
        Script::Cut(until_the_end.into()),
        Script::Say(Vec::new()),
        Script::Cut(Vec::new()),
        Script::Say("HTTP/1.1 200 OK\r\ncontent-le".into()),
    ] {
        let shown = format!("{script:?}");
        let (server, client) = pair(script).await;
        let error = get(&client, &server.url("/")).await.expect_err(&shown);
        assert!(matches!(error.failure(), Failure::Broken(_)), "{shown}: {error}");
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    for text in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
    ] {
        let (server, client) = pair(Script::Hold(text.into())).await;
        let error = get(&client, &server.url("/?Token=s3cret")).await.expect_err(text);
        assert!(matches!(error.failure(), Failure::Malformed(_)), "{text}: {error:?}");
        assert!(!error.is_transient() && !error.to_string().contains("s3cret"), "{error}");
    }
}
