-- The version of the configuration that is in force, the one that waits, and who has approved that. Their texts name people,
-- and are sealed.

-- +goose Up

CREATE TABLE configurations (
    tenant         TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    state          TEXT    NOT NULL CHECK (state IN ('in-force', 'waiting')),
    digest         TEXT    NOT NULL CHECK (digest <> ''),
    sealed         BLOB    NOT NULL CHECK (length(sealed) > 0),
    key_generation INTEGER NOT NULL CHECK (key_generation > 0),
    since          INTEGER NOT NULL,
    PRIMARY KEY (tenant, state)
) STRICT;

CREATE INDEX configurations_by_key ON configurations (tenant, key_generation);

-- Approvals are of the version that waits.
CREATE TABLE configuration_approvals (
    tenant  TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    digest  TEXT    NOT NULL CHECK (digest <> ''),
    issuer  TEXT    NOT NULL CHECK (issuer <> ''),
    subject TEXT    NOT NULL CHECK (subject <> ''),
    person  TEXT    NOT NULL CHECK (person <> ''),
    at      INTEGER NOT NULL,
    PRIMARY KEY (tenant, person)
) STRICT;

DROP TRIGGER tenant_keys_needed;
-- +goose StatementBegin
CREATE TRIGGER tenant_keys_needed BEFORE UPDATE ON tenant_keys
WHEN NEW.tenant IS NOT OLD.tenant OR NEW.generation IS NOT OLD.generation OR NEW.sealing IS NULL AND (
    EXISTS (SELECT 1 FROM plans WHERE tenant = OLD.tenant AND key_generation = OLD.generation) OR
    EXISTS (SELECT 1 FROM configurations WHERE tenant = OLD.tenant AND key_generation = OLD.generation))
BEGIN
    SELECT RAISE(ABORT, 'a key is not destroyed while something is sealed under it');
END;
-- +goose StatementEnd

DROP TRIGGER tenant_keys_kept;
-- +goose StatementBegin
CREATE TRIGGER tenant_keys_kept BEFORE DELETE ON tenant_keys
WHEN EXISTS (SELECT 1 FROM plans WHERE tenant = OLD.tenant AND key_generation = OLD.generation) OR
    EXISTS (SELECT 1 FROM configurations WHERE tenant = OLD.tenant AND key_generation = OLD.generation)
BEGIN
    SELECT RAISE(ABORT, 'a key is not destroyed while something is sealed under it');
END;
-- +goose StatementEnd
