-- The human for whom an agent asked, ISSUER/SUBJECT; empty for everybody else. It is part of who a grant is for.

-- +goose Up

ALTER TABLE requests ADD COLUMN acts_for TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN acts_for TEXT NOT NULL DEFAULT '';

CREATE TRIGGER grants_acts_for_frozen BEFORE UPDATE ON grants
    FOR EACH ROW WHEN (NEW.acts_for <> OLD.acts_for AND NOT (OLD.state = 'ended' AND erasing()))
    EXECUTE FUNCTION refuse('the identity of a grant does not change');
