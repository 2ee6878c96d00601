//! Fuzzing of signature verification: see `docs/development.md`.
#![forbid(unsafe_code)]

mod exercise;
mod families;
mod written;

pub use exercise::{Input, exercise};
pub use families::{FAMILIES, Family, family};
pub use written::exercise_written;
