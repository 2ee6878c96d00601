//! What a fuzzer's input means, and what has to hold for every one of them. The test suite runs the
//! committed inputs through the same functions.
//!
//! An input is text: lines that say what the route was told, a request line, headers, an empty line
//! and the body.
//!
//! ```text
//! provider stripe
//! now 1750000000
//! secret whsec_test
//! setting NAME VALUE
//! document BASE64
//! roots BASE64
//! POST https://hooks.example.com/in?a=1
//! stripe-signature: t=1750000000,v1=…
//!
//! {"id":"evt_1"}
//! ```

use bytes::Bytes;
use data_encoding::BASE64;
use hookyard_verify::{
    Keyring, Profile, Reason, Received, Refused, Request, Secret, Settings, Takes, UnixTime,
    Verifier, profiles, sign,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// An input, read.
pub struct Input {
    provider: String,
    now: UnixTime,
    secrets: Vec<String>,
    settings: Settings,
    /// What is fetched, in the order in which it is asked for.
    documents: Vec<Bytes>,
    /// Whom certificates have to lead to, in PEM.
    roots: Vec<u8>,
    request: Request,
}

impl Input {
    /// Nothing when there is no request line, which a fuzzer soon learns to keep.
    pub fn read(data: &[u8]) -> Option<Self> {
        let end = data.windows(2).position(|pair| pair == b"\n\n")?;
        let (head, body) = (data.get(..end)?, data.get(end + 2..)?);
        let mut provider = String::new();
        let mut now = UnixTime::from_secs(1_750_000_000);
        let mut secrets = Vec::new();
        let mut settings = Settings::default();
        let mut documents = Vec::new();
        let mut roots = Vec::new();
        let mut lines = head.split(|byte| *byte == b'\n');
        let (method, url) = loop {
            let line = String::from_utf8_lossy(lines.next()?).into_owned();
            let (word, rest) = line.split_once(' ')?;
            match word {
                "provider" => provider = rest.to_owned(),
                "now" => now = UnixTime::from_secs(rest.parse().ok()?),
                "secret" => secrets.push(rest.replace("\\n", "\n")),
                "setting" => {
                    let (name, value) = rest.split_once(' ')?;
                    settings.insert(name, value);
                }
                "roots" => roots = BASE64.decode(rest.as_bytes()).ok()?,
                "document" => documents.push(BASE64.decode(rest.as_bytes()).ok()?.into()),
                method => break (Method::from_bytes(method.as_bytes()).ok()?, rest.to_owned()),
            }
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
            let name = HeaderName::from_bytes(name).ok()?;
            headers.append(name, HeaderValue::from_bytes(value.trim_ascii()).ok()?);
        }
        let after = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let path = after.find(['/', '?']).and_then(|at| after.get(at..)).unwrap_or("/");
        let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
        let request = Request {
            method,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            params: Vec::new(),
            headers,
            body: Bytes::copy_from_slice(body),
            url,
        };
        Some(Self { provider, now, secrets, settings, documents, roots, request })
    }

    fn receive(&self, verifier: &Verifier, request: Request) -> Result<Received, Refused> {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(&self.roots).flatten().collect();
        let anchors = roots.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok());
        let mut keyring = Keyring::new().trusting(anchors.map(|anchor| anchor.to_owned()));
        let mut documents = self.documents.iter();
        let mut request = request;
        loop {
            let refused = match verifier.receive(request, self.now, &keyring) {
                Err(refused) => refused,
                received => return received,
            };
            let Reason::KeyNeeded(source) = &refused.reason else { return Err(refused) };
            let Some(document) = documents.next() else { return Err(refused) };
            keyring = keyring.with(source, document.clone());
            request = *refused.request;
        }
    }
}

/// Runs one input against the senders that `of` takes, and panics when something does not hold.
pub fn exercise(data: &[u8], of: fn(&Profile) -> bool) {
    let Some(input) = Input::read(data) else { return };
    let Some(profile) = profiles().iter().find(|profile| profile.name == input.provider) else {
        return;
    };
    if !of(profile) {
        return;
    }
    let secrets = || input.secrets.iter().map(|secret| Secret::from(secret.as_str()));
    let Ok(verifier) = Verifier::for_profile(profile, secrets(), input.settings.clone()) else {
        return;
    };
    let taken = input.receive(&verifier, input.request.clone());
    if let Ok(Received::Event(verified)) = &taken {
        assert_eq!(verified.request().body, input.request.body, "the body is what was checked");
        let _ = (verified.kind(), verified.delivery_id());
        another_secret_fails(&input, profile);
    }
    what_is_signed_passes(&input, profile, &verifier);
}

/// What one secret lets in, another does not.
fn another_secret_fails(input: &Input, profile: &Profile) {
    if profile.scheme.takes() != Ok(Takes::Secret) {
        return;
    }
    let others: Vec<Secret> = input
        .secrets
        .iter()
        .map(|secret| {
            let (start, end) = secret.split_at(secret.find('_').map_or(0, |at| at + 1));
            Secret::from(format!("{start}QUJDRA{}", end.chars().rev().collect::<String>()))
        })
        .collect();
    let Ok(verifier) = Verifier::for_profile(profile, others, input.settings.clone()) else {
        return;
    };
    let taken = input.receive(&verifier, input.request.clone());
    assert!(!matches!(taken, Ok(Received::Event(_))), "{}: any secret will do", profile.name);
}

/// What this crate signs, it takes: the signature of a request is never wrong.
fn what_is_signed_passes(input: &Input, profile: &Profile, verifier: &Verifier) {
    // The public half of a pair signs nothing, and may be read as the private half of another.
    if profile.scheme.takes() != Ok(Takes::Secret) {
        return;
    }
    let Some(secret) = input.secrets.first() else { return };
    let secret = Secret::from(secret.as_str());
    let request = input.request.clone();
    let Ok(signed) = sign(profile.scheme, &secret, request, input.now, &input.settings) else {
        return;
    };
    if let Err(refused) = input.receive(verifier, signed) {
        let label = refused.reason.label();
        assert!(label != "mismatch" && label != "wrong-credentials", "{}: {label}", profile.name);
    }
}
