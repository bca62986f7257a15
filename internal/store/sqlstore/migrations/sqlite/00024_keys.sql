-- Data keys have generations, and what needs one says which.

-- +goose Up

ALTER TABLE tenant_keys RENAME TO tenant_keys_1;

-- sealing is NULL when that key was destroyed; idle_since is since when nothing needs the generation.
CREATE TABLE tenant_keys (
    tenant         TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    generation     INTEGER NOT NULL CHECK (generation > 0),
    wrapper        TEXT    NOT NULL CHECK (wrapper <> ''),
    sealing        BLOB    CHECK (length(sealing) > 0),
    authentication BLOB    NOT NULL CHECK (length(authentication) > 0),
    made_at        INTEGER,
    idle_since     INTEGER,
    PRIMARY KEY (tenant, generation)
) STRICT;

INSERT INTO tenant_keys (tenant, generation, wrapper, sealing, authentication)
    SELECT tenant, 1, 'a key file of before keys had generations', wrapped, wrapped FROM tenant_keys_1;
DROP TABLE tenant_keys_1;

ALTER TABLE plans ADD COLUMN key_generation INTEGER NOT NULL DEFAULT 1 CHECK (key_generation > 0);
CREATE INDEX plans_by_key ON plans (tenant, key_generation, grant_id);

ALTER TABLE restores ADD COLUMN key_generation INTEGER NOT NULL DEFAULT 1 CHECK (key_generation > 0);

DROP TRIGGER restores_unchanged;
-- +goose StatementBegin
CREATE TRIGGER restores_unchanged BEFORE UPDATE ON restores
WHEN OLD.settled_at    IS NOT NULL              OR NEW.settled_at    IS NULL                  OR
     NEW.key_generation IS NOT OLD.key_generation     OR
     NEW.tenant        IS NOT OLD.tenant        OR NEW.at            IS NOT OLD.at            OR
     NEW.taken_at      IS NOT OLD.taken_at      OR NEW.void_tokens   IS NOT OLD.void_tokens   OR
     NEW.kept_position IS NOT OLD.kept_position OR NEW.kept_event    IS NOT OLD.kept_event    OR
     NEW.lost_position IS NOT OLD.lost_position OR NEW.lost_event    IS NOT OLD.lost_event    OR
     NEW.mac           IS NOT OLD.mac
BEGIN
    SELECT RAISE(ABORT, 'restores are settled once, and otherwise never changed');
END;
-- +goose StatementEnd

-- The generation under which a mark was made; 0 is none.
ALTER TABLE grants ADD COLUMN mark_generation INTEGER NOT NULL DEFAULT 0 CHECK (mark_generation >= 0);
ALTER TABLE atoms ADD COLUMN mark_generation INTEGER NOT NULL DEFAULT 0 CHECK (mark_generation >= 0);
UPDATE grants SET mark_generation = 1 WHERE attempt > 0;
UPDATE atoms SET mark_generation = 1 WHERE maker <> '';

CREATE INDEX grants_by_mark ON grants (tenant, mark_generation)
    WHERE mark_generation > 0 AND (state <> 'ended' OR due_at IS NOT NULL);
CREATE INDEX atoms_by_mark ON atoms (tenant, mark_generation) WHERE mark_generation > 0;

-- +goose StatementBegin
CREATE TRIGGER grants_ended_mark_frozen BEFORE UPDATE ON grants
WHEN OLD.state = 'ended' AND NEW.mark_generation IS NOT OLD.mark_generation
BEGIN
    SELECT RAISE(ABORT, 'a grant that has ended does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER tenant_keys_needed BEFORE UPDATE ON tenant_keys
WHEN NEW.tenant IS NOT OLD.tenant OR NEW.generation IS NOT OLD.generation OR NEW.sealing IS NULL AND EXISTS
    (SELECT 1 FROM plans WHERE tenant = OLD.tenant AND key_generation = OLD.generation)
BEGIN
    SELECT RAISE(ABORT, 'a key is not destroyed while something is sealed under it');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER tenant_keys_kept BEFORE DELETE ON tenant_keys
WHEN EXISTS (SELECT 1 FROM plans WHERE tenant = OLD.tenant AND key_generation = OLD.generation)
BEGIN
    SELECT RAISE(ABORT, 'a key is not destroyed while something is sealed under it');
END;
-- +goose StatementEnd
