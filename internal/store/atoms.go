package store

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// Atom is a right at a target that grants hold, or held, and whose turn it is to work on it.
type Atom struct {
	Lane
	access.Atom
	// Standing says that the right was there before any grant of ours: no grant takes it away.
	Standing bool
	// Maker is the grant that the right was made for, whose mark it bears where rights bear marks.
	Maker access.GrantID
	// MarkGeneration is the generation of the tenant's keys that has authenticated that mark; 0 while there is no Maker.
	MarkGeneration int

	// Lease is who has the turn until LeaseEnd; empty when it is nobody's.
	Lease string
	// LeasedAt is when its turn began. A turn that is continued keeps its beginning.
	LeasedAt time.Time
	LeaseEnd time.Time
	// Fence grows with every turn that is begun or continued. Who has read an older one is too late.
	Fence int64
}

// Turn is what became of asking for the turn at a right.
type Turn int

// The answers.
const (
	// TurnRefused: it is another's turn.
	TurnRefused Turn = iota
	// TurnBegun: the turn was free.
	TurnBegun
	// TurnContinued: the holder had the turn already, and now has it until the later of both ends.
	TurnContinued
)

// Dropped is a right that a grant held when it ended.
type Dropped struct {
	Grant access.GrantID
	access.Atom
}

// Atoms are the rights that several grants may hold, who holds them, and who works on them.
type Atoms interface {
	// Lease gives the holder the turn at a right until end, and answers with the right as it then stands. The right need not
	// be known yet.
	Lease(lane Lane, a access.Atom, holder string, end time.Time) (Atom, Turn, error)
	// Release ends the turn that a was read in. A turn that was continued since, or is another's, stays.
	Release(a Atom) error
	// Settle writes Standing, Maker and MarkGeneration, and is access.KindConflict unless the turn that a was read in goes on.
	Settle(a Atom) error
	// Hold makes a grant the holder of these rights and of no others.
	Hold(lane Lane, grant access.GrantID, atoms []access.Atom) error
	// Drop ends the holding of a grant; that it held them stays known.
	Drop(tenant access.TenantID, grant access.GrantID) error
	// Holders lists the grants that hold a right and have not ended, in order of their IDs.
	Holders(lane Lane, a access.Atom) ([]access.Grant, error)
	// Dropped lists what was dropped at or after since, at most limit: latest first, and of the same moment in falling order of grants
	// and rights.
	Dropped(lane Lane, since time.Time, limit int) ([]Dropped, error)
}
