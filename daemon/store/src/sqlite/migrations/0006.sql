-- Schema 6: events that schedules make.

-- The moment that the schedule names, and why it fired; null for what a schedule did not make.
ALTER TABLE events ADD COLUMN scheduled_at INTEGER;
ALTER TABLE events ADD COLUMN firing_reason TEXT;
