//! Senders whose keys are fetched or say more than a body, with key pairs of our own in their place:
//! what they would send, and what a receiver would have fetched.
#![allow(dead_code, reason = "no test uses all of it")]

use std::fmt;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use hookyard_verify::{
    Keyring, Profile, Reason, Received, Refused, Request, Secret, Settings, SignError, UnixTime,
    Verifier, profile, sign,
};
use http::{HeaderMap, Method};
use p256::pkcs8::DecodePrivateKey;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rsa::traits::PublicKeyParts;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use serde_json::{Value, json};

pub(crate) const RSA: &str = include_str!("../keys/rsa.pem");
pub(crate) const RSA_OTHER: &str = include_str!("../keys/rsa-other.pem");
pub(crate) const P256: &str = include_str!("../keys/p256.pem");
pub(crate) const P256_OTHER: &str = include_str!("../keys/p256-other.pem");
pub(crate) const ED25519: &str = include_str!("../keys/ed25519.pem");
pub(crate) const ED25519_OTHER: &str = include_str!("../keys/ed25519-other.pem");

/// In the middle of what the certificates are good for.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);

pub(crate) const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:orders";

/// One sender.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) profile: &'static Profile,
    /// What it signs with.
    pub(crate) key: Secret,
    /// What a receiver has configured.
    pub(crate) configured: Vec<Secret>,
    pub(crate) settings: Settings,
    /// The set of keys, or the certificates, that is served.
    pub(crate) document: String,
    /// Where.
    pub(crate) served_at: &'static str,
    pub(crate) roots: Vec<TrustAnchor<'static>>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.profile.name)
    }
}

impl Signer {
    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::for_profile(self.profile, self.configured.clone(), self.settings.clone())
            .expect(self.profile.name)
    }

    /// `request` as the sender would send it.
    pub(crate) fn send(&self, request: Request, now: UnixTime) -> Result<Request, SignError> {
        sign(self.profile.scheme, &self.key, request, now, &self.settings)
    }

    /// What a receiver makes of a request, which fetches what it needs and tries once more.
    pub(crate) fn receive(&self, request: Request, now: UnixTime) -> Result<Received, Refused> {
        let verifier = self.verifier();
        let keyring = Keyring::new().trusting(self.roots.clone());
        let refused = match verifier.receive(request, now, &keyring) {
            Err(refused) => refused,
            received => return received,
        };
        let Reason::KeyNeeded(source) = &refused.reason else { return Err(refused) };
        if source.url() != self.served_at {
            return Err(refused);
        }
        let keyring = keyring.with(source, self.document.clone().into());
        verifier.receive(*refused.request, now, &keyring)
    }

    /// Why a request is refused.
    pub(crate) fn reason(&self, request: Request, now: UnixTime) -> Reason {
        self.receive(request, now).expect_err("refused").reason
    }
}

/// All of them.
pub(crate) fn signers() -> Vec<Signer> {
    [
        "aws-sns",
        "fusionauth",
        "google-pubsub",
        "livekit",
        "messagebird",
        "monday",
        "neon",
        "paypal",
        "plaid",
        "wix",
    ]
    .map(signer)
    .to_vec()
}

/// The sender called `name`.
pub(crate) fn signer(name: &str) -> Signer {
    let mut signer = Signer {
        profile: profile(name).expect(name),
        key: Secret::from(RSA),
        configured: Vec::new(),
        settings: Settings::default(),
        document: jwks("hookyard").to_string(),
        served_at: "https://auth.example.com:8443/jwks",
        roots: Vec::new(),
    };
    match name {
        "aws-sns" => {
            signer.settings.insert("topic_arn", TOPIC);
            signer.document = certificate(&subject("sns.amazonaws.com"));
            signer.served_at =
                "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-hookyard.pem";
        }
        "fusionauth" => signer.settings.insert("jwks_url", signer.served_at),
        "google-pubsub" => {
            signer.settings.insert("email", "push@p.iam.gserviceaccount.com");
            signer.served_at = "https://www.googleapis.com/oauth2/v3/certs";
        }
        "livekit" => {
            signer.settings.insert("api_key", "APIkey");
            signer.share("livekit-secret-0123456789");
        }
        "messagebird" | "monday" => signer.share("signing-secret-0123456789"),
        "neon" => {
            signer.key = Secret::from(ED25519);
            signer.settings.insert("jwks_url", signer.served_at);
        }
        "paypal" => {
            signer.settings.insert("webhook_id", "4JH86294D6297924G");
            let (chain, roots) = issued(&subject("messageverificationcerts.paypal.com"));
            signer.document = chain;
            signer.roots = roots;
            signer.served_at = "https://api.paypal.com/v1/notifications/certs/CERT-hookyard";
        }
        "plaid" => {
            signer.key = Secret::from(P256);
            signer.settings.insert("client_id", "5f00");
            signer.settings.insert("secret", "plaid-secret");
            signer.served_at = "https://production.plaid.com/webhook_verification_key/get";
            let keys = jwks("hookyard");
            let key = keys.pointer("/keys/1").expect("three keys");
            signer.document = json!({ "key": key, "request_id": "m8MDnv9okwxFNBV" }).to_string();
        }
        "wix" => {
            signer.configured = vec![Secret::from(include_str!("../keys/rsa-public.pem").trim())];
        }
        _ => panic!("{name}"),
    }
    signer
}

