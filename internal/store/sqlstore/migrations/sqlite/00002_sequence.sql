-- Events are numbered after their commit, leases say by whom, and a grant ends verified.

-- +goose Up

DROP TRIGGER events_unchanged;
DROP TRIGGER events_kept;
DROP INDEX events_by_request;
DROP INDEX events_by_grant;
ALTER TABLE events RENAME TO events_1;
ALTER TABLE event_personal RENAME TO event_personal_1;

-- The position is NULL until the sequencer has given the event its place. Events outlive what they speak of and may
-- speak of what is not here, so they refer to nothing.
CREATE TABLE events (
    tenant     TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id         TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    position   INTEGER CHECK (position > 0),
    at         INTEGER,
    kind       TEXT    NOT NULL CHECK (kind <> ''),
    request_id TEXT,
    grant_id   TEXT,
    person     TEXT    NOT NULL,
    leaf       BLOB    NOT NULL CHECK (length(leaf) > 0),
    PRIMARY KEY (tenant, id)
) STRICT;

CREATE TABLE event_personal (
    tenant   TEXT    NOT NULL,
    event_id TEXT    NOT NULL,
    ordinal  INTEGER NOT NULL,
    field    TEXT    NOT NULL CHECK (field <> ''),
    value    TEXT    NOT NULL,
    salt     BLOB,
    PRIMARY KEY (tenant, event_id, ordinal),
    FOREIGN KEY (tenant, event_id) REFERENCES events (tenant, id)
) STRICT;

INSERT INTO events (tenant, id, position, at, kind, request_id, grant_id, person, leaf)
    SELECT tenant, id, position, at, kind, request_id, grant_id, person, leaf FROM events_1 ORDER BY rowid;
INSERT INTO event_personal (tenant, event_id, ordinal, field, value, salt)
    SELECT p.tenant, e.id, p.ordinal, p.field, p.value, p.salt
    FROM event_personal_1 AS p JOIN events_1 AS e ON e.tenant = p.tenant AND e.position = p.position;
DROP TABLE event_personal_1;
DROP TABLE events_1;

CREATE UNIQUE INDEX events_by_position ON events (tenant, position) WHERE position IS NOT NULL;
CREATE INDEX events_by_request ON events (tenant, request_id, position) WHERE request_id IS NOT NULL;
CREATE INDEX events_by_grant ON events (tenant, grant_id, position) WHERE grant_id IS NOT NULL;
CREATE INDEX events_unsequenced ON events (tenant, id) WHERE position IS NULL;

-- +goose StatementBegin
CREATE TRIGGER events_unchanged BEFORE UPDATE ON events
WHEN OLD.position   IS NOT NULL       OR NEW.position IS NULL         OR
     NEW.tenant     IS NOT OLD.tenant OR NEW.id       IS NOT OLD.id   OR NEW.at   IS NOT OLD.at   OR
     NEW.kind       IS NOT OLD.kind   OR NEW.person   IS NOT OLD.person OR NEW.leaf IS NOT OLD.leaf OR
     NEW.request_id IS NOT OLD.request_id OR NEW.grant_id IS NOT OLD.grant_id
BEGIN
    SELECT RAISE(ABORT, 'events are appended, numbered once, and otherwise never changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER events_kept BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are kept');
END;
-- +goose StatementEnd

-- What only one node may do at a time, of all tenants.
CREATE TABLE leases (
    name       TEXT    NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 256),
    holder     TEXT    NOT NULL CHECK (length(holder) BETWEEN 1 AND 256),
    expires_at INTEGER NOT NULL
) STRICT;

ALTER TABLE grants ADD CONSTRAINT grants_end_verified CHECK
    (state <> 'ended' OR activated_at IS NULL OR verified_at IS NOT NULL OR end_reason = 'attested');
