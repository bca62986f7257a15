-- curfew_extend moves the native expiry of a role that has not been closed.
-- Reads role, mark, valid_until, act_by. Returns an empty object.
CREATE FUNCTION pg_temp.curfew_extend(o jsonb) RETURNS jsonb LANGUAGE plpgsql AS $curfew$
DECLARE
    who CONSTANT text := o->>'role';
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles
                    WHERE oid = to_regrole(quote_ident(who)) AND rolvaliduntil > '-infinity'
                      AND shobj_description(oid, 'pg_authid') = o->>'mark') THEN
        RAISE EXCEPTION 'there is no open role %', who USING ERRCODE = 'CF003';
    END IF;
    EXECUTE format('ALTER ROLE %I VALID UNTIL %L', who, o->>'valid_until');
    IF clock_timestamp() >= (o->>'act_by')::timestamptz THEN
        RAISE EXCEPTION 'the order came too late' USING ERRCODE = 'CF001';
    END IF;
    RETURN '{}';
END
$curfew$;
