-- Schema 2: one-time tokens among the keys of deliveries.

-- SHA-256 of the only body that a one-time token may come with; null for the id of a delivery. A
-- token that was used for an event that is not stored has an `event_id` of no bytes.
ALTER TABLE dedupe ADD COLUMN body_hash BLOB;
