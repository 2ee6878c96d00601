//! Keys that are not published but given out to accounts, against credentials: Plaid's and eBay's.
//! And the tokens that eBay and PayPal want to see.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use hookyard_verify::{KeySource, Settings};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::outbound::Request;

/// The settings that are credentials: Plaid's are the first two, those of eBay and PayPal the first
/// and the last.
const CLIENT_ID: &str = "client_id";
const SECRET: &str = "secret";
const CLIENT_SECRET: &str = "client_secret";

/// Which account a key was given out to, by a hash of its credentials. What one account is told,
/// a failure above all, is of no concern to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Account([u8; 32]);

impl Account {
    /// The account that the settings are of; nothing when they have no credentials.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        settings.get(CLIENT_ID)?;
        let mut hash = Sha256::new();
        for name in [CLIENT_ID, SECRET, CLIENT_SECRET] {
            let value = settings.get(name).unwrap_or_default();
            hash.update((value.len() as u64).to_be_bytes());
            hash.update(value);
        }
        Some(Self(hash.finalize().into()))
    }

    /// The account for which a source's document is fetched; nothing when it is for everybody.
    pub(super) fn asking(source: &KeySource, settings: &Settings) -> Option<Self> {
        let given_out = matches!(source, KeySource::Plaid { .. } | KeySource::Ebay { .. });
        given_out.then(|| Self::of(settings)).flatten()
    }
}

/// What eBay is asked for: a token of the application, and no more than any has.
pub(super) const EBAY_GRANT: &str = "grant_type=client_credentials\
                                     &scope=https%3A%2F%2Fapi.ebay.com%2Foauth%2Fapi_scope";

/// What PayPal is asked for.
pub(super) const PAYPAL_GRANT: &str = "grant_type=client_credentials";

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(..)")
    }
}

/// The question for one of Plaid's keys.
pub(super) fn plaid(source: &KeySource, settings: &Settings) -> Result<Request, String> {
    let question = source.question(settings).ok_or("there is nothing to ask for the key")?;
    // Wiped when it is sent.
    let question = Bytes::from_owner(Wiped(question));
    Request::post_json(source.url(), question).map_err(|error| error.to_string())
}

/// The question for a token of the application, of which eBay and PayPal have one kind.
pub(super) fn token(
    url: &str,
    grant: &'static str,
    settings: &Settings,
) -> Result<Request, String> {
    let credential = |name| {
        let missing =
            || format!("the setting `{name}` is missing, without which there is no token");
        settings.get(name).ok_or_else(missing)
    };
    let (id, secret) = (credential(CLIENT_ID)?, credential(CLIENT_SECRET)?);
    let pair = Zeroizing::new(format!("{id}:{secret}"));
    let pair = Zeroizing::new(BASE64.encode(pair.as_bytes()));
    let request = Request::new(Method::POST, url, &Bytes::from_static(grant.as_bytes()));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    Ok(request
        .map_err(|error| error.to_string())?
        .header(CONTENT_TYPE, form)
        .header(AUTHORIZATION, authorization("Basic", &pair)?))
}

/// What shows the token that was answered with, and how long it is good for.
pub(super) fn token_shown(answer: &[u8]) -> Result<(HeaderValue, Duration), String> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: String,
        /// In seconds.
        #[serde(default)]
        expires_in: u32,
    }
    // What is wrong with it is not told: the message would have parts of it.
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|_| "the answer to the credentials has no token in it".to_owned())?;
    let good_for = Duration::from_secs(answer.expires_in.into());
    Ok((authorization("Bearer", &Zeroizing::new(answer.access_token))?, good_for))
}

/// Whether Plaid's answer with the status 400 says that there is no key of this name. Wrong
/// credentials and malformed questions are answered with 400 too.
pub(super) fn plaid_has_no_such_key(answer: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        error_code: String,
    }
    let answer = serde_json::from_slice(answer);
    answer.is_ok_and(|Answer { error_code }| error_code == "INVALID_WEBHOOK_VERIFICATION_KEY_ID")
}

fn authorization(scheme: &str, shown: &str) -> Result<HeaderValue, String> {
    let value = Zeroizing::new(format!("{scheme} {shown}"));
    let value = HeaderValue::from_str(&value);
    let mut value = value.map_err(|_| "no header can carry the credentials".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

struct Wiped(Zeroizing<String>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_shown_and_never_told() {
        let settings = Settings::from([("client_id", "app"), ("client_secret", "hunter2")]);
        let url = "https://api.ebay.com/identity/v1/oauth2/token";
        let request = token(url, EBAY_GRANT, &settings).expect("a request");
        assert_eq!(request.host(), "api.ebay.com");
        let shown = format!("{request:?}");
        assert!(shown.contains("/identity/v1/oauth2/token"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
        let missing = Settings::from([("client_id", "app")]);
        let missing = token(url, EBAY_GRANT, &missing).unwrap_err();
        assert!(missing.contains("`client_secret` is missing"), "{missing}");

        let (token, good_for) =
            token_shown(br#"{"access_token":"v^1.1","expires_in":7200}"#).expect("a token");
        assert_eq!((token.as_bytes(), good_for.as_secs()), (&b"Bearer v^1.1"[..], 7200));
        for bad in [&b""[..], b"{}", br#"{"access_token":"hunter2\nx"}"#, b"{\"access_token\":7}"] {
            let error = token_shown(bad).expect_err("no token");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn plaid_is_asked_for_one_key() {
        let settings = Settings::from([("client_id", "app"), ("secret", "hunter2")]);
        let url = "https://sandbox.plaid.com/webhook_verification_key/get".to_owned();
        let source = KeySource::Plaid { url, key_id: "k1".to_owned() };
        let request = plaid(&source, &settings).expect("a request");
        let shown = format!("{request:?}");
        assert!(shown.starts_with("POST https://sandbox.plaid.com/"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn accounts_are_told_apart_by_their_credentials_alone() {
        let account = |settings: &[(&'static str, &'static str)]| {
            let mut all = Settings::default();
            for (name, value) in settings {
                all.insert(*name, *value);
            }
            Account::of(&all)
        };
        let one = account(&[("client_id", "a"), ("secret", "b")]);
        assert_eq!(
            one,
            account(&[("client_id", "a"), ("secret", "b"), ("environment", "sandbox")])
        );
        for other in [
            &[("client_id", "a"), ("secret", "c")][..],
            &[("client_id", "b"), ("secret", "b")],
            &[("client_id", "ab")],
            &[("client_id", "a"), ("client_secret", "b")],
        ] {
            assert_ne!(one, account(other), "{other:?}");
        }
        assert_eq!(account(&[("topic_arn", "a")]), None);
    }

    #[test]
    fn of_plaids_refusals_one_says_that_there_is_no_such_key() {
        let says = |answer: &str| plaid_has_no_such_key(answer.as_bytes());
        assert!(says(r#"{"error_code":"INVALID_WEBHOOK_VERIFICATION_KEY_ID","error_type":"X"}"#));
        for code in ["INVALID_API_KEYS", "MISSING_FIELDS", "INVALID_FIELD", ""] {
            assert!(!says(&format!(r#"{{"error_code":"{code}"}}"#)), "{code}");
        }
        assert!(!says("") && !says("{}") && !says(r#"{"error_code":7}"#));
    }
}
