// Package store is the contract of Curfew's memory: one Store, transactions on it, and one small repository per noun.
//
// It owns the interfaces, the filters and the law that every implementation obeys (package storetest). It owns no SQL
// (package store/sqlstore) and no rule: it refuses illegal transitions and lost races, and otherwise keeps what it is
// told. Plans and credentials are sealed bytes to it.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// TxName names a kind of transaction, for metrics, traces and the tests that kill the process around each commit.
type TxName string

// ErrOutcomeUnknown is wrapped by the error of an Update whose answer was lost: the wait for it ended, or the connection
// broke, while it was being committed. Look before trying again.
var ErrOutcomeUnknown = errors.New("the outcome of the transaction is unknown")

// Store keeps the books. It is safe for concurrent use by any number of goroutines.
type Store interface {
	// Update runs fn in one atomic, isolated, durable transaction: when Update returns nil, everything that fn wrote
	// survives the death of the process and of the machine. When fn returns an error nothing is written and that
	// error is returned as it is.
	//
	// fn shares its commit with other transactions. It may run more than once, on any goroutine, so it must be
	// bounded, must not block, must not touch anything outside the Tx but variables of its caller that it assigns
	// (never reads before assigning), and must not keep the Tx. A panic in fn writes nothing and is returned as
	// access.KindInternal. A cancelled ctx stops the waiting, not the transaction: fn may still be running.
	//
	// After an error that wraps ErrOutcomeUnknown nobody can say whether it was written; after any other error nothing
	// was.
	Update(ctx context.Context, name TxName, fn func(Tx) error) error

	// View runs fn on one consistent snapshot. Writing in it is an error.
	View(ctx context.Context, fn func(Tx) error) error

	// Now is the one clock of all nodes on this store. It never goes back while the store is open.
	Now(ctx context.Context) (time.Time, error)

	// Close waits for what is under way. Every call after it fails with access.KindUnavailable, but for Close, which
	// answers as the first time.
	Close() error
}

// Tx is a transaction under way. Its methods fail with access.KindNotFound for what is not there (or belongs to
// another tenant, or that a new row refers to), with access.KindConflict for a version that has moved on or an illegal
// transition, with access.KindInvalid for what cannot be kept as it is (a NUL byte in a text, text that is not UTF-8, a
// value of more than 16 MiB, an ended grant that was activated and not verified), and with access.KindUnavailable when the
// store itself cannot go on.
//
// After what the database itself refuses (a reference to what is not there, a value that it cannot keep), or cannot do,
// the transaction is over: every further call answers with the same error, and so does Update if fn overlooks it.
//
// Times are kept in whole microseconds, and so are durations; nil and empty bytes, lists and maps are one. A Tx is used
// by one goroutine.
type Tx interface {
	// Now is the store's clock, the same instant throughout the transaction.
	Now() time.Time

	Installation() Installation
	Keys() Keys
	Policies() Policies
	Requests() Requests
	Decisions() Decisions
	Reviews() Reviews
	Grants() Grants
	Plans() Plans
	Atoms() Atoms
	Findings() Findings
	Credentials() Credentials
	Freezes() Freezes
	Delegations() Delegations
	Attestations() Attestations
	Events() Events
	Log() Log
	Cursors() Cursors
	Leases() Leases
	Restores() Restores
	Rules() Rules
	Configurations() Configurations
	Profiles() Profiles
	Sessions() Sessions
	Passkeys() Passkeys
	RecoveryCodes() RecoveryCodes
	Ceremonies() Ceremonies
	Confirmations() Confirmations
	Devices() Devices
	Provisioned() Provisioned
	Memberships() Memberships
	StaleUsers() StaleUsers
	SpentTokens() SpentTokens
	Erasures() Erasures
	Redactions() Redactions
}

// Installation is what this store is.
type Installation interface {
	// ID is a random identifier, made when the store was created.
	ID() (string, error)
}

// Policies holds every policy text that ever decided, by digest, so that old decisions can be replayed.
type Policies interface {
	// Put keeps the text; the same digest again is no change.
	Put(tenant access.TenantID, digest string, text []byte) error
	Get(tenant access.TenantID, digest string) ([]byte, error)
}