impl Signer {
    fn share(&mut self, secret: &str) {
        self.key = Secret::from(secret);
        self.configured = vec![Secret::from(secret)];
    }
}

/// Keys that are not those of [`signers`].
pub(crate) fn other_key(signer: &Signer) -> Secret {
    Secret::from(match signer.profile.name {
        "livekit" | "messagebird" | "monday" => "another-secret-0123456789",
        "neon" => ED25519_OTHER,
        "plaid" => P256_OTHER,
        _ => RSA_OTHER,
    })
}

fn der(pem: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key")
}

/// The public halves of our keys of each kind, all of one name.
pub(crate) fn jwks(kid: &str) -> Value {
    let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let rsa = rsa::PrivateKey::from_pkcs8_der(der(RSA).secret_der()).expect("a key");
    let p256 = p256::ecdsa::SigningKey::from_pkcs8_der(der(P256).secret_der()).expect("a key");
    let point = p256.verifying_key().to_sec1_point(false);
    let ed25519 = ed25519_dalek::SigningKey::from_pkcs8_der(der(ED25519).secret_der());
    let ed25519 = ed25519.expect("a key").verifying_key();
    json!({ "keys": [
        {
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "e": "AQAB",
            "n": text(rsa.n().to_be_bytes_trimmed_vartime().as_ref()),
        },
        {
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid,
            "x": text(point.x().expect("a point")), "y": text(point.y().expect("a point")),
            "expired_at": null,
        },
        { "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": text(ed25519.as_bytes()) },
    ] })
}

/// What a certificate for `name` says, from 2024 to 2034.
pub(crate) fn subject(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.remove(DnType::CommonName);
    if !name.is_empty() {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2034, 1, 1);
    params
}

/// A certificate for our RSA key, by itself.
pub(crate) fn certificate(params: &CertificateParams) -> String {
    params.self_signed(&KeyPair::from_pem(RSA).expect("a key")).expect("a certificate").pem()
}

/// A certificate for our RSA key with one of an authority between it and a root, and that root.
pub(crate) fn issued(params: &CertificateParams) -> (String, Vec<TrustAnchor<'static>>) {
    let rsa = KeyPair::from_pem(RSA).expect("a key");
    let authority = |name: &str| {
        let mut params = subject(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params, KeyPair::generate().expect("randomness"))
    };
    let (root, root_key) = authority("Root");
    let root_certificate = root.self_signed(&root_key).expect("a root");
    let root_issuer = Issuer::from_params(&root, &root_key);
    let (between, between_key) = authority("Between");
    let between_certificate = between.signed_by(&between_key, &root_issuer).expect("signed");
    let between_issuer = Issuer::from_params(&between, &between_key);
    let leaf = params.signed_by(&rsa, &between_issuer).expect("signed");
    (leaf.pem() + &between_certificate.pem(), vec![anchor(root_certificate.der())])
}

pub(crate) fn anchor(root: &CertificateDer<'_>) -> TrustAnchor<'static> {
    webpki::anchor_from_trusted_cert(root).expect("a root").to_owned()
}

pub(crate) fn request(body: impl Into<Bytes>) -> Request {
    Request {
        method: Method::POST,
        url: "https://hooks.example.com/in?x=1".to_owned(),
        path: "/in".to_owned(),
        query: Some("x=1".to_owned()),
        params: Vec::new(),
        headers: HeaderMap::new(),
        body: body.into(),
    }
}
