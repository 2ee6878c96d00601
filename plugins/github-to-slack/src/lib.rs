//! A plugin that tells Slack channels what happens in GitHub repositories.
#![forbid(unsafe_code)]

mod happening;
mod mrkdwn;
mod rules;
mod slack;

use hookyard_sdk::prelude::*;

use happening::Happening;
use rules::Rule;

/// Posts a line for pushes, pull requests, issues and releases to the channel of the first rule that
/// matches.
#[handler(kinds("push", "pull_request", "issues", "release"))]
fn notify(event: Event, host: Host) -> Outcome {
    let rules: Vec<Rule> = host.setting("rules")?;
    let payload = payload(&event)?;
    let Some(happening) = Happening::of(event.kind(), &payload)? else {
        let action = payload.get("action").and_then(Value::as_str).unwrap_or_default();
        return ignore(format!("nothing is said of {} {action}", event.kind()));
    };
    let Some(rule) = rules.iter().find(|rule| rule.matches(&happening)) else {
        return ignore(format!("no rule is for {} in {}", happening.kind, happening.repository));
    };
    slack::post(&host, &rule.channel, &happening.text)?;
    done()
        .message(format!("told {} of {} in {}", rule.channel, happening.kind, happening.repository))
}

/// GitHub sends JSON, or a form with the JSON in a field, whichever the webhook is set to.
fn payload(event: &Event) -> Result<Value, Failure> {
    let content_type = event.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return event.json();
    }
    let form = event.form();
    let payload = form.field("payload").or_reject("the form has no field `payload`")?;
    Ok(hookyard_sdk::serde_json::from_str(payload)?)
}

hookyard_sdk::plugin!(notify, connections(slack), settings(required rules));

#[cfg(test)]
mod tests;
