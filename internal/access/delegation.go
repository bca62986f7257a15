package access

import "time"

// Bounds of delegations.
const (
	MaxDelegation = 90 * 24 * time.Hour
	// MaxDelegations is how many of one person may be in force or to come.
	MaxDelegations = 20
)

// Delegation says that one human reviews in the stead of another, who is absent. It is not passed on: who reviews for
// somebody counts for that person alone, not for those who are absent and have delegated to them.
type Delegation struct {
	ID     DelegationID
	Tenant TenantID
	// Absent stands in the stages; the person does not change while it is in force.
	Absent       PrincipalID
	AbsentPerson PersonID
	// Delegate reviews, under any account of the person.
	Delegate       PrincipalID
	DelegatePerson PersonID
	From, Until    time.Time
	Reason         string
	CreatedAt      time.Time
	// EndedAt is when it was ended early, by EndedBy or, where that is zero, by Curfew; zero while it was not.
	EndedAt time.Time
	EndedBy PrincipalID
}

// Holds reports whether the delegation is in force at a moment.
func (d Delegation) Holds(at time.Time) bool {
	return !at.Before(d.From) && d.Stands(at)
}

// Stands reports whether the delegation is in force at a moment, or will be later.
func (d Delegation) Stands(at time.Time) bool {
	return at.Before(d.Until) && (d.EndedAt.IsZero() || at.Before(d.EndedAt))
}
