package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/relaytest"
)

// makeAdmins makes so many administrators with the statements of the page, which has them for two.
func (p *peer) makeAdmins(t testing.TB, n int) (roles []string) {
	t.Helper()
	text := statements(t, "administrators")
	for i := 1; i <= n; i += 2 {
		odd, even := fmt.Sprintf("curfew_admin_%d", i), fmt.Sprintf("curfew_admin_%d", i+1)
		p.exec(t, "postgres", strings.NewReplacer("curfew_admin_1", odd, "curfew_admin_2", even).Replace(text))
		roles = append(roles, odd, even)
	}
	return roles
}

func withAdmins(roles ...string) func(*Config) { return func(c *Config) { c.AdminRoles = roles } }

// TestLawWithAdminRoles holds the driver to the law of all drivers while others than its account make the log-ins, and the
// account itself may make none.
func TestLawWithAdminRoles(t *testing.T) {
	t.Parallel()
	p := newPeer(t, 18)
	admins := p.makeAdmins(t, 2)
	p.exec(t, "postgres", `ALTER ROLE curfew NOCREATEROLE; REVOKE orders_read, orders_write FROM curfew`)
	proxy := relaytest.NewDisturber(t, p.Addr())
	p.dsn = p.ref(t, "curfew", "choose a password", proxy.Addr())
	p.observerDSN = p.ref(t, "curfew_observer", "choose another password", proxy.Addr())
	p.exec(t, "orders", `CREATE ROLE standing LOGIN PASSWORD 'standing' IN ROLE orders_read`)
	h := p.harness(t, proxy)
	h.Open = func(t testing.TB) connector.Driver { return p.open(t, withAdmins(admins...)) }
	connectortest.Run(t, h)
}

// TestAdminRoles is what is different when several roles make the log-ins.
func TestAdminRoles(t *testing.T) {
	t.Parallel()
	p := newPeer(t, 18)
	admins := p.makeAdmins(t, 2)
	before := p.open(t) // as it was configured before
	old := give(t, before)
	d := p.open(t, withAdmins(admins...))
	if _, err := d.Check(t.Context()); err != nil {
		t.Fatal(err)
	}

	const enough = 24 // that all fall to one of two happens once in eight million runs
	var grants []grant
	for range enough {
		grants = append(grants, give(t, d))
	}
	for _, role := range admins {
		if n := read[int](t, p, "postgres", `SELECT count(*) FROM pg_auth_members WHERE member = $1::regrole AND roleid::regrole::text LIKE 'curfew_alice_%'`, role); n == 0 || n == enough {
			t.Errorf("%s administers %d of %d log-ins", role, n, enough)
		}
	}
	if n := read[int](t, p, "postgres", `SELECT count(*) FROM pg_auth_members WHERE member = 'curfew'::regrole AND roleid::regrole::text LIKE 'curfew_alice_%'`); n != 1 {
		t.Errorf("Curfew's account administers %d log-ins, want the one from before", n)
	}

	seen := map[string]string{}
	for s, err := range d.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		v, err := decodePlan(s.Plan)
		if err != nil {
			t.Fatal(err)
		}
		seen[v.Role] = v.Account
	}
	for _, g := range append(grants, old) {
		v, err := decodePlan(g.plan)
		if err != nil {
			t.Fatal(err)
		}
		if seen[g.role] != v.Account {
			t.Errorf("the list says that %q made %s, the plan %q", seen[g.role], g.role, v.Account)
		}
	}

	tasks := []connector.Task{{Order: old.order, Plan: old.refined}}
	for _, g := range grants {
		tasks = append(tasks, connector.Task{Order: g.order, Plan: g.refined})
	}
	for i, r := range d.RevokeBatch(t.Context(), tasks) {
		if r.Err != nil || r.Removal.Housekeeping != "" {
			t.Errorf("task %d: %+v, %v", i, r.Removal, r.Err)
		}
	}
	if n := read[int](t, p, "postgres", `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'curfew_alice_%'`); n != 0 {
		t.Errorf("%d log-ins are left", n)
	}
}

