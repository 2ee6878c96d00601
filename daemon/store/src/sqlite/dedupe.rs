//! The keys by which repetitions are recognised: looked up and taken in the event's transaction.

use hookyard_types::{Event, EventId, Source, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::verb::{Batch, Verb};
use crate::{Dedupe, DedupeKey, StoreError, TokenUse};

/// Before a token where it is hashed. No text in UTF-8 has this byte, so that no sender can choose
/// an id of a delivery that is taken for a token, or the other way round.
const TOKEN_MARK: [u8; 1] = [0xff];

/// The keys of one event, hashed before the event is queued.
#[derive(Debug)]
pub(super) struct Keys {
    route: String,
    tenant: String,
    received_at: Timestamp,
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    scope: String,
    hash: [u8; 32],
    /// Of the body that a token is bound to; none for the id of a delivery.
    body: Option<[u8; 32]>,
    expires_at: Timestamp,
}

/// What the keys say of an event.
#[derive(Debug)]
pub(super) enum Verdict {
    /// None was there; they are this event's now.
    New,
    /// One is that of an earlier event.
    Duplicate(EventId),
    /// A one-time token came with another body before.
    TokenReused,
}

/// A key that is there and has not expired. Its body is that of the event: see [`Keys::is_reused`].
struct Known {
    event: Option<EventId>,
}

impl Keys {
    pub(super) fn of(event: &Event, dedupe: Vec<Dedupe>) -> Self {
        let mut body_hash = None;
        let keys = dedupe.into_iter().map(|dedupe| {
            let (hash, body) = match &dedupe.key {
                DedupeKey::Delivery(id) => (Sha256::digest(id), None),
                DedupeKey::OneTimeToken(token) => (
                    Sha256::new().chain_update(TOKEN_MARK).chain_update(token).finalize(),
                    Some(*body_hash.get_or_insert_with(|| Sha256::digest(&event.body).into())),
                ),
            };
            Key {
                scope: dedupe.scope,
                hash: hash.into(),
                body,
                expires_at: event.received_at.saturating_add(dedupe.window),
            }
        });
        Self {
            keys: keys.collect(),
            route: column(&event.source),
            tenant: event.tenant.clone(),
            received_at: event.received_at,
        }
    }

    /// Takes the keys for `event`, or says why not.
    pub(super) fn take(&self, conn: &Connection, event: EventId) -> Result<Verdict, Fault> {
        let (mut fresh, mut first) = (Vec::new(), None);
        for key in &self.keys {
            if self.is_reused(conn, key)? {
                return Ok(Verdict::TokenReused);
            }
            match self.known(conn, key)? {
                Some(Known { event: Some(event) }) => first = first.or(Some(event)),
                Some(Known { event: None }) | None => fresh.push(key),
            }
        }
        let Some(first) = first else {
            for key in fresh {
                self.put(conn, key, Some(event))?;
            }
            return Ok(Verdict::New);
        };
        // A provider may sign a delivery anew when it sends it again: that token is used too. An id
        // is left alone, as it may not be signed: whoever sends a genuine request again could take
        // any number of them, and the deliveries to which they belong would not be let in.
        for key in fresh.into_iter().filter(|key| key.body.is_some()) {
            self.put(conn, key, Some(first))?;
        }
        Ok(Verdict::Duplicate(first))
    }

    /// Whether a key is that of an earlier event.
    pub(super) fn are_known(&self, conn: &Connection) -> Result<bool, Fault> {
        for key in &self.keys {
            if matches!(self.known(conn, key)?, Some(Known { event: Some(_) })) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a key will be that of the event of `earlier`, once that has its keys.
    pub(super) fn repeat(&self, earlier: &Self) -> bool {
        let same = |key: &Key, known: &Key| {
            (&key.scope, key.hash) == (&known.scope, known.hash)
                && known.expires_at > self.received_at
        };
        self.route == earlier.route
            && self.keys.iter().any(|key| earlier.keys.iter().any(|known| same(key, known)))
    }

    /// Whether the token came with another body before, to whichever route and scope: one secret
    /// may serve several, and no part of the path need be signed.
    fn is_reused(&self, conn: &Connection, key: &Key) -> Result<bool, Fault> {
        let Some(body) = key.body else { return Ok(false) };
        let reused = conn
            .prepare_cached(
                "SELECT 1 FROM dedupe WHERE key_hash = ?1 AND body_hash IS NOT NULL \
                 AND body_hash <> ?2 AND expires_at > ?3 LIMIT 1",
            )?
            .exists(params![key.hash, body, self.received_at.as_millis()])?;
        Ok(reused)
    }

    fn known(&self, conn: &Connection, key: &Key) -> Result<Option<Known>, Fault> {
        let found = conn
            .prepare_cached(
                "SELECT event_id FROM dedupe \
                 WHERE route = ?1 AND scope = ?2 AND key_hash = ?3 AND expires_at > ?4",
            )?
            .query_row(
                params![self.route, key.scope, key.hash, self.received_at.as_millis()],
                |row| row.get::<_, Vec<u8>>(0),
            )
            .optional()?;
        let Some(event) = found else { return Ok(None) };
        if event.is_empty() {
            return Ok(Some(Known { event: None }));
        }
        let event = event.try_into().map_err(|_| {
            StoreError::Damaged("an event's id among the keys is not of sixteen bytes".to_owned())
        })?;
        Ok(Some(Known { event: Some(EventId::from_bytes(event)) }))
    }

    /// Puts a key in, over a row that has expired or that has no event.
    fn put(&self, conn: &Connection, key: &Key, event: Option<EventId>) -> Result<(), Fault> {
        let event: &[u8] = event.as_ref().map_or(&[], |event| event.as_bytes());
        conn.prepare_cached(
            "INSERT INTO dedupe (route, scope, key_hash, tenant, event_id, expires_at, body_hash) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (route, scope, key_hash) DO UPDATE SET \
             tenant = excluded.tenant, event_id = excluded.event_id, \
             expires_at = excluded.expires_at, body_hash = excluded.body_hash",
        )?
        .execute(params![
            self.route,
            key.scope,
            key.hash,
            self.tenant,
            event,
            key.expires_at.as_millis(),
            key.body,
        ])?;
        Ok(())
    }
}

/// The column `route`: a topic or a schedule has a colon in it, which no route's name can have.
fn column(source: &Source) -> String {
    match source {
        Source::Route(name) => name.clone(),
        Source::Queue(name) | Source::Schedule(name) => format!("{}:{name}", source.kind()),
    }
}

/// See [`crate::Store::spend`].
#[derive(Debug)]
pub(super) struct Spend(pub(super) Keys);

impl Verb for Spend {
    type Output = TokenUse;
    const ADMITS: bool = true;

    fn run(&self, batch: &mut Batch<'_>) -> Result<TokenUse, Fault> {
        let Self(keys) = self;
        for key in keys.keys.iter().filter(|key| key.body.is_some()) {
            if keys.is_reused(batch.conn, key)? {
                return Ok(TokenUse::Reused);
            }
            if keys.known(batch.conn, key)?.is_none() {
                keys.put(batch.conn, key, None)?;
            }
        }
        Ok(TokenUse::Allowed)
    }
}
