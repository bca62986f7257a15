package postgres

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/secret"
)

const page = "../../../docs/connectors/postgres.md"

// versions are the servers that everything is tested on.
func versions() []int { return []int{15, 18} }

// peer is a server, set up as the page says.
type peer struct {
	*localpeer.Postgres
	dsn, observerDSN secret.Ref
	// adjust, if set, changes each configuration first.
	adjust func(*Config)

	mu    sync.Mutex
	pools map[string]*pgxpool.Pool
}

// onEach runs f against a fresh server of each version.
func onEach(t *testing.T, f func(t *testing.T, p *peer)) {
	t.Helper()
	for _, v := range versions() {
		t.Run(strconv.Itoa(v), func(t *testing.T) {
			t.Parallel()
			f(t, newPeer(t, v))
		})
	}
}

func newPeer(t testing.TB, version int) *peer {
	t.Helper()
	server, err := localpeer.StartPostgres(t.Context(), localpeer.PostgresOptions{Version: version, Settings: map[string]string{
		"max_prepared_transactions": "20", "max_connections": "200", "log_statement": "ddl", "log_min_error_statement": "panic",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	p := &peer{Postgres: server, pools: map[string]*pgxpool.Pool{}}
	t.Cleanup(func() {
		for _, pool := range p.pools {
			pool.Close()
		}
	})
	p.exec(t, "postgres", `CREATE DATABASE orders`)
	p.exec(t, "postgres", `CREATE DATABASE billing`)
	p.exec(t, "orders", `CREATE TABLE orders (id int PRIMARY KEY, note text); INSERT INTO orders VALUES (17, 'seventeen')`)
	p.exec(t, "orders", statements(t, "groups, in the database orders"))
	p.exec(t, "postgres", statements(t, "account"))
	if version >= 16 {
		p.exec(t, "postgres", statements(t, "account on 16 and newer"))
	}
	p.exec(t, "postgres", statements(t, "observer")+statements(t, "leftovers"))
	for _, db := range []string{"orders", "billing"} {
		p.exec(t, db, `CREATE SCHEMA scratch; GRANT USAGE, CREATE ON SCHEMA scratch TO orders_read`)
	}
	p.dsn = p.ref(t, "curfew", "choose a password", p.Addr())
	p.observerDSN = p.ref(t, "curfew_observer", "choose another password", p.Addr())
	return p
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

// ref keeps a connection string where a configuration would refer to it.
func (p *peer) ref(t testing.TB, user, password, addr string) secret.Ref {
	t.Helper()
	path := t.TempDir() + "/dsn"
	dsn := strings.Replace(p.DSN("postgres", user, password), p.Addr(), addr, 1)
	if err := os.WriteFile(path, []byte(dsn), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret.Ref("file:" + path)
}

func (p *peer) connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.WithoutCancel(t.Context()), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// super is a pool of the superuser's, one for each database.
func (p *peer) super(t testing.TB, database string) *pgxpool.Pool {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if pool, ok := p.pools[database]; ok {
		return pool
	}
	pool, err := pgxpool.New(context.Background(), p.SuperuserDSN(database))
	if err != nil {
		t.Fatal(err)
	}
	p.pools[database] = pool
	return pool
}

// exec runs statements as the superuser.
func (p *peer) exec(t testing.TB, database, sql string) {
	t.Helper()
	if _, err := p.super(t, database).Exec(context.WithoutCancel(t.Context()), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// read reads one value as the superuser.
func read[T any](t testing.TB, p *peer, database, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := p.super(t, database).QueryRow(context.WithoutCancel(t.Context()), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// await lets the server wait until the condition, an SQL expression, holds.
func (p *peer) await(t testing.TB, database, condition string, args ...any) {
	t.Helper()
	conn := p.super(t, database)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		var holds bool
		if err := conn.QueryRow(ctx, "SELECT "+condition, args...).Scan(&holds); err != nil {
			t.Fatalf("waiting until %s: %v", condition, err)
		}
		if holds {
			return
		}
		if _, err := conn.Exec(ctx, "SELECT pg_sleep(0.01)"); err != nil {
			t.Fatalf("waiting until %s: %v", condition, err)
		}
	}
}

func (p *peer) config(change ...func(*Config)) *Config {
	c, _ := Type().New().(*Config)
	c.DSN, c.ObserverDSN = p.dsn, p.observerDSN
	c.Iterations = 1 // under the race detector the default takes both ends of a log-in most of its time
	c.Permissions = map[string]Permission{"read": {Roles: []string{"orders_read"}}, "write": {Roles: []string{"orders_write"}}}
	if p.adjust != nil {
		p.adjust(c)
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func (p *peer) open(t testing.TB, change ...func(*Config)) *driver {
	t.Helper()
	return connectortest.Open(t, "orders-db", nil, p.config(change...)).(*driver)
}

// newOrder is an order for alice to read the database orders for an hour.
func newOrder(t testing.TB) connector.Order {
	t.Helper()
	o := connectortest.NewOrder(time.Now(), access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "read"})
	o.Recipient = []byte("somebody")
	return o
}

// grant is access that a test has made.
type grant struct {
	order   connector.Order
	plan    access.Plan
	refined access.Plan
	role    string
	oid     uint32
	access.Credential
}

func give(t testing.TB, d *driver, change ...func(*connector.Order)) grant {
	t.Helper()
	o := newOrder(t)
	for _, f := range change {
		f(&o)
	}
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Grant(t.Context(), o, p)
	if err != nil {
		t.Fatal(err)
	}
	v, err := decodePlan(*out.Plan)
	if err != nil {
		t.Fatal(err)
	}
	return grant{order: o, plan: p, refined: *out.Plan, role: v.Role, oid: v.OID, Credential: *out.Credential}
}

func (g grant) revoke(t testing.TB, d *driver) connector.Removal {
	t.Helper()
	r, err := d.Revoke(t.Context(), g.order, g.refined)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (g grant) tidy(t testing.TB, d *driver) (left string) {
	t.Helper()
	left, err := d.Tidy(t.Context(), g.order, g.refined)
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func (g grant) wantState(t testing.TB, d *driver, want connector.AtomState) connector.Presence {
	t.Helper()
	p, err := d.Observe(t.Context(), g.order, g.refined)
	if err != nil {
		t.Fatal(err)
	}
	if p.State() != want {
		t.Fatalf("Observe says %s, want %s: %+v", p.State(), want, p)
	}
	return p
}

func wantKind(t testing.TB, err error, kind access.Kind, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one of kind %q", kind)
	}
	if access.KindOf(err) != kind {
		t.Fatalf("the error is of kind %q, want %q: %v", access.KindOf(err), kind, err)
	}
	for _, w := range words {
		if !strings.Contains(access.SafeMessage(err), w) {
			t.Errorf("the message %q does not name %q", access.SafeMessage(err), w)
		}
	}
}

// mustExec runs a statement in a user's session.
func mustExec(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// wantRefused fails the test unless the server refuses the statement with the SQLSTATE.
func wantRefused(t testing.TB, conn *pgx.Conn, sql, state string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); sqlState(err) != state {
		t.Errorf("%s: %v, want SQLSTATE %s", sql, err, state)
	}
}

// wantCut fails the test unless the session has been ended.
func wantCut(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the session still works")
	}
}

// connectError is the SQLSTATE with which a log-in is refused, or empty.
func connectError(t testing.TB, dsn string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		return sqlState(err)
	}
	_ = conn.Close(t.Context())
	return ""
}

// snapshot is everything about roles and rights in the server, but what bears the marks.
func (p *peer) snapshot(t testing.TB, without ...access.Mark) string {
	t.Helper()
	marks := make([]string, len(without))
	for i, m := range without {
		marks[i] = string(m)
	}
	const roles = `
WITH hidden AS (SELECT objoid AS id FROM pg_shdescription WHERE classoid = 'pg_authid'::regclass AND description = ANY ($1))
SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
  SELECT format('role %s %s', to_jsonb(a) - 'oid', shobj_description(a.oid, 'pg_authid')) AS line FROM pg_authid a WHERE a.oid NOT IN (TABLE hidden)
  UNION ALL
  SELECT format('member %s of %s, admin %s', m.member::regrole, m.roleid::regrole, m.admin_option) FROM pg_auth_members m
   WHERE m.member NOT IN (TABLE hidden) AND m.roleid NOT IN (TABLE hidden)
     AND m.roleid IN (SELECT oid FROM pg_authid) -- up to 15, a GRANT that races with DROP ROLE leaves a row about nobody
  UNION ALL
  SELECT format('database %s %s', datname, datacl) FROM pg_database
  UNION ALL
  SELECT format('dependence %s', to_jsonb(d)) FROM pg_shdepend d
   WHERE refobjid NOT IN (TABLE hidden) AND classid <> 'pg_auth_members'::regclass -- those stand above
     AND NOT (refobjid IN (SELECT oid FROM pg_roles WHERE rolname IN ('curfew', 'curfew_memberships') OR starts_with(rolname, 'curfew_admin_')) AND classid = 'pg_proc'::regclass) -- the functions of the driver's open sessions
) lines`
	const relations = `
SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
  SELECT format('relation %s %s', oid::regclass, relacl) AS line FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'scratch'::regnamespace)
  UNION ALL
  SELECT format('schema %s %s', nspname, nspacl) FROM pg_namespace
  UNION ALL
  SELECT format('defaults %s', to_jsonb(d)) FROM pg_default_acl d
) lines`
	return fmt.Sprintf("%s\n%s\n%s\n", read[string](t, p, "postgres", roles, marks), read[string](t, p, "orders", relations), read[string](t, p, "billing", relations))
}
