package telemetry_test

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/store"
)

// watchCorp watches a source that a node has read, and then could not read.
func watchCorp(t *testing.T, w *watched) {
	t.Helper()
	w.WatchSources(w.World.Store, access.DefaultTenant, func() []directory.SyncStatus {
		return []directory.SyncStatus{{Name: "corp", Failing: true, HeldBack: 21}, {Name: "new"}}
	})
	err := w.World.Store.Update(t.Context(), "read", func(tx store.Tx) error {
		return tx.Cursors().Advance(access.DefaultTenant, directory.SourceCursor("corp"), 0, store.Cursor{Position: 1, At: tx.Now()})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSources(t *testing.T) {
	bubble(t, func(t *testing.T, w *watched) {
		watchCorp(t, w)
		time.Sleep(20 * time.Minute)
		page := w.scrape(t)
		for _, line := range []string{
			`curfew_source_failing{source="corp"} 1`, `curfew_source_failing{source="new"} 0`, `curfew_source_held_back{source="corp"} 21`,
			`curfew_source_age_seconds{source="corp"} 1200`,
		} {
			if !strings.Contains(page, "\n"+line+"\n") {
				t.Errorf("there is no %s", line)
			}
		}
		if strings.Contains(page, `curfew_source_age_seconds{source="new"}`) {
			t.Error("a source that was never read has an age")
		}
	})
}
