-- curfew_join makes Curfew's account a member of a role whose prepared transaction is in the way, so that it can roll it back.
-- Up to 15 that is part of CREATEROLE. From 16 on what the operator has granted must do.
-- Reads role. Returns an empty object.
CREATE FUNCTION pg_temp.curfew_join(o jsonb) RETURNS jsonb LANGUAGE plpgsql AS $curfew$
BEGIN
    IF current_setting('server_version_num')::int < 160000 THEN
        EXECUTE format('GRANT %I TO CURRENT_USER', o->>'role');
    END IF;
    RETURN '{}';
END
$curfew$;

-- curfew_leave undoes curfew_join. A membership that somebody else granted stays; one that a crash left behind goes.
-- Reads role. Returns an empty object.
CREATE FUNCTION pg_temp.curfew_leave(o jsonb) RETURNS jsonb LANGUAGE plpgsql AS $curfew$
DECLARE
    me CONSTANT oid := quote_ident(current_user)::regrole;
BEGIN
    IF current_setting('server_version_num')::int < 160000
       AND EXISTS (SELECT FROM pg_auth_members
                    WHERE roleid = to_regrole(quote_ident(o->>'role')) AND member = me AND grantor = me) THEN
        EXECUTE format('REVOKE %I FROM CURRENT_USER', o->>'role');
    END IF;
    RETURN '{}';
END
$curfew$;
