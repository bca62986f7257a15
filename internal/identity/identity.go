// Package identity is the contract with the places that know people: what such a source says of somebody.
//
// It owns the words. It does not own how a source is asked (internal/identity/*), nor what follows from what it says
// (internal/directory).
package identity

// Bounds of what a source may say of one person. More is refused, never cut off: half the groups are other groups.
const (
	MaxSubject = 255 // bytes; OpenID Connect Core 1.0, section 2
	MaxText    = 1024
	MaxGroups  = 2000
)

// Account is what a source says of somebody at this moment.
type Account struct {
	// Subject is who it is, for ever: no other account of the source has ever had it or will have it.
	Subject string
	// Name is for people to read.
	Name string
	// Groups are their names at the source. None means none.
	Groups []string
	// Attributes are what the configuration asks for, by the names that it gives them.
	Attributes map[string]string
}
