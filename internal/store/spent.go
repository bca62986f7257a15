package store

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// SpentTokens are tokens of others that are good once and were used, or are good no more for another reason, for as long as
// they would be good. A copy of the books has none of them.
type SpentTokens interface {
	// Spent reports whether a token was used, and that is not forgotten yet.
	Spent(tenant access.TenantID, token SecretHash) (bool, error)
	// Spend notes that a token was used. One that was used before is access.KindConflict.
	Spend(tenant access.TenantID, token SecretHash, until time.Time) error
	// DeleteEnded forgets up to limit tokens that are good no more, and says how many.
	DeleteEnded(tenant access.TenantID, now time.Time, limit int) (int, error)
}
