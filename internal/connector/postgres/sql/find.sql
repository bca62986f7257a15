-- curfew_find finds the role of a grant: by its name or, when somebody has renamed it, by its OID and its mark.
-- Reads role, oid (or null), mark. Returns null for a role that is not there, and for an OID that has been given to a role of
-- somebody else's.
CREATE FUNCTION pg_temp.curfew_find(o jsonb, OUT id oid, OUT who text) LANGUAGE plpgsql AS $curfew$
DECLARE
    ours boolean;
BEGIN
    SELECT r.oid, r.rolname,
           shobj_description(r.oid, 'pg_authid') IS NOT DISTINCT FROM o->>'mark'
           OR coalesce(r.oid = (o->>'oid')::oid, false) AND r.rolname = o->>'role'
      INTO id, who, ours
      FROM pg_roles r
     WHERE r.oid = ANY (ARRAY[to_regrole(quote_ident(o->>'role'))::oid, (o->>'oid')::oid])
     ORDER BY 3 DESC LIMIT 1;
    IF NOT ours AND who = o->>'role' THEN
        RAISE EXCEPTION 'the role % bears another mark', who USING ERRCODE = 'CF002';
    ELSIF NOT ours THEN
        id := NULL;
        who := NULL;
    END IF;
END
$curfew$;
