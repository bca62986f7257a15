package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// ProfileFilter selects profiles; zero fields select everything.
type ProfileFilter struct {
	// Issuer is the name of a source.
	Issuer string
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
	// Undecided lists profiles with an UndecidedSince, the longest first.
	Undecided(tenant access.TenantID, limit int) ([]access.Profile, error)
	// Delete forgets it, with its groups.
	Delete(access.TenantID, access.PrincipalID) error
}

// SecretHash tells a random secret of 256 bits or more from others, and does not lead to it.
type SecretHash [sha256.Size]byte

// HashSecret is the hash of a secret.
func HashSecret(secret string) SecretHash { return sha256.Sum256([]byte(secret)) }

// NewSecret is 256 random bits in text, behind a prefix by which people tell what it is.
func NewSecret(prefix string) string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// Pending is a session that nobody has yet: who brings the code, and what the challenge asks for, gets its token.
type Pending struct {
	access.Session
	Code SecretHash
	// Challenge is the code challenge of RFC 7636, with the method S256.
	Challenge string
	// Until is how long the code is good.
	Until time.Time
}

// SessionFilter selects sessions; zero fields select everything.
type SessionFilter struct {
	Principal access.PrincipalID
	Person    access.PersonID
}

// SignIns selects what came of signing in at one source. A selection has a Subject, a ProviderSession, or both; without either
// it is access.KindInvalid.
type SignIns struct {
	// Source is the issuer of their principals, and Subject one of these.
	Source, Subject string
	// ProviderSession is the session of the source's own in which they signed in.
	ProviderSession string
}

// Rotation is what is kept of the secret of a browser's session, which changes while the session is used.
type Rotation struct {
	// Secret is the one in force, and Before the one that it replaced; zero for the first.
	Secret, Before SecretHash
	// At is when the one in force was made.
	At time.Time
	// Seen says that the browser has shown it, so that it has it.
	Seen bool
}

// Sessions are those that go on, and those that somebody is about to get. A copy of the books has none of them.
type Sessions interface {
	// Insert keeps a session under its code. A second one of the same ID or code is access.KindConflict.
	Insert(Pending) error
	// Begin keeps a session under its token. A second one of the same ID or token is access.KindConflict.
	Begin(s access.Session, token SecretHash) error
	// ByCode finds the session that the code is for.
	ByCode(access.TenantID, SecretHash) (Pending, error)
	// Issue puts a token in the place of the code. When the session has one already it is access.KindConflict.
	Issue(tenant access.TenantID, id access.SessionID, token SecretHash) error
	// Get finds a session that has a token.
	Get(access.TenantID, access.SessionID) (access.Session, error)
	ByToken(access.TenantID, SecretHash) (access.Session, error)
	// Rotation is what is kept of the secret of a browser's session; access.KindNotFound where there is none, or none was kept.
	Rotation(access.TenantID, access.SessionID) (Rotation, error)
	// Rotate keeps it. For what is no browser's session it is access.KindNotFound.
	Rotate(access.TenantID, access.SessionID, Rotation) error
	// Use writes UsedAt, unless a later one is there.
	Use(tenant access.TenantID, id access.SessionID, at time.Time) error
	// List has those that have a token, newest first.
	List(access.TenantID, SessionFilter, Page) (items []access.Session, next string, err error)
	Delete(access.TenantID, access.SessionID) error
	// DeleteOf deletes all that a person has, and says how many had a token.
	DeleteOf(access.TenantID, access.PersonID) (int, error)
	// DeleteSignIns deletes what came of these sign-ins, and returns the sessions among it that had a token, newest first. What
	// is nobody's sign-in stays: tokens that were made, and sessions of workloads.
	DeleteSignIns(access.TenantID, SignIns) ([]access.Session, error)
	// DeleteEnded deletes up to limit sessions that have ended, are of a sign-in and were not used since idle, or whose code is
	// good no more, and says how many.
	DeleteEnded(tenant access.TenantID, now, idle time.Time, limit int) (int, error)
}
