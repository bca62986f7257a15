-- The deadline that an extension promises. It is part of what is final when a grant has ended.

-- +goose Up

ALTER TABLE grants ADD COLUMN extend_to INTEGER;

-- +goose StatementBegin
CREATE TRIGGER grants_ended_extension_frozen BEFORE UPDATE ON grants
WHEN OLD.state = 'ended' AND NEW.extend_to IS NOT OLD.extend_to
BEGIN
    SELECT RAISE(ABORT, 'a grant that has ended does not change');
END;
-- +goose StatementEnd
