//! Pushes: https://docs.github.com/webhooks/webhook-events-and-payloads#push

use hookyard_sdk::prelude::*;

use super::{Happening, Repository, TITLE};
use crate::mrkdwn::{code, link, plain};

/// How many commits are shown, the newest ones.
const SHOWN: usize = 5;

#[derive(Deserialize)]
pub(super) struct Push {
    r#ref: String,
    created: bool,
    deleted: bool,
    forced: bool,
    compare: String,
    repository: Repository,
    pusher: Pusher,
    commits: Vec<Commit>,
}

#[derive(Deserialize)]
struct Pusher {
    name: String,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
    message: String,
    url: String,
    author: Author,
}

#[derive(Deserialize)]
struct Author {
    name: String,
}

pub(super) fn line(push: &Push) -> Option<Happening> {
    let (what, name, branch) = match push.r#ref.split_once("refs/heads/") {
        Some(("", name)) => ("branch", name, Some(name.to_owned())),
        _ => ("tag", push.r#ref.strip_prefix("refs/tags/")?, None),
    };
    let named = code(name, TITLE);
    let count = match push.commits.len() {
        1 => "1 commit".to_owned(),
        count => format!("{count} commits"),
    };
    let did = if push.deleted {
        format!("deleted the {what} {named}")
    } else if branch.is_none() || (push.created && push.commits.is_empty()) {
        format!("pushed the {what} {named}")
    } else {
        let pushed = if push.forced { "force-pushed" } else { "pushed" };
        let new = if push.created { "new branch " } else { "" };
        format!("{pushed} {} to {new}{named}", link(&push.compare, &count))
    };
    let mut text = format!("{}: {} {did}", push.repository.link(), plain(&push.pusher.name, TITLE));
    let older = push.commits.len().saturating_sub(SHOWN);
    for commit in push.commits.iter().skip(older) {
        let id = code(&commit.id, 7).replace('…', "");
        let title = plain(commit.message.lines().next().unwrap_or_default(), TITLE);
        let author = plain(&commit.author.name, TITLE);
        text.push_str(&format!("\n• {} {title} ({author})", link(&commit.url, &id)));
    }
    if older > 0 {
        text.push_str(&format!("\n• and {older} before"));
    }
    let repository = push.repository.full_name.clone();
    Some(Happening { kind: "push", repository, branch, text })
}
