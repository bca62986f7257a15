-- Users and groups that sources have provisioned, who is in which group, and of whom the directory must be told again.

-- +goose Up

CREATE TABLE provisioned (
    tenant      TEXT NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    source      TEXT NOT NULL CHECK (length(source) BETWEEN 1 AND 128),
    id          TEXT NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    kind        TEXT NOT NULL CHECK (kind IN ('user', 'group')),
    name        TEXT NOT NULL CHECK (name <> ''),
    name_key    TEXT NOT NULL CHECK (name_key <> ''),
    external_id TEXT CHECK (external_id <> ''),
    document    BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    changed_at  INTEGER NOT NULL,
    version     INTEGER NOT NULL CHECK (version > 0),
    PRIMARY KEY (tenant, source, id),
    UNIQUE (tenant, source, kind, name_key)
) STRICT;

CREATE INDEX provisioned_kind ON provisioned (tenant, source, kind, id);
CREATE INDEX provisioned_external_id ON provisioned (tenant, source, kind, external_id, id) WHERE external_id IS NOT NULL;

CREATE TABLE memberships (
    tenant   TEXT NOT NULL,
    source   TEXT NOT NULL,
    group_id TEXT NOT NULL,
    user_id  TEXT NOT NULL,
    PRIMARY KEY (tenant, source, group_id, user_id),
    FOREIGN KEY (tenant, source, group_id) REFERENCES provisioned (tenant, source, id),
    FOREIGN KEY (tenant, source, user_id) REFERENCES provisioned (tenant, source, id)
) STRICT;

CREATE INDEX memberships_user ON memberships (tenant, source, user_id, group_id);

-- Rank 0 are those who may have lost a group.
CREATE TABLE stale_users (
    tenant  TEXT NOT NULL,
    source  TEXT NOT NULL,
    user_id TEXT NOT NULL,
    rank    INTEGER NOT NULL CHECK (rank IN (0, 1)),
    since   INTEGER NOT NULL,
    PRIMARY KEY (tenant, source, user_id),
    FOREIGN KEY (tenant, source, user_id) REFERENCES provisioned (tenant, source, id)
) STRICT;

CREATE INDEX stale_users_next ON stale_users (tenant, source, rank, since, user_id);
