-- Schema 4: what plugins keep between attempts.

CREATE TABLE kv (
    tenant     TEXT NOT NULL,
    -- The plugin whose namespace it is; empty for a shared one.
    owner      TEXT NOT NULL,
    namespace  TEXT NOT NULL,
    key        TEXT NOT NULL,
    -- Of the commit that wrote it: from `meta`, greater each time and never used again.
    version    INTEGER NOT NULL,
    expires_at INTEGER,
    -- Last, so that comparing versions does not read large values.
    value      BLOB NOT NULL,
    PRIMARY KEY (tenant, owner, namespace, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX kv_expiring ON kv (expires_at) WHERE expires_at IS NOT NULL;

-- Bytes in `kv`: of all namespaces of a plugin together (no `namespace`), or of a shared one.
CREATE TABLE kv_usage (
    tenant    TEXT NOT NULL,
    owner     TEXT NOT NULL,
    namespace TEXT NOT NULL,
    bytes     INTEGER NOT NULL,
    PRIMARY KEY (tenant, owner, namespace)
) STRICT, WITHOUT ROWID;
