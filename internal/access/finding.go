package access

import "time"

// Finding is something read at a target that the books do not explain. It stays open until it is gone, or until an
// administrator accepts it.
type Finding struct {
	ID        FindingID
	Tenant    TenantID
	Connector ConnectorName
	Kind      FindingKind
	State     FindingState
	// Mark is what it bears; empty for a right without one.
	Mark Mark
	Atom Atom
	// Grant is the grant that it was made for, where that is known.
	Grant GrantID
	// Note is what else the target says of it.
	Note    string
	FoundAt time.Time
	// ClosedAt is when it was read back as gone, or accepted; ClosedBy and Reason say who accepted it, and why.
	ClosedAt time.Time
	ClosedBy PrincipalID
	Reason   string

	Version int64
}

// Overdue reports whether the finding is access that should have ended. It counts like a grant that is overdue.
func (f Finding) Overdue() bool {
	return f.State == FindingOpen && (f.Kind == FindingOrphan || f.Kind == FindingAfterEnd)
}

// FindingKind says why the books do not explain it.
type FindingKind string

// The kinds of finding. The first two are somebody else's and are left alone.
const (
	// FindingForeign bears the mark of another installation or tenant.
	FindingForeign FindingKind = "foreign"
	// FindingForged bears a mark that looks like ours and was not made by us.
	FindingForged FindingKind = "forged"
	// FindingOrphan bears our own mark, for a grant that the books do not have.
	FindingOrphan FindingKind = "orphan"
	// FindingAfterEnd is access of a grant that has ended.
	FindingAfterEnd FindingKind = "after_end"
)

// FindingKinds lists the kinds.
func FindingKinds() []FindingKind {
	return []FindingKind{FindingForeign, FindingForged, FindingOrphan, FindingAfterEnd}
}

// FindingState is where a finding stands.
type FindingState string

// The states of a finding.
const (
	FindingOpen FindingState = "open"
	// FindingRemoved was read back as gone, whoever removed it.
	FindingRemoved FindingState = "removed"
	// FindingAccepted is there with an administrator's consent.
	FindingAccepted FindingState = "accepted"
)
