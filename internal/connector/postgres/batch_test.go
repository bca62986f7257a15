package postgres

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/connector"
)

func tasksOf(grants ...grant) []connector.Task {
	tasks := make([]connector.Task, len(grants))
	for i, g := range grants {
		tasks[i] = connector.Task{Order: g.order, Plan: g.refined}
	}
	return tasks
}

func TestBatch(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		for name, f := range map[string]func(*testing.T, *peer){
			"only what is plain is dropped together":      testDropPlain,
			"a log-in under way may be anybody's":         testBatchStartingSession,
			"somebody's lock fails nobody else":           testBatchLocked,
			"what the server does by itself is no log-in": testBatchServerProcess,
		} {
			t.Run(name, func(t *testing.T) { f(t, p) })
		}
	})
}

// testDropPlain has two grants that nobody has used among such as need care, each for another reason.
func testDropPlain(t *testing.T, p *peer) {
	d := p.open(t)
	names := []string{"unused", "open session", "object", "prepared transaction", "renamed", "another's mark", "unused too"}
	grants := make([]grant, len(names))
	for i := range names {
		grants[i] = give(t, d)
	}
	session := p.connect(t, p.DSN("orders", grants[1].role, grants[1].Password))
	maker := p.connect(t, p.DSN("orders", grants[2].role, grants[2].Password))
	mustExec(t, maker, `CREATE TABLE scratch.mine (id int)`)
	preparer := p.connect(t, p.DSN("billing", grants[3].role, grants[3].Password))
	mustExec(t, preparer, `BEGIN; SELECT pg_advisory_xact_lock(1); PREPARE TRANSACTION 'no lock of a row'`)
	for _, conn := range []*pgx.Conn{maker, preparer} {
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	p.await(t, "postgres", `NOT EXISTS (SELECT FROM pg_stat_activity WHERE usesysid = ANY ($1))`, []uint32{grants[2].oid, grants[3].oid})
	p.exec(t, "postgres", `ALTER ROLE `+grants[4].role+` RENAME TO renamed_by_somebody`)
	p.exec(t, "postgres", `COMMENT ON ROLE `+grants[5].role+` IS 'curfew:another'`)

	gone := d.dropPlain(t.Context(), tasksOf(grants...))
	for i, name := range names {
		there := read[bool](t, p, "postgres", `SELECT EXISTS (SELECT FROM pg_roles WHERE oid = $1)`, grants[i].oid)
		if plain := i == 0 || i == len(names)-1; gone[i] != plain || there == plain {
			t.Errorf("%s: gone %t, still there %t", name, gone[i], there)
		}
	}
	for i, r := range d.RevokeBatch(t.Context(), tasksOf(grants...)) {
		if r.Err != nil || (r.Removal.SessionsEnded == 1) != (i == 1) {
			t.Errorf("%s: %+v, %v", names[i], r.Removal, r.Err)
		}
	}
	wantCut(t, session)
	wantPrepared(t, p, "")
	for i, o := range d.ObserveBatch(t.Context(), tasksOf(grants...)) {
		if o.Err != nil || o.Presence.State() != connector.Absent {
			t.Errorf("%s is %s: %v", names[i], o.Presence.State(), o.Err)
		}
	}
}

// testBatchStartingSession is testStartingSession for many: whose log-in it is that does not come on, nobody can tell.
func testBatchStartingSession(t *testing.T, p *peer) {
	d := p.open(t)
	grants := []grant{give(t, d), give(t, d)}
	p.exec(t, "postgres", `CREATE DATABASE renamed`)
	renaming := p.connect(t, p.SuperuserDSN("postgres"))
	mustExec(t, renaming, `BEGIN; ALTER DATABASE renamed RENAME TO something_else`)
	login := make(chan string, 1)
	go func() { login <- connectError(t, p.DSN("renamed", grants[1].role, grants[1].Password)) }()
	p.await(t, "postgres", `EXISTS (SELECT FROM pg_locks WHERE NOT granted AND classid = 'pg_database'::regclass)`)
	if gone := d.dropPlain(t.Context(), tasksOf(grants...)); slices.Contains(gone, true) {
		t.Errorf("while somebody is logging in, these were dropped: %v", gone)
	}
	for i, r := range d.RevokeBatch(t.Context(), tasksOf(grants...)) {
		if r.Err != nil {
			t.Errorf("task %d: %v", i, r.Err)
		}
	}
	mustExec(t, renaming, `ROLLBACK`)
	if state := <-login; state == "" {
		t.Error("the log-in that was under way got in")
	}
	for _, g := range grants {
		g.wantState(t, d, connector.Absent)
	}
	p.exec(t, "postgres", `DROP DATABASE renamed`)
}

// testBatchLocked has a user who has locked its own row: the others must not wait for what only Revoke can clear away.
func testBatchLocked(t *testing.T, p *peer) {
	d := p.open(t)
	grants := []grant{give(t, d), give(t, d), give(t, d)}
	conn := p.connect(t, p.DSN("orders", grants[1].role, grants[1].Password))
	mustExec(t, conn, `BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'mine now'`)
	if gone := d.dropPlain(t.Context(), tasksOf(grants...)); !slices.Equal(gone, []bool{true, false, true}) {
		t.Errorf("the first and the third are plain, and gone are %v", gone)
	}
	for i, r := range d.RevokeBatch(t.Context(), tasksOf(grants...)) {
		if r.Err != nil || (r.Removal.SessionsEnded == 1) != (i == 1) {
			t.Errorf("task %d: %+v, %v", i, r.Removal, r.Err)
		}
	}
	grants[1].wantState(t, d, connector.Absent)
}

// testBatchServerProcess has autovacuum in a transaction that lasts, of which the server does not say whose it is: it must not
// be taken for a log-in under way. What it waits for stands in an index.
func testBatchServerProcess(t *testing.T, p *peer) {
	d := p.open(t)
	grants := []grant{give(t, d), give(t, d)}
	p.exec(t, "postgres", `ALTER SYSTEM SET autovacuum_naptime = '1s'`)
	p.exec(t, "postgres", `SELECT pg_reload_conf()`)
	p.exec(t, "billing", `
CREATE FUNCTION public.wait(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN id; END $$;
CREATE TABLE public.awaited (id int) WITH (autovacuum_analyze_threshold = 1);
CREATE INDEX ON public.awaited (public.wait(id))`)
	holder := p.connect(t, p.SuperuserDSN("billing"))
	mustExec(t, holder, `SELECT pg_advisory_lock(7)`)
	mustExec(t, holder, `INSERT INTO public.awaited SELECT generate_series(1, 1000)`)
	p.await(t, "postgres", `EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE NOT l.granted AND l.locktype = 'advisory' AND a.backend_type = 'autovacuum worker')`)
	if gone := d.dropPlain(t.Context(), tasksOf(grants...)); slices.Contains(gone, false) {
		t.Errorf("gone are %v, want both", gone)
	}
	mustExec(t, holder, `SELECT pg_advisory_unlock(7)`)
	p.exec(t, "billing", `DROP TABLE public.awaited; DROP FUNCTION public.wait`)
}
