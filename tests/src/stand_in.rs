//! A server that stands in for those of senders: HTTPS on loopback, under the senders' own names,
//! with a certificate of an authority that only the test's daemon trusts.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{Config, Yard};

/// No daemon takes longer to send a request.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server. It goes on until the test's process ends.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    hosts: Vec<String>,
    ca: PathBuf,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    down: AtomicBool,
    /// By the path without its query.
    pages: Mutex<HashMap<String, Page>>,
    /// What is answered before what is at the path, once each.
    first: Mutex<HashMap<String, VecDeque<Page>>>,
    asked: Mutex<Vec<Asked>>,
}

#[derive(Clone, Debug)]
struct Page {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Page {
    fn new(status: u16, headers: &[(&str, &str)], body: impl Into<String>) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { status, headers: headers.iter().map(owned).collect(), body: body.into() }
    }
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub host: String,
    /// With its query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl StandIn {
    /// For these host names. The authority's certificate is written into the yard.
    pub fn start(yard: &Yard, hosts: &[&str]) -> Self {
        let (config, ca_pem) = tls(hosts);
        let ca = yard.path("stand-in-ca.pem");
        fs::write(&ca, ca_pem).expect("write the authority's certificate");
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        thread::spawn({
            let state = Arc::clone(&state);
            move || {
                for stream in listener.incoming().flatten() {
                    let (state, config) = (Arc::clone(&state), Arc::clone(&config));
                    // What the daemon does to the connection shows in what it says.
                    thread::spawn(move || answer(stream, config, &state));
                }
            }
        });
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Self { address, hosts, ca, state }
    }

    /// Lets the daemon trust these authorities too, in PEM: what senders sign with has others.
    pub fn trust(&self, authorities: &str) {
        let own = fs::read_to_string(&self.ca).expect("read the authority's certificate");
        fs::write(&self.ca, own + "\n" + authorities).expect("write the authorities");
    }

    /// The configuration with which a daemon finds it in place of the real servers.
    pub fn in_place(&self, config: Config) -> Config {
        let hosts: Vec<String> =
            self.hosts.iter().map(|host| format!("{host:?} = \"{}\"", self.address)).collect();
        config
            .set("outbound", &format!("ca = {:?}", self.ca))
            .set("outbound", &format!("resolve = {{ {} }}", hosts.join(", ")))
    }

    /// From now on this is at `path`.
    pub fn serve(&self, path: &str, body: impl Into<String>) {
        self.answer(path, 200, &[], body);
    }

    pub fn answer(
        &self,
        path: &str,
        status: u16,
        headers: &[(&str, &str)],
        body: impl Into<String>,
    ) {
        lock(&self.state.pages).insert(path.to_owned(), Page::new(status, headers, body));
    }

    /// The next request for `path` is answered so, once; those after it as they would be.
    pub fn answer_once(
        &self,
        path: &str,
        status: u16,
        headers: &[(&str, &str)],
        body: impl Into<String>,
    ) {
        let page = Page::new(status, headers, body);
        lock(&self.state.first).entry(path.to_owned()).or_default().push_back(page);
    }

    /// Whether connections are dropped before the TLS handshake.
    pub fn set_down(&self, down: bool) {
        self.state.down.store(down, Ordering::Relaxed);
    }

    /// Everything that was asked for at `path`.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let all = lock(&self.state.asked);
        all.iter().filter(|asked| without_query(&asked.target) == path).cloned().collect()
    }
}

impl Asked {
    /// The first value of a header (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn without_query(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// The server's side of TLS, and the PEM of its authority.
fn tls(hosts: &[&str]) -> (Arc<ServerConfig>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().expect("a key");
    let ca = params.self_signed(&ca_key).expect("an authority");
    let issuer = Issuer::new(params, ca_key);

    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(hosts).expect("host names");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate and its key");
    (Arc::new(config), ca.pem())
}

/// One request on one connection.
fn answer(stream: TcpStream, config: Arc<ServerConfig>, state: &State) -> io::Result<()> {
    if state.down.load(Ordering::Relaxed) {
        return Ok(());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    let tls = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(tls, stream));
    let asked = read(&mut stream)?;
    let path = without_query(&asked.target);
    let first = lock(&state.first).get_mut(path).and_then(VecDeque::pop_front);
    let page = first.or_else(|| lock(&state.pages).get(path).cloned());
    let page = page.unwrap_or(Page { status: 404, headers: Vec::new(), body: String::new() });
    // Noted before it is answered: whoever sees the answer's effect finds it.
    lock(&state.asked).push(asked);
    let mut head = format!("HTTP/1.1 {} -\r\nconnection: close\r\n", page.status);
    for (name, value) in &page.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", page.body.len()));
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes())?;
    stream.write_all(page.body.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn read(stream: &mut impl BufRead) -> io::Result<Asked> {
    let mut line = || -> io::Result<String> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked { method, host: String::new(), target, headers, body: String::new() };
    asked.host = asked.header("host").unwrap_or_default().to_owned();
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Ok(asked)
}
