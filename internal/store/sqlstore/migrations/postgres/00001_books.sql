-- The books of Curfew on PostgreSQL.
--
-- Times are microseconds since 1970 UTC, durations are microseconds. NULL stands for the zero time. Lists and maps are
-- JSON text. What one tenant owns has the tenant in its primary key and in every foreign key, so no row of one tenant
-- can refer to a row of another. Text that is ordered or compared is so byte by byte (COLLATE "C"), as on SQLite, and
-- whatever the database's language is.

-- +goose Up

CREATE TABLE installation (
    singleton BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    id        TEXT   NOT NULL CHECK (length(id) = 32)
);

CREATE TABLE tenant_keys (
    tenant  TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(tenant) BETWEEN 1 AND 128),
    wrapped BYTEA            NOT NULL CHECK (length(wrapped) > 0)
);

CREATE TABLE policies (
    tenant TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    digest TEXT COLLATE "C" NOT NULL CHECK (length(digest) BETWEEN 1 AND 128),
    text   BYTEA            NOT NULL,
    PRIMARY KEY (tenant, digest)
);

CREATE TABLE requests (
    tenant            TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id                TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    principal_issuer  TEXT COLLATE "C" NOT NULL,
    principal_subject TEXT COLLATE "C" NOT NULL,
    person            TEXT COLLATE "C" NOT NULL,
    bundle            TEXT             NOT NULL,
    entitlements      TEXT             NOT NULL,
    duration          BIGINT           NOT NULL,
    start_at          BIGINT,
    reason            TEXT             NOT NULL,
    ticket            TEXT             NOT NULL,
    params            TEXT             NOT NULL,
    break_glass       BOOLEAN          NOT NULL,
    recipient         BYTEA,
    hash              BYTEA,
    state             TEXT COLLATE "C" NOT NULL
        CHECK (state IN ('pending', 'approved', 'denied', 'withdrawn', 'lapsed')),
    created_at        BIGINT,
    lapses_at         BIGINT,
    settled_at        BIGINT,
    version           BIGINT           NOT NULL CHECK (version >= 0),
    PRIMARY KEY (tenant, id)
);

CREATE INDEX requests_by_principal ON requests (tenant, principal_issuer, principal_subject, id);
CREATE INDEX requests_open ON requests (tenant, principal_issuer, principal_subject, id) WHERE state = 'pending';
CREATE INDEX requests_by_state ON requests (tenant, state, id);
CREATE INDEX requests_lapsing ON requests (tenant, lapses_at, id) WHERE state = 'pending' AND lapses_at IS NOT NULL;

CREATE TABLE decisions (
    tenant        TEXT COLLATE "C" NOT NULL,
    request_id    TEXT COLLATE "C" NOT NULL,
    sequence      BIGINT           NOT NULL CHECK (sequence >= 0),
    at            BIGINT,
    policy_digest TEXT COLLATE "C" NOT NULL,
    input         BYTEA            NOT NULL,
    decision      BYTEA            NOT NULL,
    PRIMARY KEY (tenant, request_id, sequence),
    FOREIGN KEY (tenant, request_id) REFERENCES requests (tenant, id),
    FOREIGN KEY (tenant, policy_digest) REFERENCES policies (tenant, digest)
);

CREATE TABLE reviews (
    tenant           TEXT COLLATE "C" NOT NULL,
    id               TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    request_id       TEXT COLLATE "C" NOT NULL,
    reviewer_issuer  TEXT             NOT NULL,
    reviewer_subject TEXT             NOT NULL,
    person           TEXT COLLATE "C" NOT NULL CHECK (person <> ''),
    verdict          TEXT             NOT NULL CHECK (verdict IN ('approve', 'deny')),
    cap              BIGINT           NOT NULL CHECK (cap >= 0),
    comment          TEXT             NOT NULL,
    hash             BYTEA            NOT NULL,
    at               BIGINT,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, request_id, person, hash),
    FOREIGN KEY (tenant, request_id) REFERENCES requests (tenant, id)
);

