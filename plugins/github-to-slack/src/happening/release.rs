//! Releases: https://docs.github.com/webhooks/webhook-events-and-payloads#release

use hookyard_sdk::prelude::*;

use super::{Happening, Repository, TITLE, User};
use crate::mrkdwn::{link, plain};

#[derive(Deserialize)]
pub(super) struct Payload {
    action: String,
    release: Release,
    repository: Repository,
    sender: User,
}

#[derive(Deserialize)]
struct Release {
    tag_name: String,
    /// Its title, if it has one.
    name: Option<String>,
    html_url: String,
    prerelease: bool,
}

pub(super) fn line(payload: &Payload) -> Option<Happening> {
    let Payload { action, release, repository, sender } = payload;
    // `published` comes once for each; `created` and `released` come beside it.
    if action != "published" {
        return None;
    }
    let what = if release.prerelease { "pre-release" } else { "release" };
    let name = release.name.as_deref().filter(|name| !name.is_empty());
    let label = match name {
        Some(name) if name != release.tag_name => format!("{name} ({})", release.tag_name),
        _ => release.tag_name.clone(),
    };
    let text = format!(
        "{}: {} published the {what} {}",
        repository.link(),
        sender.name(),
        link(&release.html_url, &plain(&label, TITLE))
    );
    let repository = repository.full_name.clone();
    Some(Happening { kind: "release", repository, branch: None, text })
}
