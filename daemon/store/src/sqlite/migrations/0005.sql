-- Schema 5: one-time tokens are good for one body wherever they come in, and secrets know who
-- taught them.

CREATE INDEX dedupe_tokens ON dedupe (key_hash) WHERE body_hash IS NOT NULL;