CREATE TABLE grants (
    tenant            TEXT COLLATE "C" NOT NULL,
    id                TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    request_id        TEXT COLLATE "C" NOT NULL,
    principal_issuer  TEXT COLLATE "C" NOT NULL,
    principal_subject TEXT COLLATE "C" NOT NULL,
    person            TEXT COLLATE "C" NOT NULL,
    connector         TEXT COLLATE "C" NOT NULL CHECK (length(connector) BETWEEN 1 AND 63),
    resource          TEXT             NOT NULL,
    permission        TEXT             NOT NULL,
    account           TEXT             NOT NULL,
    duration          BIGINT           NOT NULL,
    state             TEXT COLLATE "C" NOT NULL
        CHECK (state IN ('scheduled', 'activating', 'active', 'revoking', 'ended')),
    end_reason        TEXT             NOT NULL CHECK (end_reason IN
        ('', 'expired', 'returned', 'revoked', 'failed', 'ineligible', 'withdrawn', 'removed_at_target', 'attested')),
    created_at        BIGINT,
    start_at          BIGINT,
    activated_at      BIGINT,
    deadline          BIGINT,
    ended_at          BIGINT,
    due_at            BIGINT,
    lease             TEXT             NOT NULL,
    attempt           BIGINT           NOT NULL CHECK (attempt >= 0),
    act_by            BIGINT,
    failures          BIGINT           NOT NULL CHECK (failures >= 0),
    last_error        TEXT             NOT NULL,
    verified_at       BIGINT,
    verified_by       TEXT             NOT NULL,
    residual_until    BIGINT,
    sessions_ended    BIGINT           NOT NULL CHECK (sessions_ended >= 0),
    housekeeping      TEXT             NOT NULL,
    version           BIGINT           NOT NULL CHECK (version >= 0),
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, request_id) REFERENCES requests (tenant, id),
    CONSTRAINT grants_end_verified CHECK
        (state <> 'ended' OR activated_at IS NULL OR verified_at IS NOT NULL OR end_reason = 'attested')
);

CREATE INDEX grants_due_new ON grants (tenant, connector, due_at, id) WHERE due_at IS NOT NULL AND state = 'scheduled';
CREATE INDEX grants_due_live ON grants (tenant, connector, due_at, id) WHERE due_at IS NOT NULL AND state <> 'scheduled';
CREATE INDEX grants_by_connector ON grants (tenant, connector, id);
CREATE INDEX grants_unended ON grants (tenant, id) WHERE state <> 'ended';
CREATE INDEX grants_unended_by_connector ON grants (tenant, connector, id) WHERE state <> 'ended';
CREATE INDEX grants_by_principal ON grants (tenant, principal_issuer, principal_subject, id);
CREATE INDEX grants_open ON grants (tenant, principal_issuer, principal_subject, id) WHERE state <> 'ended';
CREATE INDEX grants_by_request ON grants (tenant, request_id, id);

CREATE TABLE plans (
    tenant   TEXT COLLATE "C" NOT NULL,
    grant_id TEXT COLLATE "C" NOT NULL,
    sealed   BYTEA            NOT NULL CHECK (length(sealed) > 0),
    PRIMARY KEY (tenant, grant_id),
    FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id)
);

CREATE TABLE credentials (
    tenant     TEXT COLLATE "C" NOT NULL,
    grant_id   TEXT COLLATE "C" NOT NULL,
    attempt    BIGINT           NOT NULL CHECK (attempt >= 0),
    recipient  BYTEA            NOT NULL CHECK (length(recipient) > 0),
    ciphertext BYTEA            NOT NULL CHECK (length(ciphertext) > 0),
    issued_at  BIGINT,
    PRIMARY KEY (tenant, grant_id),
    FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id)
);

-- The position is NULL until the sequencer has given the event its place. Events outlive what they speak of and may
-- speak of what is not here, so they refer to nothing.
CREATE TABLE events (
    tenant     TEXT COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 128),
    id         TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
    position   BIGINT           CHECK (position > 0),
    at         BIGINT,
    kind       TEXT             NOT NULL CHECK (kind <> ''),
    request_id TEXT COLLATE "C",
    grant_id   TEXT COLLATE "C",
    person     TEXT COLLATE "C" NOT NULL,
    leaf       BYTEA            NOT NULL CHECK (length(leaf) > 0),
    PRIMARY KEY (tenant, id)
);

CREATE UNIQUE INDEX events_by_position ON events (tenant, position) WHERE position IS NOT NULL;
CREATE INDEX events_by_request ON events (tenant, request_id, position) WHERE request_id IS NOT NULL;
CREATE INDEX events_by_grant ON events (tenant, grant_id, position) WHERE grant_id IS NOT NULL;
CREATE INDEX events_unsequenced ON events (tenant, id) WHERE position IS NULL;

-- Personal data stands apart from the leaf that commits to it, so that it can be erased.
CREATE TABLE event_personal (
    tenant   TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    ordinal  BIGINT           NOT NULL,
    field    TEXT             NOT NULL CHECK (field <> ''),
    value    TEXT             NOT NULL,
    salt     BYTEA,
    PRIMARY KEY (tenant, event_id, ordinal),
    FOREIGN KEY (tenant, event_id) REFERENCES events (tenant, id)
);

