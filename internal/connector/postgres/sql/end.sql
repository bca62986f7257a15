-- curfew_end ends what goes on under a role: its sessions, and, if asked to and once nothing is left that hinders, the role itself.
-- Reads role, oid, mark, drop. Returns found, role (its name now), sessions_ended, sessions_open (process IDs), prepared (gid,
-- database and owner of each prepared transaction), reopened (a grant came in between), memberships, databases (where it owns something or has a privilege), dropped,
-- hindrance.
CREATE FUNCTION pg_temp.curfew_end(o jsonb) RETURNS jsonb LANGUAGE plpgsql AS $curfew$
DECLARE
    me        CONSTANT text := current_setting('role'); -- none, or one of the administrators
    v16       CONSTANT boolean := current_setting('server_version_num')::int >= 160000;
    give_up   CONSTANT timestamptz := clock_timestamp() + interval '3 s';
    pause     double precision := 0.001;
    id        oid;
    who       text;
    s         record;
    signalled int[] := '{}';
    counted   int := 0;
    running   int[];
    prepared  jsonb;
    members   text[];
    reopened  boolean;
    databases text[];
    dropped   boolean := false;
    hindrance text;
BEGIN
    SELECT * INTO id, who FROM pg_temp.curfew_find(o);
    IF id IS NULL THEN
        RETURN jsonb_build_object('found', false, 'sessions_ended', 0);
    END IF;

    -- Only a member may end a role's sessions, act as the role, and dispose of what it owns.
    EXECUTE format('GRANT %I TO CURRENT_USER', who) || CASE WHEN v16 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;

    -- Sessions are ended as the role itself: whatever process has a process ID by now, nobody else's can be hit.
    PERFORM set_config('role', who, true);
    LOOP
        PERFORM pg_stat_clear_snapshot();
        running := '{}';
        FOR s IN SELECT pid, leader_pid FROM pg_stat_activity WHERE usesysid = id LOOP
            running := running || s.pid;
            IF s.pid <> ALL (signalled) THEN
                PERFORM pg_terminate_backend(s.pid);
                signalled := signalled || s.pid;
                counted := counted + (s.leader_pid IS NULL)::int; -- a parallel worker is no session
            END IF;
        END LOOP;
        -- A log-in that was admitted just before the role was closed is not shown as anybody's yet, but it is in a
        -- transaction. Ours can be ended, and any other refuses.
        FOR s IN
            SELECT l.pid FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
             WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND a.usesysid IS NULL AND l.pid IS NOT NULL
        LOOP
            BEGIN
                IF pg_terminate_backend(s.pid) THEN
                    running := running || s.pid;
                END IF;
            EXCEPTION WHEN insufficient_privilege THEN
                NULL;
            END;
        END LOOP;
        EXIT WHEN running = '{}' OR clock_timestamp() > give_up;
        PERFORM pg_sleep(pause);
        pause := least(2 * pause, 0.05);
    END LOOP;
    PERFORM set_config('role', me, true);

    SELECT coalesce(jsonb_agg(jsonb_build_object('gid', p.gid, 'database', d.datname, 'owner', who)), '[]') INTO prepared
      FROM pg_prepared_xact() p JOIN pg_database d ON d.oid = p.dbid WHERE p.ownerid = id;
    -- In one statement: a grant and a removal that come in between would leave the memberships of the one beside the end of the
    -- other, which looks like memberships that nobody here may take.
    SELECT (SELECT array_agg(format('%s in %s', a.member::regrole, a.roleid::regrole))
              FROM pg_auth_members a WHERE a.member = id OR (a.roleid = id AND a.member <> quote_ident(current_user)::regrole)),
           EXISTS (SELECT FROM pg_roles WHERE oid = id AND rolvaliduntil > '-infinity')
      INTO members, reopened;
    SELECT array_agg(DISTINCT coalesce(d.datname, current_database())) INTO databases
      FROM pg_shdepend h LEFT JOIN pg_database d ON d.oid = h.dbid
     WHERE h.refclassid = 'pg_authid'::regclass AND h.refobjid = id;

    IF (o->>'drop')::boolean AND running = '{}' AND prepared = '[]' AND databases IS NULL THEN
        BEGIN
            PERFORM set_config('lock_timeout', '200ms', true);
            EXECUTE format('DROP ROLE %I', who);
            dropped := true;
        EXCEPTION WHEN lock_not_available OR dependent_objects_still_exist OR insufficient_privilege THEN
            hindrance := SQLERRM;
        END;
    END IF;
    RETURN jsonb_build_object(
        'found', true, 'role', who, 'sessions_ended', counted, 'sessions_open', to_jsonb(running), 'prepared', prepared,
        'reopened', reopened, 'memberships', to_jsonb(members), 'databases', to_jsonb(databases), 'dropped', dropped, 'hindrance', hindrance);
END
$curfew$;
