-- Principals that sources of identities have told of, and the sessions of those who have signed in.

-- +goose Up

CREATE TABLE profiles (
    tenant     TEXT NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id         TEXT NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    issuer     TEXT NOT NULL CHECK (issuer <> ''),
    subject    TEXT NOT NULL CHECK (subject <> ''),
    kind       TEXT NOT NULL CHECK (kind IN ('human', 'service', 'agent')),
    person     TEXT NOT NULL,
    name       TEXT NOT NULL,
    in_groups  TEXT NOT NULL,
    attributes TEXT NOT NULL,
    acts_for_issuer  TEXT NOT NULL,
    acts_for_subject TEXT NOT NULL,
    told_at    INTEGER NOT NULL,
    gone_at    INTEGER,
    version    INTEGER NOT NULL CHECK (version > 0),
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, issuer, subject)
) STRICT;

CREATE INDEX profiles_person ON profiles (tenant, person, id);

-- What in_groups lists, to be found by the group.
CREATE TABLE profile_groups (
    tenant  TEXT NOT NULL,
    name    TEXT NOT NULL CHECK (name <> ''),
    profile TEXT NOT NULL,
    PRIMARY KEY (tenant, name, profile),
    FOREIGN KEY (tenant, profile) REFERENCES profiles (tenant, id)
) STRICT;

CREATE INDEX profile_groups_profile ON profile_groups (tenant, profile);

-- A session has a code until its owner has its token; neither is here but as its hash.
CREATE TABLE sessions (
    tenant     TEXT NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id         TEXT NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    issuer     TEXT NOT NULL CHECK (issuer <> ''),
    subject    TEXT NOT NULL CHECK (subject <> ''),
    person     TEXT NOT NULL,
    label      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    token      BLOB CHECK (length(token) = 32),
    code       BLOB CHECK (length(code) = 32),
    challenge  TEXT NOT NULL,
    code_until INTEGER,
    PRIMARY KEY (tenant, id),
    CHECK ((token IS NULL) <> (code IS NULL)),
    CHECK ((code IS NULL) = (code_until IS NULL))
) STRICT;

CREATE UNIQUE INDEX sessions_token ON sessions (tenant, token) WHERE token IS NOT NULL;
CREATE UNIQUE INDEX sessions_code ON sessions (tenant, code) WHERE code IS NOT NULL;
CREATE INDEX sessions_principal ON sessions (tenant, issuer, subject, id);
CREATE INDEX sessions_person ON sessions (tenant, person);
CREATE INDEX sessions_ends ON sessions (tenant, ends_at);
CREATE INDEX sessions_used ON sessions (tenant, used_at);
CREATE INDEX sessions_code_until ON sessions (tenant, code_until) WHERE code_until IS NOT NULL;
