package main

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/auditor"
)

// Whoever changes the log in a store can make the checkpoint beside it, so that nothing is shown by that one alone.
func TestVerdictOfALogThatNobodyHasSigned(t *testing.T) {
	own := auditor.CheckpointReport{Name: "the newest in the store", Size: 3, Signed: "not checked"}
	signed, kept := own, auditor.CheckpointReport{Name: "nas", Size: 2, Signed: "not checked"}
	signed.Signed = "yes"
	for name, c := range map[string]struct {
		checkpoints []auditor.CheckpointReport
		sure        bool
	}{
		"nobody knows by whom it is": {[]auditor.CheckpointReport{own}, false},
		"it is signed":               {[]auditor.CheckpointReport{signed}, true},
		"another was kept elsewhere": {[]auditor.CheckpointReport{own, kept}, true},
		"there is none":              {nil, false},
	} {
		table := string(reportTable(auditor.Report{Entries: 3, InTree: 3, Checkpoints: c.checkpoints}))
		if got := strings.Contains(table, "The log is what it was."); got != c.sure {
			t.Errorf("%s:\n%s", name, table)
		}
	}
}
