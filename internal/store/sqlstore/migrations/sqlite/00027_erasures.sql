-- People who are being forgotten, and the way past the triggers that keep what names them.

-- +goose Up

CREATE TABLE erasures (
    tenant     TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id         TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    person     TEXT    NOT NULL,
    principals TEXT    NOT NULL,
    accounts   TEXT    NOT NULL,
    by_issuer  TEXT    NOT NULL,
    by_subject TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    pseudonym  TEXT    NOT NULL CHECK (pseudonym <> ''),
    begun_at   INTEGER NOT NULL,
    done_at    INTEGER,
    stage      TEXT    NOT NULL,
    at_cursor  TEXT    NOT NULL,
    counts     TEXT    NOT NULL,
    version    INTEGER NOT NULL CHECK (version >= 0),
    PRIMARY KEY (tenant, id),
    -- What is done says nothing of whom.
    CHECK ((done_at IS NULL) = (person <> '')),
    CHECK (done_at IS NULL OR (principals = 'null' AND accounts = 'null' AND by_issuer = '' AND by_subject = '' AND reason = ''))
) STRICT;

CREATE UNIQUE INDEX erasures_unfinished ON erasures (tenant, person) WHERE done_at IS NULL;

-- +goose StatementBegin
CREATE TRIGGER erasures_done_frozen BEFORE UPDATE ON erasures
WHEN OLD.done_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'an erasure that is done does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER erasures_kept BEFORE DELETE ON erasures
BEGIN
    SELECT RAISE(ABORT, 'erasures are kept');
END;
-- +goose StatementEnd

-- A row is here while a statement erases, within its transaction; nobody else ever sees it. Each trigger below lets through
-- then what can name a person, and nothing else.
CREATE TABLE erasing (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1)
) STRICT;

DROP TRIGGER requests_legal_transition;
-- +goose StatementBegin
CREATE TRIGGER requests_legal_transition BEFORE UPDATE ON requests
WHEN NOT EXISTS (SELECT 1 FROM request_transitions WHERE from_state = OLD.state AND to_state = NEW.state)
    AND NOT (OLD.state <> 'pending' AND EXISTS (SELECT 1 FROM erasing) AND
        (NEW.tenant, NEW.id, NEW.bundle, NEW.entitlements, NEW.duration, NEW.start_at, NEW.break_glass, NEW.state,
         NEW.created_at, NEW.lapses_at, NEW.settled_at, NEW.version)
        IS
        (OLD.tenant, OLD.id, OLD.bundle, OLD.entitlements, OLD.duration, OLD.start_at, OLD.break_glass, OLD.state,
         OLD.created_at, OLD.lapses_at, OLD.settled_at, OLD.version))
BEGIN
    SELECT RAISE(ABORT, 'a request cannot make this transition');
END;
-- +goose StatementEnd

DROP TRIGGER decisions_unchanged;
-- +goose StatementBegin
CREATE TRIGGER decisions_unchanged BEFORE UPDATE ON decisions
WHEN NOT EXISTS (SELECT 1 FROM erasing) OR
    (NEW.tenant, NEW.request_id, NEW.sequence, NEW.at, NEW.policy_digest)
    IS NOT
    (OLD.tenant, OLD.request_id, OLD.sequence, OLD.at, OLD.policy_digest)
BEGIN
    SELECT RAISE(ABORT, 'decisions are appended, never changed');
END;
-- +goose StatementEnd

DROP TRIGGER reviews_unchanged;
-- +goose StatementBegin
CREATE TRIGGER reviews_unchanged BEFORE UPDATE ON reviews
WHEN NOT EXISTS (SELECT 1 FROM erasing) OR
    (NEW.tenant, NEW.id, NEW.request_id, NEW.verdict, NEW.cap, NEW.at)
    IS NOT
    (OLD.tenant, OLD.id, OLD.request_id, OLD.verdict, OLD.cap, OLD.at)
BEGIN
    SELECT RAISE(ABORT, 'reviews are appended, never changed');
END;
-- +goose StatementEnd

