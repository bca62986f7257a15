package postgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/relaytest"
)

// memberName is a log-in that needs quoting wherever it stands.
const memberName = `O'Brien "dba"; --`

// setUpMembers gives the peer the account of the page for memberships, and a log-in that somebody has.
func setUpMembers(t *testing.T, p *peer, addr string) {
	t.Helper()
	p.exec(t, "postgres", statements(t, "membership account"))
	if p.Version() >= minMemberVersion/10000 {
		p.exec(t, "postgres", statements(t, "membership account on 16 and newer"))
	} else {
		p.exec(t, "postgres", statements(t, "membership account on 15"))
	}
	p.exec(t, "postgres", `CREATE ROLE `+pgx.Identifier{memberName}.Sanitize()+` LOGIN PASSWORD 'their own'`)
	p.dsn = p.ref(t, "curfew_memberships", "choose a third password", addr)
	p.observerDSN = p.ref(t, "curfew_observer", "choose another password", addr)
}

func (p *peer) membershipConfig(t testing.TB, change ...func(*MembershipConfig)) *MembershipConfig {
	t.Helper()
	c, _ := MembershipType().New().(*MembershipConfig)
	c.DSN, c.ObserverDSN, c.EndSessions = p.dsn, p.observerDSN, p.Version() < 16
	c.Permissions = map[string]Permission{"read": {Roles: []string{"orders_read"}}, "write": {Roles: []string{"orders_read", "orders_write"}}}
	for _, f := range change {
		f(c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (p *peer) openMembership(t testing.TB, change ...func(*MembershipConfig)) *membershipDriver {
	t.Helper()
	d, err := p.membershipConfig(t, change...).Open(connector.Env{Name: "orders-db", Clock: access.SystemClock{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d.(*membershipDriver)
}

// TestMembershipLaw holds the driver, as the account of the page, to the law of all drivers.
func TestMembershipLaw(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		proxy := relaytest.NewDisturber(t, p.Addr())
		setUpMembers(t, p, proxy.Addr())
		connectortest.Run(t, &connectortest.Harness{
			Open:        func(t testing.TB) connector.Driver { return p.openMembership(t) },
			Traits:      membershipTraits(),
			Entitlement: access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "read"},
			Another:     access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "write"},
			Account:     memberName,
			Login: func(ctx context.Context, e access.Entitlement, _ access.Credential) (connectortest.Session, error) {
				conn, err := pgx.Connect(ctx, p.DSN("orders", memberName, "their own"))
				if err != nil {
					return nil, refused(err)
				}
				return &session{conn: conn, permission: e.Permission}, nil
			},
			Give: func(t testing.TB, a access.Atom) {
				group, account := p.roleNamed(t, a.Right), p.roleNamed(t, a.Account)
				p.exec(t, "postgres", `GRANT `+group+` TO `+account)
				t.Cleanup(func() { p.exec(t, "postgres", `REVOKE `+group+` FROM `+account) })
			},
			Snapshot:  p.snapshot,
			WaitPast:  func(t testing.TB, at time.Time) { p.await(t, "postgres", "clock_timestamp() > $1", at) },
			Interrupt: proxy.Arm(true), Stall: proxy.Arm(false), Points: relaytest.Points,
			Blind: func(t testing.TB) func() {
				p.exec(t, "postgres", `REVOKE SELECT ON pg_auth_members FROM PUBLIC`)
				return func() { p.exec(t, "postgres", `GRANT SELECT ON pg_auth_members TO PUBLIC`) }
			},
			Without: map[connectortest.Capability]string{
				connectortest.MakeForeign: "memberships bear no mark", connectortest.MakeObject: "the log-in is the user's own",
				connectortest.Standing: "the law's own log-in is a standing one",
			},
		})
	})
}

// roleNamed is the quoted name of the role with this OID.
func (p *peer) roleNamed(t testing.TB, oid string) string {
	t.Helper()
	return read[string](t, p, "postgres", `SELECT $1::oid::regrole::text`, oid)
}

func memberOrder(t testing.TB) connector.Order {
	o := newOrder(t)
	o.Account, o.Recipient = memberName, nil
	return o
}

func (d *membershipDriver) give(t testing.TB, o connector.Order) access.Plan {
	t.Helper()
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Grant(t.Context(), o, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// A session that is open loses what it could do as a member, at once; with end_sessions it loses itself.
func TestMembershipEndsInOpenSessions(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		setUpMembers(t, p, p.Addr())
		for _, end := range []bool{false, true} {
			d := p.openMembership(t, func(c *MembershipConfig) { c.EndSessions = end })
			o := memberOrder(t)
			plan := d.give(t, o)
			conn := p.connect(t, p.DSN("orders", memberName, "their own"))
			mustExec(t, conn, `SELECT note FROM orders`)
			removal, err := d.Revoke(t.Context(), o, plan)
			if err != nil {
				t.Fatal(err)
			}
			if end {
				wantCut(t, conn)
				if removal.SessionsEnded != 1 {
					t.Errorf("%d sessions ended", removal.SessionsEnded)
				}
				continue
			}
			wantRefused(t, conn, `SELECT note FROM orders`, statePermissionDenied)
			wantRefused(t, conn, `SET ROLE orders_read`, statePermissionDenied)
			if err := conn.Ping(t.Context()); err != nil || removal.SessionsEnded != 0 {
				t.Errorf("the session has ended: %v, %d", err, removal.SessionsEnded)
			}
			if err := conn.Close(t.Context()); err != nil {
				t.Error(err)
			}
			p.await(t, "postgres", `NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = $1)`, memberName)
		}
	})
}

// A session that has set its role keeps it on PostgreSQL 15: so sessions must end there, and cannot do so from 16 on.
func TestMembershipAndSetRole(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		setUpMembers(t, p, p.Addr())
		d := p.openMembership(t)
		o := memberOrder(t)
		plan := d.give(t, o)
		conn := p.connect(t, p.DSN("orders", memberName, "their own"))
		if p.Version() >= 16 {
			wantRefused(t, conn, `SET ROLE orders_read`, statePermissionDenied)
		} else {
			mustExec(t, conn, `SET ROLE orders_read`)
		}
		if _, err := d.Revoke(t.Context(), o, plan); err != nil {
			t.Fatal(err)
		}
		if p.Version() < 16 {
			wantCut(t, conn)
			lax := p.openMembership(t, func(c *MembershipConfig) { c.EndSessions = false })
			_, err := lax.Check(t.Context())
			wantKind(t, err, access.KindMisconfigured, "end_sessions: true")
		}
	})
}

