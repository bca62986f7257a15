-- The human for whom an agent asked, ISSUER/SUBJECT; empty for everybody else. It is part of who a grant is for.

-- +goose Up

ALTER TABLE requests ADD COLUMN acts_for TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN acts_for TEXT NOT NULL DEFAULT '';

-- +goose StatementBegin
CREATE TRIGGER grants_acts_for_frozen BEFORE UPDATE ON grants
WHEN NEW.acts_for <> OLD.acts_for AND NOT (OLD.state = 'ended' AND EXISTS (SELECT 1 FROM erasing))
BEGIN
    SELECT RAISE(ABORT, 'the identity of a grant does not change');
END;
-- +goose StatementEnd
