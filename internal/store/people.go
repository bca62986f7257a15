package store

import (
	"crypto/sha256"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// ProfileFilter selects profiles; zero fields select everything.
type ProfileFilter struct {
	// Group is SOURCE/NAME.
	Group  string
	Person access.PersonID
}

// Profiles are the principals that sources of identities have told of. Those of the configuration are not among them.
type Profiles interface {
	// Put keeps a profile: a new one, of Version 0, or in place of the stored one if that has its ProfileID and Version. It
	// stores Version+1. A principal has one profile; another is access.KindConflict.
	Put(access.Profile) error
	Get(access.TenantID, access.PrincipalID) (access.Profile, error)
	List(access.TenantID, ProfileFilter, Page) (items []access.Profile, next string, err error)
	// Delete forgets it, with its groups.
	Delete(access.TenantID, access.PrincipalID) error
}

// SecretHash tells a random secret of 256 bits or more from others, and does not lead to it.
type SecretHash [sha256.Size]byte

// HashSecret is the hash of a secret.
func HashSecret(secret string) SecretHash { return sha256.Sum256([]byte(secret)) }

// Pending is a session that nobody has yet: who brings the code, and what the challenge asks for, gets its token.
type Pending struct {
	access.Session
	Code SecretHash
	// Challenge is the code challenge of RFC 7636, with the method S256.
	Challenge string
	// Until is how long the code is good.
	Until time.Time
}

// Sessions are those that go on, and those that somebody is about to get. A copy of the books has none of them.
type Sessions interface {
	// Insert keeps a session under its code. A second one of the same ID or code is access.KindConflict.
	Insert(Pending) error
	// ByCode finds the session that the code is for.
	ByCode(access.TenantID, SecretHash) (Pending, error)
	// Issue puts a token in the place of the code. When the session has one already it is access.KindConflict.
	Issue(tenant access.TenantID, id access.SessionID, token SecretHash) error
	ByToken(access.TenantID, SecretHash) (access.Session, error)
	// Use writes UsedAt, unless a later one is there.
	Use(tenant access.TenantID, id access.SessionID, at time.Time) error
	// List has those of a principal that have a token, newest first.
	List(access.TenantID, access.PrincipalID, Page) (items []access.Session, next string, err error)
	Delete(access.TenantID, access.SessionID) error
	// DeleteOf deletes all that a person has, and says how many had a token.
	DeleteOf(access.TenantID, access.PersonID) (int, error)
	// DeleteEnded deletes up to limit sessions that have ended, were not used since idle, or whose code is good no more, and
	// says how many.
	DeleteEnded(tenant access.TenantID, now, idle time.Time, limit int) (int, error)
}
