package store

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// ConfigurationState is where a version of the configuration stands.
type ConfigurationState string

// The states of a version. A tenant has at most one in each.
const (
	ConfigurationInForce ConfigurationState = "in-force"
	ConfigurationWaiting ConfigurationState = "waiting"
)

// Configuration is a version of the configuration, without its text.
type Configuration struct {
	Tenant access.TenantID
	State  ConfigurationState
	// Digest tells the version from every other one.
	Digest string
	// Since is when it came into force, or since when it waits.
	Since time.Time
}

// ConfigurationApproval is an administrator's to the version that waits.
type ConfigurationApproval struct {
	Tenant access.TenantID
	// Digest is that of the version.
	Digest string
	By     access.PrincipalID
	Person access.PersonID
	At     time.Time
}

// SealedConfiguration is the sealed text of a version.
type SealedConfiguration struct {
	State  ConfigurationState
	Digest string
	Sealed
}

// Place is what the text is sealed to: a version that waits does not open as the one in force.
func (c SealedConfiguration) Place() secret.Place {
	return secret.Place{Table: "configurations", Row: string(c.State) + " " + c.Digest, Column: "sealed", Version: 1}
}

// Configurations holds the version of the configuration that is in force, and the one that waits.
type Configurations interface {
	// Put keeps a version with its text, in place of what is in that state. The approvals of what waited are void with it. When
	// the generation that has sealed the text is not kept, or its sealing key is destroyed, it is access.KindConflict.
	Put(Configuration, Sealed) error
	Get(access.TenantID, ConfigurationState) (Configuration, error)
	// Text is the sealed text of the one in that state.
	Text(access.TenantID, ConfigurationState) (SealedConfiguration, error)
	// Withdraw deletes the version that waits, with its approvals; absent is success.
	Withdraw(access.TenantID) error
	// Approve keeps an approval of the version that waits. It is access.KindConflict when another version waits, or none, and
	// for a second approval by the same person.
	Approve(ConfigurationApproval) error
	// Approvals are those of the version that waits, oldest first.
	Approvals(access.TenantID) ([]ConfigurationApproval, error)
	// Disapprove deletes the approval of a person who is forgotten; absent is success.
	Disapprove(access.TenantID, access.PersonID) error
	// SealedBefore lists texts that generations older than this one have sealed.
	SealedBefore(tenant access.TenantID, generation int) ([]SealedConfiguration, error)
	// Reseal puts now in the place of was, sealed again. When something else stands there, it is access.KindConflict, and so
	// it is for a generation that Put refuses.
	Reseal(tenant access.TenantID, was SealedConfiguration, now Sealed) error
}
