package postgres

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// TestRevoke is what a user can do to outlive a grant, and what others can do to be in the way.
func TestRevoke(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		for name, f := range map[string]func(*testing.T, *peer){
			"prepared transactions are rolled back":       testPrepared,
			"locked objects delay housekeeping only":      testLockedObjects,
			"objects of others that depend stay":          testDependentObjects,
			"leftovers are reassigned without rights":     testReassign,
			"a user cannot free its own role":             testOwnRole,
			"a log-in under way is ended":                 testStartingSession,
			"a storm of log-ins is over":                  testLoginStorm,
			"a renamed role is found":                     testRenamed,
			"a role that was made anew is not closed":     testReopened,
			"a role that is made anew and closed again":   testReopenedAndClosed,
			"a dropped role with a session is not absent": testDropped,
			"members and memberships of others are taken": testForeignMemberships,
			"a role of another mark is left alone":        testForeignRole,
		} {
			t.Run(name, func(t *testing.T) { f(t, p) })
		}
	})
}

func testPrepared(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	for _, db := range []string{"orders", "billing"} {
		conn := p.connect(t, p.DSN(db, g.role, g.Password))
		mustExec(t, conn, `BEGIN`)
		mustExec(t, conn, `CREATE TABLE scratch.later (id int)`)
		mustExec(t, conn, `PREPARE TRANSACTION 'it''s; "\`+db+`"'`)
		mustExec(t, conn, `SELECT 1`)
	}
	bystander := p.connect(t, p.SuperuserDSN("orders"))
	mustExec(t, bystander, `BEGIN; CREATE TABLE bystander (id int); PREPARE TRANSACTION 'not ours'`)
	t.Cleanup(func() { p.exec(t, "orders", `ROLLBACK PREPARED 'not ours'`) })

	g.revoke(t, d)
	g.wantState(t, d, connector.Absent)
	if left := read[string](t, p, "orders", `SELECT string_agg(gid, ',') FROM pg_prepared_xacts`); left != "not ours" {
		t.Errorf("prepared transactions are %q, want only the bystander's", left)
	}
}

func testLockedObjects(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	var locks []*pgx.Conn
	for _, db := range []string{"orders", "billing"} {
		conn := p.connect(t, p.DSN(db, g.role, g.Password))
		mustExec(t, conn, `CREATE TABLE scratch.held (id int); GRANT SELECT ON scratch.held TO PUBLIC`)
		lock := p.connect(t, p.SuperuserDSN(db))
		mustExec(t, lock, `BEGIN; LOCK scratch.held`)
		locks = append(locks, lock)
	}
	r := g.revoke(t, d)
	for _, db := range []string{"orders", "billing"} {
		if !strings.Contains(r.Housekeeping, db) {
			t.Errorf("the housekeeping %q does not name the database %s", r.Housekeeping, db)
		}
	}
	if r.SessionsEnded != 2 {
		t.Errorf("%d sessions ended, want 2", r.SessionsEnded)
	}
	g.wantState(t, d, connector.Absent)
	if left := g.tidy(t, d); !strings.Contains(left, `"orders"`) || !strings.Contains(left, `"billing"`) {
		t.Errorf("with both locks there is left %q", left)
	}
	mustExec(t, locks[0], `ROLLBACK`)
	if left := g.tidy(t, d); strings.Contains(left, `"orders"`) || !strings.Contains(left, `"billing"`) {
		t.Errorf("with one lock gone there is left %q", left)
	}
	mustExec(t, locks[1], `ROLLBACK`)
	if left := g.tidy(t, d); left != "" {
		t.Errorf("with both locks gone there is left %q", left)
	}
	if n := read[int](t, p, "orders", `SELECT count(*) FROM pg_roles WHERE oid = $1`, g.oid); n != 0 {
		t.Error("the role is still there")
	}
}

func testDependentObjects(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	conn := p.connect(t, p.DSN("orders", g.role, g.Password))
	mustExec(t, conn, `CREATE TABLE scratch.base (id int); GRANT SELECT ON scratch.base TO PUBLIC`)
	p.exec(t, "orders", `CREATE VIEW public.theirs AS SELECT * FROM scratch.base`)
	if r := g.revoke(t, d); r.Housekeeping == "" {
		t.Error("nothing is left to tidy, though the role owns a table")
	}
	if left := g.tidy(t, d); left == "" {
		t.Error("nothing is left to tidy, though another's view depends on the table")
	}
	g.wantState(t, d, connector.Absent)
	p.exec(t, "orders", `TABLE public.theirs; DROP VIEW public.theirs`)
	if left := g.tidy(t, d); left != "" {
		t.Errorf("there is left %q", left)
	}
}

func testReassign(t *testing.T, p *peer) {
	d := p.open(t, func(c *Config) { c.Objects, c.ObjectsOwner = ReassignObjects, "curfew_leftovers" })
	if _, err := d.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := give(t, d)
	conn := p.connect(t, p.DSN("orders", g.role, g.Password))
	mustExec(t, conn, `CREATE TABLE scratch.kept (id int)`)
	mustExec(t, conn, `CREATE VIEW scratch.peek AS SELECT * FROM scratch.kept`)
	mustExec(t, conn, `CREATE FUNCTION scratch.back_door() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'`)
	// Curfew must be able to name what it changes, and the new owner to have it there.
	g.revoke(t, d)
	if left := g.tidy(t, d); !strings.Contains(left, "permission denied for schema scratch") {
		t.Errorf("without privileges on the schema there is left %q", left)
	}
	g.wantState(t, d, connector.Absent)
	p.exec(t, "orders", `GRANT USAGE, CREATE ON SCHEMA scratch TO curfew_leftovers`)
	if left := g.tidy(t, d); left != "" {
		t.Fatalf("there is left %q", left)
	}
	if owner := read[string](t, p, "orders", `SELECT string_agg(DISTINCT relowner::regrole::text, ',') FROM pg_class WHERE relname IN ('kept', 'peek')`); owner != "curfew_leftovers" {
		t.Errorf("the owner is %s", owner)
	}
	if as := read[string](t, p, "orders", `SELECT scratch.back_door()`); as != "postgres" {
		t.Errorf("the function that a user left behind runs as %s, not as its caller", as)
	}
	if options := read[[]string](t, p, "orders", `SELECT reloptions FROM pg_class WHERE relname = 'peek'`); len(options) != 1 || options[0] != "security_invoker=true" {
		t.Errorf("the view has the options %v", options)
	}
	p.exec(t, "orders", `DROP OWNED BY curfew_leftovers`)
}

func testOwnRole(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	conn := p.connect(t, p.DSN("orders", g.role, g.Password))
	for _, sql := range []string{
		`ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'`, `ALTER ROLE CURRENT_USER CREATEROLE`, `CREATE ROLE survivor LOGIN`,
		`COMMENT ON ROLE ` + g.role + ` IS 'not yours'`, `SET SESSION AUTHORIZATION curfew`,
		`GRANT orders_write TO CURRENT_USER`, `GRANT orders_read TO orders_write`, `GRANT ` + g.role + ` TO orders_write`, `SET ROLE curfew`,
	} {
		wantRefused(t, conn, sql, statePermissionDenied)
	}
	if p.Version() >= 16 {
		wantRefused(t, conn, `SET ROLE orders_read`, statePermissionDenied)
	} else {
		mustExec(t, conn, `SET ROLE orders_read`)
	}
	other := p.connect(t, p.DSN("billing", g.role, g.Password))
	mustExec(t, other, `ALTER ROLE CURRENT_USER PASSWORD 'mine now'; ALTER ROLE CURRENT_USER SET work_mem = '1MB'`)
	mustExec(t, other, `LISTEN here; SELECT pg_advisory_lock(1)`)
	mustExec(t, other, `BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1`)
	if r := g.revoke(t, d); r.SessionsEnded != 2 || r.Housekeeping != "" {
		t.Errorf("Revoke says %+v", r)
	}
	wantCut(t, conn)
	wantCut(t, other)
	for _, password := range []string{g.Password, "mine now"} {
		if state := connectError(t, p.DSN("orders", g.role, password)); state != "28P01" && state != "28000" {
			t.Errorf("a log-in with %q is answered %q", password, state)
		}
	}
	g.wantState(t, d, connector.Absent)
}

// testStartingSession stops a log-in between the check of its role and its appearance in pg_stat_activity: it needs a lock
// on its database, which somebody who renames the database holds.
func testStartingSession(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	p.exec(t, "postgres", `CREATE DATABASE renamed`)
	renaming := p.connect(t, p.SuperuserDSN("postgres"))
	mustExec(t, renaming, `BEGIN; ALTER DATABASE renamed RENAME TO something_else`)
	login := make(chan string, 1)
	go func() { login <- connectError(t, p.DSN("renamed", g.role, g.Password)) }()
	p.await(t, "postgres", `EXISTS (SELECT FROM pg_locks WHERE NOT granted AND classid = 'pg_database'::regclass)`)
	if p, err := d.Observe(t.Context(), g.order, g.refined); err != nil || p.Sessions != 0 {
		t.Fatalf("the log-in is not hidden: %+v, %v", p, err)
	}
	g.revoke(t, d)
	mustExec(t, renaming, `ROLLBACK`)
	if state := <-login; state == "" {
		t.Error("the log-in that was under way got in after Revoke")
	}
	g.wantState(t, d, connector.Absent)
	p.exec(t, "postgres", `DROP DATABASE renamed`)
}

// testLoginStorm logs in without pause, from many sides, while the role is taken back.
func testLoginStorm(t *testing.T, p *peer) {
	const clients = 8
	d := p.open(t, func(c *Config) { c.Iterations = 1 })
	g := give(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		conns []*pgx.Conn
	)
	in := make(chan struct{}, clients)
	for range clients {
		wait.Go(func() {
			for announce := in; ; announce = nil {
				conn, err := pgx.Connect(ctx, p.DSN("orders", g.role, g.Password))
				if err != nil {
					return
				}
				mu.Lock()
				conns = append(conns, conn)
				mu.Unlock()
				if announce != nil {
					announce <- struct{}{}
				}
			}
		})
	}
	for range clients {
		<-in
	}
	_, err := d.Revoke(t.Context(), g.order, g.refined)
	for err != nil && access.KindOf(err) == access.KindUnavailable {
		_, err = d.Revoke(t.Context(), g.order, g.refined)
	}
	if err != nil {
		t.Fatal(err)
	}
	g.wantState(t, d, connector.Absent)
	wait.Wait() // the role refuses every client
	for _, conn := range conns {
		wantCut(t, conn)
		_ = conn.Close(t.Context())
	}
}

// testReopened is what Revoke finds when another call has made the role anew after it was closed, and it cannot be dropped.
func testReopened(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	mustExec(t, p.connect(t, p.DSN("orders", g.role, g.Password)), `CREATE TABLE scratch.kept_open (id int)`)
	v, err := decodePlan(g.refined)
	if err != nil {
		t.Fatal(err)
	}
	var removal connector.Removal
	end := func() remains {
		t.Helper()
		left, err := d.end(t.Context(), v, &removal)
		if err != nil {
			t.Fatal(err)
		}
		return left
	}
	if left := end(); !left.stays() || !left.Reopened {
		t.Errorf("of an open role it says %+v", left)
	}
	if _, err := d.close(t.Context(), v, &removal); err != nil {
		t.Fatal(err)
	}
	if left := end(); !left.stays() || left.Reopened {
		t.Errorf("of a closed role it says %+v", left)
	}
	g.tidy(t, d)
}

// testReopenedAndClosed has a role made anew and closed again all the while: its memberships are never taken for such as others
// granted, which nobody here may take.
func testReopenedAndClosed(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	v, err := decodePlan(g.refined)
	if err != nil {
		t.Fatal(err)
	}
	var others sync.WaitGroup
	done := make(chan struct{})
	others.Go(func() {
		defer close(done)
		var removal connector.Removal
		for range 150 {
			_, err := d.Grant(t.Context(), g.order, g.plan)
			if err == nil {
				_, err = d.close(t.Context(), v, &removal)
			}
			if err != nil && !concurrent(err) && access.KindOf(err) != access.KindConflict {
				t.Error(err)
				return
			}
		}
	})
	defer others.Wait()
	for looks := 1; ; looks++ {
		var left remains
		err := call(t.Context(), d.pool, callEnd, v.order(), &left)
		if err == nil && len(left.Memberships) > 0 && !left.Reopened {
			t.Errorf("at look %d a closed role has %q", looks, left.Memberships)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func testRenamed(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	p.exec(t, "postgres", `ALTER ROLE `+g.role+` RENAME TO hidden_from_curfew`)
	g.wantState(t, d, connector.Present)
	g.revoke(t, d)
	g.wantState(t, d, connector.Absent)
	if n := read[int](t, p, "postgres", `SELECT count(*) FROM pg_roles WHERE rolname = 'hidden_from_curfew'`); n != 0 {
		t.Error("the renamed role is still there")
	}
}

func testDropped(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	conn := p.connect(t, p.DSN("orders", g.role, g.Password))
	p.exec(t, "postgres", `DROP ROLE `+g.role)
	g.wantState(t, d, connector.Present)
	_, err := d.Revoke(t.Context(), g.order, g.refined)
	wantKind(t, err, access.KindMisconfigured, g.role, "pg_terminate_backend")
	p.exec(t, "postgres", `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'orders' AND usename IS NULL AND usesysid IS NOT NULL`)
	wantCut(t, conn)
	g.revoke(t, d)
	g.wantState(t, d, connector.Absent)
}

func testForeignMemberships(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	p.exec(t, "postgres", `CREATE ROLE elsewhere; CREATE ROLE friend LOGIN PASSWORD 'friend'; GRANT elsewhere TO `+g.role+`; GRANT `+g.role+` TO friend`)
	t.Cleanup(func() { p.exec(t, "postgres", `DROP ROLE elsewhere; DROP ROLE friend`) })
	g.revoke(t, d)
	g.wantState(t, d, connector.Absent)

	// What keeps the role from being dropped keeps, from 16 on, the membership that is not ours to revoke.
	g = give(t, d)
	conn := p.connect(t, p.DSN("orders", g.role, g.Password))
	mustExec(t, conn, `CREATE TABLE scratch.obstacle (id int)`)
	p.exec(t, "postgres", `GRANT elsewhere TO `+g.role)
	lock := p.connect(t, p.SuperuserDSN("orders"))
	mustExec(t, lock, `BEGIN; LOCK scratch.obstacle`)
	_, err := d.Revoke(t.Context(), g.order, g.refined)
	if p.Version() >= 16 {
		wantKind(t, err, access.KindMisconfigured, "elsewhere", g.role)
		g.wantState(t, d, connector.Present)
	} else if err != nil {
		t.Error(err)
	}
	mustExec(t, lock, `ROLLBACK`)
	g.revoke(t, d)
	g.wantState(t, d, connector.Absent)
}

func testForeignRole(t *testing.T, p *peer) {
	d := p.open(t)
	o := newOrder(t)
	plan, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	v, err := decodePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	p.exec(t, "postgres", `CREATE ROLE `+v.Role+` LOGIN PASSWORD 'theirs'`)
	before := p.snapshot(t)
	_, err = d.Grant(t.Context(), o, plan)
	wantKind(t, err, access.KindConflict)
	_, err = d.Revoke(t.Context(), o, plan)
	wantKind(t, err, access.KindConflict)
	if pr, err := d.Observe(t.Context(), o, plan); err != nil || pr.State() != connector.Unknown {
		t.Errorf("Observe says %+v, %v", pr, err)
	}
	if after := p.snapshot(t); after != before {
		t.Error("another's role was touched")
	}
	p.exec(t, "postgres", `DROP ROLE `+v.Role)
}

// TestExpiresWithoutCurfew closes the driver and lets the server alone end the log-in.
func TestExpiresWithoutCurfew(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		d := p.open(t)
		g := give(t, d, func(o *connector.Order) { o.Deadline = o.Start.Add(1500 * time.Millisecond) })
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		p.await(t, "postgres", "clock_timestamp() > $1", g.order.Deadline)
		if state := connectError(t, p.DSN("orders", g.role, g.Password)); state != "28P01" {
			t.Errorf("a log-in past the deadline is answered %q", state)
		}
	})
}
