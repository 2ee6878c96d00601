use super::*;

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const HOLD: &str = "GET /hold HTTP/1.1\r\nhost: x\r\n\r\n";

/// A connection that is known to be served: it has had an answer.
async fn served(serving: &Serving) -> Wire {
    let mut wire = serving.connect().await;
    wire.write(GET).await;
    assert_eq!(status(&wire.answer().await), StatusCode::OK);
    wire
}

#[tokio::test]
async fn one_client_has_its_share_of_connections() {
    let mut setup = Setup::default();
    setup.limits.connections_per_client = 2;
    let serving = setup.start();
    let first = served(&serving).await;
    let _second = served(&serving).await;
    for request in ["", GET] {
        let answer = serving.send(request).await;
        assert_eq!(status(&answer), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(header(&answer, "retry-after"), Some("1"));
        assert_eq!(header(&answer, "connection"), Some("close"));
        assert_eq!(body(&answer), "{\"error\":\"too many connections from this address\"}\n");
    }
    drop(first);
    // The server notices the end a moment later than this side.
    patiently(async {
        loop {
            let mut wire = serving.connect().await;
            wire.write(GET).await;
            if status(&wire.answer().await) == StatusCode::OK {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_trusted_proxy_is_many_clients() {
    let mut setup = Setup { trusted: vec!["127.0.0.0/8".parse().unwrap()], ..Setup::default() };
    setup.limits.connections_per_client = 1;
    let serving = setup.start();
    let _first = served(&serving).await;
    let _second = served(&serving).await;
}

#[tokio::test]
async fn when_all_connections_are_in_use_the_next_waits_for_one() {
    let mut setup = Setup::default();
    setup.limits.connections = 2;
    let serving = setup.start();
    let first = served(&serving).await;
    let _second = served(&serving).await;
    let mut third = serving.connect().await;
    third.write(GET).await;
    // Proves that it is not served before the first ends: an answer would come within this.
    let early = tokio::time::timeout(Duration::from_millis(100), third.0.readable()).await;
    assert!(early.is_err());
    drop(first);
    assert_eq!(status(&third.answer().await), StatusCode::OK);
}

#[tokio::test]
async fn requests_past_the_limit_are_503_at_once() {
    let mut setup = Setup::default();
    setup.limits.in_flight = 1;
    let serving = setup.start();
    let mut held = serving.connect().await;
    held.write(HOLD).await;
    serving.holds().await;

    let mut other = serving.connect().await;
    other.write(GET).await;
    let answer = other.answer().await;
    assert_eq!(status(&answer), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&answer, "retry-after"), Some("1"));

    serving.release();
    assert_eq!(header(&held.answer().await, "x-was"), Some("held"));
    other.write(GET).await;
    assert_eq!(status(&other.answer().await), StatusCode::OK);
}

#[tokio::test]
async fn a_request_whose_client_left_is_no_longer_counted() {
    let mut setup = Setup::default();
    setup.limits.in_flight = 1;
    let serving = setup.start();
    let mut held = serving.connect().await;
    held.write(HOLD).await;
    serving.holds().await;
    drop(held);
    patiently(async {
        let mut wire = serving.connect().await;
        loop {
            wire.write(GET).await;
            if status(&wire.answer().await) == StatusCode::OK {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn new_limits_hold_for_the_next_request() {
    let mut setup = Setup::default();
    setup.limits.in_flight = 0;
    let serving = setup.start();
    let mut wire = serving.connect().await;
    wire.write(GET).await;
    assert_eq!(status(&wire.answer().await), StatusCode::SERVICE_UNAVAILABLE);
    serving.limits.store(Arc::new(Setup::default().limits));
    wire.write(GET).await;
    assert_eq!(status(&wire.answer().await), StatusCode::OK);
}
