-- Passkeys, what is under way with them in browsers, and what was confirmed by them.

-- +goose Up

CREATE TABLE passkeys (
    tenant          TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id              TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    issuer          TEXT    NOT NULL CHECK (issuer <> ''),
    subject         TEXT    NOT NULL CHECK (subject <> ''),
    person          TEXT    NOT NULL,
    label           TEXT    NOT NULL,
    credential      BLOB    NOT NULL CHECK (length(credential) > 0),
    public_key      BLOB    NOT NULL CHECK (length(public_key) > 0),
    counter         INTEGER NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
    backup_eligible INTEGER NOT NULL CHECK (backup_eligible IN (0, 1)),
    backed_up       INTEGER NOT NULL CHECK (backed_up IN (0, 1)),
    created_at      INTEGER NOT NULL,
    used_at         INTEGER,
    version         INTEGER NOT NULL CHECK (version > 0),
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, credential)
) STRICT;

CREATE INDEX passkeys_principal ON passkeys (tenant, issuer, subject, id);
CREATE INDEX passkeys_person ON passkeys (tenant, person);

-- A code is not here but as its hash.
CREATE TABLE recovery_codes (
    tenant  TEXT NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    issuer  TEXT NOT NULL CHECK (issuer <> ''),
    subject TEXT NOT NULL CHECK (subject <> ''),
    person  TEXT NOT NULL,
    code    BLOB NOT NULL CHECK (length(code) = 32),
    PRIMARY KEY (tenant, issuer, subject, code)
) STRICT;

CREATE INDEX recovery_codes_person ON recovery_codes (tenant, person);

-- The link that leads to a ceremony is here as its hash.
CREATE TABLE ceremonies (
    tenant  TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id      TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    link    BLOB    NOT NULL CHECK (length(link) = 32),
    issuer  TEXT    NOT NULL CHECK (issuer <> ''),
    subject TEXT    NOT NULL CHECK (subject <> ''),
    person  TEXT    NOT NULL,
    state   BLOB    NOT NULL,
    until   INTEGER NOT NULL,
    done_at INTEGER,
    version INTEGER NOT NULL CHECK (version > 0),
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, link)
) STRICT;

CREATE INDEX ceremonies_until ON ceremonies (tenant, until);
CREATE INDEX ceremonies_person ON ceremonies (tenant, person);

-- review is empty where the request itself was confirmed.
CREATE TABLE confirmations (
    tenant             TEXT    NOT NULL,
    request            TEXT    NOT NULL,
    review             TEXT    NOT NULL,
    issuer             TEXT    NOT NULL CHECK (issuer <> ''),
    subject            TEXT    NOT NULL CHECK (subject <> ''),
    person             TEXT    NOT NULL,
    passkey            TEXT    NOT NULL CHECK (passkey <> ''),
    hash               BLOB    NOT NULL CHECK (length(hash) = 32),
    nonce              BLOB    NOT NULL CHECK (length(nonce) = 32),
    credential         BLOB    NOT NULL,
    public_key         BLOB    NOT NULL,
    client_data        BLOB    NOT NULL,
    authenticator_data BLOB    NOT NULL,
    signature          BLOB    NOT NULL CHECK (length(signature) > 0),
    at                 INTEGER NOT NULL,
    PRIMARY KEY (tenant, request, review),
    FOREIGN KEY (tenant, request) REFERENCES requests (tenant, id)
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER confirmations_frozen BEFORE UPDATE ON confirmations
BEGIN
    SELECT RAISE(ABORT, 'a confirmation does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER confirmations_kept BEFORE DELETE ON confirmations
WHEN NOT EXISTS (SELECT 1 FROM erasing)
BEGIN
    SELECT RAISE(ABORT, 'confirmations are kept');
END;
-- +goose StatementEnd
