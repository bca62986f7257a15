-- Who asked for a request in another's name; empty where its principal did.

-- +goose Up

ALTER TABLE requests ADD COLUMN asked_by_issuer TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN asked_by_subject TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN asked_by_person TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE INDEX requests_by_asker ON requests (tenant, asked_by_issuer, asked_by_subject, id) WHERE asked_by_subject <> '';
