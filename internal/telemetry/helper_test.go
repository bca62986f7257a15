package telemetry_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/syncbuf"
	"github.com/curfewhq/curfew/internal/telemetry"
)

// watched is a company at work that is watched.
type watched struct {
	*World
	*telemetry.Telemetry
	spans kept
	log   *syncbuf.Buffer
}

// kept keeps its spans when it is shut down.
type kept struct{ *tracetest.InMemoryExporter }

func (kept) Shutdown(context.Context) error { return nil }

// bubble runs a test with a watched company in time of its own.
func bubble(t *testing.T, test func(t *testing.T, w *watched)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{spans: kept{tracetest.NewInMemoryExporter()}, log: &syncbuf.Buffer{}}
		log := slog.New(telemetry.LogHandler(slog.NewJSONHandler(w.log, nil)))
		w.Telemetry = telemetry.New(telemetry.Options{Log: log, Exporter: w.spans})
		t.Cleanup(func() {
			if err := w.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		w.World = New(t, WithObserver(w.Telemetry, w.Telemetry.Store), WithLogger(log))
		w.WatchLog(w.World.Store, access.DefaultTenant)
		w.WatchLanes(w.World.Store, func() []store.Lane {
			return []store.Lane{{Tenant: access.DefaultTenant, Connector: "orders-db"}}
		})
		w.Run()
		test(t, w)
	})
}

// ask submits in the name of somebody, and waits until everybody waits.
func (w *watched) ask(t *testing.T, who, entitlement, reason string, d time.Duration) access.Request {
	t.Helper()
	r, err := w.Engine.Submit(t.Context(), w.Who(who), engine.Submission{
		Entitlements: []access.Entitlement{Entitlement(entitlement)}, Duration: d, Reason: reason,
	})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return r
}

// scrape reads the metrics as Prometheus would.
func (w *watched) scrape(t *testing.T) string {
	t.Helper()
	answer := httptest.NewRecorder()
	w.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("the scrape answered %d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// samples are the values of a scrape by name and labels.
func samples(t *testing.T, text string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		end := strings.LastIndexByte(line, ' ')
		if end < 0 {
			t.Fatalf("no sample: %q", line)
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(line[end:]), 64)
		if err != nil {
			t.Fatalf("no sample: %q: %v", line, err)
		}
		values[line[:end]] = v
	}
	return values
}

// want scrapes and compares; what is not named may be anything.
func (w *watched) want(t *testing.T, when string, want map[string]float64) {
	t.Helper()
	got := samples(t, w.scrape(t))
	for name, v := range want {
		if g, there := got[name]; !there || g != v {
			t.Errorf("%s: %s is %v (there: %t), want %v", when, name, g, there, v)
		}
	}
}