DROP TRIGGER attestations_unchanged;
-- +goose StatementBegin
CREATE TRIGGER attestations_unchanged BEFORE UPDATE ON attestations
WHEN NOT EXISTS (SELECT 1 FROM erasing) OR
    (NEW.tenant, NEW.grant_id, NEW.at) IS NOT (OLD.tenant, OLD.grant_id, OLD.at)
BEGIN
    SELECT RAISE(ABORT, 'attestations are appended, never changed');
END;
-- +goose StatementEnd

DROP TRIGGER findings_legal_transition;
-- +goose StatementBegin
CREATE TRIGGER findings_legal_transition BEFORE UPDATE ON findings
WHEN NOT EXISTS (SELECT 1 FROM finding_transitions WHERE from_state = OLD.state AND to_state = NEW.state)
    AND NOT (OLD.state <> 'open' AND EXISTS (SELECT 1 FROM erasing) AND
        (NEW.tenant, NEW.id, NEW.connector, NEW.kind, NEW.state, NEW.mark, NEW.target, NEW.native_right, NEW.grant_id,
         NEW.found_at, NEW.closed_at, NEW.version)
        IS
        (OLD.tenant, OLD.id, OLD.connector, OLD.kind, OLD.state, OLD.mark, OLD.target, OLD.native_right, OLD.grant_id,
         OLD.found_at, OLD.closed_at, OLD.version))
BEGIN
    SELECT RAISE(ABORT, 'a finding cannot make this transition');
END;
-- +goose StatementEnd

DROP TRIGGER grants_ended_frozen;
-- +goose StatementBegin
CREATE TRIGGER grants_ended_frozen BEFORE UPDATE ON grants
WHEN OLD.state = 'ended' AND (
    (NEW.duration, NEW.end_reason, NEW.start_at, NEW.activated_at, NEW.deadline, NEW.ended_at, NEW.verified_at,
     NEW.verified_by, NEW.residual_until, NEW.sessions_ended)
    IS NOT
    (OLD.duration, OLD.end_reason, OLD.start_at, OLD.activated_at, OLD.deadline, OLD.ended_at, OLD.verified_at,
     OLD.verified_by, OLD.residual_until, OLD.sessions_ended)
    OR (NEW.account <> OLD.account AND NOT (NEW.account = '' AND EXISTS (SELECT 1 FROM erasing))))
BEGIN
    SELECT RAISE(ABORT, 'a grant that has ended does not change');
END;
-- +goose StatementEnd

DROP TRIGGER grants_identity_frozen;
-- +goose StatementBegin
CREATE TRIGGER grants_identity_frozen BEFORE UPDATE ON grants
WHEN (NEW.tenant, NEW.id, NEW.request_id, NEW.connector, NEW.resource, NEW.permission, NEW.created_at)
    IS NOT
    (OLD.tenant, OLD.id, OLD.request_id, OLD.connector, OLD.resource, OLD.permission, OLD.created_at)
    OR ((NEW.principal_issuer, NEW.principal_subject, NEW.person) IS NOT (OLD.principal_issuer, OLD.principal_subject, OLD.person)
        AND NOT (OLD.state = 'ended' AND EXISTS (SELECT 1 FROM erasing)))
BEGIN
    SELECT RAISE(ABORT, 'the identity of a grant does not change');
END;
-- +goose StatementEnd

DROP TRIGGER events_unchanged;
-- +goose StatementBegin
CREATE TRIGGER events_unchanged BEFORE UPDATE ON events
WHEN (NEW.tenant, NEW.id, NEW.at, NEW.kind, NEW.request_id, NEW.grant_id, NEW.leaf, NEW.mac)
    IS NOT
    (OLD.tenant, OLD.id, OLD.at, OLD.kind, OLD.request_id, OLD.grant_id, OLD.leaf, OLD.mac)
    OR (EXISTS (SELECT 1 FROM erasing) AND NEW.position IS NOT OLD.position)
    OR (NOT EXISTS (SELECT 1 FROM erasing) AND
        (NEW.person <> OLD.person OR OLD.position IS NOT NULL OR NEW.position IS NULL))
BEGIN
    SELECT RAISE(ABORT, 'events are appended, numbered once, and otherwise never changed');
END;
-- +goose StatementEnd
