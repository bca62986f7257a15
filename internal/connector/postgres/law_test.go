package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/relaytest"
)

// TestLaw holds the driver, as the account of the page, to the law of all drivers.
func TestLaw(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		proxy := relaytest.NewDisturber(t, p.Addr())
		p.dsn = p.ref(t, "curfew", "choose a password", proxy.Addr())
		p.observerDSN = p.ref(t, "curfew_observer", "choose another password", proxy.Addr())
		p.exec(t, "orders", `CREATE ROLE standing LOGIN PASSWORD 'standing' IN ROLE orders_read`)
		connectortest.Run(t, p.harness(t, proxy))
	})
}

// Accounts may have names that need quotes.
func TestOddAccountNames(t *testing.T) {
	onEach(t, func(t *testing.T, p *peer) {
		p.exec(t, "postgres", `ALTER ROLE curfew RENAME TO "Curfew: Prod"; ALTER ROLE curfew_observer RENAME TO "Observer"`)
		proxy := relaytest.NewDisturber(t, p.Addr())
		p.dsn = p.ref(t, "Curfew: Prod", "choose a password", proxy.Addr())
		p.observerDSN = p.ref(t, "Observer", "choose another password", proxy.Addr())
		some := []string{
			"access works after grant and not before", "open sessions are seen, ended and counted", "extend keeps credential and session",
			"many at once: each ends as if it were alone",
		}
		ran := 0
		for _, c := range connectortest.Cases() {
			if slices.Contains(some, c.Name) {
				ran++
				t.Run(c.Name, func(t *testing.T) { c.Run(t, p.harness(t, proxy)) })
			}
		}
		if ran != len(some) {
			t.Errorf("of the cases %q only %d are there", some, ran)
		}
	})
}

// harness is the peer as the law wants it; calls of the driver go through the proxy.
func (p *peer) harness(t *testing.T, proxy *relaytest.Disturber) *connectortest.Harness {
	t.Helper()
	return &connectortest.Harness{
		Open:        func(t testing.TB) connector.Driver { return p.open(t) },
		Traits:      traits(),
		Entitlement: access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "read"},
		Another:     access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "write"},
		Login:       p.login,
		Snapshot:    p.snapshot,
		WaitPast: func(t testing.TB, at time.Time) {
			p.await(t, "postgres", "clock_timestamp() > $1", at)
		},
		Interrupt: proxy.Arm(true),
		Stall:     proxy.Arm(false),
		Points:    relaytest.Points,
		Blind: func(t testing.TB) func() {
			p.exec(t, "postgres", `REVOKE SELECT ON pg_auth_members FROM PUBLIC`)
			return func() { p.exec(t, "postgres", `GRANT SELECT ON pg_auth_members TO PUBLIC`) }
		},
		MakeForeign: func(t testing.TB, mark access.Mark) {
			p.exec(t, "postgres", fmt.Sprintf(`CREATE ROLE curfew_foreign LOGIN; COMMENT ON ROLE curfew_foreign IS '%s'`, mark))
			t.Cleanup(func() { p.exec(t, "postgres", `DROP ROLE curfew_foreign`) })
		},
		MakeObject: func(t testing.TB, c access.Credential) {
			conn := p.connect(t, p.DSN("orders", c.Username, c.Password))
			mustExec(t, conn, `CREATE TABLE scratch.notes AS SELECT * FROM orders`)
			mustExec(t, conn, `SELECT lo_create(0)`)
		},
		Standing: func(t testing.TB) connectortest.Session {
			return &session{conn: p.connect(t, p.DSN("orders", "standing", "standing")), permission: "read"}
		},
	}
}

// login uses the credential's own connection string, past the proxy.
func (p *peer) login(ctx context.Context, e access.Entitlement, c access.Credential) (connectortest.Session, error) {
	config, err := pgx.ParseConfig(c.URI)
	if err != nil {
		return nil, err
	}
	past := strings.Replace(c.URI, net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), p.Addr(), 1)
	conn, err := pgx.Connect(ctx, past)
	if err != nil {
		return nil, refused(err)
	}
	return &session{conn: conn, permission: e.Permission}, nil
}

// session uses one permission on the table orders.
type session struct {
	conn       *pgx.Conn
	permission string
}

func (s *session) Use(ctx context.Context) error {
	sql := `SELECT note FROM orders`
	if s.permission == "write" {
		sql = `UPDATE orders SET note = 'written' WHERE false`
	}
	_, err := s.conn.Exec(ctx, sql)
	return refused(err)
}

func (s *session) Close() { _ = s.conn.Close(context.Background()) }

// refused tells a server that says no from one that does not answer.
func refused(err error) error {
	switch sqlState(err) {
	case "28P01", "28000", statePermissionDenied:
		return errors.Join(connectortest.ErrRefused, err)
	}
	return err
}
