-- Schema 7: an attempt's requests to other services, in JSON.

ALTER TABLE attempts ADD COLUMN requests TEXT NOT NULL DEFAULT '[]';
