-- The books of Curfew on SQLite.
--
-- Times are microseconds since 1970 UTC, durations are microseconds. NULL stands for the zero time. Lists and maps are
-- JSON text. What one tenant owns has the tenant in its primary key and in every foreign key, so no row of one tenant
-- can refer to a row of another.

-- +goose Up

CREATE TABLE installation (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    id        TEXT    NOT NULL CHECK (length(id) = 32)
) STRICT;

CREATE TABLE tenant_keys (
    tenant  TEXT NOT NULL PRIMARY KEY CHECK (length(tenant) BETWEEN 1 AND 128),
    wrapped BLOB NOT NULL CHECK (length(wrapped) > 0)
) STRICT;

CREATE TABLE policies (
    tenant TEXT NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    digest TEXT NOT NULL CHECK (length(digest) BETWEEN 1 AND 128),
    text   BLOB NOT NULL,
    PRIMARY KEY (tenant, digest)
) STRICT;

CREATE TABLE requests (
    tenant            TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id                TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    principal_issuer  TEXT    NOT NULL,
    principal_subject TEXT    NOT NULL,
    person            TEXT    NOT NULL,
    bundle            TEXT    NOT NULL,
    entitlements      TEXT    NOT NULL,
    duration          INTEGER NOT NULL,
    start_at          INTEGER,
    reason            TEXT    NOT NULL,
    ticket            TEXT    NOT NULL,
    params            TEXT    NOT NULL,
    break_glass       INTEGER NOT NULL CHECK (break_glass IN (0, 1)),
    recipient         BLOB,
    hash              BLOB,
    state             TEXT    NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'withdrawn', 'lapsed')),
    created_at        INTEGER,
    lapses_at         INTEGER,
    settled_at        INTEGER,
    version           INTEGER NOT NULL CHECK (version >= 0),
    PRIMARY KEY (tenant, id)
) STRICT;

CREATE INDEX requests_by_principal ON requests (tenant, principal_issuer, principal_subject, id);
CREATE INDEX requests_open ON requests (tenant, principal_issuer, principal_subject, id) WHERE state = 'pending';
CREATE INDEX requests_by_state ON requests (tenant, state, id);
CREATE INDEX requests_lapsing ON requests (tenant, lapses_at, id) WHERE state = 'pending' AND lapses_at IS NOT NULL;

CREATE TABLE decisions (
    tenant        TEXT    NOT NULL,
    request_id    TEXT    NOT NULL,
    sequence      INTEGER NOT NULL CHECK (sequence >= 0),
    at            INTEGER,
    policy_digest TEXT    NOT NULL,
    input         BLOB    NOT NULL,
    decision      BLOB    NOT NULL,
    PRIMARY KEY (tenant, request_id, sequence),
    FOREIGN KEY (tenant, request_id) REFERENCES requests (tenant, id),
    FOREIGN KEY (tenant, policy_digest) REFERENCES policies (tenant, digest)
) STRICT;

CREATE TABLE reviews (
    tenant           TEXT    NOT NULL,
    id               TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    request_id       TEXT    NOT NULL,
    reviewer_issuer  TEXT    NOT NULL,
    reviewer_subject TEXT    NOT NULL,
    person           TEXT    NOT NULL CHECK (person <> ''),
    verdict          TEXT    NOT NULL CHECK (verdict IN ('approve', 'deny')),
    cap              INTEGER NOT NULL CHECK (cap >= 0),
    comment          TEXT    NOT NULL,
    hash             BLOB    NOT NULL,
    at               INTEGER,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, request_id, person, hash),
    FOREIGN KEY (tenant, request_id) REFERENCES requests (tenant, id)
) STRICT;

