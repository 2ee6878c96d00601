//! PayPal's other way: its API is asked about each event, and says whether it has sent it. It takes
//! credentials and a call for each event, and no certificate is looked at here.

use bytes::Bytes;
use serde_json::json;

use crate::json;
use crate::paypal_check::{SHA256_WITH_RSA, Transmission, WEBHOOK};
use crate::question::Question;
use crate::reason::Reason;
use crate::settings::Settings;
use crate::setup::SetupError;

pub(crate) const VERIFICATION: &str = "verification";
pub(crate) const POSTBACK: &str = "postback";
const CERTIFICATE: &str = "certificate";
pub(crate) const CLIENT_ID: &str = "client_id";
pub(crate) const CLIENT_SECRET: &str = "client_secret";
pub(crate) const ENVIRONMENT: &str = "environment";

const NEEDED: &str = "what the sender's API is asked with, where `verification` is `postback`";

/// Whether PayPal is asked.
pub(crate) fn is_set(settings: &Settings) -> bool {
    settings.get(VERIFICATION) == Some(POSTBACK)
}

/// Makes sure that the settings can be right.
pub(crate) fn check_settings(settings: &Settings) -> Result<(), SetupError> {
    if !matches!(settings.get(VERIFICATION), None | Some(CERTIFICATE | POSTBACK)) {
        let problem = "it is neither `certificate` nor `postback`";
        return Err(SetupError::InvalidSetting { name: VERIFICATION, problem });
    }
    if !is_set(settings) {
        return Ok(());
    }
    for name in [CLIENT_ID, CLIENT_SECRET] {
        settings.get(name).ok_or(SetupError::MissingSetting { name, summary: NEEDED })?;
    }
    let problem = "it is neither `live` nor `sandbox`";
    host(settings).map(drop).ok_or(SetupError::InvalidSetting { name: ENVIRONMENT, problem })
}

fn host(settings: &Settings) -> Option<&'static str> {
    match settings.get(ENVIRONMENT).unwrap_or("live") {
        "live" => Some("api-m.paypal.com"),
        "sandbox" => Some("api-m.sandbox.paypal.com"),
        _ => None,
    }
}

/// What PayPal is asked about a transmission with this body.
pub(crate) fn question(
    transmission: &Transmission<'_>,
    body: &[u8],
    settings: &Settings,
) -> Result<Question, Reason> {
    // It becomes a part of the question as it is: anything but one value could add to the question.
    if !json::is_object(body) {
        return Err(Reason::MalformedBody { expected: "a JSON object" });
    }
    // `check_settings` made sure of it; without a host nothing is asked.
    let host = host(settings).unwrap_or_default();
    // All of these are ASCII.
    let text = |bytes| String::from_utf8_lossy(bytes);
    let members = json!({
        "auth_algo": SHA256_WITH_RSA,
        "cert_url": transmission.certificate,
        "transmission_id": text(transmission.id),
        "transmission_sig": text(transmission.signature),
        "transmission_time": text(transmission.time),
        "webhook_id": settings.get(WEBHOOK).unwrap_or_default(),
    });
    let members = members.to_string();
    let members = members.strip_suffix('}').unwrap_or_default();
    let question = [members.as_bytes(), br#","webhook_event":"#, body, b"}"].concat();
    Ok(Question {
        host,
        path: "/v1/notifications/verify-webhook-signature",
        token_path: "/v1/oauth2/token",
        body: Bytes::from(question),
    })
}
