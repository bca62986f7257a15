-- curfew_close closes the role of a grant: nobody logs in with it any more, it is a member of nothing, and nobody is a member
-- of it but Curfew. Must be committed before sessions are looked for.
-- Reads role, oid, mark. Returns found, held (somebody's lock kept something of it from being done; all else is done).
CREATE FUNCTION pg_temp.curfew_close(o jsonb) RETURNS jsonb LANGUAGE plpgsql AS $curfew$
DECLARE
    v16  CONSTANT boolean := current_setting('server_version_num')::int >= 160000;
    id   oid;
    who  text;
    held boolean := false;
    m    record;
BEGIN
    SELECT * INTO id, who FROM pg_temp.curfew_find(o);
    IF id IS NULL THEN
        RETURN jsonb_build_object('found', false, 'held', false);
    END IF;

    BEGIN
        EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL VALID UNTIL %L', who, '-infinity');
    EXCEPTION WHEN lock_not_available THEN
        -- A role can lock its own row, by changing its own password. What its groups may do is out of its hands, and goes.
        held := true;
    END;
    FOR m IN
        SELECT a.roleid::regrole::text AS role, a.member::regrole::text AS member, a.grantor::regrole::text AS grantor
          FROM pg_auth_members a
         WHERE a.member = id OR (a.roleid = id AND a.member <> quote_ident(current_user)::regrole)
    LOOP
        BEGIN
            EXECUTE format('REVOKE %s FROM %s', m.role, m.member)
                    || CASE WHEN v16 THEN ' GRANTED BY ' || m.grantor ELSE '' END || ' CASCADE';
        EXCEPTION
            WHEN insufficient_privilege THEN
                NULL; -- somebody else's grant; it is looked for again at the end, and goes with the role
            WHEN lock_not_available THEN
                held := true;
        END;
    END LOOP;
    RETURN jsonb_build_object('found', true, 'held', held);
END
$curfew$;
