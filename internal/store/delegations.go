package store

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// DelegationFilter selects delegations; zero fields select everything.
type DelegationFilter struct {
	Absent   access.PersonID
	Delegate access.PersonID
	// Standing selects those that have not ended by then, early or by themselves.
	Standing time.Time
}

// Delegations are kept for ever; a Redaction takes out whom they name.
type Delegations interface {
	// Insert keeps a delegation. One that is over before it begins is access.KindInvalid.
	Insert(access.Delegation) error
	Get(access.TenantID, access.DelegationID) (access.Delegation, error)
	// End writes EndedAt and EndedBy of one that was not ended before; otherwise it is access.KindConflict.
	End(access.Delegation) error
	List(access.TenantID, DelegationFilter, Page) (items []access.Delegation, next string, err error)
}
