-- Sessions of browsers, whose secret changes while they are used. The token of one is the part of the secret that stays.

-- +goose Up

ALTER TABLE sessions RENAME TO sessions_1;

CREATE TABLE sessions (
    tenant            TEXT NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id                TEXT NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    issuer            TEXT NOT NULL CHECK (issuer <> ''),
    subject           TEXT NOT NULL CHECK (subject <> ''),
    person            TEXT NOT NULL,
    label             TEXT NOT NULL,
    created_at        INTEGER NOT NULL,
    used_at           INTEGER NOT NULL,
    ends_at           INTEGER NOT NULL,
    token             BLOB CHECK (length(token) = 32),
    code              BLOB CHECK (length(code) = 32),
    challenge         TEXT NOT NULL,
    code_until        INTEGER,
    kind              TEXT NOT NULL CHECK (kind IN ('sign-in', 'browser', 'token', 'workload')),
    scopes            TEXT NOT NULL,
    issued_by_issuer  TEXT NOT NULL,
    issued_by_subject TEXT NOT NULL,
    provider_session  TEXT NOT NULL,
    secret            BLOB CHECK (length(secret) = 32),
    secret_before     BLOB CHECK (length(secret_before) = 32),
    secret_at         INTEGER,
    secret_seen       INTEGER NOT NULL DEFAULT 0 CHECK (secret_seen IN (0, 1)),
    PRIMARY KEY (tenant, id),
    CHECK ((token IS NULL) <> (code IS NULL)),
    CHECK ((code IS NULL) = (code_until IS NULL)),
    CHECK (secret IS NULL OR kind = 'browser'),
    CHECK ((secret IS NULL) = (secret_at IS NULL))
) STRICT;

INSERT INTO sessions (tenant, id, issuer, subject, person, label, created_at, used_at, ends_at, token, code, challenge, code_until, kind, scopes,
        issued_by_issuer, issued_by_subject, provider_session)
    SELECT tenant, id, issuer, subject, person, label, created_at, used_at, ends_at, token, code, challenge, code_until, kind, scopes,
        issued_by_issuer, issued_by_subject, provider_session FROM sessions_1;
DROP TABLE sessions_1;

CREATE UNIQUE INDEX sessions_token ON sessions (tenant, token) WHERE token IS NOT NULL;
CREATE UNIQUE INDEX sessions_code ON sessions (tenant, code) WHERE code IS NOT NULL;
CREATE INDEX sessions_principal ON sessions (tenant, issuer, subject, id);
CREATE INDEX sessions_person ON sessions (tenant, person);
CREATE INDEX sessions_ends ON sessions (tenant, ends_at);
CREATE INDEX sessions_used ON sessions (tenant, used_at);
CREATE INDEX sessions_code_until ON sessions (tenant, code_until) WHERE code_until IS NOT NULL;
CREATE INDEX sessions_provider ON sessions (tenant, issuer, provider_session) WHERE provider_session <> '';
