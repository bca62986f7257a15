package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	protocol "github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

const page = "../../../docs/connectors/mysql.md"

// peer is a MariaDB that is set up as the page says.
type peer struct {
	*localpeer.MariaDB
	root *sql.DB
}

// blocks are the page's statements in its own order.
func blocks() []string {
	return []string{"schema", "owner on MariaDB", "account", "observer", "a role", "privileges", "procedures"}
}

func start(t testing.TB, change ...func(*localpeer.MariaDBOptions)) *peer {
	t.Helper()
	options := localpeer.MariaDBOptions{Settings: []string{"--max-connections=400", "--innodb-flush-log-at-trx-commit=0"}}
	for _, f := range change {
		f(&options)
	}
	server, err := localpeer.StartMariaDB(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	p := &peer{MariaDB: server, root: open(t, server.RootConfig(""))}
	p.script(t, `CREATE DATABASE orders; CREATE TABLE orders.orders (id INT PRIMARY KEY, note TEXT); INSERT INTO orders.orders VALUES (17, 'seventeen');
		CREATE DATABASE billing; CREATE TABLE billing.bills (id INT PRIMARY KEY);`)
	for _, marker := range blocks() {
		p.script(t, statements(t, marker))
	}
	return p
}

// open opens a pool of the test's own, closed at its end.
func open(t testing.TB, c *protocol.Config) *sql.DB {
	t.Helper()
	conn, err := protocol.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(conn)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// statements are the page's statements under a marker, exactly as they stand there.
func statements(t testing.TB, marker string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- run: " + regexp.QuoteMeta(marker) + " -->\n```sql\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("the page has no statements %q", marker)
	}
	return string(m[1])
}

// script runs statements as root, with the client that operators use.
func (p *peer) script(t testing.TB, statements string) {
	t.Helper()
	if err := p.Script(context.WithoutCancel(t.Context()), statements); err != nil {
		t.Fatal(err)
	}
}

// exec runs one statement as root.
func (p *peer) exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	if _, err := p.root.ExecContext(context.WithoutCancel(t.Context()), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func (p *peer) config(t testing.TB, change ...func(*Config)) *Config {
	t.Helper()
	c, _ := Type().New().(*Config)
	c.Address, c.User, c.Password = p.Addr(), "curfew", connectortest.SecretFile(t, "choose a password")
	c.Observer = &Account{User: "curfew_observer", Password: connectortest.SecretFile(t, "choose another password")}
	c.Permissions = map[string]Permission{"read": {Role: "orders_read"}, "write": {Privileges: []string{"SELECT", "INSERT", "UPDATE", "DELETE"}}}
	for _, f := range change {
		f(c)
	}
	return c
}

func (p *peer) open(t testing.TB, change ...func(*Config)) *driver {
	t.Helper()
	return connectortest.Open(t, "orders-db", nil, p.config(t, change...)).(*driver)
}

// order is an order for alice on the database orders for an hour.
func order(permission string) connector.Order {
	o := connectortest.NewOrder(time.Now(), access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: permission})
	o.Recipient = []byte("somebody")
	return o
}

// grant is access that a test has made.
type grant struct {
	order   connector.Order
	plan    access.Plan
	outcome connector.Outcome
}

// give makes access, taken back at the end of the test.
func give(t testing.TB, d connector.Driver, o connector.Order) grant {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	p, err := d.Prepare(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = d.Revoke(ctx, o, p) })
	out, err := d.Grant(ctx, o, p)
	if err != nil {
		t.Fatal(err)
	}
	return grant{o, p, out}
}

// as opens a pool with what was issued.
func (p *peer) as(t testing.TB, g grant, database string) *sql.DB {
	t.Helper()
	c := g.outcome.Credential
	return open(t, p.Config(database, c.Username, c.Password))
}

// snapshot is who there is, and what they may do. What belongs to the accounts of some marks is left out.
func (p *peer) snapshot(t testing.TB, without ...access.Mark) string {
	t.Helper()
	var out []string
	hidden := map[string]bool{}
	for _, m := range without {
		for _, row := range p.rows(t, `SELECT account FROM curfew.marks WHERE mark = ?`, string(m)) {
			hidden[row[0]] = true
		}
	}
	for _, query := range []string{
		`SELECT User, Host, Priv FROM mysql.global_priv WHERE Host <> 'localhost' OR User <> 'mariadb.sys'`,
		`SELECT User, Host, Role, Admin_option FROM mysql.roles_mapping`,
		`SELECT * FROM mysql.db`, `SELECT User, Host, Db, Table_name, Table_priv, Column_priv FROM mysql.tables_priv`,
		`SELECT User, Host, Db, Table_name, Column_name, Column_priv FROM mysql.columns_priv`,
		`SELECT User, Host, Db, Routine_name, Proc_priv FROM mysql.procs_priv`,
		`SELECT account, mark FROM curfew.marks`, `SELECT id, version FROM curfew.identity`,
		`SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.tables WHERE TABLE_SCHEMA IN ('orders', 'billing', 'curfew')`,
		`SELECT ROUTINE_SCHEMA, ROUTINE_NAME, DEFINER FROM information_schema.routines WHERE ROUTINE_SCHEMA <> 'sys'`,
		`SELECT * FROM orders.orders`,
	} {
		for _, row := range p.rows(t, query) {
			if !slices.ContainsFunc(row, func(v string) bool { return hidden[v] }) {
				out = append(out, query+": "+strings.Join(row, " | "))
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n") + "\n"
}

// rows are all rows of a query by root.
func (p *peer) rows(t testing.TB, query string, args ...any) [][]string {
	t.Helper()
	return rowsOf(t, p.root, query, args...)
}

func rowsOf(t testing.TB, db *sql.DB, query string, args ...any) [][]string {
	t.Helper()
	rows, err := db.QueryContext(context.WithoutCancel(t.Context()), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for rows.Next() {
		row, places := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range row {
			places[i] = &row[i]
		}
		if err := rows.Scan(places...); err != nil {
			t.Fatal(err)
		}
		line := make([]string, len(row))
		for i, v := range row {
			line[i] = fmt.Sprint(v.String)
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
