//! Fuzzing of signature verification: see `docs/development.md`.
#![forbid(unsafe_code)]

mod exercise;
mod families;

pub use exercise::{Input, exercise};
pub use families::{Family, family};
