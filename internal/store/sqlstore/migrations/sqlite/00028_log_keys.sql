-- The log needs keys too: entries that the tree does not have yet are known by their MACs, and its newest checkpoint by the
-- key that has signed it.

-- +goose Up

-- 0 is a generation that nobody has noted: of what was written before this.
ALTER TABLE events ADD COLUMN mac_generation INTEGER NOT NULL DEFAULT 0 CHECK (mac_generation >= 0);
ALTER TABLE log_heads ADD COLUMN key_generation INTEGER NOT NULL DEFAULT 0 CHECK (key_generation >= 0);

DROP TRIGGER events_unchanged;
-- +goose StatementBegin
CREATE TRIGGER events_unchanged BEFORE UPDATE ON events
WHEN (NEW.tenant, NEW.id, NEW.at, NEW.kind, NEW.request_id, NEW.grant_id, NEW.leaf, NEW.mac, NEW.mac_generation)
    IS NOT
    (OLD.tenant, OLD.id, OLD.at, OLD.kind, OLD.request_id, OLD.grant_id, OLD.leaf, OLD.mac, OLD.mac_generation)
    OR (EXISTS (SELECT 1 FROM erasing) AND NEW.position IS NOT OLD.position)
    OR (NOT EXISTS (SELECT 1 FROM erasing) AND
        (NEW.person <> OLD.person OR OLD.position IS NOT NULL OR NEW.position IS NULL))
BEGIN
    SELECT RAISE(ABORT, 'events are appended, numbered once, and otherwise never changed');
END;
-- +goose StatementEnd
