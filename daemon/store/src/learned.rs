//! Secrets that a provider teaches, and what is known of a route that learns them.

use std::fmt;

use hookyard_types::Timestamp;
use zeroize::Zeroizing;

/// A secret that came in a handshake. Its memory is wiped when it goes; `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct LearnedSecret(Zeroizing<Vec<u8>>);

impl LearnedSecret {
    pub fn new(bytes: impl Into<Zeroizing<Vec<u8>>>) -> Self {
        Self(bytes.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, which are still wiped when they go, and which `Debug` does show.
    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

impl fmt::Debug for LearnedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LearnedSecret(…)")
    }
}

/// Who teaches a secret, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Teaching {
    pub route: String,
    /// The sender's name: what one taught says nothing of another's requests.
    pub provider: String,
    /// What else must be equal, as in [`crate::Dedupe`].
    pub scope: String,
}

/// A secret and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    pub scope: String,
    pub secret: LearnedSecret,
}

/// The answer to [`crate::Store::learn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Learning {
    /// The secret is kept, and the route takes no further one until it is armed again.
    Learned,
    /// The route takes none now; nothing was changed.
    NotArmed,
    /// There are as many of this scope as are kept; nothing was changed.
    Full,
}

/// What is known of a route that learns its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearningRoute {
    pub route: String,
    /// Until when it takes one.
    pub armed_until: Option<Timestamp>,
    /// How many are kept, of all scopes together.
    pub secrets: u64,
}