// TestRevokeWithAdminRoles is what a user can do to outlive a grant that an administrator made.
func TestRevokeWithAdminRoles(t *testing.T) {
	t.Parallel()
	p := newPeer(t, 18)
	admins := p.makeAdmins(t, 2)
	p.exec(t, "postgres", `ALTER ROLE curfew NOCREATEROLE; REVOKE orders_read, orders_write FROM curfew`)
	p.exec(t, "postgres", `CREATE ROLE mallory LOGIN PASSWORD 'mallory' IN ROLE orders_read`)
	p.adjust = withAdmins(admins...)
	for name, f := range map[string]func(*testing.T, *peer){
		"prepared transactions are rolled back":   testPrepared,
		"leftovers are reassigned without rights": testReassign,
		"a log-in under way is ended":             testStartingSession,
		"a storm of log-ins is over":              testLoginStorm,
		"a role that was locked by its password":  testOpenPasswordChange,
		"a role that a prepared change has held":  testPreparedPasswordChange,
		"a role that another's session has held":  testHeldByAccomplice,
	} {
		t.Run(name, func(t *testing.T) { f(t, p) })
	}
}

func TestAdminRolesMisconfigured(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		check := func(words ...string) {
			t.Helper()
			_, err := p.open(t, withAdmins("curfew_admin_1", "curfew_admin_2")).Check(t.Context())
			wantKind(t, err, access.KindMisconfigured, words...)
		}
		if p.Version() < 16 {
			check("admin_roles", "16")
			return
		}
		check("curfew_admin_1", "does not exist")
		p.makeAdmins(t, 2)
		for _, change := range []struct{ wrong, right, word string }{
			{`ALTER ROLE curfew_admin_2 NOCREATEROLE`, `ALTER ROLE curfew_admin_2 CREATEROLE`, "CREATEROLE"},
			{`ALTER ROLE curfew_admin_2 LOGIN`, `ALTER ROLE curfew_admin_2 NOLOGIN`, "NOLOGIN"},
			{`ALTER ROLE curfew_admin_2 SUPERUSER`, `ALTER ROLE curfew_admin_2 NOSUPERUSER`, "NOSUPERUSER"},
			{`GRANT curfew_admin_2 TO curfew WITH SET FALSE`, `GRANT curfew_admin_2 TO curfew WITH SET TRUE`, "WITH SET TRUE"},
		} {
			p.exec(t, "postgres", change.wrong)
			check("curfew_admin_2", change.word)
			p.exec(t, "postgres", change.right)
		}
		p.exec(t, "postgres", `REVOKE ADMIN OPTION FOR orders_write FROM curfew_admin_2`)
		check("orders_write", "WITH ADMIN OPTION")
		p.exec(t, "postgres", `REVOKE curfew_leftovers FROM curfew_admin_1`)
		_, err := p.open(t, withAdmins("curfew_admin_1"), func(c *Config) {
			c.Objects, c.ObjectsOwner = ReassignObjects, "curfew_leftovers"
		}).Check(t.Context())
		wantKind(t, err, access.KindMisconfigured, "curfew_admin_1", "curfew_leftovers")

		// A role that is taken out of the configuration too early is named by the server's refusal, and nothing is lost.
		g := give(t, p.open(t, withAdmins("curfew_admin_1")))
		_, err = p.open(t).Revoke(t.Context(), g.order, g.refined)
		wantKind(t, err, access.KindMisconfigured, "admin_roles")
		d := p.open(t, withAdmins("curfew_admin_1"))
		g.revoke(t, d)
		g.wantState(t, d, connector.Absent)
	})
}

func TestValidateAdminRoles(t *testing.T) {
	for name, roles := range map[string][]string{
		"empty": {""}, "twice": {"a", "a"}, "no text": {"a\x00"}, "too many": slices.Repeat([]string{"a"}, maxAdminRoles+1),
	} {
		c := (&peer{dsn: "env:DSN"}).config(withAdmins(roles...))
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "admin_roles") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
