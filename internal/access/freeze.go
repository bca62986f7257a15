package access

import "time"

// FreezeScope says what a freeze covers.
type FreezeScope string

// The scopes.
const (
	// FreezePerson covers every principal of one person, and the services and agents that the person owns.
	FreezePerson FreezeScope = "person"
	// FreezeConnector covers every entitlement behind one connector.
	FreezeConnector FreezeScope = "connector"
	// FreezeEverything covers the whole tenant.
	FreezeEverything FreezeScope = "everything"
)

// Freeze forbids access until it is lifted: nothing that it covers is asked for, begins, or yields a credential, and what
// was live when it began is taken back.
type Freeze struct {
	ID     FreezeID
	Tenant TenantID
	Scope  FreezeScope
	// Value is the PersonID or the ConnectorName that is frozen; empty for FreezeEverything.
	Value  string
	Reason string
	By     PrincipalID
	Since  time.Time

	// SweepCursor is where the list of the grants that it covers goes on to be taken back; empty at its beginning.
	SweepCursor string
	// SweptAt is when the last grant that it covers was taken back; zero while the freeze is still being carried out.
	SweptAt time.Time
	// Revoked counts the grants that it took back.
	Revoked int
}
