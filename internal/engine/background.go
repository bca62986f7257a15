package engine

import (
	"slices"

	"github.com/curfewhq/curfew/internal/store"
)

// Background reports whether a transaction is the engine's own work, the end of which nobody waits for at a screen: what
// takes back what is over, and keeps the books. A store may let the others go first, as long as it lets these go on.
func Background(name store.TxName) bool {
	return slices.Contains([]store.TxName{
		txLapse, txClaimLive, txAnnounce, txFailed, txRemoved, txTidied, txSequence, txIntegrate, txVoided, txOffline, txMissing, txFound, txGone,
		txSweep, txRules, txReseal, txKeyRetired, txErase, txDecided,
	}, name)
}
