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

// TestHeldRole is every way known to us in which the row of a grant's role can be locked when the grant is taken back.
func TestHeldRole(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		p.exec(t, "postgres", `CREATE ROLE mallory LOGIN PASSWORD 'mallory' IN ROLE orders_read`)
		for name, f := range map[string]func(*testing.T, *peer){
			"by an open change of the password":         testOpenPasswordChange,
			"by a prepared change of the password":      testPreparedPasswordChange,
			"by a transaction prepared as the group":    testPreparedAsGroup,
			"by a transaction that another prepared":    testPreparedByAccomplice,
			"by a function that stays":                  testHeldLate,
			"by a transaction whose owner is gone":      testPreparedByNobody,
			"by another's session":                      testHeldByAccomplice,
			"by a superuser's session":                  testHeldBySuperuser,
			"by a lock on a group":                      testHeldGroup,
			"by a storm of prepared transactions":       testPreparedStorm,
			"and what holds nothing of ours stays":      testBystandersPrepared,
			"and what only hinders the drop stays":      testPreparedObject,
			"and the catalogs' locks are out of reach":  testCatalogLocks,
			"and a new deadline waits for nobody's end": testHeldExtend,
		} {
			t.Run(name, func(t *testing.T) { f(t, p) })
		}
	})
}

// testOpenPasswordChange holds the role's own row, so that it cannot be changed by anybody else, in two sessions.
func testOpenPasswordChange(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	first := p.connect(t, p.DSN("orders", g.role, g.Password))
	mustExec(t, first, `BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'mine now'`)
	second := p.connect(t, p.DSN("orders", g.role, g.Password))
	waiting := make(chan error, 1)
	go func() {
		_, err := second.Exec(context.WithoutCancel(t.Context()), `ALTER ROLE CURRENT_USER PASSWORD 'mine next'`)
		waiting <- err
	}()
	p.await(t, "postgres", `EXISTS (SELECT FROM pg_stat_activity WHERE usesysid = $1 AND wait_event_type = 'Lock')`, g.oid)
	if r := g.revoke(t, d); r.SessionsEnded != 2 {
		t.Errorf("Revoke says %+v, want 2 sessions ended", r)
	}
	<-waiting // it may have gone through when the first was cut, before it was cut itself
	wantCut(t, first)
	wantCut(t, second)
	g.wantOver(t, p, d, "mine next")
}

// wantOver fails the test unless the access is gone, and no password opens the role.
func (g grant) wantOver(t testing.TB, p *peer, d *driver, passwords ...string) {
	t.Helper()
	g.wantState(t, d, connector.Absent)
	for _, password := range append(passwords, g.Password) {
		if state := connectError(t, p.DSN("orders", g.role, password)); state != "28P01" && state != "28000" {
			t.Errorf("a log-in with %q is answered %q", password, state)
		}
	}
	if n := read[int](t, p, "postgres", `SELECT count(*) FROM pg_auth_members WHERE member = 'curfew'::regrole AND roleid IN ('orders_read'::regrole, 'mallory'::regrole) AND grantor = 'curfew'::regrole`); n != 0 {
		t.Errorf("Curfew's account has %d memberships that it took to roll something back", n)
	}
}

// wantPrepared fails the test unless these prepared transactions, and no others, are left.
func wantPrepared(t testing.TB, p *peer, want string) {
	t.Helper()
	if left := read[string](t, p, "postgres", `SELECT coalesce(string_agg(gid, ',' ORDER BY gid), '') FROM pg_prepared_xacts`); left != want {
		t.Errorf("the prepared transactions %q are left, want %q", left, want)
	}
}

// finish rolls back, as the superuser, what a test leaves prepared.
func (p *peer) finish(t testing.TB, database, gid string) {
	t.Helper()
	p.exec(t, database, `ROLLBACK PREPARED '`+gid+`'`)
}

func testPreparedPasswordChange(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	conn := p.connect(t, p.DSN("billing", g.role, g.Password))
	mustExec(t, conn, `BEGIN; SAVEPOINT s; ALTER ROLE CURRENT_USER PASSWORD 'mine now'; RELEASE s; PREPARE TRANSACTION 'stay'`)
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.wantState(t, d, connector.Present)
	g.revoke(t, d)
	wantPrepared(t, p, "")
	g.wantOver(t, p, d, "mine now")
}

