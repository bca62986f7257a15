-- curfew_cut ends the sessions that an account has now, after its memberships have ended: who logs in later does so without
-- them. It takes pg_signal_backend.
-- Reads account. Returns sessions_ended, sessions_open (process IDs that did not go in three seconds).
CREATE FUNCTION pg_temp.curfew_cut(o jsonb) RETURNS jsonb LANGUAGE plpgsql AS $curfew$
DECLARE
    who     CONSTANT oid := (o->>'account')::oid;
    give_up CONSTANT timestamptz := clock_timestamp() + interval '3 s';
    pause   double precision := 0.001;
    found   int[];
    running int[];
BEGIN
    PERFORM pg_stat_clear_snapshot();
    SELECT coalesce(array_agg(pid), '{}') INTO found
      FROM pg_stat_activity WHERE usesysid = who; -- what kind of process it is, is not shown to us
    PERFORM pg_terminate_backend(pid) FROM unnest(found) pid;
    LOOP
        PERFORM pg_stat_clear_snapshot();
        SELECT coalesce(array_agg(pid), '{}') INTO running
          FROM pg_stat_activity WHERE usesysid = who AND pid = ANY (found);
        EXIT WHEN running = '{}' OR clock_timestamp() > give_up;
        PERFORM pg_sleep(pause);
        pause := least(2 * pause, 0.05);
    END LOOP;
    RETURN jsonb_build_object('sessions_ended', cardinality(found), 'sessions_open', to_jsonb(running));
END
$curfew$;
