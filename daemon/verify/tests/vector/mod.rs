//! A recorded or derived request with the verdict that is right for it, and how it is judged.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::indexing_slicing, reason = "a panic is the failure that a test reports")]

use std::path::Path;

use bytes::Bytes;
use data_encoding::BASE64;
use hookyard_verify::{
    KeySource, Keyring, Profile, Reason, Received, Refused, Request, Secret, Settings, SetupError,
    Takes, UnixTime, Verifier,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

/// Where a setting of a profile is in a vector, when not under its own name.
const SETTINGS: &[(&str, &str)] = &[
    ("audience", "expected_aud"),
    ("email", "expected_email"),
    ("public_key", "bt_public_key"),
    ("verification_token", "secret"),
    ("verify_token", "secret"),
];

/// What settings have that no vector has: where keys would be fetched, and with which credentials.
const SUPPLIED: &[(&str, &str)] = &[
    ("client_id", "5f0000000000000000000000"),
    ("jwks_url", "https://auth.example.com/.well-known/jwks.json"),
    ("secret", "0123456789abcdef0123456789abcd"),
];

/// One vector.
pub(crate) struct Vector(pub Value);

/// Why a vector was refused.
#[derive(Debug)]
#[allow(dead_code, reason = "read by Debug alone, in the message of a test that fails")]
pub(crate) enum Refusal {
    /// Its secret cannot be one of this sender.
    Setup(SetupError),
    Request(Refused),
}

impl Vector {
    /// Those of a file.
    pub(crate) fn read(name: &str) -> Vec<Self> {
        let file = format!("tests/vectors/{name}.json");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        let text = std::fs::read_to_string(path).expect(&file);
        let vectors: Vec<Value> = serde_json::from_str(&text).expect(&file);
        vectors.into_iter().map(Self).collect()
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_else(|| panic!("{key} is missing in {}", self.0))
    }

    pub(crate) fn id(&self) -> &str {
        self.text("id")
    }

    pub(crate) fn valid(&self) -> bool {
        self.0["valid"].as_bool().expect("a verdict")
    }

    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0["now_unix"].as_i64().expect("a clock"))
    }

    pub(crate) fn request(&self) -> Request {
        let url = self.text("url").to_owned();
        let uri: http::Uri = url.parse().expect("a URL");
        let mut headers = HeaderMap::new();
        for (name, value) in self.0["headers"].as_object().expect("headers") {
            let lines = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for line in lines {
                headers.append(
                    HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                    HeaderValue::from_str(line.as_str().expect("text")).expect("a value"),
                );
            }
        }
        let body = match self.0["body_utf8"].as_str() {
            Some(body) => body.as_bytes().to_vec(),
            None => BASE64.decode(self.text("body_base64").as_bytes()).expect("base64"),
        };
        Request {
            method: self.text("method").parse().expect("a method"),
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            url,
            params: Vec::new(),
            headers,
            body: body.into(),
        }
    }

    /// The secrets that its operator has configured. Where the sender names its keys, so do they.
    pub(crate) fn secret_texts(&self) -> Vec<String> {
        let texts = ["secret", "secondary_secret", "public_key"].map(|key| self.0[key].as_str());
        let keys = self.0["public_keys"].as_object().into_iter().flatten();
        let named = keys.filter_map(|(name, key)| Some(format!("{name}:{}", key.as_str()?)));
        texts.into_iter().flatten().map(str::to_owned).chain(named).collect()
    }

    /// The same, as secrets.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        self.secret_texts().into_iter().map(Secret::from).collect()
    }

    /// The secrets that a route of the profile takes. A handshake that needs none has none.
    pub(crate) fn secrets_for(&self, profile: &Profile) -> Vec<Secret> {
        match profile.scheme.takes().expect("a scheme") {
            Takes::Nothing => Vec::new(),
            Takes::Secret | Takes::PublicKey => {
                let secrets = self.secrets();
                match secrets.is_empty() && !profile.teaches_secret() {
                    true => vec![Secret::from("of no account")],
                    false => secrets,
                }
            }
        }
    }

    pub(crate) fn settings(&self, profile: &Profile) -> Settings {
        let mut settings = Settings::default();
        for setting in profile.settings.iter().filter(|setting| setting.only_with.is_none()) {
            let other = SETTINGS.iter().find(|(name, _)| *name == setting.name);
            let key = other.map_or(setting.name, |(_, key)| key);
            let supplied = || {
                let (_, value) = SUPPLIED.iter().find(|(name, _)| *name == setting.name)?;
                Some(*value)
            };
            if let Some(value) = setting.only.or(self.0[key].as_str()).or_else(supplied) {
                settings.insert(setting.name, value);
            }
        }
        settings
    }

    /// What would be fetched.
    fn document(&self, source: &KeySource) -> Option<Bytes> {
        let text = match source {
            KeySource::Certificates { url } => self.0["served_certs"][url].as_str()?.to_owned(),
            KeySource::Plaid { key_id, .. } => {
                let keys = self.0["jwks"]["keys"].as_array()?;
                let key = keys.iter().find(|key| key["kid"] == **key_id)?;
                json!({ "key": key, "request_id": "x" }).to_string()
            }
            KeySource::Ebay { url, key_id } => {
                assert!(url.starts_with("https://api.ebay.com/") && url.ends_with(key_id));
                let key = self.0["public_keys"][key_id].as_str()?;
                json!({ "key": key, "algorithm": "ECDSA", "digest": "SHA1" }).to_string()
            }
            KeySource::Jwks { .. } if self.0["jwks"].is_object() => self.0["jwks"].to_string(),
            _ => return None,
        };
        Some(text.into())
    }

    /// What a route of the profile makes of it.
    pub(crate) fn judge(&self, profile: &Profile) -> Result<Received, Refusal> {
        self.judge_fetching(profile, &mut Vec::new())
    }

    /// The same; `documents` gets what was fetched for it.
    pub(crate) fn judge_fetching(
        &self,
        profile: &Profile,
        documents: &mut Vec<Bytes>,
    ) -> Result<Received, Refusal> {
        let verifier =
            Verifier::for_profile(profile, self.secrets_for(profile), self.settings(profile))
                .map_err(Refusal::Setup)?;
        let roots = self.0["ca_pem"].as_str().unwrap_or_default();
        let roots: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(roots.as_bytes())
            .collect::<Result<_, _>>()
            .expect("certificates");
        let anchors = roots
            .iter()
            .map(|root| webpki::anchor_from_trusted_cert(root).expect("a root").to_owned());
        let mut keyring = Keyring::new().trusting(anchors);
        let mut request = self.request();
        // A key that is needed is fetched once; whoever needs it still has not found what it wants.
        let mut fetched: Vec<KeySource> = Vec::new();
        loop {
            let refused = match verifier.receive(request, self.now(), &keyring) {
                Err(refused) => refused,
                received => return received.map_err(Refusal::Request),
            };
            match &refused.reason {
                Reason::KeyNeeded(source) if !fetched.contains(source) => {
                    let Some(document) = self.document(source) else {
                        return Err(Refusal::Request(refused));
                    };
                    keyring = keyring.with(source, document.clone());
                    documents.push(document);
                    fetched.push(source.clone());
                    request = *refused.request;
                }
                _ => return Err(Refusal::Request(refused)),
            }
        }
    }
}
