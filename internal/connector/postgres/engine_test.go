package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/enginetest"
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

// TestMembershipThroughTheEngine leads shared memberships through two nodes on one store.
func TestMembershipThroughTheEngine(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		setUpMembers(t, p, p.Addr())
		p.exec(t, "postgres", `CREATE ROLE alice LOGIN PASSWORD 'her own'`)
		c := newCompany(t, p, true)
		enginetest.TestSharedRight(t, c.World, enginetest.Owner{
			Give: func() { p.exec(t, "postgres", `GRANT orders_read TO alice`) },
			Take: func() { p.exec(t, "postgres", `REVOKE orders_read FROM alice`) },
			Remove: func() {
				p.exec(t, "postgres", `DO $$ DECLARE g text; BEGIN
					SELECT grantor::regrole INTO g FROM pg_auth_members WHERE member = 'alice'::regrole;
					EXECUTE 'REVOKE orders_read FROM alice GRANTED BY ' || g; END $$`)
			},
			Has:  func(want bool, when string) { c.reads(t, want, when) },
			Told: p.Version() >= 16,
		})
	})
}

// TestTwoInstallationsOnOneServer lets each compare the server with its own books.
func TestTwoInstallationsOnOneServer(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		ours, theirs := newCompany(t, p, false), newCompany(t, p, false)
		mine, other := ours.Obtain(t, ours.Engine, enginetest.Alice, enginetest.Read), theirs.Obtain(t, theirs.Engine, enginetest.Alice, enginetest.Read)
		for range 2 {
			ours.Compare(t)
			theirs.Compare(t)
		}
		for c, id := range map[*company]access.GrantID{ours: mine.ID, theirs: other.ID} {
			if g := c.Grant(t, id); g.State != access.GrantActive {
				t.Errorf("grant %s is %s (%s)", id, g.State, g.EndReason)
			}
			if all := c.Findings(t); len(all) != 1 || all[0].Kind != access.FindingForeign || all[0].State != access.FindingOpen {
				t.Errorf("the findings are %+v", all)
			}
		}
		if n := read[int](t, p, "postgres", `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'curfew_alice_%'`); n != 2 {
			t.Errorf("%d roles at the server, want 2", n)
		}
		enginetest.WantEnd(t, theirs.GiveBack(t, theirs.Engine, enginetest.Alice, other.ID), access.EndReturned, "")
		ours.Compare(t)
		if all := ours.Findings(t); len(all) != 1 || all[0].State != access.FindingRemoved {
			t.Errorf("after their grant our findings are %+v", all)
		}
	})
}

// TestLogInOfALostGrant: the books are older than the server. What bears our mark and no grant explains goes.
func TestLogInOfALostGrant(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		c := newCompany(t, p, false)
		lost := &company{World: c.Restored(), peer: p}
		g := lost.Obtain(t, lost.Engine, enginetest.Alice, enginetest.Read)
		if found := c.Compare(t); found.Opened != 1 || found.Gone != 1 {
			t.Errorf("the comparison is %+v", found)
		}
		if all := c.Findings(t); len(all) != 1 || all[0].Kind != access.FindingOrphan || all[0].State != access.FindingRemoved || all[0].Grant != g.ID {
			t.Errorf("the findings are %+v", all)
		}
		if n := read[int](t, p, "postgres", `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'curfew_alice_%'`); n != 0 {
			t.Errorf("%d log-ins are left", n)
		}
		// Its own books now see that it was removed.
		lost.Compare(t)
		enginetest.WantEnd(t, lost.Grant(t, g.ID), access.EndRemovedAtTarget, "")
	})
}
