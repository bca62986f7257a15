-- Users and groups that sources have provisioned, who is in which group, and of whom the directory must be told again.

-- +goose Up

CREATE TABLE provisioned (
    tenant      TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    source      TEXT COLLATE "C" NOT NULL CHECK (length(source) BETWEEN 1 AND 128),
    id          TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    kind        TEXT COLLATE "C" NOT NULL CHECK (kind IN ('user', 'group')),
    name        TEXT COLLATE "C" NOT NULL CHECK (name <> ''),
    name_key    TEXT COLLATE "C" NOT NULL CHECK (name_key <> ''),
    external_id TEXT COLLATE "C" CHECK (external_id <> ''),
    document    BYTEA NOT NULL,
    created_at  BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL,
    version     BIGINT NOT NULL CHECK (version > 0),
    PRIMARY KEY (tenant, source, id),
    UNIQUE (tenant, source, kind, name_key)
);

CREATE INDEX provisioned_kind ON provisioned (tenant, source, kind, id);
CREATE INDEX provisioned_external_id ON provisioned (tenant, source, kind, external_id, id) WHERE external_id IS NOT NULL;

CREATE TABLE memberships (
    tenant   TEXT COLLATE "C" NOT NULL,
    source   TEXT COLLATE "C" NOT NULL,
    group_id TEXT COLLATE "C" NOT NULL,
    user_id  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, source, group_id, user_id),
    FOREIGN KEY (tenant, source, group_id) REFERENCES provisioned (tenant, source, id),
    FOREIGN KEY (tenant, source, user_id) REFERENCES provisioned (tenant, source, id)
);

CREATE INDEX memberships_user ON memberships (tenant, source, user_id, group_id);

-- Rank 0 are those who may have lost a group.
CREATE TABLE stale_users (
    tenant  TEXT COLLATE "C" NOT NULL,
    source  TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    rank    BIGINT NOT NULL CHECK (rank IN (0, 1)),
    since   BIGINT NOT NULL,
    PRIMARY KEY (tenant, source, user_id),
    FOREIGN KEY (tenant, source, user_id) REFERENCES provisioned (tenant, source, id)
);

CREATE INDEX stale_users_next ON stale_users (tenant, source, rank, since, user_id);
