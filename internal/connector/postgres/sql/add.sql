-- curfew_add makes an account that exists a member of groups, each by Curfew's own grant.
-- Reads account, rights (OIDs), act_by. Returns an empty object.
CREATE FUNCTION pg_temp.curfew_add(o jsonb) RETURNS jsonb LANGUAGE plpgsql AS $curfew$
DECLARE
    v16 CONSTANT boolean := current_setting('server_version_num')::int >= 160000;
    who CONSTANT oid := (o->>'account')::oid;
    me  CONSTANT oid := quote_ident(current_user)::regrole;
    grp oid;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE oid = who) THEN
        RAISE EXCEPTION 'there is no account with the OID %', who USING ERRCODE = 'CF003';
    END IF;
    FOR grp IN SELECT g::oid FROM jsonb_array_elements_text(o->'rights') g ORDER BY 1 LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE oid = grp) THEN
            RAISE EXCEPTION 'there is no role with the OID %', grp USING ERRCODE = 'CF004';
        END IF;
        -- From 16 on each grantor's grant is one of its own; before, there is one at most.
        CONTINUE WHEN EXISTS (SELECT FROM pg_auth_members m
                               WHERE m.roleid = grp AND m.member = who AND (NOT v16 OR m.grantor = me));
        EXECUTE format('GRANT %s TO %s', grp::regrole, who::regrole)
                || CASE WHEN v16 THEN ' WITH INHERIT TRUE, SET FALSE GRANTED BY CURRENT_USER' ELSE '' END;
    END LOOP;
    IF clock_timestamp() >= (o->>'act_by')::timestamptz THEN
        RAISE EXCEPTION 'the order came too late' USING ERRCODE = 'CF001';
    END IF;
    RETURN '{}';
END
$curfew$;
