-- Closes the role of a grant: nobody logs in with it any more, it is a member of nothing, and nobody is a member of it but
-- Curfew. Must be committed before sessions are looked for.
-- Reads role, oid, mark. Writes found.
DO $curfew$
DECLARE
    o    CONSTANT jsonb := current_setting('curfew.order');
    v16  CONSTANT boolean := current_setting('server_version_num')::int >= 160000;
    id   oid;
    who  text;
    ours boolean;
    m    record;
BEGIN
    -- The role may have been renamed; its OID and its mark stay.
    SELECT r.oid, r.rolname,
           shobj_description(r.oid, 'pg_authid') IS NOT DISTINCT FROM o->>'mark'
           OR (r.oid = (o->>'oid')::oid AND r.rolname = o->>'role')
      INTO id, who, ours
      FROM pg_roles r
     WHERE r.oid IN (to_regrole(quote_ident(o->>'role'))::oid, (o->>'oid')::oid)
     ORDER BY 3 DESC LIMIT 1;
    IF id IS NULL OR (NOT ours AND who <> o->>'role') THEN
        RETURN; -- absent, or its OID has been given to a role of somebody else's
    ELSIF NOT ours THEN
        RAISE EXCEPTION 'the role % bears another mark', who USING ERRCODE = 'CF002';
    END IF;

    EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL VALID UNTIL %L', who, '-infinity');
    FOR m IN
        SELECT a.roleid::regrole::text AS role, a.member::regrole::text AS member, a.grantor::regrole::text AS grantor
          FROM pg_auth_members a
         WHERE a.member = id OR (a.roleid = id AND a.member <> current_user::regrole)
    LOOP
        BEGIN
            EXECUTE format('REVOKE %s FROM %s', m.role, m.member)
                    || CASE WHEN v16 THEN ' GRANTED BY ' || m.grantor ELSE '' END || ' CASCADE';
        EXCEPTION WHEN insufficient_privilege THEN
            NULL; -- somebody else's grant; it is looked for again at the end, and goes with the role
        END;
    END LOOP;
    PERFORM set_config('curfew.result', jsonb_build_object('found', true)::text, true);
END
$curfew$
