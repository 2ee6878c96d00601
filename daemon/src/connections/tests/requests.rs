use super::*;

#[tokio::test]
async fn a_request_is_what_the_plugin_and_the_configuration_say() {
    let server = Server::start([ok("yes")]).await;
    let place = Place::new();
    let lines = format!("{BEARER}headers = {{ accept = \"text/csv\", \"x-Version\" = \"2\" }}");
    let api = place.connection(&server, &lines);
    let mut post = with_header(call("POST", "/items?a=1"), "X-Trace", "7");
    post.query = vec![("b".to_owned(), "c d&e".to_owned())];
    post.body = "hello".into();
    let called = made(&api, post).await;
    let shown = (called.url.as_str(), called.tries, called.status, called.received);
    let url = format!("{}/v1/items?a=…&b=…", server.url());
    assert_eq!(shown, (url.as_str(), 1, Some(200), 3));
    let answer = answered(called);
    assert_eq!((answer.status, text(&answer).as_str()), (200, "yes"));
    assert!(answer.headers.is_empty());

    let seen = &server.seen()[0];
    assert!(seen.starts_with("POST /v1/items?a=1&b=c+d%26e HTTP/1.1\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\nhello"), "{seen}");
    for (name, value) in [
        ("host", format!("127.0.0.1:{}", server.port)),
        ("authorization", format!("Bearer {SECRET}")),
        ("x-trace", "7".to_owned()),
        ("accept", "text/csv".to_owned()),
        ("x-version", "2".to_owned()),
        ("idempotency-key", "job-1".to_owned()),
        ("accept-encoding", "gzip".to_owned()),
        ("content-length", "5".to_owned()),
        ("user-agent", format!("hookyard/{}", env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(header(seen, name), [value], "{name} in {seen}");
    }

    // What changes nothing needs no key; an author's own key and name are sent as they are.
    made(&api, with_header(call("GET", "items"), "user-agent", "mine")).await;
    let mut keyed = call("GET", "");
    (keyed.keyed_by_author, keyed.idempotency_key) = (true, "my key".to_owned());
    made(&api, keyed).await;
    made(&api, with_header(call("PUT", "a"), "idempotency-key", "another")).await;
    let seen = server.seen();
    assert_eq!(header(&seen[1], "idempotency-key"), [""; 0]);
    assert_eq!(header(&seen[1], "user-agent"), ["mine"]);
    assert_eq!(header(&seen[2], "idempotency-key"), ["my key"]);
    assert_eq!(header(&seen[3], "idempotency-key"), ["another"]);
    assert_eq!(server.opened(), 1, "the connection is kept");
}

#[tokio::test]
async fn each_kind_of_credential_is_where_its_service_looks_for_it() {
    for (auth, line, target) in [
        (r#"bearer = { file = "secret" }"#, "authorization: Bearer s3cret-t0ken-of-ours", "/v1/a"),
        (
            r#"basic = { user = "me", password = { file = "secret" } }"#,
            // base64 of me:s3cret-t0ken-of-ours
            "authorization: Basic bWU6czNjcmV0LXQwa2VuLW9mLW91cnM=",
            "/v1/a",
        ),
        (
            r#"header = { name = "X-Api-Key", value = { file = "secret" } }"#,
            "x-api-key: s3cret-t0ken-of-ours",
            "/v1/a",
        ),
        (
            r#"header = { name = "authorization", prefix = "Token ", value = { file = "secret" } }"#,
            "authorization: Token s3cret-t0ken-of-ours",
            "/v1/a",
        ),
        (
            r#"query = { name = "key", value = { file = "secret" } }"#,
            "accept-encoding: gzip",
            "/v1/a?key=s3cret-t0ken-of-ours",
        ),
    ] {
        let server = Server::start([Step::Echo]).await;
        let api = Place::new().connection(&server, &format!("auth = {{ {auth} }}"));
        let called = made(&api, call("GET", "a")).await;
        assert!(!called.url.contains("key"), "{}", called.url);
        let seen = &server.seen()[0];
        assert!(seen.contains(&format!("\r\n{line}\r\n")), "{seen}");
        assert!(seen.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{seen}");
        // The server sent it all back; `made` has looked for the credential itself.
        let answer = text(&answered(called));
        assert!(answer.contains("[redacted]"), "{answer}");
        assert!(!answer.contains("bWU6czNj"), "{answer}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_said_and_not_sent() {
    let server = Server::start([ok("")]).await;
    let place = Place::new();
    let lines = "auth = { query = { name = \"key\", value = { file = \"secret\" } } }\n\
                 headers = { accept = \"text/csv\" }";
    let api = place.connection(&server, lines);
    let mut query = call("GET", "a");
    query.query = vec![("key".to_owned(), "mine".to_owned())];
    let mut long_key = call("POST", "a");
    (long_key.keyed_by_author, long_key.idempotency_key) = (true, "k".repeat(256));
    for (call, why) in [
        (call("CONNECT", "a"), "`CONNECT` is not one of GET, HEAD, POST, PUT, PATCH"),
        (call("get", "a"), "`get` is not one of"),
        (call("GET /x\r\n", "a"), "`GET /x\\r\\n` is not one of"),
        (call("GET", "../a"), "the path has a segment `.` or `..`"),
        (call("GET", "//evil.test"), "the path has an empty segment"),
        (
            call("GET", "https://evil.test/"),
            "is a URL that is not below the connection's `base_url`",
        ),
        (call("GET", "a\r\nx: y"), "a line break"),
        (call("GET", "a?key=mine"), "the query parameter `key` is set by [connection.api]"),
        (call("GET", "a?k%65y=mine"), "the query parameter `key` is set by [connection.api]"),
        (query, "the query parameter `key` is set by [connection.api]"),
        (with_header(call("GET", "a"), "Accept", "x"), "`accept` is set by [connection.api]"),
        (with_header(call("GET", "a"), "host", "evil.test"), "`host` is the daemon's to set"),
        (with_header(call("GET", "a"), "x", "1\r\nhost: evil"), "a line break"),
        (long_key, "the idempotency key is not 1 to 255 characters"),
    ] {
        let shown = format!("{call:?}");
        let called = made(&api, call).await;
        assert_eq!(called.tries, 0);
        let CallError::Invalid(message) = failed(called) else { panic!("{shown} was no mistake") };
        assert!(message.contains(why), "{message}");
    }
    assert_eq!(server.opened(), 0);
}

#[test]
fn what_is_wrong_with_a_connection_s_files_is_said_with_the_key() {
    let place = Place::new();
    place.put("lines", "a\nb");
    place.put("note", "not PEM");
    for (lines, why) in [
        ("auth = { bearer = { file = \"missing\" } }", "auth: file missing: No such file"),
        (
            "auth = { bearer = { file = \"lines\" } }",
            "auth: the value of file lines cannot be right",
        ),
        ("ca = \"missing\"", "ca: cannot read "),
        ("ca = \"note\"", "ca: "),
        ("client_cert = \"note\"\nclient_key = \"note\"", "client_cert: "),
    ] {
        let lines = format!("base_url = \"https://api.test/\"\n{lines}");
        let error = place.connection_with(Names::of([]), &lines).expect_err(why);
        assert!(error.starts_with(why), "{error}");
        assert!(!error.contains(SECRET));
    }
}
