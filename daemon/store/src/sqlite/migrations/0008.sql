-- Schema 8: secrets that the operator keeps here, each encrypted by itself with a key that is elsewhere.

CREATE TABLE secrets (
    name   TEXT PRIMARY KEY,
    -- Which key encrypted it: a fingerprint, from which the key cannot be had.
    key    TEXT NOT NULL,
    -- Nonce and ciphertext. The name is part of what is authenticated: no row can stand for another.
    sealed BLOB NOT NULL,
    set_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
