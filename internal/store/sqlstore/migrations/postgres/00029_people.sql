-- Principals that sources of identities have told of, and the sessions of those who have signed in.

-- +goose Up

CREATE TABLE profiles (
    tenant     TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id         TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    issuer     TEXT COLLATE "C" NOT NULL CHECK (issuer <> ''),
    subject    TEXT COLLATE "C" NOT NULL CHECK (subject <> ''),
    kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN ('human', 'service', 'agent')),
    person     TEXT COLLATE "C" NOT NULL,
    name       TEXT NOT NULL,
    in_groups  TEXT NOT NULL,
    attributes TEXT NOT NULL,
    acts_for_issuer  TEXT NOT NULL,
    acts_for_subject TEXT NOT NULL,
    told_at    BIGINT NOT NULL,
    gone_at    BIGINT,
    version    BIGINT NOT NULL CHECK (version > 0),
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, issuer, subject)
);

CREATE INDEX profiles_person ON profiles (tenant, person, id);

-- What in_groups lists, to be found by the group.
CREATE TABLE profile_groups (
    tenant  TEXT COLLATE "C" NOT NULL,
    name    TEXT COLLATE "C" NOT NULL CHECK (name <> ''),
    profile TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, name, profile),
    FOREIGN KEY (tenant, profile) REFERENCES profiles (tenant, id)
);

CREATE INDEX profile_groups_profile ON profile_groups (tenant, profile);

-- A session has a code until its owner has its token; neither is here but as its hash.
CREATE TABLE sessions (
    tenant     TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id         TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    issuer     TEXT COLLATE "C" NOT NULL CHECK (issuer <> ''),
    subject    TEXT COLLATE "C" NOT NULL CHECK (subject <> ''),
    person     TEXT COLLATE "C" NOT NULL,
    label      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    token      BYTEA CHECK (length(token) = 32),
    code       BYTEA CHECK (length(code) = 32),
    challenge  TEXT NOT NULL,
    code_until BIGINT,
    PRIMARY KEY (tenant, id),
    CHECK ((token IS NULL) <> (code IS NULL)),
    CHECK ((code IS NULL) = (code_until IS NULL))
);

CREATE UNIQUE INDEX sessions_token ON sessions (tenant, token) WHERE token IS NOT NULL;
CREATE UNIQUE INDEX sessions_code ON sessions (tenant, code) WHERE code IS NOT NULL;
CREATE INDEX sessions_principal ON sessions (tenant, issuer, subject, id);
CREATE INDEX sessions_person ON sessions (tenant, person);
CREATE INDEX sessions_ends ON sessions (tenant, ends_at);
CREATE INDEX sessions_used ON sessions (tenant, used_at);
CREATE INDEX sessions_code_until ON sessions (tenant, code_until) WHERE code_until IS NOT NULL;
