-- Schema 1. Moments are milliseconds since the Unix epoch; ids are the sixteen bytes of a UUID;
-- header lines and parameters are JSON: [["name","value"], …], a value that is not UTF-8 being an
-- array of its bytes. Columns that no statement uses yet are for what is announced, so that large
-- tables need not be rewritten for it.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    -- The order of all events, assigned by the writer and never used again.
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              BLOB NOT NULL UNIQUE,
    tenant          TEXT NOT NULL,
    source_kind     TEXT NOT NULL,
    source          TEXT NOT NULL,
    kind            TEXT NOT NULL,
    delivery_id     TEXT,
    received_at     INTEGER NOT NULL,
    method          TEXT NOT NULL,
    path            TEXT NOT NULL,
    query           TEXT,
    params          TEXT NOT NULL,
    headers         TEXT NOT NULL,
    client          TEXT,
    unauthenticated TEXT NOT NULL,
    caused_by       BLOB,
    traceparent     TEXT
) STRICT;

-- Apart, so that lists of events do not read them; raw, as received.
CREATE TABLE bodies (
    event INTEGER PRIMARY KEY,
    body  BLOB NOT NULL
) STRICT;

CREATE TABLE jobs (
    job              INTEGER PRIMARY KEY,
    id               BLOB NOT NULL UNIQUE,
    event            INTEGER NOT NULL,
    tenant           TEXT NOT NULL,
    target_kind      TEXT NOT NULL,
    target           TEXT NOT NULL,
    lane             TEXT NOT NULL,
    order_key        TEXT,
    -- ready, waiting, running, succeeded, ignored or dead-letter
    state            TEXT NOT NULL,
    due_at           INTEGER,
    -- Attempts that have begun and were not given back.
    attempts         INTEGER NOT NULL,
    -- How many attempts in a row ended with the daemon.
    interrupted      INTEGER NOT NULL DEFAULT 0,
    -- The lease, while running: whose it is, when it was given, and its number among the job's.
    incarnation      INTEGER,
    leased_at        INTEGER,
    lease_expires_at INTEGER,
    leases           INTEGER NOT NULL,
    replay_of        BLOB,
    -- What a waiting job waits for, when it is not its turn.
    signal           TEXT,
    reply_status     INTEGER,
    reply_headers    TEXT,
    reply_body       BLOB
) STRICT;

CREATE INDEX jobs_of_event ON jobs (event);

-- Finished jobs are in neither of these, so claims do not slow down as they pile up.
CREATE INDEX jobs_open ON jobs (state, lane, due_at) WHERE state IN ('ready', 'running');
CREATE INDEX jobs_ordered ON jobs (order_key, target_kind, target, event)
    WHERE order_key IS NOT NULL AND state IN ('ready', 'waiting', 'running');

CREATE TABLE attempts (
    job         INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    tenant      TEXT NOT NULL,
    started_at  INTEGER NOT NULL,
    -- In microseconds.
    duration    INTEGER NOT NULL,
    outcome     TEXT NOT NULL,
    message     TEXT NOT NULL,
    plugin_hash TEXT NOT NULL,
    log         TEXT NOT NULL,
    log_dropped INTEGER NOT NULL,
    -- The numbered record of calls to the outside, as JSON.
    calls       TEXT,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE dedupe (
    route      TEXT NOT NULL,
    scope      TEXT NOT NULL,
    -- SHA-256 of the provider's id of the delivery.
    key_hash   BLOB NOT NULL,
    tenant     TEXT NOT NULL,
    event_id   BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (route, scope, key_hash)
) STRICT, WITHOUT ROWID;
