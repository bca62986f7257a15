-- Who reviews in whose stead, and in whose stead a review was given.

-- +goose Up

CREATE TABLE delegations (
    tenant           TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id               TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    absent_issuer    TEXT    NOT NULL,
    absent_subject   TEXT    NOT NULL,
    absent_person    TEXT    NOT NULL CHECK (absent_person <> ''),
    delegate_issuer  TEXT    NOT NULL,
    delegate_subject TEXT    NOT NULL,
    delegate_person  TEXT    NOT NULL CHECK (delegate_person <> ''),
    from_at          INTEGER NOT NULL,
    until_at         INTEGER NOT NULL,
    reason           TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    ended_at         INTEGER,
    ended_by_issuer  TEXT    NOT NULL,
    ended_by_subject TEXT    NOT NULL,
    PRIMARY KEY (tenant, id),
    CHECK (from_at < until_at)
) STRICT;

CREATE INDEX delegations_absent ON delegations (tenant, absent_person, id);
CREATE INDEX delegations_delegate ON delegations (tenant, delegate_person, id);

-- +goose StatementBegin
CREATE TRIGGER delegations_unchanged BEFORE UPDATE ON delegations
WHEN (NEW.tenant, NEW.id, NEW.from_at, NEW.until_at, NEW.created_at)
        IS NOT
        (OLD.tenant, OLD.id, OLD.from_at, OLD.until_at, OLD.created_at)
    OR (NOT EXISTS (SELECT 1 FROM erasing) AND (OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL OR
        (NEW.absent_issuer, NEW.absent_subject, NEW.absent_person, NEW.delegate_issuer, NEW.delegate_subject, NEW.delegate_person, NEW.reason)
        IS NOT
        (OLD.absent_issuer, OLD.absent_subject, OLD.absent_person, OLD.delegate_issuer, OLD.delegate_subject, OLD.delegate_person, OLD.reason)))
BEGIN
    SELECT RAISE(ABORT, 'a delegation ends once, and otherwise never changes');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER delegations_kept BEFORE DELETE ON delegations
BEGIN
    SELECT RAISE(ABORT, 'delegations are kept');
END;
-- +goose StatementEnd

ALTER TABLE reviews ADD COLUMN delegation TEXT NOT NULL DEFAULT '';
ALTER TABLE reviews ADD COLUMN in_stead_issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE reviews ADD COLUMN in_stead_subject TEXT NOT NULL DEFAULT '';
