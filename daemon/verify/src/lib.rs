//! Webhook signature verification.
#![forbid(unsafe_code)]

mod credential_check;
mod header;
mod hmac_check;
mod json;
mod location;
mod mac;
mod names;
mod profile;
mod reason;
mod request;
mod scheme;
mod secret;
mod setup;
mod sign;
mod template;
mod verified;
mod verifier;

pub use location::{Location, LocationError};
pub use names::UnknownName;
pub use profile::{Profile, profile, profiles};
pub use reason::{Reason, Refused};
pub use request::{Request, UnixTime};
pub use scheme::{
    Algorithm, DEFAULT_TOLERANCE, Encoding, HmacScheme, KeyForm, Layout, Scheme, TimestampFormat,
    TimestampPlace, TimestampRule,
};
pub use secret::{Secret, SecretError};
pub use setup::SetupError;
pub use sign::{SignError, Signer, sign};
pub use template::{Piece, Template, TemplateError};
pub use verified::{Part, Verified};
pub use verifier::Verifier;
