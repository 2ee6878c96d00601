//! What a file must be to become a plugin: its form, its imports and its exports.

/// Changes with the rules here, so that code checked by older ones is compiled again.
pub(crate) const RULES: u32 = 1;
