package access

import "time"

// Grant is one entitlement for one principal until a deadline.
type Grant struct {
	ID        GrantID
	Tenant    TenantID
	Request   RequestID
	Principal PrincipalID
	Person    PersonID
	// ActsFor is the human for whom an agent has it; zero for everybody else.
	ActsFor     PrincipalID
	Entitlement Entitlement
	// Account is who the principal is at the target, for targets with users of their own.
	Account string
	// MarkGeneration is the generation of the tenant's keys that authenticates the mark on what is made for it; 0 until it
	// begins.
	MarkGeneration int
	// Duration is how long it lives from activation: the asked duration after every cap.
	Duration time.Duration

	State     GrantState
	EndReason EndReason
	CreatedAt time.Time
	// StartAt is when activation may begin.
	StartAt time.Time
	// ActivatedAt is when the clock started; the deadline counts from here and no retry moves it.
	ActivatedAt time.Time
	Deadline    time.Time
	// ExtendTo is the later deadline that was promised and is not yet kept: the target's own expiry moves there first, then
	// Deadline. Zero when no extension is under way. The access at the target never outlives the later of the two.
	ExtendTo time.Time
	EndedAt  time.Time

	// DueAt is when the engine must act on this grant next. While a worker holds the grant it is the end of the
	// worker's lease. Zero means never again.
	DueAt time.Time
	// Lease names the worker that holds the grant until DueAt; empty when nobody does.
	Lease string
	// Attempt counts the orders given to the driver; each order carries its number.
	Attempt int
	// ActBy is the moment after which the last effectful order may no longer take effect. Zero means that every
	// attempt has returned.
	ActBy time.Time
	// Failures counts consecutive failed attempts in the present state; it sets the back-off, never a limit.
	Failures  int
	LastError string

	// VerifiedAt and VerifiedBy say when, and by which reader, the target was read and the access was not there, or is
	// what KeptBy explains.
	VerifiedAt time.Time
	VerifiedBy string
	// KeptBy says what still explains rights that the ended grant shared: the IDs of the grants that hold them, and
	// KeptByStanding, with spaces between. It is empty when everything was read back as gone.
	KeptBy string
	// ResidualUntil is when the last thing that was issued and cannot be unissued stops working.
	ResidualUntil time.Time
	// SessionsEnded counts the open sessions that were ended when it was taken back.
	SessionsEnded int
	// Housekeeping says what is left to tidy at the target after the access is gone; none of it gives access. It is
	// retried while the grant is ended and DueAt is set.
	Housekeeping string

	Version int64
}

// Overdue reports whether the grant is past its deadline and has not ended. It is the number on the wall, not a state.
func (g Grant) Overdue(now time.Time) bool {
	return !g.Deadline.IsZero() && now.After(g.Deadline) && g.State != GrantEnded
}

// KeptByStanding stands in Grant.KeptBy for access that was there before any grant, or that somebody else gave.
const KeptByStanding = "standing"

// GrantState is where a grant stands; docs/states.md draws it.
type GrantState string

// The states of a grant.
const (
	GrantScheduled  GrantState = "scheduled"
	GrantActivating GrantState = "activating"
	GrantActive     GrantState = "active"
	GrantRevoking   GrantState = "revoking"
	GrantEnded      GrantState = "ended"
)

// EndReason says why a grant is being, or was, taken back.
type EndReason string

// The reasons.
const (
	EndExpired         EndReason = "expired"
	EndReturned        EndReason = "returned"
	EndRevoked         EndReason = "revoked"
	EndFailed          EndReason = "failed"
	EndIneligible      EndReason = "ineligible"
	EndWithdrawn       EndReason = "withdrawn"
	EndRemovedAtTarget EndReason = "removed_at_target"
	EndAttested        EndReason = "attested"
)
