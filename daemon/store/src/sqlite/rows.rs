//! Between the store's values and the columns of their rows.

use bytes::Bytes;
use hookyard_types::{Event, EventId, Firing, Headers, JobId, Source, Target, Timestamp};
use rusqlite::Row;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::{AttemptOutcome, JobState, StoreError, StoredReply};

/// The columns that [`event`] reads, in its order, of `events e` and `bodies b`.
pub(super) const EVENT_COLUMNS: &str = "e.seq, e.id, e.tenant, e.source_kind, e.source, e.kind, \
     e.delivery_id, e.received_at, e.method, e.path, e.query, e.params, e.headers, e.client, \
     e.unauthenticated, e.caused_by, e.traceparent, e.scheduled_at, \
     e.firing_reason, b.body";

/// How many columns [`EVENT_COLUMNS`] are.
pub(super) const EVENT_WIDTH: usize = 20;

/// An event's parts that are stored as text made for the purpose. Made before the event is queued,
/// so that the one writer does not spend its time on it.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) params: String,
    pub(super) headers: String,
    pub(super) client: Option<String>,
    pub(super) unauthenticated: String,
}

impl Encoded {
    pub(super) fn of(event: &Event) -> Result<Self, StoreError> {
        Ok(Self {
            params: json(&event.params)?,
            headers: headers_to_json(&event.headers)?,
            client: event.client.map(|address| address.to_string()),
            unauthenticated: json(&event.unauthenticated)?,
        })
    }
}

/// An event and its `seq`, of [`EVENT_COLUMNS`].
pub(super) fn event(row: &Row<'_>) -> Result<(i64, Event), Fault> {
    let client: Option<String> = row.get(13)?;
    let event = Event {
        id: EventId::from_bytes(row.get(1)?),
        tenant: row.get(2)?,
        source: source(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?, row.get(4)?)?,
        kind: row.get(5)?,
        delivery_id: row.get(6)?,
        received_at: Timestamp::from_millis(row.get(7)?),
        method: row.get(8)?,
        path: row.get(9)?,
        query: row.get(10)?,
        params: from_json("parameters", row.get_ref(11)?.as_str().map_err(rusqlite::Error::from)?)?,
        headers: headers_from_json(row.get_ref(12)?.as_str().map_err(rusqlite::Error::from)?)?,
        client: match client {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| unknown("client address", &text))?),
        },
        unauthenticated: from_json(
            "unauthenticated names",
            row.get_ref(14)?.as_str().map_err(rusqlite::Error::from)?,
        )?,
        caused_by: row.get::<_, Option<[u8; 16]>>(15)?.map(EventId::from_bytes),
        traceparent: row.get(16)?,
        firing: match row.get::<_, Option<i64>>(17)?.map(Timestamp::from_millis) {
            None => None,
            Some(scheduled_at) => Some(Firing {
                scheduled_at,
                reason: row.get::<_, Option<_>>(18)?.unwrap_or_default(),
            }),
        },
        body: Bytes::from(row.get::<_, Vec<u8>>(19)?),
    };
    Ok((row.get(0)?, event))
}

pub(super) fn job_id(row: &Row<'_>, column: usize) -> rusqlite::Result<JobId> {
    Ok(JobId::from_bytes(row.get(column)?))
}

pub(super) fn source(kind: &str, name: String) -> Result<Source, StoreError> {
    Source::of_kind(kind, name).ok_or_else(|| unknown("source", kind))
}

/// A target's columns `target_kind` and `target`.
pub(super) fn target_columns(target: &Target) -> (&'static str, String) {
    match target {
        Target::Handler(name) => ("handler", name.to_string()),
    }
}

pub(super) fn target(kind: &str, name: &str) -> Result<Target, StoreError> {
    match kind {
        "handler" => {
            name.parse().map(Target::Handler).map_err(|_| unknown("handler of a job", name))
        }
        other => Err(unknown("kind of target", other)),
    }
}

