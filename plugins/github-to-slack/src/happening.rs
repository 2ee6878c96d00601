//! What GitHub tells of, as a line for a channel.

mod issue;
mod pull_request;
mod push;
mod release;

use hookyard_sdk::prelude::*;
use hookyard_sdk::serde_json;

use crate::mrkdwn::{link, plain};

/// Of a title, in characters.
const TITLE: usize = 150;

/// Something that is worth a line.
#[derive(Debug)]
pub(crate) struct Happening {
    /// GitHub's event type.
    pub(crate) kind: &'static str,
    /// `owner/name`.
    pub(crate) repository: String,
    /// Of a push, or the one that a pull request goes to.
    pub(crate) branch: Option<String>,
    /// Slack's mrkdwn.
    pub(crate) text: String,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
    html_url: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

/// What has a number, or at least a page: a pull request, an issue.
#[derive(Deserialize)]
struct Item {
    number: u64,
    title: String,
    html_url: String,
}

impl Happening {
    /// `None` when nothing is said of it.
    pub(crate) fn of(kind: &str, payload: &Value) -> Result<Option<Self>, Failure> {
        match kind {
            "push" => push::line(&read(payload)?),
            "pull_request" => pull_request::line(&read(payload)?),
            "issues" => issue::line(&read(payload)?),
            "release" => release::line(&read(payload)?),
            other => return reject(format!("{other} is no event that this handler wants")),
        }
        .map_or(Ok(None), |happening| Ok(Some(happening)))
    }
}

fn read<'p, T: Deserialize<'p>>(payload: &'p Value) -> Result<T, Failure> {
    T::deserialize(payload).map_err(|error: serde_json::Error| {
        Failure::reject(format!("the payload is not what GitHub sends: {error}"))
    })
}

impl Repository {
    /// How each line begins.
    fn link(&self) -> String {
        link(&self.html_url, &plain(&self.full_name, TITLE))
    }
}

impl Item {
    /// `#7 The title`, linked.
    fn link(&self) -> String {
        link(&self.html_url, &format!("#{} {}", self.number, plain(&self.title, TITLE)))
    }
}

impl User {
    fn name(&self) -> String {
        plain(&self.login, TITLE)
    }
}
