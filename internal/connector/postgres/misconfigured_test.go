package postgres

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// TestMisconfigured is what an operator can get wrong: the message says what.
func TestMisconfigured(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		d := p.open(t)
		if h, err := d.Check(t.Context()); err != nil || h.Version == "" || h.Skew.Abs() > connector.DefaultSkewLimit {
			t.Fatalf("Check of the page's account: %+v, %v", h, err)
		}
		p.exec(t, "postgres", `CREATE ROLE missing; CREATE ROLE boss SUPERUSER; CREATE ROLE maker CREATEROLE; CREATE ROLE giver; CREATE ROLE shell`)
		p.exec(t, "postgres", `GRANT maker TO giver; GRANT orders_read TO shell WITH ADMIN OPTION; GRANT CONNECT ON DATABASE orders TO missing`)
		if p.Version() >= 16 {
			p.exec(t, "postgres", `GRANT maker, giver, shell TO curfew WITH ADMIN OPTION`)
		}
		dangers := map[string][]string{
			"not_there":                 {"not_there", "does not exist", "orders-db"},
			"boss":                      {"boss", "superuser"},
			"giver":                     {"giver", "maker has CREATEROLE"},
			"shell":                     {"shell", "ADMIN OPTION on orders_read"},
			"pg_execute_server_program": {"reaches the machine"},
			"pg_signal_backend":         {"ends the sessions of Curfew"},
		}
		if p.Version() >= 17 {
			dangers["pg_maintain"] = []string{"locks the catalogs"}
		}
		for role, words := range dangers {
			weak := p.open(t, func(c *Config) { c.Permissions["read"] = Permission{Roles: []string{"orders_read", role}} })
			_, err := weak.Check(t.Context())
			wantKind(t, err, access.KindMisconfigured, words...)
			_, err = weak.Prepare(t.Context(), newOrder(t))
			wantKind(t, err, access.KindMisconfigured, words...)
		}
		if p.Version() >= 16 {
			_, err := p.open(t, func(c *Config) { c.Permissions["read"] = Permission{Roles: []string{"missing"}} }).Check(t.Context())
			wantKind(t, err, access.KindMisconfigured, "missing", "ADMIN OPTION")
		}
		t.Run("a group that goes after Prepare", func(t *testing.T) { testGroupGoes(t, p) })
		t.Run("accounts", func(t *testing.T) { testAccounts(t, p) })
		t.Run("nobody may connect", func(t *testing.T) { testNoConnect(t, p) })
		t.Run("owners", func(t *testing.T) { testOwners(t, p) })
		t.Run("no temporary schema", func(t *testing.T) {
			p.exec(t, "postgres", `REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC`)
			_, err := p.open(t).Check(t.Context())
			wantKind(t, err, access.KindMisconfigured, "lacks a privilege")
			p.exec(t, "postgres", `GRANT TEMPORARY ON DATABASE postgres TO curfew`)
			if _, err := p.open(t).Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}

func testGroupGoes(t *testing.T, p *peer) {
	p.exec(t, "postgres", `CREATE ROLE passing`)
	if p.Version() >= 16 {
		p.exec(t, "postgres", `GRANT passing TO curfew WITH ADMIN OPTION`)
	}
	d := p.open(t, func(c *Config) { c.Permissions["read"] = Permission{Roles: []string{"passing", "orders_read"}} })
	o := newOrder(t)
	plan, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p.exec(t, "postgres", `DROP ROLE passing`)
	before := p.snapshot(t)
	_, err = d.Grant(t.Context(), o, plan)
	wantKind(t, err, access.KindMisconfigured, "passing", "orders-db")
	if p.snapshot(t) != before {
		t.Error("half a grant was made")
	}
}

func testAccounts(t *testing.T, p *peer) {
	p.exec(t, "postgres", `CREATE ROLE weak LOGIN PASSWORD 'weak'; CREATE ROLE strong LOGIN SUPERUSER PASSWORD 'strong'`)
	for user, words := range map[string][]string{"weak": {"CREATEROLE"}, "strong": {"superuser"}} {
		_, err := p.open(t, func(c *Config) { c.DSN = p.ref(t, user, user, p.Addr()) }).Check(t.Context())
		wantKind(t, err, access.KindMisconfigured, words...)
	}
	refused := p.open(t, func(c *Config) { c.DSN = p.ref(t, "curfew", "wrong", p.Addr()) })
	_, err := refused.Check(t.Context())
	wantKind(t, err, access.KindMisconfigured, "refuses the log-in")
	weak := p.open(t, func(c *Config) { c.DSN = p.ref(t, "weak", "weak", p.Addr()) })
	d := p.open(t)
	o := newOrder(t)
	plan, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = weak.Grant(t.Context(), o, plan)
	wantKind(t, err, access.KindMisconfigured, "lacks a privilege")
}

func testNoConnect(t *testing.T, p *peer) {
	p.exec(t, "postgres", `REVOKE CONNECT ON DATABASE billing FROM PUBLIC`)
	t.Cleanup(func() { p.exec(t, "postgres", `GRANT CONNECT ON DATABASE billing TO PUBLIC`) })
	d := p.open(t)
	o := newOrder(t)
	o.Entitlement.Resource = "billing"
	_, err := d.Prepare(t.Context(), o)
	wantKind(t, err, access.KindMisconfigured, "billing", "GRANT CONNECT")
	g := give(t, d)
	if state := connectError(t, p.DSN("billing", g.role, g.Password)); state != statePermissionDenied {
		t.Errorf("a log-in to a closed database is answered %q", state)
	}
	g.revoke(t, d)
}

func testOwners(t *testing.T, p *peer) {
	p.exec(t, "postgres", `CREATE ROLE owner_login LOGIN; CREATE ROLE owner_member IN ROLE orders_write; CREATE ROLE owner_stranger`)
	p.exec(t, "postgres", `GRANT owner_login, owner_member TO curfew`)
	for owner, word := range map[string]string{
		"owner_gone": "does not exist", "owner_login": "NOLOGIN", "owner_member": "member of nothing", "owner_stranger": "must be granted",
	} {
		_, err := p.open(t, func(c *Config) { c.Objects, c.ObjectsOwner = ReassignObjects, owner }).Check(t.Context())
		wantKind(t, err, access.KindMisconfigured, owner, word)
	}
}

// TestBlindObserver is every way in which a reader fails to see what it should.
func TestBlindObserver(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		d := p.open(t)
		ended := give(t, d)
		ended.revoke(t, d)
		ended.wantState(t, d, connector.Absent)

		for _, object := range []string{"pg_roles", "pg_auth_members", "pg_stat_activity"} {
			p.exec(t, "postgres", `REVOKE SELECT ON `+object+` FROM PUBLIC`)
			if pr := ended.wantState(t, d, connector.Unknown); pr.ReadBy != "" {
				t.Errorf("without %s it is read by %s", object, pr.ReadBy)
			}
			p.exec(t, "postgres", `GRANT SELECT ON `+object+` TO PUBLIC`)
		}
		other := newPeer(t, p.Version())
		elsewhere := p.open(t, func(c *Config) { c.ObserverDSN = other.observerDSN })
		ended.wantState(t, elsewhere, connector.Unknown)
		_, err := elsewhere.Check(t.Context())
		wantKind(t, err, access.KindMisconfigured, "observer_dsn")
		ended.wantState(t, d, connector.Absent)
		if pr := ended.wantState(t, p.open(t, func(c *Config) { c.ObserverDSN = "" }), connector.Absent); !strings.HasPrefix(pr.ReadBy, "curfew,") {
			t.Errorf("without an observer it is read by %s", pr.ReadBy)
		}
	})
}

