//! Reading one of a few known words, with the nearest one in the error.

use thiserror::Error;

/// A word that is none of the known ones.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown {what} `{found}`{}; known: {}", suggestion(*.nearest), .known.join(", "))]
pub struct UnknownName {
    /// What was being read, such as "encoding".
    pub what: &'static str,
    /// What was there instead.
    pub found: String,
    /// The known word that looks most like it, when one does.
    pub nearest: Option<&'static str>,
    /// All words that would do.
    pub known: &'static [&'static str],
}

impl UnknownName {
    pub(crate) fn new(what: &'static str, found: &str, known: &'static [&'static str]) -> Self {
        Self { what, found: found.to_owned(), nearest: nearest(found, known), known }
    }
}

/// "; did you mean `x`?" or nothing.
pub(crate) fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// The word in `known` that `found` is most likely a slip of.
pub(crate) fn nearest(found: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(&found.to_lowercase(), name), *name))
        .filter(|(score, _)| *score > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
