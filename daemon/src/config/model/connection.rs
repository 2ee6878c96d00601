//! Other services, and how they are asked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::{SecretRef, Tls};
use crate::outbound::BaseUrl;

/// `[connection.NAME]`: another service, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) base_url: BaseUrl,
    pub(crate) auth: Option<Auth>,
    /// Of one try, from the look-up of the name to the last byte.
    pub(crate) timeout: Duration,
    /// How often a request is sent at most.
    pub(crate) max_attempts: u32,
    /// Whether the service knows requests again by their `Idempotency-Key`.
    pub(crate) idempotent: bool,
    pub(crate) rate: Option<Rate>,
    /// Bytes of an answer's body.
    pub(crate) max_response: usize,
    /// How many redirects are followed.
    pub(crate) redirects: u32,
    /// Sent with every request; names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// Networks that are no public ones and may be reached.
    pub(crate) allow: Vec<IpNet>,
    /// Whether every private address may be.
    pub(crate) allow_private: bool,
    /// A PEM file of trust roots beside the platform's.
    pub(crate) ca: Option<PathBuf>,
    /// PEM files that prove who asks.
    pub(crate) client: Option<Tls>,
}

/// So many requests in any span of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) requests: usize,
    pub(crate) per: Duration,
}

/// How a connection proves who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    Bearer(SecretRef),
    Basic {
        user: String,
        password: SecretRef,
    },
    /// The value after `prefix`.
    Header {
        name: String,
        prefix: String,
        value: SecretRef,
    },
    Query {
        name: String,
        value: SecretRef,
    },
    OAuth2(OAuth2),
}

/// OAuth 2 client credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OAuth2 {
    pub(crate) token_url: BaseUrl,
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretRef,
    pub(crate) scopes: Vec<String>,
    pub(crate) audience: Option<String>,
    /// Whether id and secret are sent in the form; else as the header of Basic.
    pub(crate) in_body: bool,
}

impl Auth {
    /// Where its secret is.
    pub(crate) fn secret(&self) -> &SecretRef {
        match self {
            Self::Bearer(secret)
            | Self::Basic { password: secret, .. }
            | Self::Header { value: secret, .. }
            | Self::Query { value: secret, .. }
            | Self::OAuth2(OAuth2 { client_secret: secret, .. }) => secret,
        }
    }
}
