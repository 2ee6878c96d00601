//! Issues: https://docs.github.com/webhooks/webhook-events-and-payloads#issues

use hookyard_sdk::prelude::*;

use super::{Happening, Item, Repository, User};

#[derive(Deserialize)]
pub(super) struct Payload {
    action: String,
    issue: Issue,
    repository: Repository,
    sender: User,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    title: String,
    html_url: String,
    state_reason: Option<String>,
}

pub(super) fn line(payload: &Payload) -> Option<Happening> {
    let Payload { action, issue, repository, sender } = payload;
    let not_planned = issue.state_reason.as_deref() == Some("not_planned");
    let (did, how) = match action.as_str() {
        "opened" => ("opened the issue", ""),
        "reopened" => ("reopened the issue", ""),
        "closed" if not_planned => ("closed the issue", " as not planned"),
        "closed" => ("closed the issue", ""),
        _ => return None,
    };
    let item =
        Item { number: issue.number, title: issue.title.clone(), html_url: issue.html_url.clone() };
    let text = format!("{}: {} {did} {}{how}", repository.link(), sender.name(), item.link());
    let repository = repository.full_name.clone();
    Some(Happening { kind: "issues", repository, branch: None, text })
}
