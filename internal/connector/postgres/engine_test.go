package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// company is an engine, or two, in front of a PostgreSQL.
type company struct {
	*enginetest.World
	peer *peer
}

// newCompany opens a company whose people have log-ins of their own names, with memberships or with log-ins for each grant.
func newCompany(t *testing.T, p *peer, membership bool) *company {
	t.Helper()
	open := func() (connector.Type, connector.Driver) { return Type(), p.open(t) }
	if membership {
		open = func() (connector.Type, connector.Driver) { return MembershipType(), p.openMembership(t) }
	}
	return &company{World: enginetest.New(t, enginetest.WithConnector(open), enginetest.WithTimeout(20*time.Second)), peer: p}
}

// asks has somebody ask, and an engine give it.
func (c *company) asks(t *testing.T, e *engine.Engine, who, entitlement string) access.Grant {
	t.Helper()
	r, err := e.Submit(t.Context(), c.Who(who), engine.Submission{
		Entitlements: []access.Entitlement{enginetest.Entitlement(entitlement)}, Duration: time.Hour, Reason: "order 17",
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Settle(e)
	v, err := e.Request(t.Context(), c.Who(who), r.ID)
	if err != nil || len(v.Grants) != 1 {
		t.Fatalf("%d grants, %v: %s", len(v.Grants), err, v.Decision.Why)
	}
	if g := v.Grants[0]; g.State != access.GrantActive {
		t.Fatalf("the grant is %s: %s", g.State, g.LastError)
	}
	return v.Grants[0]
}

// returns gives a grant back, and has an engine end it.
func (c *company) returns(t *testing.T, e *engine.Engine, who string, id access.GrantID) access.Grant {
	t.Helper()
	if _, err := e.Return(t.Context(), c.Who(who), id); err != nil {
		t.Fatal(err)
	}
	c.Settle(e)
	return c.grant(t, id)
}

func (c *company) grant(t *testing.T, id access.GrantID) access.Grant {
	t.Helper()
	g, err := c.Engine.Grant(t.Context(), c.Who(enginetest.Carol), id)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (c *company) reconcile(t *testing.T) engine.Comparison {
	t.Helper()
	found, err := c.Engine.Reconcile(t.Context(), store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db"})
	if err != nil {
		t.Fatal(err)
	}
	c.Settle(c.Engine)
	return found
}

func (c *company) findings(t *testing.T) []access.Finding {
	t.Helper()
	items, _, err := c.Engine.Findings(t.Context(), c.Who(enginetest.Carol), true, store.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// reads fails the test unless Alice, with the log-in that she has, can read the orders, or cannot.
func (c *company) reads(t *testing.T, want bool, when string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.peer.DSN("orders", enginetest.Alice, "her own"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `SELECT note FROM orders`)
	if got := err == nil; got != want || err != nil && sqlState(err) != statePermissionDenied {
		t.Errorf("%s: Alice can read: %t, %v; want %t", when, got, err, want)
	}
}

func wantEnd(t *testing.T, g access.Grant, reason access.EndReason, keptBy string) {
	t.Helper()
	if g.State != access.GrantEnded || g.EndReason != reason || g.KeptBy != keptBy || g.VerifiedBy == "" {
		t.Errorf("the grant is %s (%s), kept by %q, verified by %q; want ended (%s), kept by %q; last error: %s",
			g.State, g.EndReason, g.KeptBy, g.VerifiedBy, reason, keptBy, g.LastError)
	}
}

// TestMembershipThroughTheEngine leads shared memberships through two nodes on one store.
func TestMembershipThroughTheEngine(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		setUpMembers(t, p, p.Addr())
		p.exec(t, "postgres", `CREATE ROLE alice LOGIN PASSWORD 'her own'`)
		c := newCompany(t, p, true)
		one, two := c.Engine, c.Node()

		older := c.asks(t, one, enginetest.Alice, enginetest.Read)
		c.reads(t, true, "with a grant")
		newer := c.asks(t, two, enginetest.Alice, enginetest.Read)
		wantEnd(t, c.returns(t, two, enginetest.Alice, older.ID), access.EndReturned, string(newer.ID))
		c.reads(t, true, "after the older of two grants")
		wantEnd(t, c.returns(t, one, enginetest.Alice, newer.ID), access.EndReturned, "")
		c.reads(t, false, "after both")

		// She was a member before.
		p.exec(t, "postgres", `GRANT orders_read TO alice`)
		over := c.asks(t, one, enginetest.Alice, enginetest.Read)
		wantEnd(t, c.returns(t, two, enginetest.Alice, over.ID), access.EndReturned, access.KeptByStanding)
		c.reads(t, true, "after a grant on top of standing access")
		p.exec(t, "postgres", `REVOKE orders_read FROM alice`)

		// An owner removes what a grant gave: it is not made again.
		removed := c.asks(t, one, enginetest.Alice, enginetest.Read)
		p.exec(t, "postgres", `DO $$ DECLARE g text; BEGIN
			SELECT grantor::regrole INTO g FROM pg_auth_members WHERE member = 'alice'::regrole;
			EXECUTE 'REVOKE orders_read FROM alice GRANTED BY ' || g; END $$`)
		if found := c.reconcile(t); found.Missing != 1 {
			t.Errorf("the comparison is %+v", found)
		}
		wantEnd(t, c.grant(t, removed.ID), access.EndRemovedAtTarget, "")
		c.reads(t, false, "after the owner removed it")

		// An owner adds on top of a grant.
		added := c.asks(t, one, enginetest.Alice, enginetest.Read)
		p.exec(t, "postgres", `GRANT orders_read TO alice`)
		kept := ""
		if p.Version() >= 16 {
			kept = access.KeptByStanding
		}
		wantEnd(t, c.returns(t, two, enginetest.Alice, added.ID), access.EndReturned, kept)
		c.reads(t, p.Version() >= 16, "after the owner added on top")
		p.exec(t, "postgres", `REVOKE orders_read FROM alice`)

		// Somebody puts her back after the end.
		again := c.asks(t, one, enginetest.Alice, enginetest.Read)
		c.returns(t, one, enginetest.Alice, again.ID)
		p.exec(t, "postgres", `GRANT orders_read TO alice`)
		c.reconcile(t)
		if all := c.findings(t); len(all) != 1 || !all[0].Overdue() {
			t.Errorf("the findings are %+v", all)
		}
		p.exec(t, "postgres", `REVOKE orders_read FROM alice`)
		c.reconcile(t)
		if all := c.findings(t); len(all) != 1 || all[0].State != access.FindingRemoved {
			t.Errorf("the findings are %+v", all)
		}
	})
}

// TestTwoInstallationsOnOneServer lets each compare the server with its own books.
func TestTwoInstallationsOnOneServer(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		ours, theirs := newCompany(t, p, false), newCompany(t, p, false)
		mine, other := ours.asks(t, ours.Engine, enginetest.Alice, enginetest.Read), theirs.asks(t, theirs.Engine, enginetest.Alice, enginetest.Read)
		for range 2 {
			ours.reconcile(t)
			theirs.reconcile(t)
		}
		for c, id := range map[*company]access.GrantID{ours: mine.ID, theirs: other.ID} {
			if g := c.grant(t, id); g.State != access.GrantActive {
				t.Errorf("grant %s is %s (%s)", id, g.State, g.EndReason)
			}
			if all := c.findings(t); len(all) != 1 || all[0].Kind != access.FindingForeign || all[0].State != access.FindingOpen {
				t.Errorf("the findings are %+v", all)
			}
		}
		if n := read[int](t, p, "postgres", `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'curfew_alice_%'`); n != 2 {
			t.Errorf("%d roles at the server, want 2", n)
		}
		wantEnd(t, theirs.returns(t, theirs.Engine, enginetest.Alice, other.ID), access.EndReturned, "")
		ours.reconcile(t)
		if all := ours.findings(t); len(all) != 1 || all[0].State != access.FindingRemoved {
			t.Errorf("after their grant our findings are %+v", all)
		}
	})
}

// TestLogInOfALostGrant: the books are older than the server. What bears our mark and no grant explains goes.
func TestLogInOfALostGrant(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		c := newCompany(t, p, false)
		lost := &company{World: c.Restored(), peer: p}
		g := lost.asks(t, lost.Engine, enginetest.Alice, enginetest.Read)
		if found := c.reconcile(t); found.Opened != 1 || found.Gone != 1 {
			t.Errorf("the comparison is %+v", found)
		}
		if all := c.findings(t); len(all) != 1 || all[0].Kind != access.FindingOrphan || all[0].State != access.FindingRemoved || all[0].Grant != g.ID {
			t.Errorf("the findings are %+v", all)
		}
		if n := read[int](t, p, "postgres", `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'curfew_alice_%'`); n != 0 {
			t.Errorf("%d log-ins are left", n)
		}
		// Its own books now see that it was removed.
		lost.reconcile(t)
		wantEnd(t, lost.grant(t, g.ID), access.EndRemovedAtTarget, "")
	})
}
