-- What was read at the targets and the books do not explain.

-- +goose Up

CREATE TABLE findings (
    tenant            TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id                TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    connector         TEXT COLLATE "C" NOT NULL CHECK (length(connector) BETWEEN 1 AND 63),
    kind              TEXT COLLATE "C" NOT NULL CHECK (kind IN ('foreign', 'forged', 'orphan', 'after_end')),
    state             TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'removed', 'accepted')),
    mark              TEXT COLLATE "C" NOT NULL,
    target            TEXT COLLATE "C" NOT NULL,
    account           TEXT COLLATE "C" NOT NULL,
    native_right      TEXT COLLATE "C" NOT NULL,
    grant_id          TEXT COLLATE "C" NOT NULL,
    note              TEXT             NOT NULL,
    found_at          BIGINT,
    closed_at         BIGINT,
    closed_by_issuer  TEXT             NOT NULL,
    closed_by_subject TEXT             NOT NULL,
    reason            TEXT             NOT NULL,
    version           BIGINT           NOT NULL CHECK (version >= 0),
    PRIMARY KEY (tenant, id)
);

-- A thing is found once until it is gone.
CREATE UNIQUE INDEX findings_current ON findings (tenant, connector, kind, grant_id, mark, target, account, native_right)
    WHERE state <> 'removed';
CREATE INDEX findings_by_state ON findings (tenant, state, id);
CREATE INDEX findings_by_connector ON findings (tenant, connector, state, id);

CREATE TABLE finding_transitions (
    from_state TEXT COLLATE "C" NOT NULL,
    to_state   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (from_state, to_state)
);

INSERT INTO finding_transitions (from_state, to_state) VALUES
    ('open', 'removed'),
    ('open', 'accepted');

-- +goose StatementBegin
CREATE FUNCTION check_finding_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM finding_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RAISE EXCEPTION USING ERRCODE = 'CF001', MESSAGE = 'a finding cannot make this transition';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

CREATE TRIGGER findings_legal_transition BEFORE UPDATE ON findings
    FOR EACH ROW EXECUTE FUNCTION check_finding_transition();

CREATE TRIGGER findings_kept BEFORE DELETE OR TRUNCATE ON findings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('findings are kept');
