package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// TestAccountIsBounded: it has so many sessions, and comes from where the configuration says.
func TestAccountIsBounded(t *testing.T) {
	p := start(t)
	g := give(t, p.open(t, func(c *Config) { c.UserConnections = 2 }), order("read"))
	db := p.as(t, g, "orders")
	p.hold(t, db, `DO 1`)
	p.hold(t, db, `DO 1`)
	if _, err := db.ExecContext(t.Context(), `DO 1`); serverNumber(err) != errUserLimit {
		t.Errorf("a third session: %v", err)
	}
	g = give(t, p.open(t, func(c *Config) { c.AccountHost = "10.0.%" }), order("read"))
	if _, err := p.as(t, g, "orders").ExecContext(t.Context(), `DO 1`); serverNumber(err) != errAccessDenied {
		t.Errorf("from another host: %v", err)
	}
}

// TestPasswordIsNowhere: neither the statements that the server logs nor what it keeps hold the password.
func TestPasswordIsNowhere(t *testing.T) {
	p := start(t)
	d := p.open(t)
	p.exec(t, `SET GLOBAL log_output = 'TABLE'`)
	p.exec(t, `SET GLOBAL general_log = 1`)
	g := give(t, d, order("write"))
	p.exec(t, `SET GLOBAL general_log = 0`)
	password, hash := g.outcome.Credential.Password, nativeHash(g.outcome.Credential.Password)
	text := p.snapshot(t)
	for _, row := range p.rows(t, `SELECT argument FROM mysql.general_log`) {
		text += row[0] + "\n"
	}
	if !strings.Contains(text, hash) || !strings.Contains(text, "grant_account") {
		t.Fatal("the log does not show what was done, so it proves nothing")
	}
	if strings.Contains(text, password) {
		t.Error("the password stands in it")
	}
}

// TestTLS: the way is protected with the server's certificate, and so must be the user's.
func TestTLS(t *testing.T) {
	p := start(t, func(o *localpeer.MariaDBOptions) { o.TLS = true })
	if _, err := p.open(t, func(c *Config) { c.CAFile = otherCertificate }).Check(t.Context()); access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("with another authority's certificate: %v", err)
	}
	d := p.open(t, func(c *Config) { c.CAFile = p.CAFile() })
	if _, err := d.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := give(t, d, order("read"))
	if _, err := p.as(t, g, "orders").ExecContext(t.Context(), `DO 1`); serverNumber(err) != errAccessDenied {
		t.Errorf("without TLS: %v", err)
	}
	pem, err := os.ReadFile(p.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c := p.Config("orders", g.outcome.Credential.Username, g.outcome.Credential.Password)
	c.TLS = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	if _, err := open(t, c).ExecContext(t.Context(), `DO 1`); err != nil {
		t.Errorf("with TLS: %v", err)
	}
	plain := start(t)
	if _, err := plain.open(t, func(c *Config) { c.CAFile = p.CAFile() }).Check(t.Context()); access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("a server without TLS: %v", err)
	}
}

// otherCertificate has signed nothing here.
const otherCertificate = "testdata/other.crt"

// TestLateIsTheServersToSay: what comes too late by the server's clock has no effect, whatever ours says.
func TestLateIsTheServersToSay(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("read")
	plan, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	before := p.snapshot(t)
	o.ActBy = time.Now().Add(-time.Microsecond)
	if _, err := d.Grant(t.Context(), o, plan); access.KindOf(err) != access.KindTimeout {
		t.Errorf("Grant: %v", err)
	}
	if after := p.snapshot(t); after != before {
		t.Errorf("something was made:\n%s", after)
	}
}

// TestLockedUntilIssued: an account for which nobody has a password yet lets nobody in, whatever the server thinks of its password.
func TestLockedUntilIssued(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("read")
	locked := func() string {
		return p.rows(t, `SELECT JSON_VALUE(Priv, '$.account_locked') FROM mysql.global_priv WHERE User = ?`, accountName(o.Grant))[0][0]
	}
	o.Recipient = nil
	g := give(t, d, o)
	if locked() != "1" {
		t.Errorf("without a recipient account_locked is %q", locked())
	}
	o.Recipient = []byte("somebody")
	if _, err := d.Grant(t.Context(), o, g.plan); err != nil || locked() == "1" {
		t.Errorf("with one it is %q, %v", locked(), err)
	}
}