/// A stored reply of three columns from `first` on, if the job has one.
pub(super) fn reply(row: &Row<'_>, first: usize) -> Result<Option<StoredReply>, Fault> {
    let Some(status) = row.get::<_, Option<u16>>(first)? else { return Ok(None) };
    let headers: String = row.get(first + 1)?;
    Ok(Some(StoredReply {
        status,
        headers: headers_from_json(&headers)?,
        body: Bytes::from(row.get::<_, Vec<u8>>(first + 2)?),
    }))
}

pub(super) fn state(text: &str) -> Result<JobState, StoreError> {
    Ok(match text {
        "ready" => JobState::Ready,
        "waiting" => JobState::Waiting,
        "running" => JobState::Running,
        "succeeded" => JobState::Succeeded,
        "ignored" => JobState::Ignored,
        "dead-letter" => JobState::DeadLetter,
        other => return Err(unknown("state of a job", other)),
    })
}

pub(super) fn outcome(text: &str) -> Result<AttemptOutcome, StoreError> {
    Ok(match text {
        "done" => AttemptOutcome::Done,
        "ignored" => AttemptOutcome::Ignored,
        "retry" => AttemptOutcome::Retry,
        "reject" => AttemptOutcome::Reject,
        "trap" => AttemptOutcome::Trap,
        "timeout" => AttemptOutcome::Timeout,
        "limit" => AttemptOutcome::Limit,
        "interrupted" => AttemptOutcome::Interrupted,
        other => return Err(unknown("outcome of an attempt", other)),
    })
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Refused(error.to_string()))
}

pub(super) fn from_json<'de, T: Deserialize<'de>>(
    what: &str,
    text: &'de str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(format!("{what}: {error}")))
}

/// Header lines as JSON that any tool reads: `[["name","value"], …]`. A value that is not UTF-8 is
/// an array of its bytes.
pub(super) fn headers_to_json(headers: &Headers) -> Result<String, StoreError> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Value<'a> {
        Text(&'a str),
        Bytes(&'a [u8]),
    }
    let lines: Vec<(&str, Value<'_>)> = headers
        .iter()
        .map(|(name, value)| match str::from_utf8(value) {
            Ok(text) => (name, Value::Text(text)),
            Err(_) => (name, Value::Bytes(value)),
        })
        .collect();
    json(&lines)
}

pub(super) fn headers_from_json(text: &str) -> Result<Headers, StoreError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value {
        Text(String),
        Bytes(Vec<u8>),
    }
    let lines: Vec<(String, Value)> = from_json("header lines", text)?;
    Ok(lines
        .into_iter()
        .map(|(name, value)| match value {
            Value::Text(text) => (name, text.into_bytes()),
            Value::Bytes(bytes) => (name, bytes),
        })
        .collect())
}

fn unknown(what: &str, found: &str) -> StoreError {
    StoreError::Damaged(format!("`{found}` is no {what} that this program knows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_lines_survive_whatever_their_bytes() {
        let headers: Headers = [
            ("content-type".to_owned(), b"application/json".to_vec()),
            ("x-text".to_owned(), "gr\u{fc}n \"quoted\" \u{0}".as_bytes().to_vec()),
            ("x-bytes".to_owned(), vec![0xff, 0xfe, b'a']),
            ("x-bytes".to_owned(), Vec::new()),
        ]
        .into_iter()
        .collect();
        let text = headers_to_json(&headers).expect("encodes");
        assert!(text.starts_with(r#"[["content-type","application/json"],"#), "{text}");
        assert!(text.contains(r#"["x-bytes",[255,254,97]]"#), "{text}");
        assert_eq!(headers_from_json(&text).expect("decodes"), headers);
    }

    #[test]
    fn every_outcome_reads_what_it_writes() {
        use AttemptOutcome::*;
        for each in [Done, Ignored, Retry, Reject, Trap, Timeout, Limit, Interrupted] {
            assert_eq!(outcome(each.as_str()).expect("known"), each);
        }
    }
}