-- What only one node may do at a time, of all tenants.
CREATE TABLE leases (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 256),
    holder     TEXT COLLATE "C" NOT NULL CHECK (length(holder) BETWEEN 1 AND 256),
    expires_at BIGINT           NOT NULL
);

-- The legal transitions, as in package access. A test compares the two.

CREATE TABLE grant_transitions (
    from_state TEXT COLLATE "C" NOT NULL,
    to_state   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (from_state, to_state)
);

INSERT INTO grant_transitions (from_state, to_state) VALUES
    ('scheduled', 'activating'),
    ('scheduled', 'ended'),
    ('activating', 'active'),
    ('activating', 'revoking'),
    ('active', 'revoking'),
    ('revoking', 'ended');

CREATE TABLE request_transitions (
    from_state TEXT COLLATE "C" NOT NULL,
    to_state   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (from_state, to_state)
);

INSERT INTO request_transitions (from_state, to_state) VALUES
    ('pending', 'approved'),
    ('pending', 'denied'),
    ('pending', 'withdrawn'),
    ('pending', 'lapsed');

-- The code asks before it writes; these refuse what it forgot, with a condition of our own (class CF).

-- +goose StatementBegin
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'CF001', MESSAGE = TG_ARGV[0];
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION check_grant_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM grant_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RAISE EXCEPTION USING ERRCODE = 'CF001', MESSAGE = 'a grant cannot make this transition';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION check_request_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM request_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RAISE EXCEPTION USING ERRCODE = 'CF001', MESSAGE = 'a request cannot make this transition';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

CREATE TRIGGER grants_legal_transition BEFORE UPDATE ON grants
    FOR EACH ROW WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION check_grant_transition();

CREATE TRIGGER grants_ended_frozen BEFORE UPDATE ON grants
    FOR EACH ROW WHEN (OLD.state = 'ended' AND
        (NEW.account, NEW.duration, NEW.end_reason, NEW.start_at, NEW.activated_at, NEW.deadline, NEW.ended_at,
         NEW.verified_at, NEW.verified_by, NEW.residual_until, NEW.sessions_ended)
        IS DISTINCT FROM
        (OLD.account, OLD.duration, OLD.end_reason, OLD.start_at, OLD.activated_at, OLD.deadline, OLD.ended_at,
         OLD.verified_at, OLD.verified_by, OLD.residual_until, OLD.sessions_ended))
    EXECUTE FUNCTION refuse('a grant that has ended does not change');

CREATE TRIGGER grants_identity_frozen BEFORE UPDATE ON grants
    FOR EACH ROW WHEN (
        (NEW.tenant, NEW.id, NEW.request_id, NEW.principal_issuer, NEW.principal_subject, NEW.person, NEW.connector,
         NEW.resource, NEW.permission, NEW.created_at)
        IS DISTINCT FROM
        (OLD.tenant, OLD.id, OLD.request_id, OLD.principal_issuer, OLD.principal_subject, OLD.person, OLD.connector,
         OLD.resource, OLD.permission, OLD.created_at))
    EXECUTE FUNCTION refuse('the identity of a grant does not change');

CREATE TRIGGER requests_legal_transition BEFORE UPDATE ON requests
    FOR EACH ROW EXECUTE FUNCTION check_request_transition();

CREATE TRIGGER events_unchanged BEFORE UPDATE ON events
    FOR EACH ROW WHEN (OLD.position IS NOT NULL OR NEW.position IS NULL OR
        (NEW.tenant, NEW.id, NEW.at, NEW.kind, NEW.request_id, NEW.grant_id, NEW.person, NEW.leaf)
        IS DISTINCT FROM
        (OLD.tenant, OLD.id, OLD.at, OLD.kind, OLD.request_id, OLD.grant_id, OLD.person, OLD.leaf))
    EXECUTE FUNCTION refuse('events are appended, numbered once, and otherwise never changed');

CREATE TRIGGER decisions_unchanged BEFORE UPDATE ON decisions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('decisions are appended, never changed');
CREATE TRIGGER reviews_unchanged BEFORE UPDATE ON reviews
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('reviews are appended, never changed');

CREATE TRIGGER grants_kept BEFORE DELETE OR TRUNCATE ON grants
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('grants are kept');
CREATE TRIGGER requests_kept BEFORE DELETE OR TRUNCATE ON requests
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('requests are kept');
CREATE TRIGGER decisions_kept BEFORE DELETE OR TRUNCATE ON decisions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('decisions are kept');
CREATE TRIGGER reviews_kept BEFORE DELETE OR TRUNCATE ON reviews
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('reviews are kept');
CREATE TRIGGER events_kept BEFORE DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('events are kept');
