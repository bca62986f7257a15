package telemetry_test

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// watchVersions watches a node that serves the first version of the configuration.
func watchVersions(t *testing.T, w *watched) *enginetest.Versions {
	t.Helper()
	v := w.Versions()
	v.Propose("one", "one")
	w.WatchConfiguration(w.World.Store, access.DefaultTenant, func() string { return "one" })
	return v
}

func TestConfiguration(t *testing.T) {
	bubble(t, func(t *testing.T, w *watched) {
		v := watchVersions(t, w)
		for _, step := range []struct {
			digest, text    string
			waiting, behind string
		}{
			{"one", "one", "0", "0"},
			{"two", "widens " + enginetest.AliceAdmin, "1", "0"},
			{"three", "three", "0", "1"},
		} {
			v.Propose(step.digest, step.text)
			page := w.scrape(t)
			for _, line := range []string{"curfew_configuration_waiting " + step.waiting, "curfew_configuration_behind " + step.behind} {
				if !strings.Contains(page, "\n"+line+"\n") {
					t.Errorf("after %s: there is no %s", step.digest, line)
				}
			}
		}
	})
}
