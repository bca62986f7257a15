-- The Merkle tree over each tenant's events, and a MAC for those that it does not have yet.

-- +goose Up

-- mac is NULL of what was written before there were MACs: that is believed once, when the tree begins.
ALTER TABLE events ADD COLUMN mac BYTEA;

DROP TRIGGER events_unchanged ON events;
CREATE TRIGGER events_unchanged BEFORE UPDATE ON events
    FOR EACH ROW WHEN (OLD.position IS NOT NULL OR NEW.position IS NULL OR
        (NEW.tenant, NEW.id, NEW.at, NEW.kind, NEW.request_id, NEW.grant_id, NEW.person, NEW.leaf, NEW.mac)
        IS DISTINCT FROM
        (OLD.tenant, OLD.id, OLD.at, OLD.kind, OLD.request_id, OLD.grant_id, OLD.person, OLD.leaf, OLD.mac))
    EXECUTE FUNCTION refuse('events are appended, numbered once, and otherwise never changed');

CREATE TABLE log_heads (
    tenant     TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(tenant) BETWEEN 1 AND 128),
    size       BIGINT NOT NULL CHECK (size > 0),
    checkpoint BYTEA NOT NULL CHECK (octet_length(checkpoint) > 0),
    at         BIGINT NOT NULL
);

CREATE TABLE log_tiles (
    tenant TEXT COLLATE "C" NOT NULL,
    level  BIGINT NOT NULL CHECK (level >= 0),
    number BIGINT NOT NULL CHECK (number >= 0),
    hashes BYTEA NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0),
    PRIMARY KEY (tenant, level, number),
    FOREIGN KEY (tenant) REFERENCES log_heads (tenant)
);
