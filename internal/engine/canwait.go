package engine

import (
	"slices"

	"github.com/curfewhq/curfew/internal/store"
)

// CanWait reports whether a transaction may be refused while the store has little room left. What takes access back,
// says so, or makes up for what was begun cannot; nor can whatever is not known here. The others give access or are
// done again later: a failed attempt when its lease has passed, what can be tidied at any time.
func CanWait(name store.TxName) bool {
	return slices.Contains([]store.TxName{
		txSubmit, txReview, txConfirm, txWithdraw, txLapse, txActivate, txFailed, txReissue, txIssued, txFetched, txTidied,
		txIntegrate, txFound, txAccept, txUnfreeze, txExtend, txDelegate, txKeyRotated, txKeyRewrapped, txReseal, txKeyRetired, txDecided,
	}, name)
}
