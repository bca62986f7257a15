-- curfew_grant makes the role of a grant, or brings it back to what it should be. With a verifier it can log in from now on.
-- Reads role, mark, groups, verifier (or null), valid_until, act_by. Returns oid.
CREATE FUNCTION pg_temp.curfew_grant(o jsonb) RETURNS jsonb LANGUAGE plpgsql AS $curfew$
DECLARE
    who   CONSTANT text := o->>'role';
    id    oid := to_regrole(quote_ident(who));
    grp   text;
    login CONSTANT text := coalesce('LOGIN PASSWORD ' || quote_literal(o->>'verifier'), '');
    -- From 16 on a member can be kept from acting as the group, so that all it makes is its own.
    terms CONSTANT text := CASE WHEN current_setting('server_version_num')::int >= 160000
                                THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END;
BEGIN
    IF id IS NULL THEN
        EXECUTE format('CREATE ROLE %I INHERIT VALID UNTIL %L %s', who, o->>'valid_until', login);
        EXECUTE format('COMMENT ON ROLE %I IS %L', who, o->>'mark');
        id := to_regrole(quote_ident(who));
    ELSIF shobj_description(id, 'pg_authid') IS DISTINCT FROM o->>'mark' THEN
        RAISE EXCEPTION 'the role % exists and bears another mark', who USING ERRCODE = 'CF002';
    ELSE
        EXECUTE format('ALTER ROLE %I VALID UNTIL %L %s', who, o->>'valid_until', login);
    END IF;

    -- Last, because from 16 on a grant locks the group until the commit.
    FOR grp IN
        SELECT g FROM jsonb_array_elements_text(o->'groups') g
         WHERE NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = id AND m.roleid = to_regrole(quote_ident(g)))
    LOOP
        IF to_regrole(quote_ident(grp)) IS NULL THEN
            RAISE EXCEPTION 'the role "%" does not exist', grp USING ERRCODE = 'CF004';
        END IF;
        EXECUTE format('GRANT %I TO %I', grp, who) || terms;
    END LOOP;

    IF clock_timestamp() >= (o->>'act_by')::timestamptz THEN
        RAISE EXCEPTION 'the order came too late' USING ERRCODE = 'CF001';
    END IF;
    RETURN jsonb_build_object('oid', id::bigint);
END
$curfew$;
