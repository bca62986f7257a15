package store

import "github.com/curfewhq/curfew/internal/access"

// Rules remembers under which rules every grant that has not ended was decided last.
type Rules interface {
	// Decided is the digest of those rules; empty when nobody can say so.
	Decided(access.TenantID) (string, error)
	// SetDecided notes the digest in place of the one before; empty forgets it.
	SetDecided(tenant access.TenantID, digest string) error
}
