-- Schema 3: secrets that providers teach in a handshake that nothing signs.

-- Until when a route takes one. A row goes with the secret that it let in.
CREATE TABLE armed_routes (
    route TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The secrets as they are: whoever can read this file can sign for these routes.
CREATE TABLE learned_secrets (
    -- Their order: a greater number was learned later.
    number     INTEGER PRIMARY KEY,
    route      TEXT NOT NULL,
    -- What else must be equal, as in `dedupe`.
    scope      TEXT NOT NULL,
    secret     BLOB NOT NULL,
    learned_at INTEGER NOT NULL
) STRICT;

CREATE INDEX learned_secrets_of_route ON learned_secrets (route, scope);