// TestDefinerObjects: what a user made is in nobody's way, and gives nothing any more.
func TestDefinerObjects(t *testing.T) {
	p := start(t)
	p.exec(t, `GRANT CREATE VIEW, CREATE ROUTINE ON orders.* TO curfew_owner@localhost WITH GRANT OPTION`)
	making := func(c *Config) {
		c.DefinerObjects = KeepDefiners
		c.Permissions["make"] = Permission{Privileges: []string{"SELECT", "CREATE VIEW", "CREATE ROUTINE"}}
	}
	d := p.open(t, making)
	g := give(t, d, order("make"))
	db := p.as(t, g, "orders")
	for _, statement := range []string{
		`CREATE VIEW seen AS SELECT id FROM orders`, `CREATE FUNCTION known() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM orders)`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
		t.Fatal(err)
	}
	p.wantGone(t, d, g)
	const noDefiner = 1449
	for _, query := range []string{`SELECT * FROM orders.seen`, `SELECT orders.known()`} {
		if _, err := p.root.ExecContext(t.Context(), query); serverNumber(err) != noDefiner {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// TestRolesThatAreTooStrong are refused by Check and Prepare, and their permissions are not offered.
func TestRolesThatAreTooStrong(t *testing.T) {
	p := start(t)
	for name, statement := range map[string]string{
		"handing on":     `GRANT INSERT ON orders.* TO strong WITH GRANT OPTION`,
		"everything":     `GRANT SELECT ON *.* TO strong`,
		"accounts":       `GRANT CREATE USER ON *.* TO strong`,
		"own procedures": `GRANT EXECUTE ON curfew.* TO strong`,
		"inside another": `GRANT strong_inside TO strong`,
		"a trigger":      `GRANT TRIGGER ON orders.* TO strong`,
		"nothing at all": `DO 1`,
	} {
		t.Run(name, func(t *testing.T) {
			p.script(t, `DROP ROLE IF EXISTS strong; DROP ROLE IF EXISTS strong_inside; CREATE ROLE strong; CREATE ROLE strong_inside;
				GRANT FILE ON *.* TO strong_inside; GRANT strong TO curfew_owner@localhost WITH ADMIN OPTION;`)
			if name != "nothing at all" {
				p.exec(t, `GRANT SELECT ON orders.* TO strong`)
			}
			p.exec(t, statement)
			d := p.open(t, func(c *Config) { c.Permissions["strong"] = Permission{Role: "strong"} })
			if _, err := d.Check(t.Context()); access.KindOf(err) != access.KindMisconfigured {
				t.Errorf("Check: %v", err)
			}
			if _, err := d.Prepare(t.Context(), order("strong")); err == nil {
				t.Error("Prepare takes it")
			}
			wantOffered(t, d, "orders", "read write")
		})
	}
}

// wantOffered fails the test unless the database is offered with the permissions.
func wantOffered(t testing.TB, d connector.Driver, database, want string) {
	t.Helper()
	got := "not at all"
	for r, err := range d.Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Name == database {
			got = strings.Join(r.Permissions, " ")
		}
	}
	if got != want {
		t.Errorf("the database %s is offered %s, want %s", database, got, want)
	}
}

// TestWhatIsNotThere: what an operator forgot is said.
func TestWhatIsNotThere(t *testing.T) {
	p := start(t)
	wantOffered(t, p.open(t), "billing", "write") // the role opens orders alone
	for _, c := range []struct {
		name, setUp string
		change      func(*Config)
		want        string
	}{
		{"the role", `DO 1`, func(c *Config) { c.Permissions["read"] = Permission{Role: "nobody"} }, "does not exist"},
		{"the right", `DO 1`, func(c *Config) { c.Permissions["read"] = Permission{Privileges: []string{"DROP"}} }, "to be handed on"},
		{"the password", `DO 1`, func(c *Config) { c.Password = connectortest.SecretFile(t, "wrong") }, "user or password"},
		{"the observer", `DO 1`, func(c *Config) { c.Observer.Password = connectortest.SecretFile(t, "wrong") }, "user or password"},
		{"the version", `UPDATE curfew.identity SET version = 0`, func(*Config) {}, "has version 0"},
		{"a privilege", `REVOKE EXECUTE ON curfew.* FROM curfew`, func(*Config) {}, "lacks a privilege"},
		{"the schema", `DROP DATABASE curfew`, func(*Config) {}, "statements of the connector's page"},
	} {
		p.exec(t, c.setUp)
		if _, err := p.open(t, c.change).Check(t.Context()); access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), c.want) {
			t.Errorf("without %s: %v", c.name, err)
		}
		if c.name == "the version" {
			p.exec(t, `UPDATE curfew.identity SET version = 1`)
		}
	}
}

// TestPageIsWhatIsSetUp: operators read the page, and the demo runs the file.
func TestPageIsWhatIsSetUp(t *testing.T) {
	if MariaDBSetUp() != statements(t, "schema")+statements(t, "owner on MariaDB")+statements(t, "procedures") {
		t.Error("the page and sql/mariadb.sql differ")
	}
}

// TestSetUpTwice: the statements may be run again, at a server that is in use.
func TestSetUpTwice(t *testing.T) {
	p := start(t)
	d := p.open(t)
	g := give(t, d, order("read"))
	before := p.snapshot(t)
	p.script(t, MariaDBSetUp())
	if after := p.snapshot(t); after != before {
		t.Errorf("it changes something:\n%s", after)
	}
	if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
		t.Error(err)
	}
	p.wantGone(t, d, g)
}
