package identity

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// WorkloadVerifier judges the tokens that platforms give to what runs on them. It is safe for concurrent use.
type WorkloadVerifier interface {
	// Verify says what a token proves. One that proves nothing here is access.KindUnauthenticated.
	Verify(ctx context.Context, token string) (Workload, error)
}

// Workload is what the token of a platform proves of what runs there, and what it is trusted with for that.
type Workload struct {
	// Rule is the name of the rule that trusts it.
	Rule string
	// Principal is whom it acts as, Scopes what it is confined to, and Lifetime how long, at most.
	Principal access.PrincipalID
	Scopes    []access.Scope
	Lifetime  time.Duration
	// Issuer and Subject are the token's, and TokenID is by which its issuer tells it from others, if it does.
	Issuer, Subject, TokenID string
	// Claims are those by which the rule fits.
	Claims map[string]string
}
