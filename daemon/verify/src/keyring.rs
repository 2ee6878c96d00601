//! Keys that are not configured but fetched. This crate fetches nothing: it says what it needs, by
//! a [`KeySource`] in [`Reason::KeyNeeded`](crate::Reason::KeyNeeded), and is asked again with a
//! [`Keyring`] that has it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

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
            Self::Certificates { url } | Self::Jwks { url, .. } | Self::Ebay { url, .. } => url,
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificates { url } => write!(f, "the certificate at {url}"),
            Self::Jwks { url, key_id } => write!(f, "the key `{key_id}` of {url}"),
            Self::Ebay { url, .. } => write!(f, "the key at {url}"),
        }
    }
}

/// What was fetched so far, and the roots that certificates have to lead to. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    documents: Arc<HashMap<String, Bytes>>,
}

impl Keyring {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with `document` as what [`KeySource::url`] holds.
    #[must_use]
    pub fn with(mut self, source: &KeySource, document: Bytes) -> Self {
        Arc::make_mut(&mut self.documents).insert(source.url().to_owned(), document);
        self
    }

    /// The document of a source, when it was fetched.
    pub(crate) fn document(&self, source: &KeySource) -> Option<&Bytes> {
        self.documents.get(source.url())
    }
}
