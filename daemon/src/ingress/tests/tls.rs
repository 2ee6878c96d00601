use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::tls::TlsError;
use super::http2::{ask, client, post};
use super::*;

/// A folder with `cert.pem` and `key.pem`.
struct Pair {
    folder: TempDir,
    der: CertificateDer<'static>,
}

impl Pair {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let der = write_pair(folder.path());
        Self { folder, der }
    }

    fn cert(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn load(&self) -> Result<Arc<TlsReloader>, TlsError> {
        TlsReloader::load(&self.cert(), &self.key())
    }
}

fn write_pair(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// A handshake by a client that trusts only `der`.
async fn handshake(
    serving: &Serving,
    der: &CertificateDer<'static>,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = serving.connect().await.0;
    patiently(TlsConnector::from(Arc::new(config)).connect(name, tcp)).await
}

#[tokio::test]
async fn alpn_decides_between_http2_and_http1() {
    let pair = Pair::new();
    let serving = Setup { tls: Some(pair.load().unwrap()), ..Setup::default() }.start();

    let tls = handshake(&serving, &pair.der, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut http2, _) = client(tls).await;
    let (status, peer) = ask(&mut http2, post("/peer", b"")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(peer.ends_with(b" true"), "{peer:?}");

    for alpn in [&[&b"http/1.1"[..]][..], &[]] {
        let mut tls = handshake(&serving, &pair.der, alpn).await.unwrap();
        tls.write_all(
            b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        )
        .await
        .unwrap();
        let mut answer = String::new();
        patiently(tls.read_to_string(&mut answer)).await.unwrap();
        assert_eq!(body(&answer), "hi");
    }
}

#[tokio::test]
async fn an_answer_arrives_over_tls_though_the_body_is_still_being_sent() {
    let pair = Pair::new();
    let serving = Setup { tls: Some(pair.load().unwrap()), ..Setup::default() }.start();
    let mut tls = handshake(&serving, &pair.der, &[]).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";
    tls.write_all(&[&head[..], &[b'x'; 100_000]].concat()).await.unwrap();
    let mut answer = String::new();
    patiently(tls.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(status(&answer), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_handshake_has_its_time() {
    let pair = Pair::new();
    let mut setup = Setup { tls: Some(pair.load().unwrap()), ..Setup::default() };
    setup.limits.handshake_timeout = Duration::from_millis(80);
    setup.limits.header_timeout = Duration::from_millis(80);
    let serving = setup.start();
    assert_eq!(serving.send("").await, "");
    assert_eq!(serving.send([0x16, 0x03, 0x01]).await, "");
    // And what follows it has the headers' time.
    let mut tls = handshake(&serving, &pair.der, &[b"http/1.1"]).await.unwrap();
    let mut answer = Vec::new();
    let _ = patiently(tls.read_to_end(&mut answer)).await;
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn a_client_with_too_many_connections_is_hung_up_on() {
    let pair = Pair::new();
    let mut setup = Setup { tls: Some(pair.load().unwrap()), ..Setup::default() };
    setup.limits.connections_per_client = 1;
    let serving = setup.start();
    let _first = handshake(&serving, &pair.der, &[]).await.unwrap();
    assert_eq!(serving.send("").await, "");
}

#[tokio::test]
async fn a_reload_is_for_new_connections_and_a_bad_one_for_nobody() {
    let pair = Pair::new();
    let tls = pair.load().unwrap();
    let serving = Setup { tls: Some(Arc::clone(&tls)), ..Setup::default() }.start();
    let (mut before, _) = client(handshake(&serving, &pair.der, &[b"h2"]).await.unwrap()).await;

    let new = write_pair(pair.folder.path());
    tls.reload().unwrap();
    handshake(&serving, &new, &[]).await.unwrap();
    handshake(&serving, &pair.der, &[]).await.unwrap_err();
    assert_eq!(ask(&mut before, post("/", b"a")).await.1, "a");

    fs::write(pair.key(), "junk").unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::NoKey { path }) if path == pair.key()));
    handshake(&serving, &new, &[]).await.unwrap();
}

/// As certbot and Kubernetes do it: the path is a link into a folder that is itself swapped.
#[tokio::test]
async fn changed_files_are_noticed_through_their_links() {
    let root = TempDir::new().unwrap();
    let path = |name: &str| root.path().join(name);
    for version in ["1", "2"] {
        fs::create_dir(path(version)).unwrap();
    }
    let old = write_pair(&path("1"));
    symlink("1", path("data")).unwrap();
    symlink("data/cert.pem", path("cert.pem")).unwrap();
    symlink("data/key.pem", path("key.pem")).unwrap();

    let tls = TlsReloader::load(&path("cert.pem"), &path("key.pem")).unwrap();
    let serving = Setup { tls: Some(Arc::clone(&tls)), ..Setup::default() }.start();
    let following = tokio::spawn(Arc::clone(&tls).follow(serving.drain.token()));
    handshake(&serving, &old, &[]).await.unwrap();

    let swapped = write_pair(&path("2"));
    symlink("2", path("new")).unwrap();
    fs::rename(path("new"), path("data")).unwrap();
    comes_into_use(&serving, &swapped).await;

    // Half a pair is refused; the other half makes it whole.
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(path("2/cert.pem"), made.cert.pem()).unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    handshake(&serving, &swapped, &[]).await.unwrap();
    fs::write(path("2/key.pem"), made.signing_key.serialize_pem()).unwrap();
    comes_into_use(&serving, made.cert.der()).await;

    serving.drain.begin(Duration::ZERO);
    patiently(following).await.unwrap();
}

async fn comes_into_use(serving: &Serving, der: &CertificateDer<'static>) {
    patiently(async {
        while handshake(serving, der, &[]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_said_with_the_file() {
    let pair = Pair::new();
    let good_cert = fs::read_to_string(pair.cert()).unwrap();
    let good_key = fs::read_to_string(pair.key()).unwrap();
    let other = Pair::new();
    let other_key = fs::read_to_string(other.key()).unwrap();
    let (cert, key) = (pair.cert(), pair.key());
    let (cert, key) = (cert.display(), key.display());
    for (cert_text, key_text, message) in [
        ("", &good_key[..], format!("{cert} holds no certificate")),
        (&good_key, &good_key, format!("{cert} holds no certificate")),
        ("-----BEGIN CERTIFICATE-----\n%%\n", &good_key, format!("{cert} is not a PEM file")),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &good_key,
            format!("the certificate in {cert} cannot be used"),
        ),
        (&good_cert, "", format!("{key} holds no private key")),
        (&good_cert, &good_cert, format!("{key} holds no private key")),
        (
            &good_cert,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            format!("the private key in {key} cannot be used"),
        ),
        (
            &good_cert,
            &other_key,
            format!("the private key in {key} does not belong to the first certificate in {cert}"),
        ),
    ] {
        fs::write(pair.cert(), cert_text).unwrap();
        fs::write(pair.key(), key_text).unwrap();
        let error = pair.load().unwrap_err().to_string();
        assert!(error.starts_with(&message), "{error}");
    }
    fs::remove_file(pair.key()).unwrap();
    fs::write(pair.cert(), &good_cert).unwrap();
    let error = pair.load().unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot read {key}: ")), "{error}");
}
