package sqlstore

import (
	"context"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/storetest"
)

const page = "../../../docs/store.md"

// peer is a server that is set up as the page says.
type peer struct {
	*localpeer.Postgres
	schemas int
}

// versions are the servers that everything is tested on.
func versions() []int { return []int{15, 18} }

// TestPostgres runs everything but the law against a fresh server of each version.
func TestPostgres(t *testing.T) {
	for _, version := range versions() {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			p := newPeer(t, localpeer.PostgresOptions{Version: version, Settings: settings()})
			for _, c := range []struct {
				name string
				run  func(*testing.T, *peer)
			}{
				{"schema", testPostgresSchema},
				{"plans", testPostgresPlans},
				{"account", testAccount},
				{"refused", testPostgresRefused},
				{"settings", testPostgresSettings},
				{"not durable any more", testNotDurable},
				{"opened by many", testOpenedByMany},
				{"killed beside another", testKilledBesideAnother},
				{"restarted in a transaction", testRestart},
				{"away", testAway},
				{"hanging", testHanging},
				{"no answer", testNoAnswer},
				{"silent for too long", testSilent},
				{"cut at the commit", testCutAtCommit},
				{"always overtaken", testAlwaysOvertaken},
				{"deadlock", testDeadlock},
				{"number taken", testNumberTaken},
				{"withdrawn", testWithdrawn},
				{"cancelled after begin", testCancelledAfterBegin},
				{"no connection free", testNoConnectionFree},
				{"claims pass each other by", testClaimsPass},
				{"backup", testPostgresBackup},
				{"restore", testPostgresRestore},
				{"nothing leaks", testNothingLeaks},
			} {
				t.Run(c.name, func(t *testing.T) { c.run(t, p) })
			}
		})
	}
}

// TestPostgresLaw holds the store to the law of all stores. Its cases wait for the server, which leaves room for the other one.
func TestPostgresLaw(t *testing.T) {
	for _, version := range versions() {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			t.Parallel()
			testPostgresLaw(t, newPeer(t, localpeer.PostgresOptions{Version: version, Settings: settings()}))
		})
	}
}

// settings are those of a server of the tests.
func settings() map[string]string { return map[string]string{"deadlock_timeout": "20ms"} }

func newPeer(t testing.TB, options localpeer.PostgresOptions) *peer {
	t.Helper()
	server, err := localpeer.StartPostgres(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	p := &peer{Postgres: server}
	p.run(t, p.SuperuserDSN("postgres"), pageStatements(t, "account")...)
	p.run(t, p.SuperuserDSN("curfew"), pageStatements(t, "schema, in the database curfew")...)
	return p
}

// pageStatements are those of the page under a marker.
func pageStatements(t testing.TB, marker string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- run: " + regexp.QuoteMeta(marker) + " -->\n```sql\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("the page has no statements %q", marker)
	}
	return strings.SplitAfter(strings.TrimSpace(string(m[1])), ";\n")
}

// connect opens a connection that ends with the test.
func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// run runs statements one by one.
func (p *peer) run(t testing.TB, dsn string, texts ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, text := range texts {
		if _, err := conn.Exec(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// account connects as the store's own account.
func (p *peer) account() string { return p.DSN("curfew", "curfew_store", "choose a password") }

// empty is the connection string of a new schema.
func (p *peer) empty(t testing.TB) string {
	t.Helper()
	p.schemas++
	schema := "case_" + strconv.Itoa(p.schemas)
	p.run(t, p.SuperuserDSN("curfew"), "CREATE SCHEMA "+schema+" AUTHORIZATION curfew_store")
	return with(t, p.account(), "search_path", schema)
}

// with adds a parameter to a connection string.
func with(t testing.TB, dsn, key, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set(key, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// openPostgres opens a store and closes it in the cleanup of the test.
func openPostgres(t testing.TB, dsn string) *Postgres {
	t.Helper()
	s, err := OpenPostgres(context.Background(), dsn, Options{})
	if err != nil {
		t.Fatalf("OpenPostgres: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func testPostgresLaw(t *testing.T, p *peer) {
	storetest.Run(t, func(t testing.TB) store.Store { return openPostgres(t, p.empty(t)) })
	storetest.RunDurable(t, func(t testing.TB) func() store.Store {
		dsn := p.empty(t)
		return func() store.Store { return openPostgres(t, dsn) }
	})
}