CREATE TABLE grants (
    tenant            TEXT    NOT NULL,
    id                TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    request_id        TEXT    NOT NULL,
    principal_issuer  TEXT    NOT NULL,
    principal_subject TEXT    NOT NULL,
    person            TEXT    NOT NULL,
    connector         TEXT    NOT NULL CHECK (length(connector) BETWEEN 1 AND 63),
    resource          TEXT    NOT NULL,
    permission        TEXT    NOT NULL,
    account           TEXT    NOT NULL,
    duration          INTEGER NOT NULL,
    state             TEXT    NOT NULL CHECK (state IN ('scheduled', 'activating', 'active', 'revoking', 'ended')),
    end_reason        TEXT    NOT NULL CHECK (end_reason IN
                          ('', 'expired', 'returned', 'revoked', 'failed', 'ineligible', 'withdrawn',
                           'removed_at_target', 'attested')),
    created_at        INTEGER,
    start_at          INTEGER,
    activated_at      INTEGER,
    deadline          INTEGER,
    ended_at          INTEGER,
    due_at            INTEGER,
    lease             TEXT    NOT NULL,
    attempt           INTEGER NOT NULL CHECK (attempt >= 0),
    act_by            INTEGER,
    failures          INTEGER NOT NULL CHECK (failures >= 0),
    last_error        TEXT    NOT NULL,
    verified_at       INTEGER,
    verified_by       TEXT    NOT NULL,
    residual_until    INTEGER,
    sessions_ended    INTEGER NOT NULL CHECK (sessions_ended >= 0),
    housekeeping      TEXT    NOT NULL,
    version           INTEGER NOT NULL CHECK (version >= 0),
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, request_id) REFERENCES requests (tenant, id)
) STRICT;

CREATE INDEX grants_due_new ON grants (tenant, connector, due_at, id) WHERE due_at IS NOT NULL AND state = 'scheduled';
CREATE INDEX grants_due_live ON grants (tenant, connector, due_at, id) WHERE due_at IS NOT NULL AND state <> 'scheduled';
CREATE INDEX grants_by_connector ON grants (tenant, connector, id);
-- Where two indexes fit alike the planner takes the later one, so these two, which are small, come last.
CREATE INDEX grants_unended ON grants (tenant, id) WHERE state <> 'ended';
CREATE INDEX grants_unended_by_connector ON grants (tenant, connector, id) WHERE state <> 'ended';
CREATE INDEX grants_by_principal ON grants (tenant, principal_issuer, principal_subject, id);
CREATE INDEX grants_open ON grants (tenant, principal_issuer, principal_subject, id) WHERE state <> 'ended';
CREATE INDEX grants_by_request ON grants (tenant, request_id, id);

CREATE TABLE plans (
    tenant   TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    sealed   BLOB NOT NULL CHECK (length(sealed) > 0),
    PRIMARY KEY (tenant, grant_id),
    FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id)
) STRICT;

CREATE TABLE credentials (
    tenant     TEXT    NOT NULL,
    grant_id   TEXT    NOT NULL,
    attempt    INTEGER NOT NULL CHECK (attempt >= 0),
    recipient  BLOB    NOT NULL CHECK (length(recipient) > 0),
    ciphertext BLOB    NOT NULL CHECK (length(ciphertext) > 0),
    issued_at  INTEGER,
    PRIMARY KEY (tenant, grant_id),
    FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id)
) STRICT;

-- Events outlive what they speak of and may speak of what is not here, so they refer to nothing.
CREATE TABLE events (
    tenant     TEXT    NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    position   INTEGER NOT NULL CHECK (position > 0),
    id         TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    at         INTEGER,
    kind       TEXT    NOT NULL CHECK (kind <> ''),
    request_id TEXT,
    grant_id   TEXT,
    person     TEXT    NOT NULL,
    leaf       BLOB    NOT NULL CHECK (length(leaf) > 0),
    PRIMARY KEY (tenant, position),
    UNIQUE (tenant, id)
) STRICT;

CREATE INDEX events_by_request ON events (tenant, request_id, position) WHERE request_id IS NOT NULL;
CREATE INDEX events_by_grant ON events (tenant, grant_id, position) WHERE grant_id IS NOT NULL;

