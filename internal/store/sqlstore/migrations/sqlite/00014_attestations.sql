-- Who attested that a grant's target no longer exists.

-- +goose Up

CREATE TABLE attestations (
    tenant     TEXT    NOT NULL,
    grant_id   TEXT    NOT NULL,
    person     TEXT    NOT NULL CHECK (person <> ''),
    by_issuer  TEXT    NOT NULL,
    by_subject TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    at         INTEGER,
    PRIMARY KEY (tenant, grant_id, person),
    FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id)
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER attestations_unchanged BEFORE UPDATE ON attestations
BEGIN
    SELECT RAISE(ABORT, 'attestations are appended, never changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER attestations_kept BEFORE DELETE ON attestations
BEGIN
    SELECT RAISE(ABORT, 'attestations are kept');
END;
-- +goose StatementEnd