// testPreparedAsGroup has a transaction that belongs to the group: on 15 a member can act as the group.
func testPreparedAsGroup(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	conn := p.connect(t, p.DSN("orders", g.role, g.Password))
	mustExec(t, conn, `BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'mine now'`)
	if p.Version() >= 16 {
		wantRefused(t, conn, `SET LOCAL ROLE orders_read`, statePermissionDenied)
		return
	}
	mustExec(t, conn, `SET LOCAL ROLE orders_read; PREPARE TRANSACTION 'stay'`)
	if owner := read[string](t, p, "postgres", `SELECT owner FROM pg_prepared_xacts WHERE gid = 'stay'`); owner != "orders_read" {
		t.Fatalf("the owner is %s", owner)
	}
	g.revoke(t, d)
	wantPrepared(t, p, "")
	g.wantOver(t, p, d, "mine now")
}

// lend leaves a function behind that runs as the grant's role, locks its row, and can be called by anybody.
func (g grant) lend(t testing.TB, p *peer) {
	t.Helper()
	conn := p.connect(t, p.DSN("orders", g.role, g.Password))
	mustExec(t, conn, `
CREATE FUNCTION scratch.hold() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN ALTER ROLE CURRENT_USER PASSWORD 'mine now'; END $$`)
	t.Cleanup(func() { p.exec(t, "orders", `DROP FUNCTION IF EXISTS scratch.hold()`) })
}

// wantNamed fails the test unless Revoke names the operator's task, has taken the group's rights, and still says present.
func (g grant) wantNamed(t testing.TB, p *peer, d *driver, words ...string) {
	t.Helper()
	_, err := d.Revoke(t.Context(), g.order, g.refined)
	wantKind(t, err, access.KindMisconfigured, append(words, g.role)...)
	g.wantState(t, d, connector.Present)
	if n := read[int](t, p, "postgres", `SELECT count(*) FROM pg_auth_members WHERE member = $1`, g.oid); n != 0 {
		t.Errorf("the role is still a member of %d roles", n)
	}
	if n := read[int](t, p, "postgres", `SELECT count(*) FROM pg_stat_activity WHERE usesysid = $1`, g.oid); n != 0 {
		t.Errorf("the role still has %d sessions", n)
	}
}

func testPreparedByAccomplice(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	g.lend(t, p)
	accomplice := p.connect(t, p.DSN("orders", "mallory", "mallory"))
	mustExec(t, accomplice, `BEGIN; SELECT scratch.hold(); PREPARE TRANSACTION 'lent'`)
	if p.Version() >= 16 { // CREATEROLE does not reach so far
		g.wantNamed(t, p, d, `"lent"`, `"mallory"`, `"orders"`, "ROLLBACK PREPARED")
		wantPrepared(t, p, "lent")
		p.finish(t, "orders", "lent")
	}
	g.revoke(t, d)
	wantPrepared(t, p, "")
	g.wantOver(t, p, d, "mine now")
}

func testPreparedByNobody(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	g.lend(t, p)
	p.exec(t, "postgres", `CREATE ROLE fleeting LOGIN PASSWORD 'fleeting' IN ROLE orders_read`)
	accomplice := p.connect(t, p.DSN("orders", "fleeting", "fleeting"))
	mustExec(t, accomplice, `BEGIN; SELECT scratch.hold(); PREPARE TRANSACTION 'orphan'`)
	p.exec(t, "postgres", `DROP ROLE fleeting`)
	g.wantNamed(t, p, d, `"orphan"`, "ROLLBACK PREPARED")
	p.finish(t, "orders", "orphan")
	g.revoke(t, d)
	g.wantOver(t, p, d, "mine now")
}

func testHeldByAccomplice(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	g.lend(t, p)
	accomplice := p.connect(t, p.DSN("orders", "mallory", "mallory"))
	mustExec(t, accomplice, `BEGIN; SELECT scratch.hold()`)
	g.wantNamed(t, p, d, `"mallory"`, "pg_terminate_backend")
	mustExec(t, accomplice, `SELECT 1`)

	p.exec(t, "postgres", `GRANT pg_signal_backend TO curfew`)
	t.Cleanup(func() { p.exec(t, "postgres", `REVOKE pg_signal_backend FROM curfew`) })
	bystander := p.connect(t, p.DSN("orders", "mallory", "mallory"))
	g.revoke(t, d)
	wantCut(t, accomplice)
	mustExec(t, bystander, `SELECT 1`)
	g.wantOver(t, p, d, "mine now")
}

