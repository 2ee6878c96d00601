//! From a source of keys to the request that gets it, and from the answer to a document.

use std::time::Duration;

use hookyard_verify::{KeySource, Settings};
use http::header::{ACCEPT, AGE, AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::account::{self, Account};
use super::tokens::Tokens;
use super::{Fetch, Fetched, Fetching};
use crate::outbound::{Client, FetchError, Request, Response};

/// The largest document, in bytes. The largest known sets of keys have some ten kilobytes.
const LARGEST: usize = 64 << 10;

/// How long a document is used that does not say.
const USUAL: Duration = Duration::from_secs(3600);

/// The bounds of what a document says of itself: a key that was taken back must not be believed for
/// days, and a provider is not asked all the time.
const SHORTEST: Duration = Duration::from_secs(5 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Fetches from where the documents are.
pub(crate) struct Online {
    client: Client,
    tokens: Tokens,
}

impl Online {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, tokens: Tokens::default() }
    }

    async fn get(&self, source: &KeySource, settings: &Settings) -> Result<Fetched, String> {
        let request = self.request(source, settings).await?;
        let shown = request.headers().get(AUTHORIZATION).cloned();
        let response = self.send(request).await?;
        if is_no_such_key(source, response.status, &response.body) {
            return Ok(Fetched::NoSuchKey);
        }
        if let KeySource::Ebay { url, .. } = source
            && response.status == StatusCode::UNAUTHORIZED
            && let (Some(host), Some(account)) = (super::host(url), Account::of(settings))
            && let Some(token) = shown
        {
            self.tokens.refused(host, account, &token).await;
        }
        let Response { headers, body, .. } = accepted(response)?;
        // Something else is a failure of the server's: what was there before is kept.
        if !has_keys(source, &body) {
            return Err("what came back holds no keys".to_owned());
        }
        Ok(Fetched::Document { document: body, fresh_for: fresh_for(&headers) })
    }

    async fn request(&self, source: &KeySource, settings: &Settings) -> Result<Request, String> {
        let get = |accept| {
            let request = Request::get(source.url()).map_err(|error| error.to_string())?;
            Ok(request.header(ACCEPT, HeaderValue::from_static(accept)))
        };
        match source {
            KeySource::Certificates { .. } => get("application/x-pem-file, */*"),
            KeySource::Jwks { .. } => get("application/jwk-set+json, application/json"),
            KeySource::Plaid { .. } => account::plaid(source, settings),
            KeySource::Ebay { url, .. } => {
                let authorization = self.ebay_authorization(url, settings).await?;
                Ok(get("application/json")?.header(AUTHORIZATION, authorization))
            }
            _ => Err("nothing is known about such a source".to_owned()),
        }
    }

    async fn ebay_authorization(
        &self,
        url: &str,
        settings: &Settings,
    ) -> Result<HeaderValue, String> {
        let host = super::host(url).ok_or("the key's URL has no host")?;
        let minted_at = format!("https://{host}/identity/v1/oauth2/token");
        let question = account::token(&minted_at, account::EBAY_GRANT, settings)?;
        let account = Account::of(settings).ok_or("there are no credentials")?;
        let mint = async {
            let answer = accepted(self.send(question).await?)?;
            account::token_shown(&answer.body)
        };
        self.tokens.get(host, account, mint).await
    }

    async fn send(&self, request: Request) -> Result<Response, String> {
        self.client.fetch(request).await.map_err(|error| failed(&error))
    }
}

/// A success of a size that keys have.
pub(super) fn accepted(response: Response) -> Result<Response, String> {
    let response = response.expect_success().map_err(|error| failed(&error))?;
    if response.body.len() > LARGEST {
        return Err(format!("the answer is larger than {} KiB", LARGEST >> 10));
    }
    Ok(response)
}

pub(super) fn failed(error: &FetchError) -> String {
    let lasting = if error.is_transient() { "" } else { "; that does not go away by itself" };
    format!("failed to {error}{lasting}")
}

/// Whether a service that is asked for one key said that there is none of that name: no failure,
/// and whoever named it signed with something else. Every other refusal may be due to what this
/// side has sent, and says nothing of the key.
fn is_no_such_key(source: &KeySource, status: StatusCode, answer: &[u8]) -> bool {
    match source {
        KeySource::Plaid { .. } => {
            status == StatusCode::BAD_REQUEST && account::plaid_has_no_such_key(answer)
        }
        KeySource::Ebay { .. } => status == StatusCode::NOT_FOUND,
        _ => false,
    }
}

impl Fetch for Online {
    fn fetch<'a>(&'a self, source: &'a KeySource, settings: &'a Settings) -> Fetching<'a> {
        Box::pin(self.get(source, settings))
    }
}

