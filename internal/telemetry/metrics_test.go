package telemetry_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

const (
	lateCount  = `curfew_grant_lateness_seconds_count{connector="orders-db"}`
	lateSum    = `curfew_grant_lateness_seconds_sum{connector="orders-db"}`
	overdue    = `curfew_grants_overdue{connector="orders-db"}`
	residual   = `curfew_grants_residual{connector="orders-db"}`
	depth      = `curfew_lane_depth{connector="orders-db",queue="live"}`
	active     = `curfew_grants{connector="orders-db",state="active"}`
	revoking   = `curfew_grants{connector="orders-db",state="revoking"}`
	unavailing = `curfew_attempts_failed_total{connector="orders-db",kind="unavailable"}`
)

func TestMetricsAlongALife(t *testing.T) {
	bubble(t, func(t *testing.T, w *watched) {
		w.want(t, "before anything", map[string]float64{
			"curfew_store_readable": 1, active: 0, overdue: 0, residual: 0, depth: 0, lateCount: 0,
		})
		w.ask(t, Alice, Read, "order 17", 2*time.Minute)
		w.want(t, "while it lives", map[string]float64{
			active: 1, overdue: 0,
			`curfew_decisions_total{verdict="auto"}`:                                     1,
			`curfew_requests_settled_total{state="approved"}`:                            1,
			`curfew_grant_activation_seconds_count{connector="orders-db"}`:               1,
			`curfew_connector_calls_total{call="grant",connector="orders-db",kind="ok"}`: 1,
			`curfew_transaction_duration_seconds_count{name="submit"}`:                   1,
		})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		w.want(t, "after its deadline", map[string]float64{
			active: 0, revoking: 0, overdue: 0, lateCount: 1, lateSum: 0,
			`curfew_grants_ended_total{connector="orders-db",reason="expired"}`:           1,
			`curfew_connector_calls_total{call="revoke",connector="orders-db",kind="ok"}`: 1,
		})
	})
}

// A target that is away at the deadline makes a grant overdue, and late by as long as it was away.
func TestOverdueAndLateness(t *testing.T) {
	bubble(t, func(t *testing.T, w *watched) {
		w.ask(t, Alice, Read, "order 17", 2*time.Minute)
		_, disarm := w.Target.Inject(memory.Fault{Call: connector.CallRevoke, Effect: memory.Fail})
		time.Sleep(2*time.Minute + time.Millisecond)
		synctest.Wait()
		w.want(t, "with the target away", map[string]float64{
			active: 0, revoking: 1, overdue: 1, depth: 0, lateCount: 0, unavailing: 1,
			`curfew_connector_calls_total{call="revoke",connector="orders-db",kind="unavailable"}`: 1,
		})
		// The second try is a second after the first.
		disarm()
		time.Sleep(time.Second)
		synctest.Wait()
		w.want(t, "with the target back", map[string]float64{
			revoking: 0, overdue: 0, unavailing: 1, lateCount: 1, lateSum: 1,
			`curfew_grant_lateness_seconds_bucket{connector="orders-db",le="0.5"}`: 0,
			`curfew_grant_lateness_seconds_bucket{connector="orders-db",le="1"}`:   1,
		})
	})
}

func TestReturnedEarlyIsNotLate(t *testing.T) {
	bubble(t, func(t *testing.T, w *watched) {
		r := w.ask(t, Alice, Read, "order 17", 2*time.Minute)
		v, err := w.Engine.Request(t.Context(), w.Who(Alice), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Engine.Return(t.Context(), w.Who(Alice), v.Grants[0].ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.want(t, "after the return", map[string]float64{
			lateCount: 0, active: 0, `curfew_grants_ended_total{connector="orders-db",reason="returned"}`: 1,
		})
	})
}

func TestDecisionsByVerdict(t *testing.T) {
	bubble(t, func(t *testing.T, w *watched) {
		w.ask(t, Alice, Archive, "order 17", time.Minute)
		r := w.ask(t, Alice, Write, "order 17", time.Minute)
		w.want(t, "before the review", map[string]float64{
			`curfew_decisions_total{verdict="denied"}`: 1, `curfew_decisions_total{verdict="review"}`: 1,
			`curfew_requests_settled_total{state="denied"}`: 1,
		})
		if _, err := w.Engine.Review(t.Context(), w.Who(Bob), r.ID, engine.Opinion{Verdict: access.Approve}); err != nil {
			t.Fatal(err)
		}
		// A decision is counted when the request comes in, however it ends.
		w.want(t, "after the review", map[string]float64{
			`curfew_decisions_total{verdict="review"}`: 1, `curfew_requests_settled_total{state="approved"}`: 1,
		})
		// A race that is lost writes nothing, and is counted as such.
		if _, err := w.Engine.Review(t.Context(), w.Who(Bob), r.ID, engine.Opinion{Verdict: access.Approve}); err == nil {
			t.Fatal("a second approval was taken")
		}
		w.want(t, "after another review", map[string]float64{
			`curfew_requests_settled_total{state="approved"}`: 1, `curfew_transactions_failed_total{kind="conflict",name="review"}`: 1,
		})
	})
}

// A store that cannot be read is said to be so, and the scrape is answered all the same.
func TestScrapeWithoutStore(t *testing.T) {
	bubble(t, func(t *testing.T, w *watched) {
		if err := w.World.Store.Close(); err != nil {
			t.Fatal(err)
		}
		text := w.scrape(t)
		if got := samples(t, text); got["curfew_store_readable"] != 0 || strings.Contains(text, overdue) {
			t.Errorf("the store is closed, and the scrape says\n%s", text)
		}
	})
}

// TestSeriesAreBounded leads lives of many people, reasons and ends and holds the number of series to what connectors,
// states, calls and kinds make: a hundred more of the same add none.
func TestSeriesAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, w *watched) {
		w.WatchCommits(func() sqlstore.Stats { return sqlstore.Stats{} })
		round := func() int {
			for _, who := range []string{Alice, AliceAdmin, Bob, Carol, Mallory} {
				for _, what := range []string{Read, Write, Drop, Archive} {
					w.ask(t, who, what, "reason "+who+what, time.Minute)
				}
			}
			time.Sleep(3 * time.Hour)
			synctest.Wait()
			return len(curfews(samples(t, w.scrape(t))))
		}
		first := round()
		for range 5 {
			round()
		}
		if last := round(); last != first {
			t.Errorf("after one round there are %d series, after seven %d", first, last)
		}
		if most := 400; first > most {
			t.Errorf("one connector makes %d series, want at most %d", first, most)
		}
	})
}

// curfews are the samples of our own, without those of the runtime and the process.
func curfews(all map[string]float64) []string {
	var own []string
	for name := range all {
		if strings.HasPrefix(name, "curfew_") {
			own = append(own, name)
		}
	}
	return own
}

// TestNames holds names and help to the conventions of Prometheus.
func TestNames(t *testing.T) {
	bubble(t, func(t *testing.T, w *watched) {
		w.WatchCommits(func() sqlstore.Stats { return sqlstore.Stats{} })
		w.ask(t, Alice, Read, "order 17", time.Minute)
		problems, err := promlint.New(strings.NewReader(w.scrape(t))).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	})
}
