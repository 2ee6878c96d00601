//! Whom TLS trusts when the daemon is the client.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore};

/// Why the client's TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootsError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a PEM file: {source}", path.display())]
    NotPem { path: PathBuf, source: pem::Error },
    #[error(
        "{} holds no certificate: a PEM file with a `BEGIN CERTIFICATE` section is needed",
        path.display()
    )]
    NoCertificate { path: PathBuf },
    #[error("a certificate in {} cannot be used: {source}", path.display())]
    BadCertificate { path: PathBuf, source: rustls::Error },
    #[error("TLS cannot be set up: {0}")]
    Setup(#[source] rustls::Error),
}

/// The platform's trust roots.
///
/// Those of the platform and not a list compiled in: on a server they are a package that gets its
/// updates without this program, and the place to which an administrator adds a company's own.
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` name others, as they do for OpenSSL. A machine without any can
/// run the daemon all the same: it is told so once, and requests fail.
pub(crate) fn platform() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        tracing::warn!(
            unusable,
            errors = errors.join("; "),
            "no trusted certificate authorities: outgoing requests will fail; install the package \
             ca-certificates"
        );
    }
    roots
}

/// Every certificate in a PEM file, as a trust root. Blocks on the file system.
///
/// # Errors
///
/// One that names the file; one bad certificate refuses all, since a person meant it to be there.
pub(crate) fn of_file(path: &Path) -> Result<RootCertStore, RootsError> {
    let path_buf = || path.to_owned();
    let text = fs::read(path).map_err(|source| RootsError::Read { path: path_buf(), source })?;
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(&text) {
        let der = der.map_err(|source| RootsError::NotPem { path: path_buf(), source })?;
        roots.add(der).map_err(|source| RootsError::BadCertificate { path: path_buf(), source })?;
    }
    if roots.is_empty() {
        return Err(RootsError::NoCertificate { path: path_buf() });
    }
    Ok(roots)
}

/// A certificate with those that vouch for it, and its key.
pub(crate) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// What proves who asks, from two PEM files. Blocks on the file system.
///
/// # Errors
///
/// One that names the file.
pub(crate) fn identity(cert: &Path, key: &Path) -> Result<Identity, RootsError> {
    let read = |path: &Path| {
        fs::read(path).map_err(|source| RootsError::Read { path: path.to_owned(), source })
    };
    let not_pem = |path: &Path| {
        let path = path.to_owned();
        move |source| RootsError::NotPem { path, source }
    };
    let text = read(cert)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(not_pem(cert))?;
    if chain.is_empty() {
        return Err(RootsError::NoCertificate { path: cert.to_owned() });
    }
    let text = zeroize::Zeroizing::new(read(key)?);
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(not_pem(key))?;
    Ok((chain, key))
}

/// The version as people write it.
pub(super) fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLS 1.2",
        ProtocolVersion::TLSv1_3 => "TLS 1.3",
        _ => "TLS",
    }
}

/// TLS 1.2 and 1.3 with `roots`, for HTTP/1.1, showing an identity if there is one.
///
/// # Errors
///
/// When rustls cannot be set up, or a key is not that of its certificate.
pub(crate) fn client_config(
    roots: RootCertStore,
    identity: Option<Identity>,
) -> Result<Arc<ClientConfig>, RootsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(RootsError::Setup)?
        .with_root_certificates(roots);
    let mut config = match identity {
        Some((chain, key)) => {
            config.with_client_auth_cert(chain, key).map_err(RootsError::Setup)?
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        let shown = file.display();
        let made = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).expect("made");
        let good = made.cert.pem();
        for (text, message) in [
            (String::new(), format!("{shown} holds no certificate")),
            (made.signing_key.serialize_pem(), format!("{shown} holds no certificate")),
            ("-----BEGIN CERTIFICATE-----\n%%\n".to_owned(), format!("{shown} is not a PEM file")),
            (
                format!("{good}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                format!("a certificate in {shown} cannot be used"),
            ),
        ] {
            fs::write(&file, text).expect("written");
            let error = of_file(&file).expect_err(&message).to_string();
            assert!(error.starts_with(&message), "{error}");
        }
        fs::write(&file, format!("{good}{good}")).expect("written");
        assert_eq!(of_file(&file).expect("good").len(), 2);
        fs::remove_file(&file).expect("removed");
        let error = of_file(&file).expect_err("missing").to_string();
        assert!(error.starts_with(&format!("cannot read {shown}: ")), "{error}");
    }
}
