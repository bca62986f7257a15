-- The deadline that an extension promises. It is part of what is final when a grant has ended.

-- +goose Up

ALTER TABLE grants ADD COLUMN extend_to BIGINT;

CREATE TRIGGER grants_ended_extension_frozen BEFORE UPDATE ON grants
    FOR EACH ROW WHEN (OLD.state = 'ended' AND NEW.extend_to IS DISTINCT FROM OLD.extend_to)
    EXECUTE FUNCTION refuse('a grant that has ended does not change');
