-- When the books were restored from a backup, what that cost, and which tokens are void since.

-- +goose Up

CREATE TABLE restores (
    tenant        TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    at            BIGINT           NOT NULL,
    taken_at      BIGINT          ,
    kept_position BIGINT           NOT NULL CHECK (kept_position >= 0),
    kept_event    TEXT COLLATE "C" NOT NULL,
    lost_position BIGINT           NOT NULL CHECK (lost_position >= 0),
    lost_event    TEXT COLLATE "C" NOT NULL,
    void_tokens   BYTEA           ,
    mac           BYTEA            NOT NULL CHECK (length(mac) > 0),
    settled_at    BIGINT          ,
    PRIMARY KEY (tenant, at)
);

-- A row here is a restore that was begun and has not come to its end: what else is in the store is not the books.
CREATE TABLE restoring (
    singleton BIGINT           NOT NULL PRIMARY KEY CHECK (singleton = 1),
    begun_at  BIGINT           NOT NULL
);

CREATE TRIGGER restores_unchanged BEFORE UPDATE ON restores
    FOR EACH ROW WHEN (OLD.settled_at IS NOT NULL OR NEW.settled_at IS NULL OR
        (NEW.tenant, NEW.at, NEW.taken_at, NEW.kept_position, NEW.kept_event, NEW.lost_position, NEW.lost_event,
         NEW.void_tokens, NEW.mac)
        IS DISTINCT FROM
        (OLD.tenant, OLD.at, OLD.taken_at, OLD.kept_position, OLD.kept_event, OLD.lost_position, OLD.lost_event,
         OLD.void_tokens, OLD.mac))
    EXECUTE FUNCTION refuse('restores are settled once, and otherwise never changed');
CREATE TRIGGER restores_kept BEFORE DELETE OR TRUNCATE ON restores
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('restores are kept');
