-- How far each destination outside (a witness, a stream) has been served with the audit log.

-- +goose Up

CREATE TABLE delivery_cursors (
    tenant      TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    destination TEXT COLLATE "C" NOT NULL CHECK (length(destination) BETWEEN 1 AND 256),
    position    BIGINT NOT NULL CHECK (position > 0),
    checkpoint  BYTEA,
    at          BIGINT NOT NULL,
    PRIMARY KEY (tenant, destination)
);
