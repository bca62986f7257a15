-- Passkeys, what is under way with them in browsers, and what was confirmed by them.

-- +goose Up

CREATE TABLE passkeys (
    tenant          TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id              TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    issuer          TEXT COLLATE "C" NOT NULL CHECK (issuer <> ''),
    subject         TEXT COLLATE "C" NOT NULL CHECK (subject <> ''),
    person          TEXT COLLATE "C" NOT NULL,
    label           TEXT    NOT NULL,
    credential      BYTEA    NOT NULL CHECK (length(credential) > 0),
    public_key      BYTEA    NOT NULL CHECK (length(public_key) > 0),
    counter         BIGINT NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
    backup_eligible BOOLEAN NOT NULL,
    backed_up       BOOLEAN NOT NULL,
    created_at      BIGINT NOT NULL,
    used_at         BIGINT,
    version         BIGINT NOT NULL CHECK (version > 0),
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, credential)
);

CREATE INDEX passkeys_principal ON passkeys (tenant, issuer, subject, id);
CREATE INDEX passkeys_person ON passkeys (tenant, person);

-- A code is not here but as its hash.
CREATE TABLE recovery_codes (
    tenant  TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    issuer  TEXT COLLATE "C" NOT NULL CHECK (issuer <> ''),
    subject TEXT COLLATE "C" NOT NULL CHECK (subject <> ''),
    person  TEXT COLLATE "C" NOT NULL,
    code    BYTEA NOT NULL CHECK (length(code) = 32),
    PRIMARY KEY (tenant, issuer, subject, code)
);

CREATE INDEX recovery_codes_person ON recovery_codes (tenant, person);

-- The link that leads to a ceremony is here as its hash.
CREATE TABLE ceremonies (
    tenant  TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id      TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    link    BYTEA    NOT NULL CHECK (length(link) = 32),
    issuer  TEXT COLLATE "C" NOT NULL CHECK (issuer <> ''),
    subject TEXT COLLATE "C" NOT NULL CHECK (subject <> ''),
    person  TEXT COLLATE "C" NOT NULL,
    state   BYTEA    NOT NULL,
    until   BIGINT NOT NULL,
    done_at BIGINT,
    version BIGINT NOT NULL CHECK (version > 0),
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, link)
);

CREATE INDEX ceremonies_until ON ceremonies (tenant, until);
CREATE INDEX ceremonies_person ON ceremonies (tenant, person);

-- review is empty where the request itself was confirmed.
CREATE TABLE confirmations (
    tenant             TEXT COLLATE "C" NOT NULL,
    request            TEXT COLLATE "C" NOT NULL,
    review             TEXT COLLATE "C" NOT NULL,
    issuer             TEXT COLLATE "C" NOT NULL CHECK (issuer <> ''),
    subject            TEXT COLLATE "C" NOT NULL CHECK (subject <> ''),
    person             TEXT COLLATE "C" NOT NULL,
    passkey            TEXT COLLATE "C" NOT NULL CHECK (passkey <> ''),
    hash               BYTEA    NOT NULL CHECK (length(hash) = 32),
    nonce              BYTEA    NOT NULL CHECK (length(nonce) = 32),
    credential         BYTEA    NOT NULL,
    public_key         BYTEA    NOT NULL,
    client_data        BYTEA    NOT NULL,
    authenticator_data BYTEA    NOT NULL,
    signature          BYTEA    NOT NULL CHECK (length(signature) > 0),
    at                 BIGINT NOT NULL,
    PRIMARY KEY (tenant, request, review),
    FOREIGN KEY (tenant, request) REFERENCES requests (tenant, id)
);

CREATE TRIGGER confirmations_frozen BEFORE UPDATE ON confirmations
    FOR EACH ROW EXECUTE FUNCTION refuse('a confirmation does not change');

CREATE TRIGGER confirmations_kept BEFORE DELETE ON confirmations
    FOR EACH ROW WHEN (NOT erasing()) EXECUTE FUNCTION refuse('confirmations are kept');
