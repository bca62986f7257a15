package config

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/awskms"
)

// Config is a configuration that has been read and checked. It holds no secret, only references to them.
type Config struct {
	// Digest tells what the configuration says from whatever else it could say, but for its sections server and store, which
	// are each machine's own.
	Digest string
	// Text is what it was read from.
	Text   Text
	Server Server
	Store  Store
	// Principals are those of the static directory, in file order.
	Principals []Principal
	// OIDC is the provider that signs people in; nil without one.
	OIDC *OIDC
	// SCIM is the identity provider that writes who there is; nil without one.
	SCIM     *SCIM
	Sessions Sessions
	// LDAP is the directory that tells of people; nil without one.
	LDAP *LDAP
	// Accounts say whose the people are whom OIDC signs in; nil where they are its own.
	Accounts *Accounts
	// Workloads are whom the tokens of other platforms are trusted to be.
	Workloads Workloads
	Roles     Roles
	Audit     Audit
	// Connectors are in file order.
	Connectors []Connector
	// Bundles are by name, the entitlements of each in file order.
	Bundles map[string]access.Bundle
	// Policies are in file order, as written; PolicySet is the same, compiled.
	Policies  []policy.Policy
	PolicySet *policy.Set
	// references are those to secrets, wherever they stand.
	references []secret.Ref
}

// Server says how Curfew itself is reached.
type Server struct {
	// Listen is HOST:PORT. Port 0 takes a free one.
	Listen string
	// URL is what people and their tools type, without a trailing slash; empty means the address listened on.
	URL string
	// Key is the key-encryption key.
	Key Key
	// HeadFile is the path of the file that says how far the audit log has come.
	HeadFile string
	// JournalFile is the path of the file that keeps what is taken back while the store is away.
	JournalFile string
}

// Key says what wraps the data keys: one of its fields is set.
type Key struct {
	// File is the path of a key file, absolute or relative to the caller's folder.
	File string
	// Passphrase leads to the passphrase that the key is derived from.
	Passphrase secret.Ref
	// AWSKMS is a key of AWS's key service.
	AWSKMS awskms.Config
}

// Principal is an entry of the static directory.
type Principal struct {
	access.Principal
	// Token leads to the bearer token; empty for a principal that never calls the API.
	Token secret.Ref
}

// Roles say who may do what to Curfew itself, as canonical selectors: group:SOURCE/NAME, principal:ISSUER/SUBJECT or
// person:ID.
type Roles map[access.Role][]policy.Selector

// Connector is a configured connection, not yet opened.
type Connector struct {
	Name   access.ConnectorName
	Type   connector.Type
	Labels map[string]string
	// Timeout bounds one call of the driver, Concurrency how many run at once, Rate how many begin per second. Zero
	// leaves it to package connector.
	Timeout     time.Duration
	Concurrency int
	Rate        float64
	// Reconcile is how often the target is compared with the books; zero leaves it to package connector.
	Reconcile time.Duration
	// Owners are those of the resources behind it.
	Owners connector.Owners
	// Account says who a principal is at the target; nil where the type asks for no account.
	Account *policy.AccountRule
	// Secrets are the references that Config holds.
	Secrets []secret.Ref
	// Config is the part that belongs to the type; its Open makes the driver.
	Config connector.Config
}
