// Package connector is the contract between the engine and the systems that Curfew gives access to.
//
// It owns the Driver contract, what an implementation says of itself (Type, Traits), and Connector, the portable type
// around every driver in which deadlines, concurrency, rates and kinds of error are written once. It owns no protocol
// of any target (packages connector/<type>) and no decision about when to act (package engine). The law that drivers
// obey is connector/connectortest.
package connector

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// Driver makes access at one target, takes it away, and reads back what is there.
//
// Every method is idempotent, safe for concurrent use and bounded by its context. Errors are *access.Error with the
// kind set by the driver, which alone can tell: KindUnavailable (try again), KindMisconfigured (an operator must act:
// privileges, a missing group), KindInvalid or KindNotFound (this order can never work), KindExhausted (the target is
// full or limits us), KindConflict (another call was at the same grant), KindTimeout (it came after Order.ActBy). Neither
// errors nor plans hold a secret. Work that arrives after Order.ActBy must not take effect where the target can enforce
// that.
type Driver interface {
	// Check reads whether the target is reachable, our privileges suffice and its clock is near ours.
	Check(ctx context.Context) (Health, error)
	// Discover yields what can be asked for, each resource once, and what its permissions imply as far as the driver can
	// tell, bounded by access.MaxImplied and access.MaxImpliedBytes. It stops at the first error.
	Discover(ctx context.Context) iter.Seq2[access.Resource, error]
	// Prepare reads and plans, and changes nothing. Its plan is committed before Grant is called. It refuses a resource
	// or a permission that is not there, compared exactly.
	Prepare(ctx context.Context, o Order) (access.Plan, error)
	// Grant makes the access that the plan describes. Repeated, it leaves the same access. With Order.Recipient it also
	// issues a credential; the one issued last counts and earlier ones stop working. Without one, nobody can log in
	// yet.
	Grant(ctx context.Context, o Order, p access.Plan) (Outcome, error)
	// Extend moves the native expiry to Order.Deadline, later or earlier; credential and sessions stay. Where the access
	// is not there it makes none, and fails. With Traits.ExpiryFixed there is nothing to move: the next credential lives longer.
	Extend(ctx context.Context, o Order, p access.Plan) error
	// Revoke removes the access and ends its sessions, from the plan alone: of the order it may need Grant, Attempt,
	// ActBy, Mark and Tenant. Absent is success. It succeeds only when the access itself is gone. It waits
	// for nothing that gives no access: what remains is reported and left to Tidy. Taking back an object of the grant's own
	// is never too late, so ActBy is not obeyed there; a shared right may be another grant's by then, so there it is.
	Revoke(ctx context.Context, o Order, p access.Plan) (Removal, error)
	// Observe reads what is there, every atom of the plan, with no more of the order than Revoke. It says absent only when
	// the same read proved that it can see something that must be there; blind is unknown, or an error.
	Observe(ctx context.Context, o Order, p access.Plan) (Presence, error)
	// Tidy disposes of what Revoke left behind and says what is still left, empty when nothing is. It is called after the
	// access was read back as gone, again and again with pauses, from the same plan. Nothing to tidy is success.
	Tidy(ctx context.Context, o Order, p access.Plan) (left string, err error)
	// List yields everything at the target that bears a mark, whoever's, each with a plan by which it can be observed and
	// removed.
	List(ctx context.Context) iter.Seq2[access.Sighting, error]
	// Close releases connections. Calls that come after it fail.
	Close() error
}

// Order is all that a driver may know of a grant.
type Order struct {
	Grant access.GrantID
	// Attempt grows with each order to grant; an order to extend has that of the access that it extends.
	Attempt int
	// ActBy is the moment after which this order must have no further effect. Only Revoke and reads may go without.
	ActBy       time.Time
	Mark        access.Mark
	Tenant      access.TenantID
	Principal   access.PrincipalID
	Account     string
	Entitlement access.Entitlement
	Params      map[string]string
	// Recipient is the HPKE public key to which the Connector seals a credential; empty means issue none.
	Recipient []byte
	Start     time.Time
	Deadline  time.Time
}

// Outcome is what Grant brought about.
type Outcome struct {
	// Plan, when set, refines the committed plan with what the target chose. Losing it must not matter.
	Plan *access.Plan
	// Credential is set when Order.Recipient was. The Connector seals it and clears it before anyone else sees it.
	Credential *access.Credential
	// Sealed is the Credential sealed to Order.Recipient; set by the Connector, not by drivers.
	Sealed []byte
	// NativeExpiry is when the target itself ends the access; zero when it does not.
	NativeExpiry time.Time
}

// Removal is what Revoke brought about.
type Removal struct {
	// SessionsEnded counts the open sessions that were ended.
	SessionsEnded int
	// Housekeeping says what is left for Tidy, such as objects that the user made; empty when nothing is. None of it
	// gives access.
	Housekeeping string
	// ResidualUntil is when what was issued and cannot be unissued stops working; zero when nothing is left.
	ResidualUntil time.Time
}

