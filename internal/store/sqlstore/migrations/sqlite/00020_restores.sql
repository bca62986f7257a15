-- When the books were restored from a backup, what that cost, and which tokens are void since.

-- +goose Up

CREATE TABLE restores (
    tenant        TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    at            INTEGER NOT NULL,
    taken_at      INTEGER,
    kept_position INTEGER NOT NULL CHECK (kept_position >= 0),
    kept_event    TEXT    NOT NULL,
    lost_position INTEGER NOT NULL CHECK (lost_position >= 0),
    lost_event    TEXT    NOT NULL,
    void_tokens   BLOB   ,
    mac           BLOB    NOT NULL CHECK (length(mac) > 0),
    settled_at    INTEGER,
    PRIMARY KEY (tenant, at)
) STRICT;

-- A row here is a restore that was begun and has not come to its end: what else is in the store is not the books.
CREATE TABLE restoring (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    begun_at  INTEGER NOT NULL
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER restores_unchanged BEFORE UPDATE ON restores
WHEN OLD.settled_at    IS NOT NULL              OR NEW.settled_at    IS NULL                  OR
     NEW.tenant        IS NOT OLD.tenant        OR NEW.at            IS NOT OLD.at            OR
     NEW.taken_at      IS NOT OLD.taken_at      OR NEW.void_tokens   IS NOT OLD.void_tokens   OR
     NEW.kept_position IS NOT OLD.kept_position OR NEW.kept_event    IS NOT OLD.kept_event    OR
     NEW.lost_position IS NOT OLD.lost_position OR NEW.lost_event    IS NOT OLD.lost_event    OR
     NEW.mac           IS NOT OLD.mac
BEGIN
    SELECT RAISE(ABORT, 'restores are settled once, and otherwise never changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER restores_kept BEFORE DELETE ON restores
BEGIN
    SELECT RAISE(ABORT, 'restores are kept');
END;
-- +goose StatementEnd
