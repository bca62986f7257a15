-- People who are being forgotten, and the way past the triggers that keep what names them.

-- +goose Up

CREATE TABLE erasures (
    tenant     TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id         TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    person     TEXT COLLATE "C" NOT NULL,
    principals TEXT             NOT NULL,
    accounts   TEXT             NOT NULL,
    by_issuer  TEXT             NOT NULL,
    by_subject TEXT             NOT NULL,
    reason     TEXT             NOT NULL,
    pseudonym  TEXT COLLATE "C" NOT NULL CHECK (pseudonym <> ''),
    begun_at   BIGINT           NOT NULL,
    done_at    BIGINT,
    stage      TEXT             NOT NULL,
    at_cursor  TEXT             NOT NULL,
    counts     TEXT             NOT NULL,
    version    BIGINT           NOT NULL CHECK (version >= 0),
    PRIMARY KEY (tenant, id),
    -- What is done says nothing of whom.
    CHECK ((done_at IS NULL) = (person <> '')),
    CHECK (done_at IS NULL OR (principals = 'null' AND accounts = 'null' AND by_issuer = '' AND by_subject = '' AND reason = ''))
);

CREATE UNIQUE INDEX erasures_unfinished ON erasures (tenant, person) WHERE done_at IS NULL;

CREATE TRIGGER erasures_done_frozen BEFORE UPDATE ON erasures
    FOR EACH ROW WHEN (OLD.done_at IS NOT NULL)
    EXECUTE FUNCTION refuse('an erasure that is done does not change');
CREATE TRIGGER erasures_kept BEFORE DELETE OR TRUNCATE ON erasures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('erasures are kept');

-- The setting is on while a statement erases, within its transaction. Each trigger below lets through then what can name a
-- person, and nothing else.
-- +goose StatementBegin
CREATE FUNCTION erasing() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('curfew.erasing', TRUE), '') = 'on'
$$;
-- +goose StatementEnd

DROP TRIGGER requests_legal_transition ON requests;
CREATE TRIGGER requests_legal_transition BEFORE UPDATE ON requests
    FOR EACH ROW WHEN (OLD.state = 'pending' OR NOT erasing() OR
        (NEW.tenant, NEW.id, NEW.bundle, NEW.entitlements, NEW.duration, NEW.start_at, NEW.break_glass, NEW.state,
         NEW.created_at, NEW.lapses_at, NEW.settled_at, NEW.version)
        IS DISTINCT FROM
        (OLD.tenant, OLD.id, OLD.bundle, OLD.entitlements, OLD.duration, OLD.start_at, OLD.break_glass, OLD.state,
         OLD.created_at, OLD.lapses_at, OLD.settled_at, OLD.version))
    EXECUTE FUNCTION check_request_transition();

DROP TRIGGER decisions_unchanged ON decisions;
CREATE TRIGGER decisions_unchanged BEFORE UPDATE ON decisions
    FOR EACH ROW WHEN (NOT erasing() OR
        (NEW.tenant, NEW.request_id, NEW.sequence, NEW.at, NEW.policy_digest)
        IS DISTINCT FROM
        (OLD.tenant, OLD.request_id, OLD.sequence, OLD.at, OLD.policy_digest))
    EXECUTE FUNCTION refuse('decisions are appended, never changed');

DROP TRIGGER reviews_unchanged ON reviews;
CREATE TRIGGER reviews_unchanged BEFORE UPDATE ON reviews
    FOR EACH ROW WHEN (NOT erasing() OR
        (NEW.tenant, NEW.id, NEW.request_id, NEW.verdict, NEW.cap, NEW.at)
        IS DISTINCT FROM
        (OLD.tenant, OLD.id, OLD.request_id, OLD.verdict, OLD.cap, OLD.at))
    EXECUTE FUNCTION refuse('reviews are appended, never changed');

DROP TRIGGER attestations_unchanged ON attestations;
CREATE TRIGGER attestations_unchanged BEFORE UPDATE ON attestations
    FOR EACH ROW WHEN (NOT erasing() OR
        (NEW.tenant, NEW.grant_id, NEW.at) IS DISTINCT FROM (OLD.tenant, OLD.grant_id, OLD.at))
    EXECUTE FUNCTION refuse('attestations are appended, never changed');

DROP TRIGGER findings_legal_transition ON findings;
CREATE TRIGGER findings_legal_transition BEFORE UPDATE ON findings
    FOR EACH ROW WHEN (OLD.state = 'open' OR NOT erasing() OR
        (NEW.tenant, NEW.id, NEW.connector, NEW.kind, NEW.state, NEW.mark, NEW.target, NEW.native_right, NEW.grant_id,
         NEW.found_at, NEW.closed_at, NEW.version)
        IS DISTINCT FROM
        (OLD.tenant, OLD.id, OLD.connector, OLD.kind, OLD.state, OLD.mark, OLD.target, OLD.native_right, OLD.grant_id,
         OLD.found_at, OLD.closed_at, OLD.version))
    EXECUTE FUNCTION check_finding_transition();

DROP TRIGGER grants_ended_frozen ON grants;
CREATE TRIGGER grants_ended_frozen BEFORE UPDATE ON grants
    FOR EACH ROW WHEN (OLD.state = 'ended' AND (
        (NEW.duration, NEW.end_reason, NEW.start_at, NEW.activated_at, NEW.deadline, NEW.ended_at, NEW.verified_at,
         NEW.verified_by, NEW.residual_until, NEW.sessions_ended)
        IS DISTINCT FROM
        (OLD.duration, OLD.end_reason, OLD.start_at, OLD.activated_at, OLD.deadline, OLD.ended_at, OLD.verified_at,
         OLD.verified_by, OLD.residual_until, OLD.sessions_ended)
        OR (NEW.account <> OLD.account AND NOT (NEW.account = '' AND erasing()))))
    EXECUTE FUNCTION refuse('a grant that has ended does not change');

DROP TRIGGER grants_identity_frozen ON grants;
CREATE TRIGGER grants_identity_frozen BEFORE UPDATE ON grants
    FOR EACH ROW WHEN (
        (NEW.tenant, NEW.id, NEW.request_id, NEW.connector, NEW.resource, NEW.permission, NEW.created_at)
        IS DISTINCT FROM
        (OLD.tenant, OLD.id, OLD.request_id, OLD.connector, OLD.resource, OLD.permission, OLD.created_at)
        OR ((NEW.principal_issuer, NEW.principal_subject, NEW.person)
            IS DISTINCT FROM
            (OLD.principal_issuer, OLD.principal_subject, OLD.person)
            AND NOT (OLD.state = 'ended' AND erasing())))
    EXECUTE FUNCTION refuse('the identity of a grant does not change');

DROP TRIGGER events_unchanged ON events;
CREATE TRIGGER events_unchanged BEFORE UPDATE ON events
    FOR EACH ROW WHEN (
        (NEW.tenant, NEW.id, NEW.at, NEW.kind, NEW.request_id, NEW.grant_id, NEW.leaf, NEW.mac)
        IS DISTINCT FROM
        (OLD.tenant, OLD.id, OLD.at, OLD.kind, OLD.request_id, OLD.grant_id, OLD.leaf, OLD.mac)
        OR (erasing() AND NEW.position IS DISTINCT FROM OLD.position)
        OR (NOT erasing() AND (NEW.person <> OLD.person OR OLD.position IS NOT NULL OR NEW.position IS NULL)))
    EXECUTE FUNCTION refuse('events are appended, numbered once, and otherwise never changed');
