package directory

import (
	"testing"

	"github.com/curfewhq/curfew/internal/store"
)

// While there is little room, people get in and out, and whoever has left is taken out; what gives somebody more waits.
func TestCanWait(t *testing.T) {
	for _, name := range []store.TxName{txSignedIn, txRedeemed, txUsed, txSignedOut, txEndedThere, txSynced, "unheard of"} {
		if CanWait(name) {
			t.Errorf("%s can wait", name)
		}
	}
	for _, name := range []store.TxName{txTokenMade, txDeviceBegun, txWorkload, txLinked, txUnlinked} {
		if !CanWait(name) || Background(name) {
			t.Errorf("%s cannot wait, or is nobody's", name)
		}
	}
}
