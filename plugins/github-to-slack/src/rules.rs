//! Which channel hears of what.

use hookyard_sdk::prelude::*;

use crate::happening::Happening;

/// One of the setting `rules`. What it leaves away matches everything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// A channel's name or id, as `chat.postMessage` takes it.
    pub(crate) channel: String,
    /// `owner/name`; a `*` stands for anything.
    repository: Option<String>,
    events: Option<Vec<Kind>>,
    /// Of a push, or the one that a pull request goes to; a `*` stands for anything. What has no branch,
    /// tags, issues and releases, does not match then.
    branch: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Push,
    PullRequest,
    Issues,
    Release,
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::PullRequest => "pull_request",
            Self::Issues => "issues",
            Self::Release => "release",
        }
    }
}

impl Rule {
    pub(crate) fn matches(&self, happening: &Happening) -> bool {
        let repository = self.repository.as_deref().is_none_or(|pattern| {
            // GitHub tells no cases apart in them.
            glob(&pattern.to_lowercase(), &happening.repository.to_lowercase())
        });
        let event = self
            .events
            .as_ref()
            .is_none_or(|events| events.iter().any(|event| event.name() == happening.kind));
        let branch = self.branch.as_deref().is_none_or(|pattern| {
            happening.branch.as_deref().is_some_and(|branch| glob(pattern, branch))
        });
        repository && event && branch
    }
}

/// Whether the text is the pattern, in which each `*` stands for any text, `/` included.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("main", "main", true),
            ("main", "main2", false),
            ("*", "", true),
            ("acme/*", "acme/app", true),
            ("acme/*", "acme", false),
            ("*/app", "acme/app", true),
            ("release/*.x", "release/1.2.x", true),
            ("release/*.x", "release/.y", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*a", "a", false),
            ("**", "anything", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
