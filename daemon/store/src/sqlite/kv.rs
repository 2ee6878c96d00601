//! What plugins keep: reading it, and making an attempt's changes if what it read is still so.
//!
//! A check looks at everything before anything is changed, so that a refused attempt leaves nothing
//! in a transaction that it shares with others. Comparing with the state at the commit is enough
//! without a record of deleted keys: what was absent and is absent again is as it was read, and a
//! key that was made anew has another version.

use std::collections::BTreeMap;

use bytes::Bytes;
use hookyard_types::{
    KvChange, KvEntry, KvPage, KvRead, KvSpan, KvWrite, Namespace, Owner, Timestamp, kv_number,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::messages::Messages;
use super::verb::{Batch, Verb};
use crate::{Completed, Effects, KV_KEY_COST, Refusal, StoreError};

/// Most keys that one sweep removes, or the check of one list: it holds up the commits that wait behind it.
const SWEEP: usize = 500;

/// What a read or a write counts of a transaction besides its bytes, and an entry of a list: a
/// transaction is as large as the time that it holds others up.
const STEP_COST: usize = 1 << 10;
const ENTRY_COST: usize = 64;

/// Most keys of one page, and most that are looked at for it, expired ones included.
const PAGE: usize = 1000;

/// Whether an attempt's effects can be committed.
#[derive(Debug)]
pub(super) enum Verdict {
    Sound(Plan),
    /// Something that was read has changed.
    Stale,
    Refused(Refusal),
}

/// Changes that were checked, to be made in the same transaction.
#[derive(Debug, Default)]
pub(super) struct Plan {
    puts: Vec<Put>,
    removes: Vec<(Namespace, String)>,
    usage: Usage,
}

#[derive(Debug)]
struct Put {
    namespace: Namespace,
    key: String,
    value: Bytes,
    expires_at: Option<Timestamp>,
}

/// By how much each account grows.
#[derive(Debug, Default)]
struct Usage(BTreeMap<(String, String), i64>);

impl Usage {
    fn add(&mut self, namespace: &Namespace, bytes: i64) {
        let account = match &namespace.owner {
            Owner::Plugin(plugin) => (plugin.clone(), String::new()),
            Owner::Shared => (String::new(), namespace.name.clone()),
        };
        let sum = self.0.entry(account).or_default();
        *sum = sum.saturating_add(bytes);
    }

    fn apply(&self, conn: &Connection) -> rusqlite::Result<()> {
        for ((owner, namespace), bytes) in self.0.iter().filter(|(_, bytes)| **bytes != 0) {
            conn.prepare_cached(
                "INSERT INTO kv_usage (tenant, owner, namespace, bytes) VALUES ('', ?1, ?2, ?3) \
                 ON CONFLICT (tenant, owner, namespace) DO UPDATE SET bytes = bytes + ?3",
            )?
            .execute(params![owner, namespace, bytes])?;
        }
        Ok(())
    }
}

/// What a key counts.
fn cost(key: &str, value: i64) -> i64 {
    length(key.len().saturating_add(KV_KEY_COST)).saturating_add(value)
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// What the effects count of a transaction: bytes, and the work that each of them makes.
pub(super) fn size(effects: &Effects) -> usize {
    let writes = effects.writes.iter().map(|write| match &write.change {
        KvChange::Set { value, .. } => value.len() + write.key.len() + STEP_COST,
        KvChange::Delete | KvChange::Add(_) => write.key.len() + STEP_COST,
    });
    let reads = effects.reads.iter().map(|read| match read {
        KvRead::Key { key, .. } => key.len() + STEP_COST,
        KvRead::Span { seen, .. } => {
            seen.iter().map(|(key, _)| key.len() + ENTRY_COST).sum::<usize>() + STEP_COST
        }
    });
    writes.chain(reads).sum()
}

/// Whether the effects may make what is kept more.
pub(super) fn grows(effects: &Effects) -> bool {
    effects.writes.iter().any(|write| write.change != KvChange::Delete)
}

/// Compares what was read with what is there and works out the changes. Changes nothing itself but
/// for removing expired keys that it comes across: having been seen as gone by one commit, a key
/// must not be there for a later one whose clock is behind.
pub(super) fn check(batch: &Batch<'_>, effects: &Effects) -> Result<Verdict, Fault> {
    let conn = batch.conn;
    for read in &effects.reads {
        if !still_so(conn, read, effects.at)? {
            return Ok(Verdict::Stale);
        }
    }
    let mut plan = Plan::default();
    for write in &effects.writes {
        if let Err(refusal) = plan.add(conn, write, effects.at)? {
            return Ok(Verdict::Refused(refusal));
        }
    }
    for ((owner, namespace), grows) in &plan.usage.0 {
        if *grows <= 0 {
            continue;
        }
        if !batch.room {
            return Ok(Verdict::Refused(Refusal::NoRoom));
        }
        let has: i64 = conn
            .prepare_cached(
                "SELECT bytes FROM kv_usage WHERE tenant = '' AND owner = ?1 AND namespace = ?2",
            )?
            .query_row(params![owner, namespace], |row| row.get(0))
            .optional()?
            .unwrap_or(0);
        let wanted = u64::try_from(has.saturating_add(*grows)).unwrap_or(0);
        if wanted > effects.max_bytes {
            let shared = owner.is_empty().then(|| namespace.clone());
            return Ok(Verdict::Refused(Refusal::TooLarge { shared, wanted }));
        }
    }
    Ok(Verdict::Sound(plan))
}

impl Plan {
    fn add(
        &mut self,
        conn: &Connection,
        write: &KvWrite,
        at: Timestamp,
    ) -> Result<Result<(), Refusal>, Fault> {
        let KvWrite { namespace, key, change } = write;
        let there = head(conn, namespace, key, at)?;
        if let Some(there) = &there {
            self.usage.add(namespace, -cost(key, there.size));
        }
        let (value, expires_at) = match change {
            KvChange::Set { expires_at: Some(end), .. } if *end <= at => (None, None),
            KvChange::Set { value, expires_at } => (Some(value.clone()), *expires_at),
            KvChange::Delete => (None, None),
            KvChange::Add(by) => {
                let number = match &there {
                    None => Some(0),
                    Some(_) => kv_number(&value_of(conn, namespace, key)?),
                };
                let (namespace, key) = (namespace.clone(), key.clone());
                let Some(number) = number else {
                    return Ok(Err(Refusal::NotANumber { namespace, key }));
                };
                let Some(sum) = number.checked_add(*by) else {
                    return Ok(Err(Refusal::OutOfRange { namespace, key }));
                };
                let expires_at = there.as_ref().and_then(|there| there.expires_at);
                (Some(Bytes::from(sum.to_string())), expires_at)
            }
        };
        let (namespace, key) = (namespace.clone(), key.clone());
        match value {
            Some(value) => {
                self.usage.add(&namespace, cost(&key, length(value.len())));
                self.puts.push(Put { namespace, key, value, expires_at });
            }
            None if there.is_some() => self.removes.push((namespace, key)),
            None => {}
        }
        Ok(Ok(()))
    }

    /// Makes the changes.
    pub(super) fn apply(&self, conn: &Connection) -> Result<(), Fault> {
        for (namespace, key) in &self.removes {
            remove(conn, namespace, key)?;
        }
        if !self.puts.is_empty() {
            let version: i64 = conn
                .prepare_cached(
                    "INSERT INTO meta (name, value) VALUES ('kv_version', 1) \
                     ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
                )?
                .query_row([], |row| row.get(0))?;
            for Put { namespace, key, value, expires_at } in &self.puts {
                conn.prepare_cached(
                    "INSERT INTO kv (tenant, owner, namespace, key, version, expires_at, value) \
                     VALUES ('', ?1, ?2, ?3, ?4, ?5, ?6) \
                     ON CONFLICT (tenant, owner, namespace, key) DO UPDATE SET \
                     version = excluded.version, expires_at = excluded.expires_at, \
                     value = excluded.value",
                )?
                .execute(params![
                    owner(namespace),
                    namespace.name,
                    key,
                    version,
                    expires_at.map(Timestamp::as_millis),
                    value.as_ref(),
                ])?;
            }
        }
        Ok(self.usage.apply(conn)?)
    }
}

/// A key without its value.
struct Head {
    version: i64,
    expires_at: Option<Timestamp>,
    /// Of the value, in bytes.
    size: i64,
}

/// The key as it is at `at`; removes it if it has expired.
fn head(
    conn: &Connection,
    namespace: &Namespace,
    key: &str,
    at: Timestamp,
) -> Result<Option<Head>, Fault> {
    let found = conn
        .prepare_cached(
            "SELECT version, expires_at, length(value) FROM kv \
             WHERE tenant = '' AND owner = ?1 AND namespace = ?2 AND key = ?3",
        )?
        .query_row(params![owner(namespace), namespace.name, key], |row| {
            Ok(Head {
                version: row.get(0)?,
                expires_at: row.get::<_, Option<i64>>(1)?.map(Timestamp::from_millis),
                size: row.get(2)?,
            })
        })
        .optional()?;
    match found {
        Some(head) if head.expires_at.is_some_and(|end| end <= at) => {
            expire(conn, namespace, key, head.size)?;
            Ok(None)
        }
        found => Ok(found),
    }
}

fn value_of(conn: &Connection, namespace: &Namespace, key: &str) -> Result<Vec<u8>, Fault> {
    Ok(conn
        .prepare_cached(
            "SELECT value FROM kv \
             WHERE tenant = '' AND owner = ?1 AND namespace = ?2 AND key = ?3",
        )?
        .query_row(params![owner(namespace), namespace.name, key], |row| row.get(0))?)
}

fn expire(conn: &Connection, namespace: &Namespace, key: &str, size: i64) -> rusqlite::Result<()> {
    remove(conn, namespace, key)?;
    let mut usage = Usage::default();
    usage.add(namespace, -cost(key, size));
    usage.apply(conn)
}

fn remove(conn: &Connection, namespace: &Namespace, key: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "DELETE FROM kv WHERE tenant = '' AND owner = ?1 AND namespace = ?2 AND key = ?3",
    )?
    .execute(params![owner(namespace), namespace.name, key])?;
    Ok(())
}

/// Whether what was read is what is there.
fn still_so(conn: &Connection, read: &KvRead, at: Timestamp) -> Result<bool, Fault> {
    let (span, until, seen) = match read {
        KvRead::Key { namespace, key, version } => {
            let there = head(conn, namespace, key, at)?;
            return Ok(there.map(|there| there.version) == *version);
        }
        KvRead::Span { span, until, seen } => (span, until, seen),
    };
    let mut seen = seen.iter();
    let mut expired = Vec::new();
    let (beyond, key) = beginning(span);
    let mut statement = conn.prepare_cached(&format!(
        "SELECT key, version, expires_at, length(value) FROM kv \
         WHERE tenant = '' AND owner = ?1 AND namespace = ?2 AND key {beyond} ?3 ORDER BY key"
    ))?;
    let mut found = statement.query((owner(&span.namespace), &span.namespace.name, key))?;
    let mut same = true;
    let mut usage = Usage::default();
    while let Some(row) = found.next()? {
        let key = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        if !key.starts_with(&span.prefix) || until.as_deref().is_some_and(|until| key > until) {
            break;
        }
        if row.get::<_, Option<i64>>(2)?.is_some_and(|end| end <= at.as_millis()) {
            if expired.len() == SWEEP {
                // What is left of them goes with the commits of the next runs.
                same = false;
                break;
            }
            usage.add(&span.namespace, -cost(key, row.get(3)?));
            expired.push(key.to_owned());
            continue;
        }
        let version: i64 = row.get(1)?;
        same = seen.next().is_some_and(|(name, seen)| name == key && *seen == version);
        if !same {
            break;
        }
    }
    drop(found);
    for key in &expired {
        remove(conn, &span.namespace, key)?;
    }
    usage.apply(conn)?;
    Ok(same && seen.next().is_none())
}

/// See [`crate::Store::kv_get`].
pub(super) fn get(
    conn: &Connection,
    namespace: &Namespace,
    key: &str,
    now: Timestamp,
) -> Result<Option<KvEntry>, Fault> {
    let found = conn
        .prepare_cached(
            "SELECT version, value FROM kv \
             WHERE tenant = '' AND owner = ?1 AND namespace = ?2 AND key = ?3 \
             AND (expires_at IS NULL OR expires_at > ?4)",
        )?
        .query_row(params![owner(namespace), namespace.name, key, now.as_millis()], |row| {
            Ok(KvEntry {
                key: key.to_owned(),
                version: row.get(0)?,
                value: row.get::<_, Vec<u8>>(1)?.into(),
            })
        })
        .optional()?;
    Ok(found)
}

/// See [`crate::Store::kv_list`].
pub(super) fn list(
    conn: &Connection,
    span: &KvSpan,
    limit: usize,
    max_bytes: usize,
    now: Timestamp,
) -> Result<KvPage, Fault> {
    let limit = limit.clamp(1, PAGE);
    let (beyond, key) = beginning(span);
    let mut statement = conn.prepare_cached(&format!(
        "SELECT key, version, expires_at, value FROM kv \
         WHERE tenant = '' AND owner = ?1 AND namespace = ?2 AND key {beyond} ?3 ORDER BY key"
    ))?;
    let mut found = statement.query((owner(&span.namespace), &span.namespace.name, key))?;
    let mut page = KvPage::default();
    let mut bytes = 0_usize;
    let mut last = None;
    for looked_at in 0.. {
        let Some(row) = found.next()? else { break };
        let key = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        if !key.starts_with(&span.prefix) {
            break;
        }
        if page.entries.len() == limit || bytes >= max_bytes || looked_at == PAGE {
            page.next = last;
            break;
        }
        last = Some(key.to_owned());
        if row.get::<_, Option<i64>>(2)?.is_some_and(|end| end <= now.as_millis()) {
            continue;
        }
        let value = Bytes::from(row.get::<_, Vec<u8>>(3)?);
        bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
        page.entries.push(KvEntry { key: key.to_owned(), version: row.get(1)?, value });
    }
    Ok(page)
}

/// Where a span begins, as one comparison: with two, a late page would be looked for from the
/// prefix on.
fn beginning(span: &KvSpan) -> (&'static str, &str) {
    match &span.after {
        Some(after) if *after >= span.prefix => (">", after),
        _ => (">=", &span.prefix),
    }
}

fn owner(namespace: &Namespace) -> &str {
    match &namespace.owner {
        Owner::Plugin(plugin) => plugin,
        Owner::Shared => "",
    }
}

/// See [`crate::Store::commit`].
#[derive(Debug)]
pub(super) struct Commit {
    effects: Effects,
    messages: Messages,
}

impl Commit {
    pub(super) fn of(mut effects: Effects) -> Result<Self, StoreError> {
        let messages = Messages::of(&mut effects)?;
        Ok(Self { effects, messages })
    }
}

impl Verb for Commit {
    type Output = Completed;

    fn size(&self) -> usize {
        size(&self.effects) + self.messages.size()
    }

    fn grows(&self) -> bool {
        grows(&self.effects) || !self.messages.is_empty()
    }

    fn run(&self, batch: &mut Batch<'_>) -> Result<Completed, Fault> {
        let plan = match check(batch, &self.effects)? {
            Verdict::Sound(plan) => plan,
            Verdict::Stale => return Ok(Completed::Conflict),
            Verdict::Refused(refusal) => return Ok(Completed::Refused(refusal)),
        };
        if let Some(refusal) = self.messages.refusal(batch, None)? {
            return Ok(Completed::Refused(refusal));
        }
        plan.apply(batch.conn)?;
        self.messages.store(batch)?;
        Ok(Completed::Committed)
    }
}

/// See [`crate::Store::sweep`].
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) now: Timestamp,
}

impl Verb for Sweep {
    type Output = usize;

    fn run(&self, batch: &mut Batch<'_>) -> Result<usize, Fault> {
        let mut statement = batch.conn.prepare_cached(
            "SELECT owner, namespace, key, length(value) FROM kv \
             WHERE expires_at IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
        )?;
        let expired = statement
            .query_map(params![self.now.as_millis(), length(SWEEP)], |row| {
                let plugin: String = row.get(0)?;
                let owner = if plugin.is_empty() { Owner::Shared } else { Owner::Plugin(plugin) };
                let namespace = Namespace { owner, name: row.get(1)? };
                Ok((namespace, row.get::<_, String>(2)?, row.get::<_, i64>(3)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut usage = Usage::default();
        for (namespace, key, size) in &expired {
            remove(batch.conn, namespace, key)?;
            usage.add(namespace, -cost(key, *size));
        }
        usage.apply(batch.conn)?;
        Ok(expired.len())
    }
}
