-- Disposes of what a closed role owns, and of its privileges, in the database that is connected to.
-- Reads role (its name now), owner (to whom, or null to drop).
DO $curfew$
DECLARE
    o   CONSTANT jsonb := current_setting('curfew.order');
    who CONSTANT text := o->>'role';
    id  CONSTANT oid := who::regrole;
    r   record;
BEGIN
    IF o->>'owner' IS NOT NULL THEN
        -- What runs with its owner's rights would run with the new owner's.
        FOR r IN SELECT oid::regprocedure AS name FROM pg_proc WHERE proowner = id AND prosecdef LOOP
            EXECUTE format('ALTER ROUTINE %s SECURITY INVOKER', r.name);
        END LOOP;
        FOR r IN SELECT oid::regclass AS name FROM pg_class WHERE relowner = id AND relkind = 'v' LOOP
            EXECUTE format('ALTER VIEW %s SET (security_invoker = true)', r.name);
        END LOOP;
        EXECUTE format('REASSIGN OWNED BY %I TO %I', who, o->>'owner');
    END IF;
    EXECUTE format('DROP OWNED BY %I', who);
END
$curfew$
