//! TLS: a certificate and its key, read from files and read again when they change.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::DrainToken;

/// How often the files are looked at when no notice of a change comes: network file systems give none,
/// and a folder that was replaced is no longer watched.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long a change is left alone, so that the second file of a pair has arrived.
const SETTLE: Duration = Duration::from_millis(200);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a PEM file: {source}", path.display())]
    NotPem { path: PathBuf, source: pem::Error },
    #[error(
        "{} holds no certificate: a PEM file with a `BEGIN CERTIFICATE` section is needed, the \
         server's own certificate first, then those of its issuers",
        path.display()
    )]
    NoCertificate { path: PathBuf },
    #[error(
        "{} holds no private key: a PEM file with a `BEGIN PRIVATE KEY` section is needed",
        path.display()
    )]
    NoKey { path: PathBuf },
    #[error("the certificate in {} cannot be used: {source}", path.display())]
    BadCertificate { path: PathBuf, source: rustls::Error },
    #[error("the private key in {} cannot be used: {source}", path.display())]
    BadKey { path: PathBuf, source: rustls::Error },
    #[error(
        "the private key in {} does not belong to the first certificate in {}",
        key.display(),
        cert.display()
    )]
    Mismatch { cert: PathBuf, key: PathBuf },
    #[error("TLS cannot be set up: {0}")]
    Setup(#[source] rustls::Error),
}

/// A certificate that follows its files. New connections get the newest good one.
#[derive(Debug)]
pub(crate) struct TlsReloader {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
    /// What the files were when they were last tried, good or bad.
    tried: Mutex<[Option<Stamp>; 2]>,
}

impl TlsReloader {
    /// Reads the files, and checks that the key belongs to the certificate.
    ///
    /// # Errors
    ///
    /// One that names the file and what is wrong with it. No error shows any of its content.
    pub(crate) fn load(cert: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tried = Mutex::new([Stamp::of(cert), Stamp::of(key)]);
        let current = read_pair(cert, key, &provider)?;
        let current = Arc::new(Current(ArcSwap::from_pointee(current)));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        Ok(Arc::new(Self {
            cert: cert.to_owned(),
            key: key.to_owned(),
            provider,
            current,
            config,
            tried,
        }))
    }

    /// Reads the files again now. On an error the last good pair stays in use.
    ///
    /// # Errors
    ///
    /// As [`TlsReloader::load`].
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        // Stamped before reading: a change in between is seen as one at the next look.
        *self.tried.lock().unwrap_or_else(PoisonError::into_inner) = self.stamps();
        let pair = read_pair(&self.cert, &self.key, &self.provider)?;
        self.current.0.store(Arc::new(pair));
        Ok(())
    }

    /// Follows the files until the drain: through notices of the folders that they and their links are
    /// in, and by looking every ten seconds. A bad pair is logged, and the last good one stays.
    pub(crate) async fn follow(self: Arc<Self>, mut drain: DrainToken) {
        // One notice is as good as many: a full channel means that a look is due anyway.
        let (notice, mut noticed) = mpsc::channel(1);
        let mut folders = Folders::new(notice);
        loop {
            let tls = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || {
                folders.watch([&tls.cert, &tls.key]);
                loop {
                    tls.look();
                    // A link that was turned before its folder was watched gave no notice.
                    if !folders.watch([&tls.cert, &tls.key]) {
                        return folders;
                    }
                }
            });
            folders = match looked.await {
                Ok(folders) => folders,
                Err(error) => {
                    tracing::error!("certificate files are no longer followed: {error}");
                    return;
                }
            };
            tokio::select! {
                () = drain.begun() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                Some(()) = noticed.recv() => {
                    tokio::time::sleep(SETTLE).await;
                    while noticed.try_recv().is_ok() {}
                }
            }
        }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }

    /// Reloads if the files are others than those last tried.
    fn look(&self) {
        if *self.tried.lock().unwrap_or_else(PoisonError::into_inner) == self.stamps() {
            return;
        }
        match self.reload() {
            Ok(()) => tracing::info!(cert = %self.cert.display(), "certificate reloaded"),
            Err(error) => {
                tracing::warn!("new certificate refused, the last good one stays in use: {error}");
            }
        }
    }

    fn stamps(&self) -> [Option<Stamp>; 2] {
        [Stamp::of(&self.cert), Stamp::of(&self.key)]
    }
}

/// What tells that a path holds another file, or the same one with other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of the file behind every link; `None` when there is none.
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

/// The folders that hold the files, their links, and what the links lead to.
struct Folders {
    /// `None` when the system has no more watches to give: then the looks alone must do.
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<PathBuf>,
}

impl Folders {
    fn new(notice: mpsc::Sender<()>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is an event too, and every look would be answered by its own echo.
            if !matches!(event, Ok(notify::Event { kind: EventKind::Access(_), .. })) {
                let _ = notice.try_send(());
            }
        });
        let watcher = watcher
            .inspect_err(|error| tracing::warn!("certificate changes are noticed late: {error}"))
            .ok();
        Self { watcher, watched: HashSet::new() }
    }

    /// Watches where the files are now: links can lead to other folders than before. Says whether
    /// other folders are watched than before.
    fn watch(&mut self, files: [&PathBuf; 2]) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        let wanted: HashSet<PathBuf> = files
            .into_iter()
            .flat_map(|file| [Some(file.clone()), fs::canonicalize(file).ok()])
            .flatten()
            .filter_map(|file| match file.parent()? {
                here if here.as_os_str().is_empty() => Some(PathBuf::from(".")),
                folder => Some(folder.to_owned()),
            })
            .collect();
        for gone in self.watched.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        let watched = wanted
            .into_iter()
            .filter(|folder| {
                self.watched.contains(folder)
                    || watcher.watch(folder, RecursiveMode::NonRecursive).is_ok()
            })
            .collect();
        std::mem::replace(&mut self.watched, watched) != self.watched
    }
}

/// What the handshake asks for the certificate. Without a lock: a reload swaps it.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn read_pair(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let read = |path: &Path| {
        fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
    };
    let chain = CertificateDer::pem_slice_iter(&read(cert)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::NotPem { path: cert.to_owned(), source })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: cert.to_owned() });
    }
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::NoKey { path: key.to_owned() },
        source => TlsError::NotPem { path: key.to_owned(), source },
    })?;
    let secret = provider
        .key_provider
        .load_private_key(secret)
        .map_err(|source| TlsError::BadKey { path: key.to_owned(), source })?;
    let pair = CertifiedKey::new(chain, secret);
    match pair.keys_match() {
        Ok(()) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { cert: cert.to_owned(), key: key.to_owned() })
        }
        Err(source) => Err(TlsError::BadCertificate { path: cert.to_owned(), source }),
    }
}