// MaxRequests is how many requests one call may name of which it reads something. A page has no more; more is
// access.KindInvalid.
const MaxRequests = 1000

// Page is a bounded piece of a list, newest first.
type Page struct {
	// After is the Next of the page before, or empty.
	After string
	// Limit is 1 to 1,000.
	Limit int
}

// RequestFilter selects requests; zero fields select everything.
type RequestFilter struct {
	Principal access.PrincipalID
	// AskedBy is who asked in another's name.
	AskedBy access.PrincipalID
	Person  access.PersonID
	State   access.RequestState
}

// Requests are kept whole and for ever.
type Requests interface {
	Insert(access.Request) error
	Get(access.TenantID, access.RequestID) (access.Request, error)
	// Update writes the state fields (State, SettledAt) if r.Version is still the stored one and the transition is
	// legal (staying in the same state is not), and stores Version+1.
	Update(r access.Request) error
	List(access.TenantID, RequestFilter, Page) (items []access.Request, next string, err error)
	// Lapsing finds pending requests with LapsesAt at or before now, oldest first.
	Lapsing(tenant access.TenantID, now time.Time, limit int) ([]access.Request, error)
	// Open counts what the principal has going on, pending requests and grants that have not ended, up to limit of each.
	Open(tenant access.TenantID, principal access.PrincipalID, limit int) (int, error)
	// NextLapse is the earliest LapsesAt of a pending request; zero when there is none.
	NextLapse(access.TenantID) (time.Time, error)
}

// Decision is a decision with the input that it saw, as canonical JSON of package policy.
type Decision struct {
	Tenant  access.TenantID
	Request access.RequestID
	// Sequence is 0 for the decision at submission, 1 and on for those at activation.
	Sequence int
	At       time.Time
	// PolicyDigest names the policy set, see Policies.
	PolicyDigest string
	Input        []byte
	Decision     []byte
}

// Decisions are appended, never changed.
type Decisions interface {
	// Append gives the decision the next Sequence of its request. The request and the policy set must be there.
	Append(Decision) error
	// List returns a request's decisions in order.
	List(access.TenantID, access.RequestID) ([]Decision, error)
	// Newest returns what was decided last on each of these requests: the Decision with the highest Sequence. A request
	// without any is left out.
	Newest(tenant access.TenantID, requests ...access.RequestID) (map[access.RequestID][]byte, error)
}

// Reviews are appended, never changed.
type Reviews interface {
	// Insert keeps a review; a second one by the same person on the same request under the same hash is
	// access.KindConflict.
	Insert(access.Review) error
	// List returns the reviews of these requests, oldest first.
	List(tenant access.TenantID, requests ...access.RequestID) ([]access.Review, error)
}

// Lane is the queue of one connector: what is slow or dead in one lane delays no other.
type Lane struct {
	Tenant    access.TenantID
	Connector access.ConnectorName
	// Queue is one of the lane's two; empty is both.
	Queue Queue
}

// Queue tells what may be at the target from what is not there yet, so that no number of requests delays a removal.
type Queue string

// The queues of a lane.
const (
	// QueueNew has the scheduled grants.
	QueueNew Queue = "new"
	// QueueLive has all others: what is being made, lives, is being taken back or tidied.
	QueueLive Queue = "live"
)

// GrantFilter selects grants; zero fields select everything.
type GrantFilter struct {
	Principal access.PrincipalID
	Person    access.PersonID
	Request   access.RequestID
	Connector access.ConnectorName
	// Reviewer is a person who reviewed their request.
	Reviewer access.PersonID
	// InSteadOf is a principal in whose stead somebody reviewed their request.
	InSteadOf access.PrincipalID
	// AskedBy is a principal who asked for them in another's name.
	AskedBy access.PrincipalID
	// Unended leaves out grants that have ended.
	Unended bool
}

