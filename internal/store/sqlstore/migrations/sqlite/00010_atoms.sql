-- Rights that several grants may hold, and who works on them.

-- +goose Up

ALTER TABLE grants ADD COLUMN kept_by TEXT NOT NULL DEFAULT '';

-- +goose StatementBegin
CREATE TRIGGER grants_ended_kept_by BEFORE UPDATE ON grants
WHEN OLD.state = 'ended' AND NEW.kept_by IS NOT OLD.kept_by
BEGIN
    SELECT RAISE(ABORT, 'a grant that has ended does not change');
END;
-- +goose StatementEnd

-- One row for each right that a grant ever held: there are as many as accounts times rights, however many grants.
CREATE TABLE atoms (
    tenant       TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    connector    TEXT    NOT NULL CHECK (length(connector) BETWEEN 1 AND 63),
    target       TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    native_right TEXT    NOT NULL,
    standing     INTEGER NOT NULL CHECK (standing IN (0, 1)),
    maker        TEXT    NOT NULL,
    lease        TEXT    NOT NULL,
    leased_at    INTEGER,
    lease_end    INTEGER,
    fence        INTEGER NOT NULL CHECK (fence >= 0),
    PRIMARY KEY (tenant, connector, target, account, native_right),
    CHECK ((lease = '') = (lease_end IS NULL)),
    CHECK ((lease = '') = (leased_at IS NULL))
) STRICT;

-- Which grants hold which rights; dropped_at is when a grant ended.
CREATE TABLE grant_atoms (
    tenant       TEXT    NOT NULL,
    grant_id     TEXT    NOT NULL,
    connector    TEXT    NOT NULL,
    target       TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    native_right TEXT    NOT NULL,
    dropped_at   INTEGER,
    PRIMARY KEY (tenant, grant_id, target, account, native_right),
    FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id)
) STRICT;

CREATE INDEX grant_atoms_held ON grant_atoms (tenant, connector, target, account, native_right, grant_id)
    WHERE dropped_at IS NULL;
CREATE INDEX grant_atoms_dropped ON grant_atoms (tenant, connector, dropped_at, grant_id, target, account, native_right) WHERE dropped_at IS NOT NULL;
