-- Who reviews in whose stead, and in whose stead a review was given.

-- +goose Up

CREATE TABLE delegations (
    tenant           TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id               TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    absent_issuer    TEXT COLLATE "C" NOT NULL,
    absent_subject   TEXT COLLATE "C" NOT NULL,
    absent_person    TEXT COLLATE "C" NOT NULL CHECK (absent_person <> ''),
    delegate_issuer  TEXT COLLATE "C" NOT NULL,
    delegate_subject TEXT COLLATE "C" NOT NULL,
    delegate_person  TEXT COLLATE "C" NOT NULL CHECK (delegate_person <> ''),
    from_at          BIGINT NOT NULL,
    until_at         BIGINT NOT NULL,
    reason           TEXT COLLATE "C" NOT NULL,
    created_at       BIGINT NOT NULL,
    ended_at         BIGINT,
    ended_by_issuer  TEXT COLLATE "C" NOT NULL,
    ended_by_subject TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, id),
    CHECK (from_at < until_at)
);

CREATE INDEX delegations_absent ON delegations (tenant, absent_person, id);
CREATE INDEX delegations_delegate ON delegations (tenant, delegate_person, id);

CREATE TRIGGER delegations_unchanged BEFORE UPDATE ON delegations
    FOR EACH ROW WHEN (
        (NEW.tenant, NEW.id, NEW.from_at, NEW.until_at, NEW.created_at)
        IS DISTINCT FROM
        (OLD.tenant, OLD.id, OLD.from_at, OLD.until_at, OLD.created_at)
        OR (NOT erasing() AND (OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL OR
        (NEW.absent_issuer, NEW.absent_subject, NEW.absent_person, NEW.delegate_issuer, NEW.delegate_subject, NEW.delegate_person, NEW.reason)
        IS DISTINCT FROM
        (OLD.absent_issuer, OLD.absent_subject, OLD.absent_person, OLD.delegate_issuer, OLD.delegate_subject, OLD.delegate_person, OLD.reason))))
    EXECUTE FUNCTION refuse('a delegation ends once, and otherwise never changes');
CREATE TRIGGER delegations_kept BEFORE DELETE OR TRUNCATE ON delegations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('delegations are kept');

ALTER TABLE reviews ADD COLUMN delegation TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE reviews ADD COLUMN in_stead_issuer TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE reviews ADD COLUMN in_stead_subject TEXT COLLATE "C" NOT NULL DEFAULT '';