-- Personal data stands apart from the leaf that commits to it, so that it can be erased.
CREATE TABLE event_personal (
    tenant   TEXT    NOT NULL,
    position INTEGER NOT NULL,
    ordinal  INTEGER NOT NULL,
    field    TEXT    NOT NULL CHECK (field <> ''),
    value    TEXT    NOT NULL,
    salt     BLOB,
    PRIMARY KEY (tenant, position, ordinal),
    FOREIGN KEY (tenant, position) REFERENCES events (tenant, position)
) STRICT;

-- The legal transitions, as in package access. A test compares the two.

CREATE TABLE grant_transitions (
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    PRIMARY KEY (from_state, to_state)
) STRICT;

INSERT INTO grant_transitions (from_state, to_state) VALUES
    ('scheduled', 'activating'),
    ('scheduled', 'ended'),
    ('activating', 'active'),
    ('activating', 'revoking'),
    ('active', 'revoking'),
    ('revoking', 'ended');

CREATE TABLE request_transitions (
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    PRIMARY KEY (from_state, to_state)
) STRICT;

INSERT INTO request_transitions (from_state, to_state) VALUES
    ('pending', 'approved'),
    ('pending', 'denied'),
    ('pending', 'withdrawn'),
    ('pending', 'lapsed');

-- The code asks before it writes; these refuse what it forgot.

-- +goose StatementBegin
CREATE TRIGGER grants_legal_transition BEFORE UPDATE ON grants
WHEN NEW.state <> OLD.state AND NOT EXISTS
    (SELECT 1 FROM grant_transitions WHERE from_state = OLD.state AND to_state = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'a grant cannot make this transition');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER grants_ended_frozen BEFORE UPDATE ON grants
WHEN OLD.state = 'ended' AND (
    NEW.account        IS NOT OLD.account        OR NEW.duration    IS NOT OLD.duration    OR
    NEW.end_reason     IS NOT OLD.end_reason     OR NEW.start_at    IS NOT OLD.start_at    OR
    NEW.activated_at   IS NOT OLD.activated_at   OR NEW.deadline    IS NOT OLD.deadline    OR
    NEW.ended_at       IS NOT OLD.ended_at       OR NEW.verified_at IS NOT OLD.verified_at OR
    NEW.verified_by    IS NOT OLD.verified_by    OR
    NEW.residual_until IS NOT OLD.residual_until OR
    NEW.sessions_ended IS NOT OLD.sessions_ended)
BEGIN
    SELECT RAISE(ABORT, 'a grant that has ended does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER grants_identity_frozen BEFORE UPDATE ON grants
WHEN NEW.tenant            IS NOT OLD.tenant            OR NEW.id               IS NOT OLD.id               OR
     NEW.request_id        IS NOT OLD.request_id        OR NEW.principal_issuer IS NOT OLD.principal_issuer OR
     NEW.principal_subject IS NOT OLD.principal_subject OR NEW.person           IS NOT OLD.person           OR
     NEW.connector         IS NOT OLD.connector         OR NEW.resource         IS NOT OLD.resource         OR
     NEW.permission        IS NOT OLD.permission        OR NEW.created_at       IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'the identity of a grant does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER grants_kept BEFORE DELETE ON grants
BEGIN
    SELECT RAISE(ABORT, 'grants are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER requests_legal_transition BEFORE UPDATE ON requests
WHEN NOT EXISTS (SELECT 1 FROM request_transitions WHERE from_state = OLD.state AND to_state = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'a request cannot make this transition');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER requests_kept BEFORE DELETE ON requests
BEGIN
    SELECT RAISE(ABORT, 'requests are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER decisions_unchanged BEFORE UPDATE ON decisions
BEGIN
    SELECT RAISE(ABORT, 'decisions are appended, never changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER decisions_kept BEFORE DELETE ON decisions
BEGIN
    SELECT RAISE(ABORT, 'decisions are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER reviews_unchanged BEFORE UPDATE ON reviews
BEGIN
    SELECT RAISE(ABORT, 'reviews are appended, never changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER reviews_kept BEFORE DELETE ON reviews
BEGIN
    SELECT RAISE(ABORT, 'reviews are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER events_unchanged BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are appended, never changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER events_kept BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are kept');
END;
-- +goose StatementEnd