// From 16 on an owner's own grant of the same membership is told from ours, and stays.
func TestMembershipThatAnOwnerGrantsToo(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		setUpMembers(t, p, p.Addr())
		d := p.openMembership(t)
		o := memberOrder(t)
		plan := d.give(t, o)
		p.exec(t, "postgres", `GRANT orders_read TO `+pgx.Identifier{memberName}.Sanitize())
		if _, err := d.Revoke(t.Context(), o, plan); err != nil {
			t.Fatal(err)
		}
		presence, err := d.Observe(t.Context(), o, plan)
		if err != nil {
			t.Fatal(err)
		}
		want := connector.AtomPresence{Atom: plan.Atoms[0], State: connector.Absent}
		if p.Version() >= 16 {
			want.State, want.Foreign = connector.Present, true
		}
		if len(presence.Atoms) != 1 || presence.Atoms[0] != want {
			t.Errorf("it reads back as %+v, want %+v", presence.Atoms, want)
		}
	})
}

// Account and group are known by their OIDs, whatever they are called by now.
func TestMembershipOfRenamedRoles(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		setUpMembers(t, p, p.Addr())
		d := p.openMembership(t)
		o := memberOrder(t)
		plan := d.give(t, o)
		p.exec(t, "postgres", `ALTER ROLE `+pgx.Identifier{memberName}.Sanitize()+` RENAME TO renamed; ALTER ROLE orders_read RENAME TO readers`)
		if presence, err := d.Observe(t.Context(), o, plan); err != nil || presence.State() != connector.Present {
			t.Errorf("after the renaming it is %s, %v", presence.State(), err)
		}
		if _, err := d.Revoke(t.Context(), o, plan); err != nil {
			t.Fatal(err)
		}
		if presence, err := d.Observe(t.Context(), o, plan); err != nil || presence.State() != connector.Absent {
			t.Errorf("after Revoke it is %s, %v", presence.State(), err)
		}
	})
}

func TestMembershipMisconfigured(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		setUpMembers(t, p, p.Addr())
		d := p.openMembership(t)
		check := func(when string, words ...string) {
			t.Helper()
			_, err := d.Check(t.Context())
			if err == nil {
				t.Errorf("%s: Check finds nothing", when)
				return
			}
			wantKind(t, err, access.KindMisconfigured, words...)
		}
		if _, err := d.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		undo := func(do, undo string, words ...string) {
			t.Helper()
			p.exec(t, "postgres", do)
			check(do, words...)
			p.exec(t, "postgres", undo)
		}
		undo(`REVOKE ADMIN OPTION FOR orders_read FROM curfew_memberships`, `GRANT orders_read TO curfew_memberships WITH ADMIN OPTION`,
			"orders_read", "ADMIN OPTION")
		undo(`ALTER ROLE orders_write RENAME TO gone`, `ALTER ROLE gone RENAME TO orders_write`, "orders_write", "does not exist")
		undo(`ALTER ROLE orders_write CREATEROLE`, `ALTER ROLE orders_write NOCREATEROLE`, "outlives")
		undo(`ALTER ROLE curfew_memberships SUPERUSER`, `ALTER ROLE curfew_memberships NOSUPERUSER`, "superuser")
		signals := p.openMembership(t, func(c *MembershipConfig) { c.EndSessions = true })
		p.exec(t, "postgres", `REVOKE pg_signal_backend FROM curfew_memberships`)
		_, err := signals.Check(t.Context())
		wantKind(t, err, access.KindMisconfigured, "pg_signal_backend")

		for account, want := range map[string]access.Kind{
			"nobody": access.KindNotFound, "orders_read": access.KindInvalid, "postgres": access.KindInvalid,
			"curfew_memberships": access.KindInvalid, strings.Repeat("x", 64): access.KindInvalid, "": access.KindInvalid,
		} {
			o := memberOrder(t)
			o.Account = account
			if _, err := d.Prepare(t.Context(), o); err == nil || access.KindOf(err) != want {
				t.Errorf("Prepare for %q: %v, want an error of kind %s", account, err, want)
			}
		}
	})
}