// Grants are kept whole and for ever.
type Grants interface {
	Insert(access.Grant) error
	Get(access.TenantID, access.GrantID) (access.Grant, error)
	// Update writes everything but identity (ID, Tenant, Request, Principal, Person, Entitlement, CreatedAt) if
	// g.Version is still the stored one and the transition is legal (staying in the same state is), and stores
	// Version+1. Of an ended grant only DueAt, Lease, Attempt, ActBy, Failures, LastError and Housekeeping change;
	// anything else is access.KindConflict.
	Update(g access.Grant) error
	List(access.TenantID, GrantFilter, Page) (items []access.Grant, next string, err error)
	// OfRequests returns the grants of these requests, in the order of the requests' IDs and, of one request, their own.
	OfRequests(tenant access.TenantID, requests ...access.RequestID) ([]access.Grant, error)
	// Due lists up to limit grants of the lane that are due at or before now, earliest first, ended ones with a DueAt like
	// others. It writes nothing: whoever takes one on moves its DueAt ahead with Update, in the same transaction. What
	// another transaction is about to take on is left out or makes this one start anew.
	Due(lane Lane, now time.Time, limit int) ([]access.Grant, error)
	// NextDue is the earliest DueAt in the lane; zero when nothing is due ever.
	NextDue(Lane) (time.Time, error)
	// Upcoming lists the grants of the lane that are due after from and no later than until, in the order of their
	// times, at most limit. Like Due it claims none, and leaves out what another transaction is about to take on.
	Upcoming(lane Lane, from Due, until time.Time, limit int) ([]access.Grant, error)
	// Lanes lists the lanes, without a queue, with a grant that has not ended, or has ended and is still due, for housekeeping.
	Lanes() ([]Lane, error)
	// Count counts what is in the lane at now, in both of its queues whatever Lane.Queue says. Each count stops at limit, so that it costs no more than that however
	// full the lane is.
	Count(lane Lane, now time.Time, limit int) (LaneCounts, error)
}

// Due is a place in the order in which grants are due. The zero Due is before all.
type Due struct {
	At time.Time
	ID access.GrantID
}

// LaneCounts says how full a lane is.
type LaneCounts struct {
	// States counts the grants in each state but ended; a state without any is not in the map.
	States map[access.GrantState]int
	// Due counts those that the engine should act on at once, in each queue, ended ones with something to tidy included;
	// an empty queue is not in the map.
	Due map[Queue]int
	// Overdue counts those that access.Grant.Overdue is true of.
	Overdue int
	// Residual counts those that are taken back while something issued under them still works.
	Residual int
}

// Credentials holds at most one sealed credential per grant.
type Credentials interface {
	// Put keeps the credential, in place of an earlier one of the same grant.
	Put(access.TenantID, access.SealedCredential) error
	Get(access.TenantID, access.GrantID) (access.SealedCredential, error)
	// Delete removes it; absent is success.
	Delete(access.TenantID, access.GrantID) error
}

// Freezes holds the freezes that are in force.
type Freezes interface {
	// Insert keeps a freeze; a second one of the same scope and value is access.KindConflict.
	Insert(access.Freeze) error
	Get(access.TenantID, access.FreezeID) (access.Freeze, error)
	// Update writes how far the freeze was carried out: SweepCursor, SweptAt and Revoked.
	Update(access.Freeze) error
	// Delete removes a freeze that is lifted.
	Delete(access.TenantID, access.FreezeID) error
	// Covering lists the freezes that cover the person, the connector, or everything, oldest first; an empty person or connector is
	// covered by freezes of everything alone.
	Covering(access.TenantID, access.PersonID, access.ConnectorName) ([]access.Freeze, error)
	// Unswept lists freezes that are still being carried out, oldest first.
	Unswept(tenant access.TenantID, limit int) ([]access.Freeze, error)
	List(access.TenantID, Page) (items []access.Freeze, next string, err error)
}

// Attestations are appended, never changed.
type Attestations interface {
	// Insert keeps an attestation; a second one by the same person to the same grant is access.KindConflict.
	Insert(access.Attestation) error
	// List returns a grant's attestations, in the order of persons.
	List(access.TenantID, access.GrantID) ([]access.Attestation, error)
}

// PersonalValue is one piece of personal data that an event's leaf commits to.
type PersonalValue struct {
	Field string
	Value string
	Salt  []byte
}

