//! Plaid's keys, which are not published: each is asked for by its name, with the credentials of an
//! account.

use serde_json::json;
use zeroize::Zeroizing;

use crate::settings::Settings;

pub(crate) const CLIENT_ID: &str = "client_id";
pub(crate) const SECRET: &str = "secret";
pub(crate) const ENVIRONMENT: &str = "environment";

/// Where keys are asked for; nothing when the environment is none of Plaid's.
pub(crate) fn url(settings: &Settings) -> Option<&'static str> {
    match settings.get(ENVIRONMENT).unwrap_or("production") {
        "production" => Some("https://production.plaid.com/webhook_verification_key/get"),
        "sandbox" => Some("https://sandbox.plaid.com/webhook_verification_key/get"),
        _ => None,
    }
}

/// Whether a key of Plaid's could be called that; theirs are UUIDs.
pub(crate) fn is_key_id(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The question for one key. It has a secret in it.
pub(crate) fn question(key_id: &str, settings: &Settings) -> Zeroizing<String> {
    let credential = |name| settings.get(name).unwrap_or_default();
    let question = json!({
        "client_id": credential(CLIENT_ID),
        "secret": credential(SECRET),
        "key_id": key_id,
    });
    Zeroizing::new(question.to_string())
}