/// Whether a document is of the kind that was asked for. Which keys are good is for whoever checks
/// with them.
fn has_keys(source: &KeySource, document: &[u8]) -> bool {
    let json = || serde_json::from_slice::<serde_json::Value>(document).ok();
    match source {
        KeySource::Certificates { .. } => {
            CertificateDer::pem_slice_iter(document).next().is_some_and(|first| first.is_ok())
        }
        // An empty set says that all keys were taken back.
        KeySource::Jwks { .. } => {
            json().is_some_and(|json| json.get("keys").is_some_and(|keys| keys.is_array()))
        }
        KeySource::Plaid { .. } => {
            json().is_some_and(|json| json.get("key").is_some_and(|key| key.is_object()))
        }
        KeySource::Ebay { .. } => {
            json().is_some_and(|json| json.get("key").is_some_and(|key| key.is_string()))
        }
        _ => true,
    }
}

/// How long an answer may be used, by its `Cache-Control` and `Age`.
fn fresh_for(headers: &HeaderMap) -> Duration {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let mut said = None;
    for directive in lines.flat_map(|line| line.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let name = name.trim();
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return SHORTEST;
        }
        if name.eq_ignore_ascii_case("max-age") {
            said = value.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
        }
    }
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok());
    let age = Duration::from_secs(age.unwrap_or(0));
    said.map_or(USUAL, |said| said.saturating_sub(age)).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_document_of_keys_is_told() {
        let url = || "https://keys.test/".to_owned();
        let key_id = || "a".to_owned();
        let pem = rcgen::generate_simple_self_signed(vec!["keys.test".to_owned()]).unwrap();
        let pem = pem.cert.pem();
        let cases: [(KeySource, &[&str], &[&str]); 4] = [
            (KeySource::Certificates { url: url() }, &[&pem], &["", "{}", "-----BEGIN"]),
            (
                KeySource::Jwks { url: url(), key_id: key_id() },
                &[r#"{"keys":[{}]}"#, r#"{"keys":[]}"#],
                &["", "<html>", "{}", r#"{"keys":{}}"#, "[]"],
            ),
            (
                KeySource::Plaid { url: url(), key_id: key_id() },
                &[r#"{"key":{}}"#],
                &["", "{}", r#"{"key":null}"#],
            ),
            (
                KeySource::Ebay { url: url(), key_id: key_id() },
                &[r#"{"key":"-----BEGIN"}"#],
                &["", "{}", r#"{"key":{}}"#],
            ),
        ];
        for (source, good, bad) in cases {
            assert!(good.iter().all(|document| has_keys(&source, document.as_bytes())));
            for document in bad {
                assert!(!has_keys(&source, document.as_bytes()), "{source}: {document}");
            }
        }
    }

    #[test]
    fn a_refusal_of_the_credentials_says_nothing_of_the_key() {
        let [url, key_id] = ["https://keys.test/", "a"].map(str::to_owned);
        let plaid = KeySource::Plaid { url: url.clone(), key_id: key_id.clone() };
        let ebay = KeySource::Ebay { url: url.clone(), key_id: key_id.clone() };
        let jwks = KeySource::Jwks { url, key_id };
        const NONE: &str = r#"{"error_code":"INVALID_WEBHOOK_VERIFICATION_KEY_ID"}"#;
        const CREDENTIALS: &str = r#"{"error_code":"INVALID_API_KEYS"}"#;
        for (source, status, answer, expected) in [
            (&plaid, StatusCode::BAD_REQUEST, NONE, true),
            (&plaid, StatusCode::BAD_REQUEST, CREDENTIALS, false),
            (&plaid, StatusCode::BAD_REQUEST, "<html>", false),
            (&plaid, StatusCode::NOT_FOUND, NONE, false),
            (&ebay, StatusCode::NOT_FOUND, "", true),
            (&ebay, StatusCode::BAD_REQUEST, "", false),
            (&ebay, StatusCode::FORBIDDEN, "", false),
            (&jwks, StatusCode::NOT_FOUND, "", false),
        ] {
            let found = is_no_such_key(source, status, answer.as_bytes());
            assert_eq!(found, expected, "{source}: {status} {answer}");
        }
    }

    #[test]
    fn a_document_is_fresh_for_as_long_as_it_says_within_bounds() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        for (lines, age, expected) in [
            (&[][..], None, minutes(60)),
            (&["public, max-age=7200"], None, minutes(120)),
            (&["public", "Max-Age = \"7200\", must-revalidate"], None, minutes(120)),
            (&["max-age=7200"], Some("3600"), minutes(60)),
            (&["max-age=7200"], Some("7200"), minutes(5)),
            (&["max-age=7200"], Some("-1"), minutes(120)),
            (&["max-age=0"], None, minutes(5)),
            (&["max-age=99999999"], None, minutes(24 * 60)),
            (&["max-age=99999999999999999999999"], None, minutes(60)),
            (&["max-age"], None, minutes(60)),
            (&["no-cache, max-age=7200"], None, minutes(5)),
            (&["NO-STORE"], None, minutes(5)),
            (&["s-maxage=7200"], None, minutes(60)),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CACHE_CONTROL, line.parse().unwrap());
            }
            if let Some(age) = age {
                headers.insert(AGE, age.parse().unwrap());
            }
            assert_eq!(fresh_for(&headers), expected, "{lines:?}, {age:?}");
        }
    }
}
