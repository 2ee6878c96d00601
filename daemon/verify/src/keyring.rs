//! Keys that are not configured but fetched. This crate fetches nothing: it says what it needs, by
//! a [`KeySource`] in [`Reason::KeyNeeded`](crate::Reason::KeyNeeded), and is asked again with a
//! [`Keyring`] that has it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustls_pki_types::TrustAnchor;
use zeroize::Zeroizing;

use crate::plaid;
use crate::question::{Question, Verdict};
use crate::settings::Settings;

/// A document with keys that has to be fetched before a request can be checked. The URL has passed
/// the sender's own rule for hosts and paths: nothing in a request leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySource {
    /// `GET url`: one certificate in PEM, or a chain of them, the signer's first.
    Certificates {
        /// `https`, of a host that the sender owns.
        url: String,
    },
    /// `GET url`: a JSON Web Key Set.
    Jwks {
        /// `https`, fixed by the profile or by a setting.
        url: String,
        /// The key that is wanted of it.
        key_id: String,
    },
    /// `POST url` with what [`KeySource::question`] says: one key of Plaid's.
    Plaid {
        /// `https`, fixed by a setting.
        url: String,
        /// The key that is wanted. The answer has no other.
        key_id: String,
    },
    /// `GET url` with an application token of eBay's, got with the settings `client_id` and
    /// `client_secret` from the same host: a JSON object with one `key` in PEM. A key stays the same;
    /// eBay asks to keep it for an hour.
    Ebay {
        /// `https`, of eBay's API, with the id at its end.
        url: String,
        /// The key that is wanted.
        key_id: String,
    },
}

impl KeySource {
    /// Where the document is.
    pub fn url(&self) -> &str {
        match self {
            Self::Certificates { url } | Self::Jwks { url, .. } | Self::Plaid { url, .. } => url,
            Self::Ebay { url, .. } => url,
        }
    }

    /// The JSON that has to be posted to the URL, from the settings of the route; nothing where the
    /// document is fetched with `GET`. It can have a secret in it.
    pub fn question(&self, settings: &Settings) -> Option<Zeroizing<String>> {
        match self {
            Self::Certificates { .. } | Self::Jwks { .. } | Self::Ebay { .. } => None,
            Self::Plaid { key_id, .. } => Some(plaid::question(key_id, settings)),
        }
    }

    /// What tells documents apart: the URL and, where each key is a document of its own, the key.
    pub fn address(&self) -> String {
        match self {
            Self::Certificates { url } | Self::Jwks { url, .. } | Self::Ebay { url, .. } => {
                url.clone()
            }
            Self::Plaid { url, key_id } => format!("{url} {key_id}"),
        }
    }
}

/// For the operator's log: what a stranger chose of it is escaped and cut short.
impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificates { url } => write!(f, "the certificate at {}", Shown(url)),
            Self::Jwks { url, key_id } | Self::Plaid { url, key_id } => {
                write!(f, "the key `{}` of {}", Shown(key_id), Shown(url))
            }
            Self::Ebay { url, .. } => write!(f, "the key at {}", Shown(url)),
        }
    }
}

/// A text of one line and bounded length, whatever was received: visible ASCII as it is, all else
/// escaped.
struct Shown<'t>(&'t str);

impl Shown<'_> {
    /// How many characters of the text are shown. URLs of certificates are of about a hundred.
    const MOST: usize = 200;
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars().take(Self::MOST) {
            write!(f, "{}", letter.escape_default())?;
        }
        match self.0.chars().nth(Self::MOST) {
            Some(_) => f.write_str("…"),
            None => Ok(()),
        }
    }
}

/// What was fetched so far, and the roots that certificates have to lead to. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// Nothing before the first of them.
    documents: Option<Arc<HashMap<String, Document>>>,
    roots: Arc<[TrustAnchor<'static>]>,
    /// Of one request.
    answer: Option<Arc<(Question, Verdict)>>,
}

#[derive(Clone, Debug)]
struct Document {
    bytes: Bytes,
    /// Whether a key was looked for in it; one for all clones.
    used: Arc<AtomicBool>,
}

impl Keyring {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with `roots` as what chains of certificates have to lead to. Without any, no chain
    /// holds.
    #[must_use]
    pub fn trusting(mut self, roots: impl IntoIterator<Item = TrustAnchor<'static>>) -> Self {
        self.roots = roots.into_iter().collect();
        self
    }

    /// The same with `document` as what `source` holds.
    #[must_use]
    pub fn with(mut self, source: &KeySource, document: Bytes) -> Self {
        let document = Document { bytes: document, used: Arc::default() };
        Arc::make_mut(self.documents.get_or_insert_default()).insert(source.address(), document);
        self
    }

    /// The same with what the sender has answered to `question`, in the place of another answer.
    #[must_use]
    pub fn with_answer(mut self, question: Question, verdict: Verdict) -> Self {
        self.answer = Some(Arc::new((question, verdict)));
        self
    }

    /// What the sender has answered to `question` and to no other.
    pub(crate) fn answer(&self, question: &Question) -> Option<Verdict> {
        let (asked, verdict) = self.answer.as_deref()?;
        (asked == question).then_some(*verdict)
    }

    /// Whether a key was looked for in the document of `source` since it was put in, by way of this
    /// keyring or of one that was made from it.
    pub fn was_used(&self, source: &KeySource) -> bool {
        let document = self.find(source);
        document.is_some_and(|document| document.used.load(Ordering::Relaxed))
    }

    /// The document of a source, when it was fetched.
    pub(crate) fn document(&self, source: &KeySource) -> Option<&Bytes> {
        let document = self.find(source)?;
        // Most find it set: then no other core is bothered.
        if !document.used.load(Ordering::Relaxed) {
            document.used.store(true, Ordering::Relaxed);
        }
        Some(&document.bytes)
    }

    fn find(&self, source: &KeySource) -> Option<&Document> {
        self.documents.as_ref()?.get(&source.address())
    }

    pub(crate) fn roots(&self) -> &[TrustAnchor<'static>] {
        &self.roots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_names_is_shown_on_one_line_and_not_at_length() {
        let shown = |key_id: &str| {
            let url = "https://keys.example/jwks.json".to_owned();
            KeySource::Jwks { url, key_id: key_id.to_owned() }.to_string()
        };
        assert_eq!(shown("abc-1"), "the key `abc-1` of https://keys.example/jwks.json");
        let hostile = shown("a\r\nERROR \u{1b}[2J\u{202e}");
        assert_eq!(
            hostile,
            "the key `a\\r\\nERROR \\u{1b}[2J\\u{202e}` of https://keys.example/jwks.json"
        );
        assert!(shown(&"\u{10ffff}".repeat(9000)).len() < 2200);
        let url = format!("https://sns.us-east-1.amazonaws.com/{}.pem", "x".repeat(900));
        let shown = KeySource::Certificates { url }.to_string();
        assert!(shown.len() < 300 && shown.ends_with("xx…"), "{shown}");
    }
}
