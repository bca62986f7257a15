-- curfew_drop_all drops closed roles under which nothing goes on: no session, no prepared transaction, nothing that they own, no
-- privilege of their own. Their memberships go with them. It drops none when it cannot tell, or when one of them cannot go.
-- Reads an array of OIDs. Returns an array of those that were dropped.
CREATE FUNCTION pg_temp.curfew_drop_all(o jsonb) RETURNS jsonb LANGUAGE plpgsql AS $curfew$
DECLARE
    give_up  CONSTANT timestamptz := clock_timestamp() + interval '500 ms';
    closed   CONSTANT oid[] := ARRAY(SELECT id::oid FROM jsonb_array_elements_text(o) id);
    starting text[];
    plain    oid[];
    names    text;
BEGIN
    -- A log-in that was admitted just before its role was closed is not shown as anybody's yet, but it is in a transaction. One
    -- that comes later is refused. So those of this moment are waited for, until they show whose they are.
    LOOP
        PERFORM pg_stat_clear_snapshot();
        SELECT coalesce(array_agg(l.virtualtransaction), '{}') INTO starting
          FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
         WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.pid IS NOT NULL
           AND a.usesysid IS NULL AND a.datid IS NULL -- who has a database and no role is a process of the server's
           AND (starting IS NULL OR l.virtualtransaction = ANY (starting));
        EXIT WHEN starting = '{}';
        IF clock_timestamp() > give_up THEN
            RETURN '[]';
        END IF;
        PERFORM pg_sleep(0.001);
    END LOOP;

    PERFORM pg_stat_clear_snapshot();
    SELECT array_agg(r.oid), string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) INTO plain, names
      FROM pg_roles r
     WHERE r.oid = ANY (closed) AND NOT r.rolcanlogin
       AND r.oid <> ALL (ARRAY(SELECT usesysid FROM pg_stat_activity WHERE usesysid IS NOT NULL))
       AND r.oid <> ALL (ARRAY(SELECT ownerid FROM pg_prepared_xact()))
       AND r.oid <> ALL (ARRAY(SELECT refobjid FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = ANY (closed)));
    IF plain IS NULL THEN
        RETURN '[]';
    END IF;
    BEGIN
        PERFORM set_config('lock_timeout', '200ms', true);
        EXECUTE 'DROP ROLE ' || names;
    EXCEPTION WHEN lock_not_available OR dependent_objects_still_exist OR insufficient_privilege OR undefined_object THEN
        RETURN '[]';
    END;
    RETURN to_jsonb(plain::bigint[]);
END
$curfew$;