// EventRow is an event as it is kept: its canonical leaf, and apart from it what can be erased.
type EventRow struct {
	// Position is the event's place in its tenant's log, from 1 on without gaps; 0 until Sequence has given it one.
	Position int64
	ID       access.EventID
	Tenant   access.TenantID
	At       time.Time
	Kind     access.EventKind
	Request  access.RequestID
	Grant    access.GrantID
	Person   access.PersonID
	Leaf     []byte
	Personal []PersonalValue
	// MAC says, until the tree has the leaf, that Curfew wrote it; see package engine.
	MAC []byte
	// MACGeneration is the generation of the tenant's keys that MAC was made under; 0 where nobody has noted it.
	MACGeneration int
}

// EventFilter selects events; zero fields select everything.
type EventFilter struct {
	Request access.RequestID
	Grant   access.GrantID
}

// Events are appended in the transaction of the change that they record, without a position: a number that every
// transaction had to take would make them wait for each other. Sequence numbers them afterwards, or a store whose
// transactions wait for each other anyway, in the same commit. An event never changes but for being given its position,
// once.
type Events interface {
	// Append keeps the event; whatever Position it has is ignored. A second one with its ID is access.KindConflict. One whose
	// MACGeneration is noted and not kept is access.KindUnavailable: nobody could tell who wrote it.
	Append(EventRow) error
	// Sequence numbers up to limit events of the tenant that are committed and have no position, in the order of their
	// IDs, from where the last Sequence ended, and returns how many. Numbers become visible in their order, so a reader
	// that goes on behind the last position that it saw misses nothing.
	Sequence(tenant access.TenantID, limit int) (n int, err error)
	// List returns numbered events with a Position above after, in the order of their positions, at most limit.
	List(tenant access.TenantID, filter EventFilter, after int64, limit int) ([]EventRow, error)
	// Leaves returns numbered events like List, of any kind, but with Position, ID, Tenant, Leaf and MAC alone.
	Leaves(tenant access.TenantID, after int64, limit int) ([]EventRow, error)
	// Newest finds the numbered event with the highest position, without its personal values; access.KindNotFound when
	// there is none.
	Newest(tenant access.TenantID) (EventRow, error)
	// Unsequenced returns events that have no position yet, in the order of their IDs, at most limit.
	Unsequenced(tenant access.TenantID, limit int) ([]EventRow, error)
}

// Leases say which of several nodes does what only one may do at a time. Whoever holds a lease writes under it in the
// transaction that acquires or renews it, for a lease fences nothing by itself.
type Leases interface {
	// Acquire takes the lease of that name for the holder until then, or renews it. It reports false, and changes
	// nothing, while another holds it whose time is not up by Tx.Now. An empty name or holder, or an until that is not
	// after Tx.Now, is access.KindInvalid.
	Acquire(name, holder string, until time.Time) (bool, error)
	// Release gives the lease back; one that the holder does not have is no error.
	Release(name, holder string) error
}

// Place is an event and its position in its tenant's log; zero is before the first.
type Place struct {
	Position int64
	Event    access.EventID
}

// TokenMACBytes is the length of a TokenMAC.
const TokenMACBytes = 16

// TokenMAC tells a bearer token from others, to those who have the tenant's key.
type TokenMAC [TokenMACBytes]byte

// Restore is what became of a tenant's books when they were restored from a backup. Everything in it but SettledAt is bound
// by MAC, so that who can write to the store alone cannot make one up.
type Restore struct {
	Tenant access.TenantID
	// KeyGeneration is the generation of the tenant's keys that MAC and VoidTokens were made under.
	KeyGeneration int
	// At is when it was done; no two are at the same moment.
	At time.Time
	// TakenAt is when the backup was taken; zero when nobody knows.
	TakenAt time.Time
	// Kept is where the log ended then, and Lost where it is known to have ended before, or zero.
	Kept, Lost Place
	// VoidTokens are the bearer tokens that are good for nothing since.
	VoidTokens []TokenMAC
	MAC        []byte
	// SettledAt is when all was done that follows from it; zero until then.
	SettledAt time.Time
}

// Restores are kept for ever.
type Restores interface {
	// Insert keeps a restore that is not settled; a second one of the same moment is access.KindConflict.
	Insert(Restore) error
	// List returns the tenant's restores, oldest first.
	List(access.TenantID) ([]Restore, error)
	// Settle notes that all was done that follows from the restore at that moment; access.KindConflict when it is not there,
	// or settled.
	Settle(tenant access.TenantID, at, settled time.Time) error
}
