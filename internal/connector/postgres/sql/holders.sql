-- curfew_holders finds what one of our sessions waits for: sessions, which it ends if it may, and prepared transactions.
-- It goes by what the server's lock manager says, so nobody is touched who is not in the way.
-- Reads waiter (a process ID). Returns sessions (process ID and role of each that it may not end), prepared (gid, database and
-- owner of each; the owner is null when that role has been dropped).
CREATE FUNCTION pg_temp.curfew_holders(o jsonb) RETURNS jsonb LANGUAGE plpgsql AS $curfew$
DECLARE
    waiter   CONSTANT int := (o->>'waiter')::int;
    s        record;
    sessions jsonb := '[]';
    prepared jsonb;
BEGIN
    FOR s IN
        SELECT a.pid, coalesce(a.usename, a.backend_type) AS role FROM pg_stat_activity a
         WHERE a.pid = ANY (pg_blocking_pids(waiter))
           AND a.usename IS DISTINCT FROM current_user -- Curfew's own calls are short
    LOOP
        BEGIN
            PERFORM pg_terminate_backend(s.pid);
        EXCEPTION WHEN insufficient_privilege THEN
            sessions := sessions || jsonb_build_object('pid', s.pid, 'role', s.role);
        END;
    END LOOP;

    -- A row that a transaction has changed is waited for by the transaction's ID. A prepared one has no process.
    SELECT coalesce(jsonb_agg(jsonb_build_object('gid', p.gid, 'database', d.datname, 'owner', r.rolname)), '[]') INTO prepared
      FROM pg_locks w
      JOIN pg_prepared_xact() p ON p.transaction = w.transactionid
      JOIN pg_database d ON d.oid = p.dbid
      LEFT JOIN pg_roles r ON r.oid = p.ownerid
     WHERE w.pid = waiter AND NOT w.granted;
    RETURN jsonb_build_object('sessions', sessions, 'prepared', prepared);
END
$curfew$;
