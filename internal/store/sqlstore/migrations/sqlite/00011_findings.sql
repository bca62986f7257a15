-- What was read at the targets and the books do not explain.

-- +goose Up

CREATE TABLE findings (
    tenant            TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id                TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    connector         TEXT    NOT NULL CHECK (length(connector) BETWEEN 1 AND 63),
    kind              TEXT    NOT NULL CHECK (kind IN ('foreign', 'forged', 'orphan', 'after_end')),
    state             TEXT    NOT NULL CHECK (state IN ('open', 'removed', 'accepted')),
    mark              TEXT    NOT NULL,
    target            TEXT    NOT NULL,
    account           TEXT    NOT NULL,
    native_right      TEXT    NOT NULL,
    grant_id          TEXT    NOT NULL,
    note              TEXT    NOT NULL,
    found_at          INTEGER,
    closed_at         INTEGER,
    closed_by_issuer  TEXT    NOT NULL,
    closed_by_subject TEXT    NOT NULL,
    reason            TEXT    NOT NULL,
    version           INTEGER NOT NULL CHECK (version >= 0),
    PRIMARY KEY (tenant, id)
) STRICT;

-- A thing is found once until it is gone.
CREATE UNIQUE INDEX findings_current ON findings (tenant, connector, kind, grant_id, mark, target, account, native_right)
    WHERE state <> 'removed';
CREATE INDEX findings_by_state ON findings (tenant, state, id);
CREATE INDEX findings_by_connector ON findings (tenant, connector, state, id);

CREATE TABLE finding_transitions (
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    PRIMARY KEY (from_state, to_state)
) STRICT;

INSERT INTO finding_transitions (from_state, to_state) VALUES
    ('open', 'removed'),
    ('open', 'accepted');

-- +goose StatementBegin
CREATE TRIGGER findings_legal_transition BEFORE UPDATE ON findings
WHEN NOT EXISTS (SELECT 1 FROM finding_transitions WHERE from_state = OLD.state AND to_state = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'a finding cannot make this transition');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER findings_kept BEFORE DELETE ON findings
BEGIN
    SELECT RAISE(ABORT, 'findings are kept');
END;
-- +goose StatementEnd
