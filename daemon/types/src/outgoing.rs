//! A request that a handler made to another service, as it is kept with the attempt.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// One call of `connection.request`. It holds no header, no body and no value of the query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingRequest {
    /// Which run of the handler made it, from 1: an attempt whose reads went stale is run again.
    pub run: u32,
    /// Its place among the requests of its run, from 1.
    pub number: u32,
    pub connection: String,
    pub method: String,
    /// With the names of the query's parameters and without their values.
    pub url: String,
    /// Of the last answer; none where there was none.
    pub status: Option<u16>,
    /// Why the handler got no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How often it was sent; 0 when it was not.
    pub tries: u32,
    pub started_at: Timestamp,
    /// All of it: waits, tries, the answer.
    #[serde(with = "micros")]
    pub duration: Duration,
    /// Bytes of the body.
    pub sent: u64,
    /// Bytes of the answer's body, as they came.
    pub received: u64,
}

mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_micros)
    }
}
