-- Under which rules every grant that has not ended was decided last.

-- +goose Up

CREATE TABLE rules_decided (
    tenant TEXT NOT NULL PRIMARY KEY CHECK (length(tenant) BETWEEN 1 AND 128),
    digest TEXT NOT NULL CHECK (length(digest) BETWEEN 1 AND 128)
) STRICT;
