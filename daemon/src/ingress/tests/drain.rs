use super::http2::{ask, client, post};
use super::*;

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const HOLD: &str = "GET /hold HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn idle_connections_end_and_open_requests_are_answered() {
    let serving = Setup::default().start();
    let mut silent = serving.connect().await;
    let mut idle = serving.connect().await;
    idle.write(GET).await;
    assert_eq!(status(&idle.answer().await), StatusCode::OK);
    let mut busy = serving.connect().await;
    busy.write(HOLD).await;
    serving.holds().await;

    serving.drain.begin(PATIENCE * 6);
    assert_eq!(idle.rest().await, "");
    assert_eq!(silent.rest().await, "");
    assert!(!serving.served.is_finished());
    let refused = TcpStream::connect(serving.address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    serving.release();
    let answer = busy.rest().await;
    assert_eq!(status(&answer), StatusCode::OK);
    assert_eq!(header(&answer, "connection"), Some("close"));
    serving.ended().await;
}

#[tokio::test]
async fn an_http2_request_is_answered_before_the_connection_ends() {
    let serving = Setup::default().start();
    let (mut client, connection) = client(serving.connect().await.0).await;
    let held = tokio::spawn({
        let mut client = client.clone();
        async move { ask(&mut client, post("/hold", b"")).await }
    });
    serving.holds().await;
    serving.drain.begin(PATIENCE * 6);
    serving.release();
    assert_eq!(held.await.unwrap().0, StatusCode::OK);
    patiently(connection).await.unwrap().expect("closed, not cut");
    assert!(client.send_request(post("/", b"")).await.is_err());
    serving.ended().await;
}

#[tokio::test]
async fn the_deadline_drops_what_is_left() {
    let serving = Setup::default().start();
    let mut busy = serving.connect().await;
    busy.write(HOLD).await;
    serving.holds().await;
    serving.drain.begin(Duration::from_millis(50));
    assert_eq!(busy.rest().await, "");
    serving.ended().await;
}

#[tokio::test]
async fn a_full_listener_drains_as_well() {
    let mut setup = Setup::default();
    setup.limits.connections = 1;
    let serving = setup.start();
    let mut only = serving.connect().await;
    only.write(GET).await;
    assert_eq!(status(&only.answer().await), StatusCode::OK);
    serving.drain.begin(PATIENCE * 6);
    serving.ended().await;
}