// testHeldBySuperuser lets a superuser, as autovacuum may, analyse a table whose index runs a function of the user's.
func testHeldBySuperuser(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	g.lend(t, p)
	user := p.connect(t, p.DSN("orders", g.role, g.Password))
	mustExec(t, user, `
CREATE FUNCTION scratch.trap(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF current_setting('application_name') = 'janitor' THEN PERFORM scratch.hold(); END IF;
  RETURN $1;
END $$;
CREATE TABLE scratch.bait AS SELECT 1 AS id;
CREATE INDEX ON scratch.bait (scratch.trap(id))`)
	janitor := p.connect(t, p.SuperuserDSN("orders"))
	mustExec(t, janitor, `SET application_name = 'janitor'; BEGIN; ANALYZE scratch.bait`)
	p.exec(t, "postgres", `GRANT pg_signal_backend TO curfew`)
	t.Cleanup(func() { p.exec(t, "postgres", `REVOKE pg_signal_backend FROM curfew`) })
	g.wantNamed(t, p, d, `"postgres"`, "pg_terminate_backend")
	mustExec(t, janitor, `COMMIT`)
	g.revoke(t, d)
	g.tidy(t, d)
	g.wantOver(t, p, d, "mine now")
}

// testHeldGroup has an administrator of the group in the way of one membership: the log-in goes all the same.
func testHeldGroup(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	admin := p.connect(t, p.SuperuserDSN("orders"))
	mustExec(t, admin, `BEGIN; REVOKE orders_read FROM `+g.role+` CASCADE`)
	_, err := d.Revoke(t.Context(), g.order, g.refined)
	wantKind(t, err, access.KindMisconfigured, `"postgres"`, "pg_terminate_backend")
	if state := connectError(t, p.DSN("orders", g.role, g.Password)); state == "" {
		t.Error("a log-in works")
	}
	g.wantState(t, d, connector.Present)
	mustExec(t, admin, `ROLLBACK`)
	g.revoke(t, d)
	g.wantOver(t, p, d)
}

