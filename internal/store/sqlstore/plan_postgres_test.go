package sqlstore

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/store"
)

// manyRows fills the tables, so that the planner has something to choose by.
var manyRows = []string{
	`INSERT INTO requests (` + requestColumns + `) SELECT 'acme', 'req_' || n, 'i', 's' || n % 500, 'p', '', '[]', 1, NULL, '', '', '{}', false, NULL, NULL,
		(ARRAY['pending', 'denied', 'lapsed'])[1 + n % 3], n, n, NULL, 1, '',
		CASE WHEN n % 20 = 0 THEN 'i' ELSE '' END, CASE WHEN n % 20 = 0 THEN 's' || n % 500 ELSE '' END, '' FROM generate_series(1, 6000) AS n`,
	`INSERT INTO grants (` + grantColumns + `) SELECT 'acme', 'gr_' || n, 'req_' || n, 'i', 's' || n % 500, 'p' || n % 500, 'c' || n % 50, 'r', 'w', n, '', 1,
		CASE WHEN n % 20 = 0 THEN 'active' ELSE 'ended' END, '', NULL, NULL, NULL, NULL, n, '', NULL, 0, '', NULL, n % 2,
		CASE WHEN n % 20 = 0 THEN n END, '', 0, NULL, 0, '', '', 1, '' FROM generate_series(1, 6000) AS n`,
	`INSERT INTO events (tenant, id, position, at, kind, request_id, grant_id, person, leaf) SELECT 'acme', 'ev_' || n, CASE WHEN n <= 5990 THEN n END, n, 'k', 'req_' || n % 500, 'gr_' || n % 500, '', '\\x00'
		FROM generate_series(1, 6000) AS n`,
	`INSERT INTO atoms (` + atomColumns + `) SELECT 'acme', 'c' || n % 50, 't', 'a' || n, 'r', false, '', 0, '', NULL, NULL, 0 FROM generate_series(1, 6000) AS n`,
	`INSERT INTO grant_atoms (tenant, connector, target, account, native_right, grant_id, dropped_at) SELECT 'acme', 'c' || n % 50, 't', 'a' || n, 'r', 'gr_' || n,
		CASE WHEN n % 20 > 0 THEN n END FROM generate_series(1, 6000) AS n`,
	`INSERT INTO findings (` + findingColumns + `) SELECT 'acme', 'fd_' || n, 'c' || n % 50, 'foreign', CASE WHEN n % 20 = 0 THEN 'open' ELSE 'removed' END,
		'm' || n, '', '', '', '', '', n, NULL, '', '', '', 1 FROM generate_series(1, 6000) AS n`,
	`INSERT INTO freezes (` + freezeColumns + `) SELECT 'acme', 'fz_' || n, 'person', 'p' || n, '', 'i', 's', n, '',
		CASE WHEN n % 20 > 0 THEN n END, 0 FROM generate_series(1, 6000) AS n`,
	`INSERT INTO attestations SELECT 'acme', 'gr_' || n, 'p', 'i', 's', '', n FROM generate_series(1, 6000) AS n`,
	`ANALYZE`,
}

// testPostgresPlans asks PostgreSQL for the plan that serves any parameters: each query goes through its index, and none
// sorts a list that may be long.
func testPostgresPlans(t *testing.T, p *peer) {
	if p.Version() < 16 {
		return // it could not say: GENERIC_PLAN is from 16 on
	}
	dsn := p.empty(t)
	s := openPostgres(t, with(t, dsn, "pool_max_conns", "1"))
	p.run(t, dsn, manyRows...)
	seen := map[string]bool{}
	for _, q := range plannedQueries() {
		err := s.Update(t.Context(), "plan", func(on store.Tx) error {
			if err := q.run(on); err != nil {
				return err
			}
			conn := on.(*tx).session.(postgresSession).conn
			for _, text := range column(t, conn, `SELECT statement FROM pg_prepared_statements`) {
				if seen[text] || !strings.Contains(text, "FROM ") || text == newestEventOfAll {
					continue
				}
				seen[text] = true
				plan := strings.Join(column(t, conn, `EXPLAIN (GENERIC_PLAN, COSTS OFF) `+text), "\n")
				sorts := strings.Contains(plan, "Sort") && !sortsLittle(text)
				if !strings.Contains(plan, q.postgres) || strings.Contains(plan, "Seq Scan") || sorts {
					t.Errorf("%s:\n%s\nruns as\n%s\nwant the index %q", q.name, text, plan, q.postgres)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", q.name, err)
		}
	}
	if len(seen) < len(plannedQueries()) {
		t.Errorf("only %d statements were looked at", len(seen))
	}
}

// column reads the one column of a query, as it stands: parameters in it stay open.
func column(t *testing.T, conn *pgx.Conn, text string) (list []string) {
	t.Helper()
	results, err := conn.PgConn().Exec(t.Context(), text).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for _, row := range results[0].Rows {
		list = append(list, string(row[0]))
	}
	return list
}
