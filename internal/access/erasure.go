package access

import "time"

// ErasedIssuer is the issuer of a principal that was forgotten. Its subject is the pseudonym, which is the person's as well.
// No identity source has this name.
const ErasedIssuer = "erased"

// Erasure forgets a person: in everything that is kept, the pseudonym takes the place of whatever names them.
type Erasure struct {
	ID     ErasureID
	Tenant TenantID
	// Person is who is forgotten, Principals and Accounts are the names that they are known by, By and Reason say who wants
	// it and why. They are here while the erasure is carried out, and gone when it is done.
	Person     PersonID
	Principals []PrincipalID
	Accounts   []string
	By         PrincipalID
	Reason     string

	// Pseudonym stands for the person from then on, so that what one person did still hangs together.
	Pseudonym PersonID
	BegunAt   time.Time
	DoneAt    time.Time

	// Stage and Cursor are how far it was carried out; only the engine knows what they mean.
	Stage  string
	Cursor string
	// Counts is how many of each kind of thing were changed.
	Counts map[string]int

	Version int64
}

// Erased is the principal that stands for all of the person's.
func (e Erasure) Erased() PrincipalID {
	return PrincipalID{Issuer: ErasedIssuer, Subject: string(e.Pseudonym)}
}
