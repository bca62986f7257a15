package store

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// MaxPasskeys is how many passkeys of a principal List returns.
const MaxPasskeys = 20

// Passkeys are public keys of humans.
type Passkeys interface {
	// Insert keeps a passkey. A second one of the same ID or credential is access.KindConflict.
	Insert(access.Passkey) error
	// List returns a principal's, oldest first, at most MaxPasskeys.
	List(access.TenantID, access.PrincipalID) ([]access.Passkey, error)
	// Use writes Counter, BackedUp and UsedAt if p.Version is still the stored one, and stores Version+1.
	Use(p access.Passkey) error
	Delete(access.TenantID, access.PasskeyID) error
	// DeleteOf deletes all that a person has, and says how many.
	DeleteOf(access.TenantID, access.PersonID) (int, error)
}

// RecoveryCodes are kept as their hashes. A copy of the books has none of them.
type RecoveryCodes interface {
	// Replace keeps these codes of a principal in place of all before.
	Replace(tenant access.TenantID, principal access.PrincipalID, person access.PersonID, codes []SecretHash) error
	// Use makes the code void; access.KindNotFound when the principal has no such code.
	Use(access.TenantID, access.PrincipalID, SecretHash) error
	// Left counts the codes that are good still.
	Left(access.TenantID, access.PrincipalID) (int, error)
	// DeleteOf deletes all that a person has.
	DeleteOf(access.TenantID, access.PersonID) error
}

// Ceremony is something under way in somebody's browser. What State means only those know who write it.
type Ceremony struct {
	access.Ceremony
	Tenant access.TenantID
	// Link is the secret that leads to it.
	Link      SecretHash
	Principal access.PrincipalID
	Person    access.PersonID
	State     []byte
	Version   int64
}

// Ceremonies are short, and a copy of the books has none of them.
type Ceremonies interface {
	// Insert keeps a ceremony; a second one of the same ID or link is access.KindConflict.
	Insert(Ceremony) error
	Get(access.TenantID, access.CeremonyID) (Ceremony, error)
	ByLink(access.TenantID, SecretHash) (Ceremony, error)
	// Update writes State and DoneAt if c.Version is still the stored one and it was not done, and stores Version+1.
	Update(c Ceremony) error
	// DeleteEnded deletes up to limit of those whose time was up at a moment, and says how many.
	DeleteEnded(tenant access.TenantID, at time.Time, limit int) (int, error)
	// DeleteOf deletes all that a person has.
	DeleteOf(access.TenantID, access.PersonID) error
}

// Confirmations are appended, never changed; Redactions alone deletes one.
type Confirmations interface {
	// Insert keeps a confirmation. A second one of the same request or review is access.KindConflict.
	Insert(access.Confirmation) error
	// List returns those of a request and of its reviews, the request's own first, those of reviews by their names.
	List(access.TenantID, access.RequestID) ([]access.Confirmation, error)
}
