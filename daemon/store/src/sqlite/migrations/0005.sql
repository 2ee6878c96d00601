-- Schema 5: one-time tokens are good for one body wherever they come in, and secrets know who
-- taught them.

CREATE INDEX dedupe_tokens ON dedupe (key_hash) WHERE body_hash IS NOT NULL;

-- A secret is that of one provider: a route that is another's later has learned nothing from it.
ALTER TABLE learned_secrets ADD COLUMN provider TEXT NOT NULL DEFAULT '';

-- A route is armed for one scope, and for the provider that it has then.
DROP TABLE armed_routes;
CREATE TABLE armed_routes (
    route    TEXT NOT NULL,
    provider TEXT NOT NULL,
    scope    TEXT NOT NULL,
    until    INTEGER NOT NULL,
    PRIMARY KEY (route, provider, scope)
) STRICT, WITHOUT ROWID;
