package mysql

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	protocol "github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/relaytest"
)

// TestLaw holds the driver, as the account of the page, to the law of all drivers.
func TestLaw(t *testing.T) {
	p := start(t)
	relay := relaytest.NewDisturber(t, p.Addr())
	p.exec(t, `CREATE USER standing IDENTIFIED BY 'standing'`)
	p.exec(t, `GRANT SELECT ON orders.* TO standing`)
	p.exec(t, `CREATE DATABASE scratch`)
	p.exec(t, `GRANT CREATE, CREATE VIEW, SELECT, TRIGGER, INSERT ON scratch.* TO orders_read`)
	connectortest.Run(t, &connectortest.Harness{
		Open: func(t testing.TB) connector.Driver {
			return p.open(t, func(c *Config) { c.Address, c.DefinerObjects = relay.Addr(), KeepDefiners })
		},
		Traits:      traits(),
		Entitlement: access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "read"},
		Another:     access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "write"},
		Login:       p.login,
		Snapshot:    p.snapshot,
		WaitPast:    connectortest.AwaitPast,
		Interrupt:   relay.Arm(true), Stall: relay.Arm(false), Points: relaytest.Points,
		Blind: func(t testing.TB) func() {
			p.exec(t, `REVOKE SELECT ON curfew.* FROM curfew_observer`)
			return func() { p.exec(t, `GRANT SELECT ON curfew.* TO curfew_observer`) }
		},
		MakeForeign: func(t testing.TB, mark access.Mark) {
			name := accountName("gr_of-somebody-else")
			p.exec(t, `CREATE USER `+name+` IDENTIFIED BY 'theirs'`)
			p.exec(t, `INSERT INTO curfew.marks VALUES (?, ?)`, name, string(mark))
			t.Cleanup(func() {
				p.exec(t, `DROP USER `+name)
				p.exec(t, `DELETE FROM curfew.marks WHERE account = ?`, name)
			})
		},
		MakeObject: func(t testing.TB, c access.Credential) {
			p.exec(t, `DROP DATABASE scratch`)
			p.exec(t, `CREATE DATABASE scratch`)
			db := open(t, p.Config("scratch", c.Username, c.Password))
			for _, statement := range []string{
				`CREATE TABLE notes (id INT)`, `CREATE VIEW seen AS SELECT id FROM orders.orders`,
				`CREATE TRIGGER noted BEFORE INSERT ON notes FOR EACH ROW SET NEW.id = 1`,
			} {
				if _, err := db.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
		},
		Standing: func(t testing.TB) connectortest.Session {
			s, err := p.session(t.Context(), "read", "standing", "standing")
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	})
}

// login uses what the credential says, past the relay.
func (p *peer) login(ctx context.Context, e access.Entitlement, c access.Credential) (connectortest.Session, error) {
	if c.Env["MYSQL_HOST"] != "127.0.0.1" || c.Env["MYSQL_DATABASE"] != "orders" || !strings.HasPrefix(c.URI, "mysql://"+c.Username+":") ||
		!strings.HasSuffix(c.URI, "@"+net.JoinHostPort("127.0.0.1", c.Env["MYSQL_TCP_PORT"])+"/orders") {
		return nil, errors.New("the credential does not lead to the server")
	}
	return p.session(ctx, e.Permission, c.Env["MYSQL_USER"], c.Env["MYSQL_PWD"])
}

// session is one connection that uses one permission on the table orders.
type session struct {
	db         *sql.DB
	conn       *sql.Conn
	permission string
}

func (p *peer) session(ctx context.Context, permission, user, password string) (*session, error) {
	config := p.Config("", user, password)
	config.Timeout = 10 * time.Second
	dialer, err := protocol.NewConnector(config)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(dialer)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(refused(err), db.Close())
	}
	return &session{db, conn, permission}, nil
}

func (s *session) Use(ctx context.Context) error {
	statement := `SELECT note FROM orders.orders`
	if s.permission == "write" {
		statement = `UPDATE orders.orders SET note = 'written' WHERE false`
	}
	_, err := s.conn.ExecContext(ctx, statement)
	return refused(err)
}

func (s *session) Close() { _, _ = s.conn.Close(), s.db.Close() }

// refused tells a server that says no from one that does not answer.
func refused(err error) error {
	switch serverNumber(err) {
	case errAccessDenied, errTableDenied, errDatabaseDenied:
		return errors.Join(connectortest.ErrRefused, err)
	}
	return err
}
