//! Posting to Slack's Web API: https://docs.slack.dev/reference/methods/chat.postMessage

use hookyard_sdk::prelude::*;

/// What is no fault of the request's, as Slack names it: it may go well later.
const LATER: &[&str] = &[
    "fatal_error",
    "internal_error",
    "rate_limited",
    "ratelimited",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
];

/// Slack's answer, of status 200 also when it refuses.
#[derive(Deserialize)]
struct Answer {
    ok: bool,
    error: Option<String>,
    /// What the token may not do.
    needed: Option<String>,
}

pub(crate) fn post(host: &Host, channel: &str, text: &str) -> Result<(), Failure> {
    let message = json!({
        "channel": channel,
        "text": text,
        // One line each, not a preview of every link.
        "unfurl_links": false,
        "unfurl_media": false,
    });
    let request = host.connection("slack").post("chat.postMessage");
    let response = request.json(&message).send()?.expect_success()?;
    let answer: Answer = response.json()?;
    if answer.ok {
        return Ok(());
    }
    let error = answer.error.unwrap_or_else(|| "an error without a name".to_owned());
    let message = format!("Slack refused the message to {channel}: {error}");
    if LATER.contains(&error.as_str()) {
        return match response.retry_after() {
            Some(after) => Err(Failure::retry(message).after(after)),
            None => retry(message),
        };
    }
    reject(match (error.as_str(), answer.needed) {
        ("missing_scope", Some(needed)) => format!("{message}: give the app the scope {needed}"),
        ("not_in_channel" | "channel_not_found", _) => {
            format!("{message}: is the channel right, and was the app invited to it?")
        }
        (
            "invalid_auth" | "account_inactive" | "token_revoked" | "token_expired" | "not_authed",
            _,
        ) => {
            format!("{message}: look at the token of the connection `slack`")
        }
        _ => message,
    })
}
