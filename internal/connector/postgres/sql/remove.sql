-- curfew_remove ends memberships of an account: from 16 on Curfew's own grants of them, before that the one that there is.
-- Reads account, rights (OIDs), act_by (or null). Returns an empty object.
CREATE FUNCTION pg_temp.curfew_remove(o jsonb) RETURNS jsonb LANGUAGE plpgsql AS $curfew$
DECLARE
    v16 CONSTANT boolean := current_setting('server_version_num')::int >= 160000;
    who CONSTANT oid := (o->>'account')::oid;
    me  CONSTANT oid := quote_ident(current_user)::regrole;
    grp oid;
BEGIN
    FOR grp IN SELECT m.roleid FROM pg_auth_members m
                WHERE m.member = who AND (NOT v16 OR m.grantor = me)
                  AND m.roleid IN (SELECT g::oid FROM jsonb_array_elements_text(o->'rights') g)
                ORDER BY 1
    LOOP
        EXECUTE format('REVOKE %s FROM %s', grp::regrole, who::regrole)
                || CASE WHEN v16 THEN ' GRANTED BY CURRENT_USER' ELSE '' END;
    END LOOP;
    -- A late removal could take what another grant was given meanwhile.
    IF clock_timestamp() >= (o->>'act_by')::timestamptz THEN
        RAISE EXCEPTION 'the order came too late' USING ERRCODE = 'CF001';
    END IF;
    RETURN '{}';
END
$curfew$;
