package store

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// Key is a generation of a tenant's data keys, wrapped by the key-encryption key.
type Key struct {
	Tenant access.TenantID
	secret.WrappedKeys
	MadeAt time.Time
	// IdleSince is since when nothing is known to need the generation; zero while something does.
	IdleSince time.Time
}

// KeyUses counts what needs a generation of the keys.
type KeyUses struct {
	// Plans are sealed under it.
	Plans int
	// Configurations are versions of the configuration of which it has sealed the text.
	Configurations int
	// Grants have a mark that it has authenticated, and have not ended or are still tidied.
	Grants int
	// Rights have such a mark, and a grant holds them: another one than they were made for, perhaps.
	Rights int
	// Restores were noted under it.
	Restores int
	// Log counts entries that the tree of the log does not have and that it has authenticated, and the head of the log if it
	// has signed that. What nobody has noted the generation of counts for each.
	Log int
}

// Sealed reports whether something is sealed under it.
func (u KeyUses) Sealed() bool { return u.Plans+u.Configurations > 0 }

// None reports whether nothing needs it.
func (u KeyUses) None() bool { return u == KeyUses{} }

// Keys holds the generations of each tenant's data keys. The newest one seals; an older one is destroyed when nothing
// needs it any more, which every implementation makes sure of by itself.
type Keys interface {
	// List returns the generations of a tenant that are kept, oldest first; none is no error.
	List(access.TenantID) ([]Key, error)
	// Insert keeps the first generation, 1, or the one behind the newest; any other is access.KindConflict.
	Insert(Key) error
	// Rewrap puts Wrapper, Sealing and Authentication of now in the place of those of was. When others stand there, it is
	// access.KindConflict.
	Rewrap(was, now Key) error
	// SetIdle notes IdleSince, or with the zero time that something needs the generation.
	SetIdle(tenant access.TenantID, generation int, since time.Time) error
	// Uses counts what needs a generation. Each count stops at limit.
	Uses(tenant access.TenantID, generation, limit int) (KeyUses, error)
	// DestroySealing forgets the sealing key of a generation. It is access.KindConflict for the newest one, for one whose
	// sealing key is destroyed already, and while something is sealed under it.
	DestroySealing(tenant access.TenantID, generation int) error
	// Destroy forgets a generation. It is access.KindConflict for the newest one, and while anything needs it.
	Destroy(tenant access.TenantID, generation int) error
}

// Sealed are bytes that a generation of the keys has sealed.
type Sealed struct {
	Generation int
	Bytes      []byte
}

// SealedPlan is the plan of a grant.
type SealedPlan struct {
	Grant access.GrantID
	Sealed
}

// Plans holds one sealed plan per grant.
type Plans interface {
	// Put keeps the plan, in place of an earlier one of the same grant. When the generation that has sealed it is not kept,
	// or its sealing key is destroyed, it is access.KindConflict: nothing is kept that would never open.
	Put(access.TenantID, access.GrantID, Sealed) error
	Get(access.TenantID, access.GrantID) ([]byte, error)
	// SealedBefore lists plans that generations older than this one have sealed, at most limit, in the order of generations
	// and of grants.
	SealedBefore(tenant access.TenantID, generation, limit int) ([]SealedPlan, error)
	// Reseal puts now in the place of was, sealed again. When something else stands there, it is access.KindConflict, and so
	// it is for a generation that Put refuses.
	Reseal(tenant access.TenantID, was SealedPlan, now Sealed) error
}
