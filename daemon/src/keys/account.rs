//! Keys that are not published but given out to accounts, against credentials: Plaid's and eBay's.

use bytes::Bytes;
use data_encoding::BASE64;
use hookyard_verify::{KeySource, Settings};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::outbound::{Request, Response};

/// eBay's settings that are the application's credentials.
const CLIENT_ID: &str = "client_id";
const CLIENT_SECRET: &str = "client_secret";

/// What eBay is asked for: a token of the application, and no more than any has.
const GRANT: &[u8] = b"grant_type=client_credentials\
                       &scope=https%3A%2F%2Fapi.ebay.com%2Foauth%2Fapi_scope";

/// What Plaid says when it has no key of that name.
const PLAID_NO_SUCH_KEY: &str = "INVALID_WEBHOOK_VERIFICATION_KEY_ID";

/// The question for one of Plaid's keys.
pub(super) fn plaid(source: &KeySource, settings: &Settings) -> Result<Request, String> {
    let question = source.question(settings).ok_or("there is nothing to ask for the key")?;
    // Wiped when it is sent.
    let question = Bytes::from_owner(Wiped(question));
    Request::post_json(source.url(), question).map_err(|error| error.to_string())
}

/// The question for a token with which eBay gives out the key at `url`.
pub(super) fn ebay_token(url: &str, settings: &Settings) -> Result<Request, String> {
    let credential = |name| {
        let missing =
            || format!("the setting `{name}` is missing, without which eBay gives out no key");
        settings.get(name).ok_or_else(missing)
    };
    let (id, secret) = (credential(CLIENT_ID)?, credential(CLIENT_SECRET)?);
    let pair = Zeroizing::new(format!("{id}:{secret}"));
    let pair = Zeroizing::new(BASE64.encode(pair.as_bytes()));
    let host = url.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    let host = host.ok_or("the key's URL has no host")?;
    let url = format!("https://{host}/identity/v1/oauth2/token");
    let request = Request::new(Method::POST, &url, &Bytes::from_static(GRANT));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    Ok(request
        .map_err(|error| error.to_string())?
        .header(CONTENT_TYPE, form)
        .header(AUTHORIZATION, authorization("Basic", &pair)?))
}

/// What shows the token that eBay answered with.
pub(super) fn ebay_authorization(answer: &[u8]) -> Result<HeaderValue, String> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: String,
    }
    // What is wrong with it is not told: the message would have parts of it.
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|_| "eBay's answer to the credentials has no token in it".to_owned())?;
    authorization("Bearer", &Zeroizing::new(answer.access_token))
}

/// Whether the answer says that there is no key of the name that was asked for: no failure, and
/// whoever named it has signed with something else. Wrong credentials are a failure, and ours.
pub(super) fn is_no_such_key(source: &KeySource, response: &Response) -> bool {
    match source {
        KeySource::Ebay { .. } => {
            matches!(response.status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND)
        }
        // Plaid answers 400 to wrong credentials as well.
        KeySource::Plaid { .. } if response.status == StatusCode::BAD_REQUEST => {
            let answer = serde_json::from_slice::<serde_json::Value>(&response.body);
            answer.is_ok_and(|answer| {
                answer.get("error_code").is_some_and(|code| *code == PLAID_NO_SUCH_KEY)
            })
        }
        _ => false,
    }
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
        let url = "https://api.ebay.com/commerce/notification/v1/public_key/k1";
        let request = ebay_token(url, &settings).expect("a request");
        assert_eq!(request.host(), "api.ebay.com");
        let shown = format!("{request:?}");
        assert!(shown.contains("/identity/v1/oauth2/token"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
        let missing = ebay_token(url, &Settings::from([("client_id", "app")])).unwrap_err();
        assert!(missing.contains("`client_secret` is missing"), "{missing}");

        let token = ebay_authorization(br#"{"access_token":"v^1.1","expires_in":7200}"#);
        assert_eq!(token.expect("a token").as_bytes(), b"Bearer v^1.1");
        for bad in [&b""[..], b"{}", br#"{"access_token":"hunter2\nx"}"#, b"{\"access_token\":7}"] {
            let error = ebay_authorization(bad).expect_err("no token");
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
}
