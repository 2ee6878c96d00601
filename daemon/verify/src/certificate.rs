//! The certificates that some senders sign with, as they are fetched: in PEM, the signer's first.

use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::DirectoryString;

use crate::public_key::PublicKey;
use crate::reason::Reason;
use crate::request::UnixTime;

/// The longest document that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// How many certificates a chain may have, the signer's included.
const MOST: usize = 8;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// How a chain's certificates may be signed. MD5, SHA-1 and RSA keys under 2048 bits are not among
/// these.
static CHAIN_ALGORITHMS: &[&dyn rustls_pki_types::SignatureVerificationAlgorithm] = &[
    webpki::ring::RSA_PKCS1_2048_8192_SHA256,
    webpki::ring::RSA_PKCS1_2048_8192_SHA384,
    webpki::ring::RSA_PKCS1_2048_8192_SHA512,
    webpki::ring::ECDSA_P256_SHA256,
    webpki::ring::ECDSA_P384_SHA384,
];

/// The signer's certificate and those that it says lead to a root.
#[derive(Debug)]
pub(crate) struct Chain {
    signer: Certificate,
    der: CertificateDer<'static>,
    others: Vec<CertificateDer<'static>>,
}

impl Chain {
    /// Reads a document. Nothing when it is not one or several certificates.
    pub(crate) fn read(pem: &[u8]) -> Option<Self> {
        if pem.len() > LONGEST {
            return None;
        }
        let mut all = CertificateDer::pem_slice_iter(pem).take(MOST + 1);
        let der = all.next()?.ok()?;
        let others = all.collect::<Result<Vec<_>, _>>().ok()?;
        let signer = Certificate::from_der(&der).ok()?;
        (others.len() < MOST).then_some(Self { signer, der, others })
    }

    /// The signer's key, when the certificate is good at `now`. Who issued it is not looked at.
    pub(crate) fn key(&self, now: UnixTime) -> Result<PublicKey, Reason> {
        let validity = self.signer.tbs_certificate().validity();
        let now = seconds(now).ok_or(Reason::BadCertificate("the clock stands before 1970"))?;
        if now < validity.not_before.to_unix_duration() {
            return Err(Reason::BadCertificate("it is not valid yet"));
        }
        if now > validity.not_after.to_unix_duration() {
            return Err(Reason::BadCertificate("it has expired"));
        }
        let key = self.signer.tbs_certificate().subject_public_key_info();
        let key = key.to_der().ok().and_then(|der| PublicKey::from_spki(&der).ok());
        key.ok_or(Reason::BadCertificate("its key is of no kind that counts"))
    }

    /// Makes sure that the certificate leads to one of `roots`, as one of a TLS server does.
    pub(crate) fn leads_to(
        &self,
        roots: &[TrustAnchor<'static>],
        now: UnixTime,
    ) -> Result<(), Reason> {
        if roots.is_empty() {
            return Err(Reason::BadCertificate("there are no roots that it could lead to"));
        }
        let elsewhere = || Reason::BadCertificate("it does not lead to a root that is trusted");
        let now = seconds(now).ok_or_else(elsewhere)?;
        let signer = webpki::EndEntityCert::try_from(&self.der).map_err(|_| elsewhere())?;
        signer
            .verify_for_usage(
                CHAIN_ALGORITHMS,
                roots,
                &self.others,
                rustls_pki_types::UnixTime::since_unix_epoch(now),
                webpki::KeyUsage::server_auth(),
                None,
                None,
            )
            .map(drop)
            .map_err(|_| elsewhere())
    }

    /// The one common name of the subject.
    pub(crate) fn common_name(&self) -> Option<String> {
        let subject = self.signer.tbs_certificate().subject();
        let mut names = subject.iter().filter(|attribute| attribute.oid == COMMON_NAME);
        let (Some(name), None) = (names.next(), names.next()) else { return None };
        match DirectoryString::from_der(&name.value.to_der().ok()?).ok()? {
            DirectoryString::PrintableString(name) => Some(name.to_string()),
            DirectoryString::Utf8String(name) => Some(name),
            _ => None,
        }
    }
}

fn seconds(now: UnixTime) -> Option<Duration> {
    u64::try_from(now.as_secs()).ok().map(Duration::from_secs)
}
