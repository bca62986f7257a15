-- Rights that several grants may hold, and who works on them.

-- +goose Up

ALTER TABLE grants ADD COLUMN kept_by TEXT NOT NULL DEFAULT '';

CREATE TRIGGER grants_ended_kept_by BEFORE UPDATE ON grants
    FOR EACH ROW WHEN (OLD.state = 'ended' AND NEW.kept_by <> OLD.kept_by)
    EXECUTE FUNCTION refuse('a grant that has ended does not change');

-- One row for each right that a grant ever held: there are as many as accounts times rights, however many grants.
CREATE TABLE atoms (
    tenant       TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    connector    TEXT COLLATE "C" NOT NULL CHECK (length(connector) BETWEEN 1 AND 63),
    target       TEXT COLLATE "C" NOT NULL,
    account      TEXT COLLATE "C" NOT NULL,
    native_right TEXT COLLATE "C" NOT NULL,
    standing     BOOLEAN          NOT NULL,
    maker        TEXT COLLATE "C" NOT NULL,
    lease        TEXT COLLATE "C" NOT NULL,
    leased_at    BIGINT,
    lease_end    BIGINT,
    fence        BIGINT           NOT NULL CHECK (fence >= 0),
    PRIMARY KEY (tenant, connector, target, account, native_right),
    CHECK ((lease = '') = (lease_end IS NULL)),
    CHECK ((lease = '') = (leased_at IS NULL))
);

-- Which grants hold which rights; dropped_at is when a grant ended.
CREATE TABLE grant_atoms (
    tenant       TEXT COLLATE "C" NOT NULL,
    grant_id     TEXT COLLATE "C" NOT NULL,
    connector    TEXT COLLATE "C" NOT NULL,
    target       TEXT COLLATE "C" NOT NULL,
    account      TEXT COLLATE "C" NOT NULL,
    native_right TEXT COLLATE "C" NOT NULL,
    dropped_at   BIGINT,
    PRIMARY KEY (tenant, grant_id, target, account, native_right),
    FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id)
);

CREATE INDEX grant_atoms_held ON grant_atoms (tenant, connector, target, account, native_right, grant_id)
    WHERE dropped_at IS NULL;
CREATE INDEX grant_atoms_dropped ON grant_atoms (tenant, connector, dropped_at, grant_id, target, account, native_right) WHERE dropped_at IS NOT NULL;
