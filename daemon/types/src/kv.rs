//! What plugins keep: namespaces, what an attempt read there, and what it changes.

use bytes::Bytes;

use crate::Timestamp;

/// Where keys live. Plugins that have namespaces of one name have different ones, unless they share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace {
    pub owner: Owner,
    pub name: String,
}

/// Whose a namespace is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// This plugin's alone.
    Plugin(String),
    /// Every plugin's that is granted the namespace by name.
    Shared,
}

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvEntry {
    pub key: String,
    pub value: Bytes,
    /// Greater than that of every change before it, of any key; never used again.
    pub version: i64,
}

/// Part of a namespace, in the order of the keys' bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvSpan {
    pub namespace: Namespace,
    pub prefix: String,
    /// Only keys greater than this one.
    pub after: Option<String>,
}

/// The beginning of a [`KvSpan`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvPage {
    pub entries: Vec<KvEntry>,
    /// The last key that was looked at, if there may be more behind it.
    pub next: Option<String>,
}

/// What an attempt saw, to be compared with what is there when it commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvRead {
    /// A key's version; `None` when there was no such key.
    Key { namespace: Namespace, key: String, version: Option<i64> },
    /// The keys of a span with their versions: all of them, or those up to `until`.
    Span { span: KvSpan, until: Option<String>, seen: Vec<(String, i64)> },
}

impl KvRead {
    pub fn namespace(&self) -> &Namespace {
        match self {
            Self::Key { namespace, .. } => namespace,
            Self::Span { span, .. } => &span.namespace,
        }
    }
}

/// What an attempt makes of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvWrite {
    pub namespace: Namespace,
    pub key: String,
    pub change: KvChange,
}

/// How a key is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvChange {
    /// Without an expiry it stays until it is deleted.
    Set {
        value: Bytes,
        expires_at: Option<Timestamp>,
    },
    Delete,
    /// Adds to the number that is there then, 0 for an absent key. Its expiry stays.
    Add(i64),
}

/// The number that a value is: decimal text.
pub fn kv_number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
