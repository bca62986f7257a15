-- Machines without a browser on which somebody signs in (RFC 8628). Their codes are here as hashes.

-- +goose Up

CREATE TABLE devices (
    tenant    TEXT NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id        TEXT NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    code      BLOB NOT NULL CHECK (length(code) = 32),
    user_code BLOB NOT NULL CHECK (length(user_code) = 32),
    label     TEXT NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'denied')),
    asked_at  INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, code),
    UNIQUE (tenant, user_code)
) STRICT;

CREATE INDEX devices_until ON devices (tenant, until);
