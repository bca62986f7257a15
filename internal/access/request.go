package access

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"
)

// Bounds of what people write.
const (
	MaxReason       = 4096
	MaxTicket       = 128
	MaxEntitlements = 50
	MaxParams       = 32
	MaxParamBytes   = 1024
	MaxDuration     = 366 * 24 * time.Hour
	MinDuration     = time.Second
	// MaxAhead is how far ahead access can be asked for.
	MaxAhead = 90 * 24 * time.Hour
)

// Request says: this principal wants these entitlements, from when, for how long, because. It never changes after it
// was accepted, but for its state.
type Request struct {
	ID        RequestID
	Tenant    TenantID
	Principal PrincipalID
	Person    PersonID
	// ActsFor is the human for whom an agent asked; zero for everybody else.
	ActsFor PrincipalID
	// AskedBy asked for it in the principal's name, and AskedByPerson is the person who did; zero where the principal asked.
	AskedBy       PrincipalID
	AskedByPerson PersonID
	// Bundle is the bundle asked for by name, or empty; Entitlements holds it expanded.
	Bundle       string
	Entitlements []Entitlement
	Duration     time.Duration
	// Start is when access shall begin; zero means as soon as it is approved.
	Start      time.Time
	Reason     string
	Ticket     string
	Params     map[string]string
	BreakGlass bool
	// Recipient is the requester's HPKE public key (package secret), or empty if it comes with the first fetch.
	Recipient []byte
	// Hash binds a review to what was asked: see HashRequest.
	Hash []byte

	State     RequestState
	CreatedAt time.Time
	// LapsesAt is when a request that is still pending stops waiting.
	LapsesAt  time.Time
	SettledAt time.Time
	// Version grows by one with every change; a writer that read an older one loses.
	Version int64
}

// RequestState is where a request stands; docs/states.md draws it.
type RequestState string

// The states of a request.
const (
	RequestPending   RequestState = "pending"
	RequestApproved  RequestState = "approved"
	RequestDenied    RequestState = "denied"
	RequestWithdrawn RequestState = "withdrawn"
	RequestLapsed    RequestState = "lapsed"
)

// Verdict is what a reviewer says.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Deny    Verdict = "deny"
)

// Review is one person's verdict on a request.
type Review struct {
	ID       ReviewID
	Tenant   TenantID
	Request  RequestID
	Reviewer PrincipalID
	Person   PersonID
	Verdict  Verdict
	// Delegation is that under which the reviewer stood in the stead of InSteadOf; empty where they stood for themselves alone.
	Delegation DelegationID
	InSteadOf  PrincipalID
	// Cap shortens the grant; zero means no cap.
	Cap     time.Duration
	Comment string
	// Hash is the request's hash together with the digests of the policies that decided or guarded it, as the
	// reviewer saw them. Activation compares it again.
	Hash []byte
	At   time.Time
}

// HashRequest is SHA-256 over everything that was asked, and by whom: what a reviewer agrees to.
func HashRequest(r Request) []byte {
	// The members have a fixed order, and encoding/json sorts the keys of maps.
	b, err := json.Marshal(struct {
		ID           RequestID
		Tenant       TenantID
		Principal    PrincipalID
		Person       PersonID
		Bundle       string
		Entitlements []Entitlement
		Duration     time.Duration
		Start        int64
		Reason       string
		Ticket       string
		Params       map[string]string
		BreakGlass   bool
		Recipient    []byte
		// Nothing where the principal asked: such requests hash as they did before others could.
		AskedBy       PrincipalID `json:",omitzero"`
		AskedByPerson PersonID    `json:",omitempty"`
	}{
		r.ID, r.Tenant, r.Principal, r.Person, r.Bundle, r.Entitlements, r.Duration, Micros(r.Start), r.Reason, r.Ticket,
		r.Params, r.BreakGlass, r.Recipient, r.AskedBy, r.AskedByPerson,
	})
	if err != nil {
		panic("access: a request of plain values always marshals: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// HashReview binds a request's hash to the digests of the policies that decided or guarded it, in sorted order. A
// review counts only while both are what they were.
func HashReview(request []byte, digests []string) []byte {
	h := sha256.New()
	for _, part := range append([]string{string(request)}, digests...) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}
