//! What can go wrong in a store, by what the caller can do about it.

/// A call was not carried out. Nothing of it is stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Too little space is left: the reserve is kept for completions. Ask the sender to come back.
    #[error("the store is full: {0}")]
    Full(String),
    /// More is waiting than the store takes in. Ask the sender to come back.
    #[error("the store has too much waiting")]
    Busy,
    /// The backend refused this one item or statement; others are unaffected.
    #[error("the store refused: {0}")]
    Refused(String),
    /// A write was not made durable; the store is not to be trusted until the process restarts.
    #[error("the store failed and the daemon must restart: {0}")]
    Untrusted(String),
    /// [`crate::Store::close`] was called.
    #[error("the store is closed")]
    Closed,
    /// The data on disk is not what this program wrote.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}
