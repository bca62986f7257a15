-- The Merkle tree over each tenant's events, and a MAC for those that it does not have yet.

-- +goose Up

-- mac is NULL of what was written before there were MACs: that is believed once, when the tree begins.
ALTER TABLE events ADD COLUMN mac BLOB;

DROP TRIGGER events_unchanged;
-- +goose StatementBegin
CREATE TRIGGER events_unchanged BEFORE UPDATE ON events
WHEN OLD.position   IS NOT NULL       OR NEW.position IS NULL         OR
     NEW.tenant     IS NOT OLD.tenant OR NEW.id       IS NOT OLD.id   OR NEW.at   IS NOT OLD.at   OR
     NEW.kind       IS NOT OLD.kind   OR NEW.person   IS NOT OLD.person OR NEW.leaf IS NOT OLD.leaf OR
     NEW.request_id IS NOT OLD.request_id OR NEW.grant_id IS NOT OLD.grant_id OR NEW.mac IS NOT OLD.mac
BEGIN
    SELECT RAISE(ABORT, 'events are appended, numbered once, and otherwise never changed');
END;
-- +goose StatementEnd

CREATE TABLE log_heads (
    tenant     TEXT NOT NULL PRIMARY KEY CHECK (length(tenant) BETWEEN 1 AND 128),
    size       INTEGER NOT NULL CHECK (size > 0),
    checkpoint BLOB NOT NULL CHECK (length(checkpoint) > 0),
    at         INTEGER NOT NULL
) STRICT;

CREATE TABLE log_tiles (
    tenant TEXT NOT NULL,
    level  INTEGER NOT NULL CHECK (level >= 0),
    number INTEGER NOT NULL CHECK (number >= 0),
    hashes BLOB NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (tenant, level, number),
    FOREIGN KEY (tenant) REFERENCES log_heads (tenant)
) STRICT;
