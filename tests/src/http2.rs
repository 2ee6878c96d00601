//! HTTP/2, in the clear and over TLS.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::Request as HttpRequest;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{Reply, Request};

/// A certificate for `localhost` and its key, as two PEM files.
#[derive(Debug)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
    /// What the client believes in.
    pub certificate: CertificateDer<'static>,
}

impl TlsFiles {
    /// Writes a new pair into `folder`, over an older one: key first, as renewal tools do in no
    /// particular order, so that the daemon meets a pair that does not fit for a moment.
    pub fn write(folder: &Path) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let files = Self {
            cert: folder.join("cert.pem"),
            key: folder.join("key.pem"),
            certificate: cert.der().clone(),
        };
        fs::write(&files.key, signing_key.serialize_pem()).expect("write the key");
        fs::write(&files.cert, cert.pem()).expect("write the certificate");
        files
    }
}

/// One request over HTTP/2 without TLS, by prior knowledge.
pub async fn http2_cleartext(address: SocketAddr, request: &Request) -> Reply {
    let stream = TcpStream::connect(address).await.expect("connect");
    exchange(stream, "http", request).await
}

/// One request over HTTP/2 as agreed on by ALPN, believing only in `trusted`.
///
/// # Panics
/// When the certificate is another one, or the daemon does not choose HTTP/2.
pub async fn http2_tls(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    request: &Request,
) -> Reply {
    let stream = handshake(address, trusted).await.expect("a TLS connection");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "what ALPN agreed on");
    exchange(stream, "https", request).await
}

/// Whether a connection that believes only in `trusted` comes about.
pub async fn serves_certificate(address: SocketAddr, trusted: &CertificateDer<'static>) -> bool {
    handshake(address, trusted).await.is_ok()
}

/// The status of a request over cleartext HTTP/2 whose body never comes; `None` when the stream or
/// the connection is ended without one.
pub async fn http2_unfinished(address: SocketAddr, request: &Request) -> Option<u16> {
    let stream = TcpStream::connect(address).await.expect("connect");
    let (client, connection) = h2::client::handshake(stream).await.expect("an HTTP/2 connection");
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.expect("room for a stream");
    let (response, _body) =
        client.send_request(head(request, "http"), false).expect("send the head");
    let status = response.await.ok().map(|response| response.status().as_u16());
    connection.abort();
    status
}

fn head(request: &Request, scheme: &str) -> HttpRequest<()> {
    let mut head = HttpRequest::builder()
        .method(request.method.as_str())
        .uri(format!("{scheme}://localhost{}", request.path));
    for (name, value) in &request.headers {
        head = head.header(name, value);
    }
    head.body(()).expect("a request")
}

async fn handshake(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn exchange<S>(stream: S, scheme: &str, request: &Request) -> Reply
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = h2::client::handshake(stream).await.expect("an HTTP/2 connection");
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.expect("room for a stream");
    let (response, mut body) =
        client.send_request(head(request, scheme), false).expect("send the head");
    body.send_data(Bytes::from(request.body.clone()), true).expect("send the body");
    let (parts, mut stream) = response.await.expect("an answer").into_parts();
    let mut reply = Reply {
        status: parts.status.as_u16(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
        body: Vec::new(),
    };
    while let Some(data) = stream.data().await {
        let data = data.expect("the answer's body");
        stream.flow_control().release_capacity(data.len()).expect("release what was received");
        reply.body.extend_from_slice(&data);
    }
    connection.abort();
    reply
}
