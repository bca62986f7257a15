-- Sessions of browsers, whose secret changes while they are used. The token of one is the part of the secret that stays.

-- +goose Up

ALTER TABLE sessions DROP CONSTRAINT sessions_kind_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_kind_check CHECK (kind IN ('sign-in', 'browser', 'token', 'workload'));
ALTER TABLE sessions ADD COLUMN secret BYTEA CHECK (length(secret) = 32);
ALTER TABLE sessions ADD COLUMN secret_before BYTEA CHECK (length(secret_before) = 32);
ALTER TABLE sessions ADD COLUMN secret_at BIGINT;
ALTER TABLE sessions ADD COLUMN secret_seen BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE sessions ADD CHECK (secret IS NULL OR kind = 'browser');
ALTER TABLE sessions ADD CHECK ((secret IS NULL) = (secret_at IS NULL));
