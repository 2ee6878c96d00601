//! How moments are written for people and programs: RFC 3339, in UTC.

use hookyard_types::Timestamp;

pub(crate) fn text(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| at.as_millis().to_string(), |at| format!("{at:.3}"))
}
