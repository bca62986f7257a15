package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/delivery"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// TestDocumented compares docs/operations.md with the metrics of a life in which something of everything happens.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, name := range regexp.MustCompile("`(curfew_[a-z_]+)`").FindAllSubmatch(page, -1) {
		documented[string(name[1])] = true
	}
	bubble(t, func(t *testing.T, w *watched) {
		w.WatchCommits(func() sqlstore.Stats { return sqlstore.Stats{} })
		w.WatchDelivery(w.World.Store, access.DefaultTenant, func() []delivery.Status {
			return []delivery.Status{{Name: "nas", Kind: delivery.KindWitness}}
		})
		watchCorp(t, w)
		watchVersions(t, w)
		w.HTTP(http.NotFoundHandler(), func(*http.Request) string { return "" }).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		w.Target.Inject(memory.Fault{Call: connector.CallGrant, Effect: memory.Fail, Times: 1})
		r := w.ask(t, Alice, Read, "order 17", time.Minute)
		if _, err := w.Engine.Withdraw(t.Context(), w.Who(Alice), r.ID); err == nil {
			t.Fatal("a request that is settled was withdrawn")
		}
		time.Sleep(time.Hour)
		w.ask(t, Alice, Read, "order 18", time.Minute)
		w.LoseStore(true)
		time.Sleep(2 * time.Minute)
		w.LoseStore(false)
		synctest.Wait()
		there := map[string]bool{}
		for line := range strings.Lines(w.scrape(t)) {
			if name, ok := strings.CutPrefix(line, "# TYPE curfew_"); ok {
				there["curfew_"+strings.Fields(name)[0]] = true
			}
		}
		for name := range there {
			if !documented[name] {
				t.Errorf("docs/operations.md lacks %s", name)
			}
		}
		for name := range documented {
			if !there[name] {
				t.Errorf("docs/operations.md names %s, which is not there", name)
			}
		}
	})
}
