//! The client against servers on this machine: answers, addresses, limits, trust.

mod addresses;
mod answers;
mod limits;
mod trust;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::resolve::{Lookup, Resolve};
use super::*;

/// Longer than anything here takes; what runs into it hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// The deadline of a test that waits for it.
const SOON: Duration = Duration::from_millis(300);
/// The name that the test's servers have.
const HOST: &str = "keys.test";

/// A certificate authority.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.as_ref().der().clone()).unwrap();
        roots
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate that proves who asks, and its key, in PEM.
    pub(crate) fn client(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(Vec::new()).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// As [`server`](Self::server), for those alone who prove who they are.
    pub(crate) fn server_for_known(&self, names: &[&str]) -> TlsAcceptor {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(self.roots());
        let known = rustls::server::WebPkiClientVerifier::builder_with_provider(
            roots,
            Arc::clone(&provider),
        );
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(known.build().unwrap())
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// The TLS of a server with a certificate for `names`.
    pub(crate) fn server(&self, names: &[&str]) -> TlsAcceptor {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.signed(CertificateParams::new(names).unwrap())
    }

    fn signed(&self, params: CertificateParams) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// What a server does with a connection, once it has read a request.
#[derive(Clone, Debug)]
enum Script {
    /// Sends this and ends the connection in order.
    Say(Vec<u8>),
    /// Sends this and breaks the connection off: without TLS's own goodbye.
    Cut(Vec<u8>),
    /// Sends the first, and then the second for as long as somebody takes it.
    Endless(Vec<u8>, Vec<u8>),
    /// Sends this and nothing more, and keeps the connection.
    Hold(Vec<u8>),
    /// Takes the connection and never speaks TLS.
    Mute,
}

fn ok(body: &str) -> Script {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    Script::Say(format!("{head}{body}").into_bytes())
}

/// A server on a free port of 127.0.0.1, until it is dropped.
struct Server {
    port: u16,
    /// Each request as it was received, head and body.
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// With TLS, or without where there is none.
    async fn start(tls: Option<TlsAcceptor>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::default();
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (tls, script, seen) = (tls.clone(), script.clone(), Arc::clone(&seen));
                // Ends with the runtime of the test.
                tokio::spawn(async move {
                    match tls {
                        _ if matches!(script, Script::Mute) => std::future::pending().await,
                        Some(tls) => match tls.accept(tcp).await {
                            Ok(stream) => serve(stream, script, &seen).await,
                            Err(error) => Err(error),
                        },
                        None => serve(tcp, script, &seen).await,
                    }
                });
            }
        });
        Self { port, requests, task }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve<I>(mut io: I, script: Script, seen: &Mutex<Vec<String>>) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let request = received(&mut io).await?;
    seen.lock().unwrap().push(request);
    match script {
        Script::Say(bytes) => {
            io.write_all(&bytes).await?;
            io.shutdown().await
        }
        Script::Cut(bytes) => {
            io.write_all(&bytes).await?;
            io.flush().await
        }
        Script::Endless(first, again) => {
            io.write_all(&first).await?;
            loop {
                io.write_all(&again).await?;
                tokio::task::yield_now().await;
            }
        }
        Script::Hold(bytes) => {
            io.write_all(&bytes).await?;
            io.flush().await?;
            std::future::pending().await
        }
        Script::Mute => std::future::pending().await,
    }
}

/// A request's head, and the body that it announces.
async fn received<I: AsyncRead + Unpin>(io: &mut I) -> io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Ok(text.into_owned());
            }
        }
        if io.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Name servers by table.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<&'static str, Vec<IpAddr>>);

impl Names {
    pub(crate) fn of<const N: usize>(names: [(&'static str, &[&str]); N]) -> Arc<Self> {
        let parse = |text: &&str| text.parse().unwrap();
        let names = names.map(|(host, addresses)| (host, addresses.iter().map(parse).collect()));
        Arc::new(Self(names.into_iter().collect()))
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> Lookup<'a> {
        let found = self.0.get(host).cloned().ok_or_else(|| io::Error::other("no such name"));
        Box::pin(std::future::ready(found))
    }
}

/// What a test's client is made of: [`HOST`] is on this machine, which is allowed.
fn parts(roots: RootCertStore) -> ClientParts {
    let this_machine = "127.0.0.0/8".parse().unwrap();
    ClientParts {
        resolver: Resolver::new(Names::of([(HOST, &["127.0.0.1"])])),
        policy: AddressPolicy::public_only().allowing([this_machine]),
        plain_http: false,
        roots,
        limits: FetchLimits::default(),
    }
}

/// A server and a client that trusts it and can find it.
async fn pair(script: Script) -> (Server, Client) {
    pair_within(script, FetchLimits::default()).await
}

async fn pair_within(script: Script, limits: FetchLimits) -> (Server, Client) {
    let ca = Ca::new();
    let server = Server::start(Some(ca.server(&[HOST])), script).await;
    (server, Client::new(ClientParts { limits, ..parts(ca.roots()) }).unwrap())
}

async fn get(client: &Client, url: &str) -> Result<Response, FetchError> {
    fetch(client, Request::get(url).unwrap()).await
}

async fn fetch(client: &Client, request: Request) -> Result<Response, FetchError> {
    tokio::time::timeout(PATIENCE, client.fetch(request)).await.expect("it hangs")
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).expect(name).to_str().unwrap()
}