// testPreparedStorm locks the row again, from many sides and without pause, as soon as it is free.
func testPreparedStorm(t *testing.T, p *peer) {
	const clients = 6
	d := p.open(t, func(c *Config) { c.Iterations = 1 })
	g := give(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wait sync.WaitGroup
	for i := range clients {
		gid := strings.Repeat("x", i+1)
		wait.Go(func() {
			for ctx.Err() == nil {
				conn, err := pgx.Connect(ctx, p.DSN("orders", g.role, g.Password))
				if err != nil {
					if sqlState(err) == "28P01" || sqlState(err) == "28000" {
						return
					}
					continue
				}
				_, _ = conn.Exec(ctx, `BEGIN; ALTER ROLE CURRENT_USER PASSWORD '`+g.Password+`'; PREPARE TRANSACTION '`+gid+`'`)
				_ = conn.Close(ctx)
			}
		})
	}
	p.await(t, "postgres", `EXISTS (SELECT FROM pg_prepared_xacts)`)
	_, err := d.Revoke(t.Context(), g.order, g.refined)
	for err != nil && access.KindOf(err) == access.KindUnavailable {
		_, err = d.Revoke(t.Context(), g.order, g.refined)
	}
	if err != nil {
		t.Fatal(err)
	}
	wait.Wait() // the role refuses every client
	wantPrepared(t, p, "")
	g.wantOver(t, p, d)
}

// testBystandersPrepared has others' transactions beside the grant's: none holds what we need, so none is touched.
func testBystandersPrepared(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	mallory := p.connect(t, p.DSN("orders", "mallory", "mallory"))
	mustExec(t, mallory, `BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'mallory'; PREPARE TRANSACTION 'a'`)
	mustExec(t, mallory, `BEGIN; SET LOCAL ROLE orders_read; CREATE TABLE scratch.of_group (id int); PREPARE TRANSACTION 'b'`)
	user := p.connect(t, p.DSN("orders", g.role, g.Password))
	mustExec(t, user, `BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'mine now'; PREPARE TRANSACTION 'c'`)
	g.revoke(t, d)
	wantPrepared(t, p, "a,b")
	p.finish(t, "orders", "a")
	p.finish(t, "orders", "b")
	g.wantOver(t, p, d, "mine now")
}

// testHeldLate calls what the user left behind when the role is closed: a password for it opens nothing.
func testHeldLate(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	g.lend(t, p)
	g.revoke(t, d)
	accomplice := p.connect(t, p.DSN("orders", "mallory", "mallory"))
	mustExec(t, accomplice, `BEGIN; SELECT scratch.hold(); PREPARE TRANSACTION 'late'`)
	g.wantState(t, d, connector.Absent)
	mustExec(t, accomplice, `COMMIT PREPARED 'late'`)
	g.wantOver(t, p, d, "mine now")
	if left := g.tidy(t, d); left != "" {
		t.Errorf("there is left %q", left)
	}
	wantRefused(t, accomplice, `SELECT scratch.hold()`, "42883")
}

// testPreparedObject has the user prepare something of its own as the group. It cannot be told from another member's, and
// gives nobody access: it stays for an operator, and with it the closed role.
func testPreparedObject(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	user := p.connect(t, p.DSN("orders", g.role, g.Password))
	mustExec(t, user, `BEGIN; CREATE TABLE scratch.unborn (id int)`)
	if p.Version() >= 16 {
		wantRefused(t, user, `SET LOCAL ROLE orders_read`, statePermissionDenied)
		return
	}
	mustExec(t, user, `SET LOCAL ROLE orders_read; PREPARE TRANSACTION 'unborn'`)
	if r := g.revoke(t, d); !strings.Contains(r.Housekeeping, "lock timeout") {
		t.Errorf("Revoke says %+v", r)
	}
	g.wantOver(t, p, d)
	wantPrepared(t, p, "unborn")
	p.finish(t, "orders", "unborn")
	if left := g.tidy(t, d); left != "" {
		t.Errorf("there is left %q", left)
	}
}

// testCatalogLocks is what would lock the role, its memberships or the catalogs as a whole, and is refused.
func testCatalogLocks(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	conn := p.connect(t, p.DSN("orders", g.role, g.Password))
	refused := func(statements ...string) {
		t.Helper()
		for _, sql := range statements {
			wantRefused(t, conn, sql, statePermissionDenied)
		}
	}
	refused(
		`BEGIN; LOCK pg_authid`, `ROLLBACK; BEGIN; LOCK pg_auth_members IN SHARE MODE`, `ROLLBACK; SELECT FROM pg_auth_members FOR UPDATE`,
		`SELECT FROM pg_authid FOR KEY SHARE`, `REVOKE orders_read FROM CURRENT_USER`, `DROP ROLE `+g.role,
		`CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION pg_notify()`, `SELECT pg_create_physical_replication_slot('s')`,
		`CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = false)`, `ALTER DEFAULT PRIVILEGES FOR ROLE curfew GRANT SELECT ON TABLES TO PUBLIC`,
	)
	if p.Version() < 16 {
		mustExec(t, conn, `SET ROLE orders_read`)
		refused(`GRANT orders_read TO mallory`, `REVOKE orders_read FROM `+g.role)
		// What it can lock is the group's own row, which nobody needs.
		mustExec(t, conn, `BEGIN; ALTER ROLE orders_read PASSWORD 'group'; DROP OWNED BY orders_read; PREPARE TRANSACTION 'of the group'`)
		defer p.finish(t, "orders", "of the group")
	}
	g.revoke(t, d)
	g.wantOver(t, p, d)
}

func testHeldExtend(t *testing.T, p *peer) {
	d := p.open(t)
	g := give(t, d)
	conn := p.connect(t, p.DSN("orders", g.role, g.Password))
	mustExec(t, conn, `BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'mine now'; PREPARE TRANSACTION 'stay'`)
	later := g.order
	later.Deadline = later.Deadline.Add(time.Hour)
	wantKind(t, d.Extend(t.Context(), later, g.refined), access.KindUnavailable)
	if pr := g.wantState(t, d, connector.Present); !pr.NativeExpiry.Before(later.Deadline.Add(-time.Minute)) {
		t.Errorf("the native expiry is %s", pr.NativeExpiry)
	}
	mustExec(t, conn, `COMMIT PREPARED 'stay'`)
	if until := read[time.Time](t, p, "postgres", `SELECT rolvaliduntil FROM pg_roles WHERE oid = $1`, g.oid); until.After(g.order.Deadline) {
		t.Errorf("the log-in lapses at %s, past the deadline %s", until, g.order.Deadline)
	}
	g.revoke(t, d)
	g.wantOver(t, p, d, "mine now")
}
