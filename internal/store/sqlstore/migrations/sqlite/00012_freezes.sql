-- Freezes are in force while they stand here; that one was lifted is in the events.

-- +goose Up

CREATE TABLE freezes (
    tenant       TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id           TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    scope        TEXT    NOT NULL CHECK (scope IN ('person', 'connector', 'everything')),
    value        TEXT    NOT NULL CHECK ((scope = 'everything') = (value = '')),
    reason       TEXT    NOT NULL,
    by_issuer    TEXT    NOT NULL,
    by_subject   TEXT    NOT NULL,
    since        INTEGER,
    sweep_cursor TEXT    NOT NULL,
    swept_at     INTEGER,
    revoked      INTEGER NOT NULL CHECK (revoked >= 0),
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, scope, value)
) STRICT;

CREATE INDEX freezes_unswept ON freezes (tenant, id) WHERE swept_at IS NULL;

-- By person, for the grants that a freeze takes back.
CREATE INDEX grants_unended_by_person ON grants (tenant, person, id) WHERE state <> 'ended';
