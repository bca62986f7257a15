package postgres

import (
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

// MembershipConfig is the configuration of a connector of type "postgres-membership".
type MembershipConfig struct {
	DSN            secret.Ref            `json:"dsn" jsonschema:"required,description=Where the connection string of Curfew's own account is: env:NAME or file:PATH"`
	ObserverDSN    secret.Ref            `json:"observer_dsn,omitempty" jsonschema:"description=Where the connection string of a read-only account is that reads back what was removed. Default: Curfew's own account reads"`
	Permissions    map[string]Permission `json:"permissions" jsonschema:"required,description=What can be asked for on each database"`
	Databases      []string              `json:"databases,omitempty" jsonschema:"description=The databases that can be asked for. Default: all but templates"`
	EndSessions    bool                  `json:"end_sessions,omitempty" jsonschema:"description=End all sessions of the account when a membership is taken away. PostgreSQL 15 needs it"`
	MaxConnections int                   `json:"max_connections,omitempty" jsonschema:"minimum=1,maximum=1000,default=16,description=How many connections Curfew may hold to the server"`
}

// membershipTraits are what is true of every connector of this type. A membership has no room for a mark. From 16 on it
// can be told from one that somebody else granted, by its grantor. LateEffect is false as it is for log-ins.
func membershipTraits() connector.Traits {
	return connector.Traits{Provenance: connector.BareRight, Accounts: true, NoCredential: true}
}

// MembershipType is the connector type "postgres-membership".
func MembershipType() connector.Type {
	return connector.Type{Name: "postgres-membership", Traits: membershipTraits(), New: func() connector.Config {
		return &MembershipConfig{MaxConnections: defaultMaxConnections}
	}}
}

// Validate checks what needs no network.
func (c *MembershipConfig) Validate() error {
	common := c.common()
	return common.Validate()
}

// Open makes the driver. It resolves the connection strings and connects when the first call needs it.
func (c *MembershipConfig) Open(env connector.Env) (connector.Driver, error) {
	d, err := open(c.common(), env, makeMembershipFunctions)
	if err != nil {
		return nil, err
	}
	return &membershipDriver{driver: d, endSessions: c.EndSessions}, nil
}

// common is what both types have, as the configuration of the other.
func (c *MembershipConfig) common() Config {
	return Config{
		DSN: c.DSN, ObserverDSN: c.ObserverDSN, Permissions: c.Permissions, Databases: c.Databases, MaxConnections: c.MaxConnections,
		Objects: DropObjects, Iterations: defaultSCRAMIterations,
	}
}
