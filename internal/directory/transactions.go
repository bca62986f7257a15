package directory

import (
	"slices"

	"github.com/curfewhq/curfew/internal/store"
)

// Background reports whether a transaction is one that nobody waits for at a screen.
func Background(name store.TxName) bool { return name == txSynced }

// CanWait reports whether a transaction may be refused while the store has little room left. Signing in and staying so cannot: who wants to take
// access back must get in.
func CanWait(name store.TxName) bool {
	return slices.Contains([]store.TxName{txTokenMade, txDeviceBegun, txWorkload, txLinked, txUnlinked}, name)
}
