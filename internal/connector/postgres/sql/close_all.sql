-- curfew_close_all takes the log-in from many roles at once. It passes over what needs care of its own: a role that does not have
-- both the name and the mark that were planned, and one whose row somebody has locked. Must be committed before sessions are
-- looked for.
-- Reads an array of role, mark. Returns an object with the OID of each role that was closed.
CREATE FUNCTION pg_temp.curfew_close_all(o jsonb) RETURNS jsonb LANGUAGE plpgsql AS $curfew$
DECLARE
    r    record;
    oids jsonb := '{}';
BEGIN
    -- A user who has locked its own row must not delay everybody else's end.
    PERFORM set_config('lock_timeout', '100ms', true);
    FOR r IN
        SELECT a.oid, a.rolname
          FROM jsonb_to_recordset(o) AS x (role name, mark text)
          JOIN pg_roles a ON a.rolname = x.role
         WHERE shobj_description(a.oid, 'pg_authid') = x.mark
         ORDER BY a.rolname -- whoever takes the same locks takes them in the same order
    LOOP
        BEGIN
            EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL VALID UNTIL %L', r.rolname, '-infinity');
            oids := oids || jsonb_build_object(r.rolname, r.oid::bigint);
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END LOOP;
    RETURN oids;
END
$curfew$;