// TestCredentialWorks logs in with psql by the credential's environment, and by its connection string, with few and with
// many iterations.
func TestCredentialWorks(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		psql, err := p.Program("psql")
		if err != nil {
			t.Fatal(err)
		}
		for _, iterations := range []int{1, 4096} {
			d := p.open(t, func(c *Config) { c.Iterations = iterations })
			g := give(t, d)
			byEnv := exec.CommandContext(t.Context(), psql, "-XAtc", "SELECT note FROM orders")
			for name, value := range g.Env {
				byEnv.Env = append(byEnv.Env, name+"="+value)
			}
			byURI := exec.CommandContext(t.Context(), psql, "-XAtc", "SELECT note FROM orders", g.URI)
			for _, cmd := range []*exec.Cmd{byEnv, byURI} {
				if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "seventeen" {
					t.Errorf("with %d iterations psql says %q, %v", iterations, out, err)
				}
			}
			verifier := read[string](t, p, "postgres", `SELECT rolpassword FROM pg_authid WHERE oid = $1`, g.oid)
			if !strings.HasPrefix(verifier, fmt.Sprintf("SCRAM-SHA-256$%d:", iterations)) {
				t.Errorf("the server keeps %s", verifier)
			}
			g.revoke(t, d)
			log, err := p.Log()
			if err != nil || strings.Contains(log, g.Password) || strings.Contains(log, verifier) {
				t.Errorf("the server's log holds the password or its verifier; %v", err)
			}
		}
	})
}

func TestDiscover(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		p.exec(t, "postgres", "CREATE DATABASE \"odd\u202ename\"")
		p.exec(t, "postgres", `CREATE DATABASE closed ALLOW_CONNECTIONS false`)
		for _, c := range []struct{ allow, want []string }{
			{nil, []string{"billing", "orders", "postgres"}},
			{[]string{"orders", "closed", "not there"}, []string{"orders"}},
		} {
			d := p.open(t, func(config *Config) { config.Databases = c.allow })
			var names []string
			for r, err := range d.Discover(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, r.Name)
				if !slices.Equal(r.Permissions, []string{"read", "write"}) {
					t.Errorf("%s has the permissions %v", r.Name, r.Permissions)
				}
			}
			if !slices.Equal(names, c.want) {
				t.Errorf("with %v: %v, want %v", c.allow, names, c.want)
			}
		}
		limited := p.open(t, func(c *Config) { c.Databases = []string{"orders"} })
		o := newOrder(t)
		o.Entitlement.Resource = "billing"
		_, err := limited.Prepare(t.Context(), o)
		wantKind(t, err, access.KindInvalid, "billing")
	})
}
