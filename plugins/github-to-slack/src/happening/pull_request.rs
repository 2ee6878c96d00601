//! Pull requests: https://docs.github.com/webhooks/webhook-events-and-payloads#pull_request

use hookyard_sdk::prelude::*;

use super::{Happening, Item, Repository, TITLE, User};
use crate::mrkdwn::code;

#[derive(Deserialize)]
pub(super) struct Payload {
    action: String,
    pull_request: PullRequest,
    repository: Repository,
    sender: User,
}

#[derive(Deserialize)]
struct PullRequest {
    number: u64,
    title: String,
    html_url: String,
    #[serde(default)]
    draft: bool,
    /// Not there in what is not about merging.
    merged: Option<bool>,
    base: Base,
}

#[derive(Deserialize)]
struct Base {
    r#ref: String,
}

pub(super) fn line(payload: &Payload) -> Option<Happening> {
    let Payload { action, pull_request, repository, sender } = payload;
    let did = match action.as_str() {
        "opened" if pull_request.draft => "opened the draft pull request",
        "opened" => "opened the pull request",
        "reopened" => "reopened the pull request",
        "ready_for_review" => "asks for reviews of the pull request",
        "closed" if pull_request.merged == Some(true) => "merged the pull request",
        "closed" => "closed the pull request",
        _ => return None,
    };
    let item = Item {
        number: pull_request.number,
        title: pull_request.title.clone(),
        html_url: pull_request.html_url.clone(),
    };
    let branch = &pull_request.base.r#ref;
    let text = format!(
        "{}: {} {did} {} into {}",
        repository.link(),
        sender.name(),
        item.link(),
        code(branch, TITLE)
    );
    Some(Happening {
        kind: "pull_request",
        repository: repository.full_name.clone(),
        branch: Some(branch.clone()),
        text,
    })
}
