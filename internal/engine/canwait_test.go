package engine

import (
	"slices"
	"testing"

	"github.com/curfewhq/curfew/internal/store"
)

// TestCanWait holds the list to what it says: whatever leads to the end of a grant goes on, whatever begins one waits.
func TestCanWait(t *testing.T) {
	var waiting []store.TxName
	for _, name := range Transactions() {
		if CanWait(name) {
			waiting = append(waiting, name)
		}
	}
	for _, name := range []store.TxName{txClaim, txClaimLive, txAnnounce, txRevoke, txRemoved, txUndone, txFreeze, txSweep, txAttest, txMissing, txOffline, txSequence} {
		if slices.Contains(waiting, name) {
			t.Errorf("%s can wait", name)
		}
	}
	for _, name := range []store.TxName{txSubmit, txReview, txActivate, txExtend, txUnfreeze} {
		if !slices.Contains(waiting, name) {
			t.Errorf("%s cannot wait", name)
		}
	}
	if CanWait("unheard of") {
		t.Error("what nobody knows can wait")
	}
}
