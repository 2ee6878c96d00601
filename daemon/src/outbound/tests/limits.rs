use tokio::net::{TcpSocket, TcpStream};

use super::*;

fn within(change: impl FnOnce(&mut FetchLimits)) -> FetchLimits {
    let mut limits = FetchLimits {
        connect: PATIENCE * 2,
        deadline: PATIENCE * 2,
        header_bytes: 16 << 10,
        header_count: 20,
        body: 1000,
    };
    change(&mut limits);
    limits
}

async fn failed(script: Script, limits: FetchLimits) -> FetchError {
    let (server, client) = pair_within(script, limits).await;
    get(&client, &server.url("/?Token=s3cret")).await.expect_err("a failure")
}

fn with_body(length: &str, body: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{length}\r\n\r\n{}", "x".repeat(body)).into_bytes()
}

#[tokio::test]
async fn the_deadline_is_for_everything() {
    let slow_body = Script::Hold(with_body("content-length: 100", 5));
    let slow_head = Script::Hold("HTTP/1.1 200 OK\r\ncontent-".into());
    let hints = Script::Endless(Vec::new(), "HTTP/1.1 103 Early Hints\r\n\r\n".into());
    for script in [Script::Hold(Vec::new()), slow_head, slow_body, hints, Script::Mute] {
        let shown = format!("{script:?}");
        let error = failed(script, within(|limits| limits.deadline = SOON)).await;
        assert!(matches!(error.failure(), Failure::Deadline { .. }), "{shown}: {error}");
        assert!(error.is_transient());
        assert!(error.to_string().ends_with("/: no complete response within 300ms"), "{error}");
    }
}

#[derive(Debug)]
struct NoAnswer;

impl Resolve for NoAnswer {
    fn resolve<'a>(&'a self, _: &'a str) -> Lookup<'a> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn the_deadline_is_for_the_look_up_too() {
    let limits = within(|limits| limits.deadline = SOON);
    let resolver = Resolver::new(Arc::new(NoAnswer));
    let parts = ClientParts { resolver, limits, ..parts(RootCertStore::empty()) };
    let error = get(&Client::new(parts).unwrap(), "https://keys.test/").await.unwrap_err();
    assert!(matches!(error.failure(), Failure::Deadline { .. }), "{error}");
}

#[tokio::test]
async fn a_handshake_has_the_time_of_a_connection() {
    let error = failed(Script::Mute, within(|limits| limits.connect = SOON)).await;
    assert!(matches!(error.failure(), Failure::ConnectTimeout { .. }), "{error}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_connection_that_nobody_takes_is_given_up() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // A full queue answers no more.
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(SOON, TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
    }
    let limits = within(|limits| limits.connect = SOON);
    let parts = ClientParts { limits, ..parts(RootCertStore::empty()) };
    let url = format!("https://{HOST}:{}/", address.port());
    let error = get(&Client::new(parts).unwrap(), &url).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::ConnectTimeout { .. }), "{error}");
    assert!(error.to_string().contains(&format!("no connection to {address} within 300ms")));
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit() {
    for length in ["content-length: 1000", "x: y"] {
        let script = Script::Say(with_body(length, 1000));
        let (server, client) = pair_within(script, within(|_| ())).await;
        assert_eq!(get(&client, &server.url("/")).await.expect(length).body.len(), 1000);
    }
    let chunk = format!("{:x}\r\n{}\r\n", 100, "x".repeat(100)).into_bytes();
    for script in [
        // Refused for what it says, though only little of it comes.
        Script::Hold(with_body("content-length: 1001", 5)),
        Script::Hold(with_body("content-length: 18446744073709551613", 5)),
        Script::Say(with_body("x: y", 1001)),
        Script::Endless(with_body("x: y", 1), b"xxxxxxx".to_vec()),
        Script::Endless(with_body("transfer-encoding: chunked", 0), chunk),
    ] {
        let shown = format!("{script:?}");
        let error = failed(script, within(|_| ())).await;
        assert!(matches!(error.failure(), Failure::BodyTooLarge { .. }), "{shown}: {error}");
        assert!(!error.is_transient() && !error.to_string().contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn headers_have_their_limits() {
    let lines = |count: usize, length: usize| {
        let line = |n| format!("x-{n}: {}\r\n", "x".repeat(length));
        let lines: String = (0..count).map(line).collect();
        format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{lines}\r\n").into_bytes()
    };
    let (server, client) = pair_within(Script::Say(lines(19, 500)), within(|_| ())).await;
    assert_eq!(get(&client, &server.url("/")).await.unwrap().headers.len(), 20);
    for script in [
        Script::Say(lines(20, 1)),
        Script::Say(lines(10, 1700)),
        Script::Endless("HTTP/1.1 200 OK\r\nx: ".into(), vec![b'x'; 100]),
        Script::Endless("HTTP/1.1 200 OK\r\n".into(), b"x: y\r\n".to_vec()),
    ] {
        let error = failed(script, within(|_| ())).await;
        assert!(matches!(error.failure(), Failure::HeadersTooLarge { .. }), "{error:?}");
        assert!(!error.is_transient());
    }
}
