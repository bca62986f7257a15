package store

import "github.com/curfewhq/curfew/internal/access"

// FindingFilter selects findings; zero fields select everything.
type FindingFilter struct {
	Connector access.ConnectorName
	State     access.FindingState
}

// Findings are kept whole and for ever.
type Findings interface {
	// Insert keeps a finding. One of the same thing that is open or accepted already is access.KindConflict.
	Insert(access.Finding) error
	Get(access.TenantID, access.FindingID) (access.Finding, error)
	// Update writes how a finding was closed (State, ClosedAt, ClosedBy, Reason) if f.Version is still the stored one
	// and the transition is legal, and stores Version+1.
	Update(f access.Finding) error
	List(access.TenantID, FindingFilter, Page) (items []access.Finding, next string, err error)
}
