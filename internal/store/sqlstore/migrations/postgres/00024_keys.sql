-- Data keys have generations, and what needs one says which.

-- +goose Up

ALTER TABLE tenant_keys RENAME TO tenant_keys_1;
ALTER INDEX tenant_keys_pkey RENAME TO tenant_keys_1_pkey;

-- sealing is NULL when that key was destroyed; idle_since is since when nothing needs the generation.
CREATE TABLE tenant_keys (
    tenant         TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    generation     BIGINT           NOT NULL CHECK (generation > 0),
    wrapper        TEXT COLLATE "C" NOT NULL CHECK (wrapper <> ''),
    sealing        BYTEA            CHECK (length(sealing) > 0),
    authentication BYTEA            NOT NULL CHECK (length(authentication) > 0),
    made_at        BIGINT,
    idle_since     BIGINT,
    PRIMARY KEY (tenant, generation)
);

INSERT INTO tenant_keys (tenant, generation, wrapper, sealing, authentication)
    SELECT tenant, 1, 'a key file of before keys had generations', wrapped, wrapped FROM tenant_keys_1;
DROP TABLE tenant_keys_1;

ALTER TABLE plans ADD COLUMN key_generation BIGINT NOT NULL DEFAULT 1 CHECK (key_generation > 0);
CREATE INDEX plans_by_key ON plans (tenant, key_generation, grant_id);

ALTER TABLE restores ADD COLUMN key_generation BIGINT NOT NULL DEFAULT 1 CHECK (key_generation > 0);
DROP TRIGGER restores_unchanged ON restores;
CREATE TRIGGER restores_unchanged BEFORE UPDATE ON restores
    FOR EACH ROW WHEN (OLD.settled_at IS NOT NULL OR NEW.settled_at IS NULL OR
        (NEW.tenant, NEW.at, NEW.taken_at, NEW.kept_position, NEW.kept_event, NEW.lost_position, NEW.lost_event,
         NEW.void_tokens, NEW.mac, NEW.key_generation)
        IS DISTINCT FROM
        (OLD.tenant, OLD.at, OLD.taken_at, OLD.kept_position, OLD.kept_event, OLD.lost_position, OLD.lost_event,
         OLD.void_tokens, OLD.mac, OLD.key_generation))
    EXECUTE FUNCTION refuse('restores are settled once, and otherwise never changed');

-- The generation under which a mark was made; 0 is none.
ALTER TABLE grants ADD COLUMN mark_generation BIGINT NOT NULL DEFAULT 0 CHECK (mark_generation >= 0);
ALTER TABLE atoms ADD COLUMN mark_generation BIGINT NOT NULL DEFAULT 0 CHECK (mark_generation >= 0);
UPDATE grants SET mark_generation = 1 WHERE attempt > 0;
UPDATE atoms SET mark_generation = 1 WHERE maker <> '';

CREATE INDEX grants_by_mark ON grants (tenant, mark_generation)
    WHERE mark_generation > 0 AND (state <> 'ended' OR due_at IS NOT NULL);
CREATE INDEX atoms_by_mark ON atoms (tenant, mark_generation) WHERE mark_generation > 0;

CREATE TRIGGER grants_ended_mark_frozen BEFORE UPDATE ON grants
    FOR EACH ROW WHEN (OLD.state = 'ended' AND NEW.mark_generation IS DISTINCT FROM OLD.mark_generation)
    EXECUTE FUNCTION refuse('a grant that has ended does not change');

-- +goose StatementBegin
CREATE FUNCTION refuse_needed_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM plans WHERE tenant = OLD.tenant AND key_generation = OLD.generation) THEN
        RAISE EXCEPTION USING ERRCODE = 'CF001', MESSAGE = 'a key is not destroyed while something is sealed under it';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER tenant_keys_needed BEFORE UPDATE ON tenant_keys
    FOR EACH ROW WHEN (NEW.sealing IS NULL) EXECUTE FUNCTION refuse_needed_key();
CREATE TRIGGER tenant_keys_identity BEFORE UPDATE ON tenant_keys
    FOR EACH ROW WHEN (NEW.tenant <> OLD.tenant OR NEW.generation <> OLD.generation)
    EXECUTE FUNCTION refuse('a key stays whose it is');
CREATE TRIGGER tenant_keys_kept BEFORE DELETE ON tenant_keys
    FOR EACH ROW EXECUTE FUNCTION refuse_needed_key();
