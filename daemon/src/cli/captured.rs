//! A captured request in a file: one JSON object with what was received, what the route had been
//! told, and when.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use bytes::Bytes;
use data_encoding::BASE64;
use hookyard_verify::{
    KeySource, Keyring, Profile, Question, Request, Secret, Setting, Settings, Takes, UnixTime,
    Verdict, profile,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use crate::outbound::platform_roots;

/// A file is at most this long, in bytes: four times the largest body that a route can take.
const LARGEST: u64 = 256 << 20;

/// Settings that captures know by another name as well.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("audience", "expected_aud"),
    ("email", "expected_email"),
    ("public_key", "bt_public_key"),
    ("registered_url", "url"),
    // Of a handshake that shows a token, that is the capture's secret.
    ("verification_token", "secret"),
    ("verify_token", "secret"),
];

/// Settings that only say where and for whom keys are fetched. Nothing is fetched here.
const FOR_FETCHING: &[(&str, &str)] = &[
    ("jwks_url", "https://keys.example/jwks.json"),
    ("client_id", "not-needed"),
    ("client_secret", "not-needed"),
    ("secret", "not-needed"),
];

/// The file tells of a request that HTTP cannot carry, so that no sender can have made it.
#[derive(Debug, thiserror::Error)]
#[error("no such request can arrive: {0}")]
pub(super) struct CannotArrive(String);

/// A captured request, read.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) profile: &'static Profile,
    /// Empty where the file has none.
    pub(super) secrets: Vec<Secret>,
    pub(super) settings: Settings,
    pub(super) request: Request,
    pub(super) now: UnixTime,
    /// The whole object: what stands in for what would be fetched is in it.
    object: Map<String, Value>,
}

impl Captured {
    /// Reads `file`, or standard input for `-`. `now` is used where the file has no `now_unix`.
    ///
    /// # Errors
    /// What is wrong with the file, and where.
    pub(super) fn read(file: &Path, now: UnixTime) -> anyhow::Result<Self> {
        let text = text(file).with_context(|| format!("failed to read {}", file.display()))?;
        let value = serde_json::from_slice(&text)
            .with_context(|| format!("{} is not JSON", file.display()))?;
        let Value::Object(object) = value else {
            bail!("{} is not one JSON object", file.display());
        };
        Self::from_object(object, now).with_context(|| format!("in {}", file.display()))
    }

    pub(super) fn from_object(object: Map<String, Value>, now: UnixTime) -> anyhow::Result<Self> {
        let name = required(&object, "provider")?;
        let profile = profile(name)?;
        let now = match object.get("now_unix") {
            None | Some(Value::Null) => now,
            Some(value) => {
                let seconds = value.as_i64();
                UnixTime::from_secs(seconds.context("`now_unix` is a whole number of seconds")?)
            }
        };
        Ok(Self {
            profile,
            secrets: secrets(profile, &object)?,
            settings: settings(profile, &object),
            request: request(&object)?,
            now,
            object,
        })
    }

    /// What would be fetched from `source`, when the file has it.
    pub(super) fn document(&self, source: &KeySource) -> Option<Bytes> {
        let object = &self.object;
        let keys = || object.get("jwks").filter(|keys| keys.is_object());
        let text = match source {
            KeySource::Certificates { url } => {
                object.get("served_certs")?.get(url)?.as_str()?.to_owned()
            }
            KeySource::Jwks { .. } => keys()?.to_string(),
            KeySource::Plaid { key_id, .. } => {
                let keys = keys()?.get("keys")?.as_array()?;
                let key = keys.iter().find(|key| key["kid"] == **key_id)?;
                json!({ "key": key }).to_string()
            }
            KeySource::Ebay { key_id, .. } => {
                let key = object.get("public_keys")?.get(key_id)?.as_str()?;
                json!({ "key": key, "algorithm": "ECDSA", "digest": "SHA1" }).to_string()
            }
            _ => return None,
        };
        Some(text.into())
    }

    /// What the sender would answer when it is asked about the request, when the file has it:
    /// `verification_status`, as PayPal calls it.
    pub(super) fn answer(&self) -> Option<Verdict> {
        let status = self.object.get("verification_status")?;
        Question::read(json!({ "verification_status": status }).to_string().as_bytes())
    }

    /// The roots that certificates have to lead to: the file's own, else those of the machine.
    pub(super) fn keyring(&self) -> Keyring {
        let roots = match self.object.get("ca_pem").and_then(Value::as_str) {
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                let found = CertificateDer::pem_slice_iter(pem.as_bytes());
                roots.add_parsable_certificates(found.flatten());
                roots
            }
            None => platform_roots(),
        };
        Keyring::new().trusting(roots.roots)
    }
}

/// What `file` holds, or standard input for `-`.
pub(super) fn text(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    let reader: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(file)?),
    };
    reader.take(LARGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST {
        bail!("it is larger than {} MiB", LARGEST >> 20);
    }
    Ok(text)
}

fn request(object: &Map<String, Value>) -> anyhow::Result<Request> {
    let url = string(object, "url")?.unwrap_or("https://localhost/").to_owned();
    let uri: http::Uri =
        url.parse().map_err(|error| CannotArrive(format!("`url` is not a URL: {error}")))?;
    let method = string(object, "method")?.unwrap_or("POST");
    let method: Method =
        method.parse().map_err(|_| CannotArrive("`method` is not a method".to_owned()))?;
    let body = match (string(object, "body_base64")?, string(object, "body_utf8")?) {
        (Some(text), _) => BASE64.decode(text.as_bytes()).context("`body_base64` is not base64")?,
        (None, text) => text.unwrap_or_default().as_bytes().to_vec(),
    };
    Ok(Request {
        method,
        path: uri.path().to_owned(),
        query: uri.query().map(str::to_owned),
        url,
        params: Vec::new(),
        headers: headers(object)?,
        body: body.into(),
    })
}

