//! Secrets that the operator keeps in the store. What encrypts them is the caller's: the store sees
//! names and sealed bytes.

use std::fmt;

use hookyard_types::Timestamp;

/// A secret as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret {
    pub name: String,
    /// A fingerprint of the key that sealed it.
    pub key: String,
    /// The encrypted value, with all that is needed to open it besides the key and the name.
    pub sealed: Vec<u8>,
    pub set_at: Timestamp,
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedSecret")
            .field("name", &self.name)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