// AtomState is what a read says of an atom.
type AtomState string

// The states of an atom.
const (
	Present AtomState = "present"
	Absent  AtomState = "absent"
	Unknown AtomState = "unknown"
)

// AtomPresence is the state of one atom.
type AtomPresence struct {
	Atom  access.Atom
	State AtomState
	// Foreign says of a right that is present that it certainly is not what Order.Mark was given for: it bears no mark or
	// another, or somebody else gave it. Where a target cannot tell, it stays false.
	Foreign bool
}

// Presence is what Observe read.
type Presence struct {
	Atoms []AtomPresence
	// NativeExpiry is as read at the target; zero when there is none.
	NativeExpiry time.Time
	// Sessions counts the sessions open under the access.
	Sessions int
	// Issued says of access that is gone whether the target still takes what was issued under it and cannot be unissued (see
	// Traits.Residual): present, absent because the target was seen to refuse it, or unknown where that cannot be tried. Empty
	// where there is nothing of the kind. It is no part of State: what was issued opens nothing.
	Issued AtomState
	// ReadBy names the account that read, what it saw as its positive control, and how it knows of what was issued.
	ReadBy string
}

// reads reports whether the read covers the atom.
func (p Presence) reads(atom access.Atom) bool {
	return slices.ContainsFunc(p.Atoms, func(a AtomPresence) bool { return a.Atom == atom })
}

// State sums the atoms up: present if any is or a session is open, else unknown if any is unknown or none was read,
// else absent.
func (p Presence) State() AtomState {
	if p.Sessions > 0 {
		return Present
	}
	sum := Absent
	if len(p.Atoms) == 0 {
		sum = Unknown
	}
	for _, a := range p.Atoms {
		switch a.State {
		case Present:
			return Present
		case Absent:
		default:
			sum = Unknown
		}
	}
	return sum
}

// Health is what Check read.
type Health struct {
	// Version is the target's own.
	Version string
	// Skew is the target's clock minus ours.
	Skew time.Duration
}

// Provenance says what a driver makes.
type Provenance string

// The provenances.
const (
	// OwnObject is an object that exists for one grant only, such as an ephemeral log-in.
	OwnObject Provenance = "own"
	// MarkedRight is a right given to an existing account, with room for a mark.
	MarkedRight Provenance = "marked"
	// BareRight is a right given to an existing account, without a mark.
	BareRight Provenance = "bare"
)

// Traits are what is true of every connector of a type.
type Traits struct {
	Provenance Provenance
	// NativeExpiry: the target ends the access by itself, Curfew alive or not.
	NativeExpiry bool
	// ExpiryFixed: the expiry is a credential's and cannot be moved, so that after an extension a new one is issued.
	ExpiryFixed bool
	// ExpiryFloor is the shortest life that the target can give to what expires. Access whose deadline is nearer expires
	// that long after it was made, and until then only Curfew ends it.
	ExpiryFloor time.Duration
	// EndsSessions: open sessions are ended at the deadline.
	EndsSessions bool
	// Settle is how long after a removal a read may still show, or fail to show, the old state.
	Settle time.Duration
	// LateEffect: the target cannot enforce Order.ActBy, so it is observed again after it.
	LateEffect bool
	// Residual is how long what was issued can outlive its removal, whoever removed it. A grant ends that long after it
	// was first read back as gone, or later if Presence.Issued is present then.
	Residual time.Duration
	// Accounts: the access is given to an account of the principal's at the target, which Order.Account names.
	Accounts bool
	// NoCredential: none is issued, because people use the log-in that they have.
	NoCredential bool
}

// Shared reports whether several grants may hold one right. Of a plan for such rights the engine hands over the atoms
// that it has decided to change, often fewer than Prepare has planned, and a driver makes and removes exactly those.
func (t Traits) Shared() bool { return t.Provenance == MarkedRight || t.Provenance == BareRight }

// Type is one kind of connector. All of them stand in package all.
type Type struct {
	// Name is the word behind "type:" in the configuration.
	Name string
	// Traits are constant.
	Traits Traits
	// New makes an empty configuration with its defaults set.
	New func() Config
}

// Config is the part of a connector's configuration that belongs to its type: a pointer to a struct with JSON tags and,
// for the documentation, JSON-schema tags. Secrets in it are secret.Ref.
type Config interface {
	// Validate checks what needs no network. Its errors are *FieldError where one field is at fault.
	Validate() error
	// Open makes the driver. It resolves secrets and does not wait for the target.
	Open(env Env) (Driver, error)
}

// Env is what every driver gets beside its configuration.
type Env struct {
	Name  access.ConnectorName
	Clock access.Clock
}

// FieldError says which field of a configuration is wrong, as a path of keys: permissions, read, roles.
type FieldError struct {
	Path []string
	Msg  string
}

// Error is the path and the message.
func (e *FieldError) Error() string {
	if len(e.Path) == 0 {
		return e.Msg
	}
	return strings.Join(e.Path, ".") + ": " + e.Msg
}