/// A value that is a list was received as several lines of that header, in that order.
fn headers(object: &Map<String, Value>) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let named = match object.get("headers") {
        None | Some(Value::Null) => return Ok(headers),
        Some(value) => value.as_object().context("`headers` is an object of names and values")?,
    };
    for (name, value) in named {
        let lines = match value {
            Value::Array(lines) => lines.as_slice(),
            one => std::slice::from_ref(one),
        };
        let wrong = |error: http::Error| CannotArrive(format!("the header `{name}`: {error}"));
        let header =
            HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong(error.into()))?;
        for line in lines {
            let line =
                line.as_str().with_context(|| format!("the header `{name}` is not a text"))?;
            let value =
                HeaderValue::from_bytes(line.as_bytes()).map_err(|error| wrong(error.into()))?;
            headers.append(&header, value);
        }
    }
    Ok(headers)
}

/// Everything that the route may have been given to check with.
fn secrets(profile: &Profile, object: &Map<String, Value>) -> anyhow::Result<Vec<Secret>> {
    if profile.scheme.takes()? == Takes::Nothing {
        return Ok(Vec::new());
    }
    let listed = ["secret", "secondary_secret", "public_key"]
        .into_iter()
        .filter_map(|key| object.get(key))
        .flat_map(|value| match value {
            Value::Array(several) => several.as_slice(),
            one => std::slice::from_ref(one),
        })
        .filter_map(|value| value.as_str().map(Secret::from));
    // Where the sender names its key, the route's keys have names too.
    let named = object.get("public_keys").and_then(Value::as_object).into_iter().flatten();
    let named =
        named.filter_map(|(name, key)| Some(Secret::from(format!("{name}:{}", key.as_str()?))));
    Ok(listed.chain(named).collect())
}

fn settings(profile: &Profile, object: &Map<String, Value>) -> Settings {
    let mut settings = Settings::default();
    // What another setting's value calls for says nothing without it.
    let counts = |setting: &Setting| {
        let is = |(name, value): (&str, &str)| object.get(name).is_some_and(|found| found == value);
        setting.only_with.is_none_or(is)
    };
    for setting in profile.settings {
        let other = OTHER_NAMES.iter().find(|(name, _)| *name == setting.name);
        let own = Some(setting.name).filter(|name| *name != "secret");
        let names = own.into_iter().chain(other.map(|(_, name)| *name));
        let value = names.filter_map(|name| object.get(name)).find_map(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            _ => None,
        });
        let known = || FOR_FETCHING.iter().find(|(name, _)| *name == setting.name);
        let value = value
            .or_else(|| setting.only.map(str::to_owned))
            .or_else(|| known().map(|(_, value)| (*value).to_owned()))
            .filter(|_| counts(setting));
        if let Some(value) = value {
            settings.insert(setting.name, value);
        }
    }
    settings
}

fn string<'o>(object: &'o Map<String, Value>, key: &str) -> anyhow::Result<Option<&'o str>> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => Ok(Some(value.as_str().with_context(|| format!("`{key}` is not a text"))?)),
    }
}

fn required<'o>(object: &'o Map<String, Value>, key: &str) -> anyhow::Result<&'o str> {
    string(object, key)?.with_context(|| format!("`{key}` is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Captured> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Captured::read(file.path(), UnixTime::from_secs(7))
    }

    #[test]
    fn a_capture_has_what_it_says_and_defaults_for_the_rest() {
        let captured = read(
            r#"{"provider": "github", "secret": ["a", "b"], "body_utf8": "x", "body_base64": "eQ==",
                "headers": {"X-A": ["1", "2"]}, "url": "https://h.example/a?b=c", "other": 1}"#,
        )
        .expect("a capture");
        let request = &captured.request;
        assert_eq!((captured.secrets.len(), captured.now), (2, UnixTime::from_secs(7)));
        assert_eq!((request.path.as_str(), request.query.as_deref()), ("/a", Some("b=c")));
        assert_eq!(request.body, "y", "base64 wins");
        assert_eq!(request.headers.get_all("x-a").iter().count(), 2);
        let bare = read(r#"{"provider": "github", "now_unix": 9}"#).expect("enough");
        assert_eq!((bare.request.method, bare.now), (Method::POST, UnixTime::from_secs(9)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("{", "is not JSON"),
            ("[]", "is not one JSON object"),
            ("{}", "`provider` is missing"),
            (r#"{"provider": "githab"}"#, "did you mean `github`?"),
            (r#"{"provider": "github", "url": 1}"#, "`url` is not a text"),
            (r#"{"provider": "github", "url": "a b"}"#, "`url` is not a URL"),
            (r#"{"provider": "github", "headers": {"a b": "c"}}"#, "the header `a b`"),
            (r#"{"provider": "github", "headers": {"a": 1}}"#, "the header `a` is not a text"),
            (r#"{"provider": "github", "body_base64": "?"}"#, "`body_base64` is not base64"),
            (r#"{"provider": "github", "now_unix": "1"}"#, "`now_unix` is a whole number"),
        ] {
            let error = read(text).expect_err(text);
            let shown = format!("{error:#}");
            assert!(shown.contains(part), "{text}: {shown}");
            let unsendable = part.contains("URL") || part.contains("a b");
            assert_eq!(error.is::<CannotArrive>(), unsendable, "{text}");
        }
    }
}
