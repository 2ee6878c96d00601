use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::*;

pub(super) type Client = http2::SendRequest<Full<Bytes>>;

/// An HTTP/2 client, and the end of its connection.
pub(super) async fn client<I>(io: I) -> (Client, JoinHandle<hyper::Result<()>>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(io));
    let (client, connection) = patiently(handshake).await.unwrap();
    (client, tokio::spawn(connection))
}

pub(super) fn post(path: &str, body: &'static [u8]) -> http::Request<Full<Bytes>> {
    http::Request::post(format!("http://x{path}")).body(Full::new(body.into())).unwrap()
}

pub(super) async fn ask(
    client: &mut Client,
    request: http::Request<Full<Bytes>>,
) -> (StatusCode, Bytes) {
    let response = patiently(client.send_request(request)).await.unwrap();
    let status = response.status();
    (status, patiently(response.into_body().collect()).await.unwrap().to_bytes())
}

#[tokio::test]
async fn prior_knowledge_is_enough() {
    let serving = Setup::default().start();
    let (mut client, _) = client(serving.connect().await.0).await;
    assert_eq!(
        ask(&mut client, post("/", b"\xff{}")).await,
        (StatusCode::OK, (&b"\xff{}"[..]).into())
    );
    let mut other = client.clone();
    let held = tokio::spawn(async move { ask(&mut other, post("/hold", b"")).await });
    serving.holds().await;
    // One that waits keeps none of the others.
    assert_eq!(ask(&mut client, post("/", b"b")).await.1, "b");
    assert_eq!(ask(&mut client, post("/panic", b"")).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    serving.release();
    assert_eq!(held.await.unwrap().0, StatusCode::OK);
}

#[tokio::test]
async fn limits_hold_for_one_stream_and_not_for_its_neighbours() {
    static LARGE: [u8; 300_000] = [b'x'; 300_000];
    let serving = Setup::default().start();
    let (mut client, _) = client(serving.connect().await.0).await;
    assert_eq!(ask(&mut client, post("/", &LARGE)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(ask(&mut client, post("/unread", &LARGE)).await.0, StatusCode::NOT_FOUND);
    let mut large = post("/", b"");
    let filler = http::HeaderValue::from_bytes(&LARGE[..5000]).unwrap();
    large.headers_mut().insert("x-large", filler);
    let (status, _) = ask(&mut client, large).await;
    assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(ask(&mut client, post("/", b"still here")).await.1, "still here");
}

#[tokio::test]
async fn a_quiet_connection_is_said_goodbye() {
    let mut setup = Setup::default();
    setup.limits.header_timeout = Duration::from_millis(100);
    let serving = setup.start();
    let (mut client, connection) = client(serving.connect().await.0).await;
    assert_eq!(ask(&mut client, post("/", b"a")).await.1, "a");
    patiently(connection).await.unwrap().expect("closed, not cut");
}

#[tokio::test]
async fn one_that_does_not_say_goodbye_is_cut_off() {
    let mut setup = Setup::default();
    setup.limits.header_timeout = Duration::from_millis(100);
    let serving = setup.start();
    let mut wire = serving.connect().await;
    wire.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    wire.write([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    let mut frames = Vec::new();
    let _ = patiently(wire.0.read_to_end(&mut frames)).await;
    assert!(!frames.is_empty());
}
