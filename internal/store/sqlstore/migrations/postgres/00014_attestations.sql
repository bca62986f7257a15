-- Who attested that a grant's target no longer exists.

-- +goose Up

CREATE TABLE attestations (
    tenant     TEXT COLLATE "C" NOT NULL,
    grant_id   TEXT COLLATE "C" NOT NULL,
    person     TEXT COLLATE "C" NOT NULL CHECK (person <> ''),
    by_issuer  TEXT             NOT NULL,
    by_subject TEXT             NOT NULL,
    reason     TEXT             NOT NULL,
    at         BIGINT,
    PRIMARY KEY (tenant, grant_id, person),
    FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id)
);

CREATE TRIGGER attestations_unchanged BEFORE UPDATE ON attestations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('attestations are appended, never changed');
CREATE TRIGGER attestations_kept BEFORE DELETE OR TRUNCATE ON attestations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('attestations are kept');
