-- By what an identity provider says which sessions end, and what it has said already (OpenID Connect Back-Channel Logout 1.0).

-- +goose Up

ALTER TABLE sessions ADD COLUMN provider_session TEXT NOT NULL DEFAULT '';

CREATE INDEX sessions_provider ON sessions (tenant, issuer, provider_session) WHERE provider_session <> '';

-- Tokens of others that are good once and were used, as hashes.
CREATE TABLE spent_tokens (
    tenant TEXT NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    token  BLOB NOT NULL CHECK (length(token) = 32),
    until  INTEGER NOT NULL,
    PRIMARY KEY (tenant, token)
) STRICT;

CREATE INDEX spent_tokens_until ON spent_tokens (tenant, until);
