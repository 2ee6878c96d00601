-- Schema 7: schedules.

-- Those of the configuration that was last in force.
CREATE TABLE schedules (
    name              TEXT PRIMARY KEY,
    -- The expression and the zone that `settled` is of.
    timing            TEXT NOT NULL,
    -- Every time up to this one has fired or is passed over. Written with the event of the firing.
    settled           INTEGER NOT NULL,
    -- Random, so that the jitter of each daemon is its own.
    seed              INTEGER NOT NULL,
    -- The last firing.
    last_event        BLOB,
    last_scheduled_at INTEGER,
    last_fired_at     INTEGER
) STRICT, WITHOUT ROWID;
