//! What a route sends events to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Source;

/// A handler's full name: `plugin/handler`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandlerName {
    pub plugin: String,
    pub handler: String,
}

/// Where a job's event goes. A `forward` or a `mailbox` is a later case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Handler(HandlerName),
}

/// The text is not `plugin/handler`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a handler: write `plugin/handler`, each of lower-case letters, digits, `-` and `_`"
)]
pub struct InvalidHandler(String);

impl HandlerName {
    /// Whether `name` can name a plugin or a handler: 1 to 64 lower-case letters, digits, `-`, `_`.
    pub fn is_valid_part(name: &str) -> bool {
        (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    }
}

impl FromStr for HandlerName {
    type Err = InvalidHandler;

    fn from_str(text: &str) -> Result<Self, InvalidHandler> {
        match text.split_once('/') {
            Some((plugin, handler))
                if Self::is_valid_part(plugin) && Self::is_valid_part(handler) =>
            {
                Ok(Self { plugin: plugin.to_owned(), handler: handler.to_owned() })
            }
            _ => Err(InvalidHandler(text.to_owned())),
        }
    }
}

impl fmt::Display for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.plugin, self.handler)
    }
}

impl Serialize for HandlerName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HandlerName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Target {
    /// What concurrency, pauses and fairness count on: for a handler, its plugin; for a topic's
    /// messages, the topic and the plugin, as `emails/mailer`.
    pub fn lane(&self, source: &Source) -> String {
        match (self, source) {
            (Self::Handler(name), Source::Queue(topic)) => format!("{topic}/{}", name.plugin),
            (Self::Handler(name), Source::Route(_) | Source::Schedule(_)) => name.plugin.clone(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handler(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_name_reads_what_it_prints() {
        let name: HandlerName = "github-push/record".parse().expect("valid");
        assert_eq!((name.plugin.as_str(), name.handler.as_str()), ("github-push", "record"));
        assert_eq!(name.to_string(), "github-push/record");
    }

    #[test]
    fn what_is_not_a_handler_name_is_refused() {
        for text in ["", "record", "/record", "github-push/", "a/b/c", "A/b", "a/b c", "a/../b"] {
            assert!(text.parse::<HandlerName>().is_err(), "{text}");
        }
    }
}
