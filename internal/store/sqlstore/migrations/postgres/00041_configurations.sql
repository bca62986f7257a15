-- The version of the configuration that is in force, the one that waits, and who has approved that. Their texts name people,
-- and are sealed.

-- +goose Up

CREATE TABLE configurations (
    tenant         TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    state          TEXT COLLATE "C" NOT NULL CHECK (state IN ('in-force', 'waiting')),
    digest         TEXT COLLATE "C" NOT NULL CHECK (digest <> ''),
    sealed         BYTEA            NOT NULL CHECK (length(sealed) > 0),
    key_generation BIGINT           NOT NULL CHECK (key_generation > 0),
    since          BIGINT           NOT NULL,
    PRIMARY KEY (tenant, state)
);

CREATE INDEX configurations_by_key ON configurations (tenant, key_generation);

-- Approvals are of the version that waits.
CREATE TABLE configuration_approvals (
    tenant  TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    digest  TEXT COLLATE "C" NOT NULL CHECK (digest <> ''),
    issuer  TEXT COLLATE "C" NOT NULL CHECK (issuer <> ''),
    subject TEXT COLLATE "C" NOT NULL CHECK (subject <> ''),
    person  TEXT COLLATE "C" NOT NULL CHECK (person <> ''),
    at      BIGINT           NOT NULL,
    PRIMARY KEY (tenant, person)
);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION refuse_needed_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM plans WHERE tenant = OLD.tenant AND key_generation = OLD.generation) OR
        EXISTS (SELECT 1 FROM configurations WHERE tenant = OLD.tenant AND key_generation = OLD.generation) THEN
        RAISE EXCEPTION USING ERRCODE = 'CF001', MESSAGE = 'a key is not destroyed while something is sealed under it';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
