package connectortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// ErrRefused is what Harness.Login and Session.Use wrap when the target itself said no. Any other error means that the
// question was not answered, and fails the case: a target that is down must not pass for one that refuses.
var ErrRefused = errors.New("the target refused")

// Harness is what a driver's test hands to the law: the driver, and a way to look at its target past the driver. The
// functions that take a testing.TB fail it themselves when they cannot do their work, and undo what they did through
// its Cleanup. All of them are called from one goroutine at a time.
type Harness struct {
	// Open makes a driver on the target, as the least privileged account that its page documents. Cases open several;
	// the law closes them. Where Interrupt or Stall are given, the driver reaches its target through them.
	Open func(t testing.TB) connector.Driver
	// Traits are those of the driver's type.
	Traits connector.Traits
	// Clock is the one by which orders are dated: the target's, or one that goes with it. Nil is the system's.
	Clock access.Clock
	// Entitlement and Another exist at the target, behind the same connector name. Having one does not imply the other.
	Entitlement, Another access.Entitlement
	// Account and Params go into every order; drivers that need neither leave them empty.
	Account string
	Params  map[string]string
	// Login logs in at the target as the requester would, past the driver, to use the entitlement: with the credential,
	// or, where none is issued, as Account with the log-in that it has. The law closes the session.
	Login func(ctx context.Context, e access.Entitlement, c access.Credential) (Session, error)
	// Snapshot is a canonical text of all that matters at the target: accounts, rights, memberships, expiries, marks,
	// whoever's, but no sessions and no statistics. Objects that bear one of the marks in without, and what hangs on
	// them, are left out.
	Snapshot func(t testing.TB, without ...access.Mark) string
	// Give gives a right to an account past the driver, as an owner would, and takes it back at the end of the case. It
	// is wanted where several grants may hold one right; Another then stands for at least two rights, of which one is
	// all that Entitlement stands for.
	Give func(t testing.TB, a access.Atom)
	// Patience is how long a call may take to return after its context has ended before it counts as hung. Zero means
	// ten seconds.
	Patience time.Duration

	// The rest are capabilities. One that is nil has its reason in Without, and the cases that need it do not run.

	// WaitPast returns once the target's clock is past at: it moves that clock, or waits for it. The law asks for at
	// most a few seconds.
	WaitPast func(t testing.TB, at time.Time)
	// Interrupt lets the target die in the middle of the driver's next call and stay away until Back.
	Interrupt func(t testing.TB, call connector.Call, point int) Disturbance
	// Stall lets the target stop answering in the middle of the driver's next call, without an error, until Back.
	Stall func(t testing.TB, call connector.Call, point int) Disturbance
	// Points is how many different points in a call Interrupt and Stall know, such as its round trips: point counts
	// from 0, which every call reaches before it has had an effect. Zero means one.
	Points int
	// Blind takes the sight of the account that observes, as a lost privilege would, until back is called.
	Blind func(t testing.TB) (back func())
	// MakeForeign makes an object that bears the mark, as another installation's driver of this type would have.
	MakeForeign func(t testing.TB, mark access.Mark)
	// MakeObject logs in with the credential and makes an object that the log-in then owns.
	MakeObject func(t testing.TB, c access.Credential)
	// Standing opens a session of somebody who has access at the target without Curfew.
	Standing func(t testing.TB) Session

	// Without says for each capability that is missing why the target cannot have it.
	Without map[Capability]string
}

// Session is an open session at the target, or what comes nearest to one.
type Session interface {
	// Use does what the entitlement allows, such as reading a row. It wraps ErrRefused when the target says no; when
	// the session has been ended any error will do.
	Use(ctx context.Context) error
	// Close ends the session. It may be called again.
	Close()
}

// Disturbance is an armed fault.
type Disturbance struct {
	// Reached is closed when a call has run into it.
	Reached <-chan struct{}
	// Back ends it, reached or not: the target answers again. The law calls it once.
	Back func()
}

// Capability names what a harness may be unable to do.
type Capability string

// The capabilities.
const (
	WaitPast    Capability = "wait past a moment"
	Interrupt   Capability = "interrupt"
	Stall       Capability = "stall"
	Blind       Capability = "blind the observer"
	MakeForeign Capability = "make a foreign mark"
	MakeObject  Capability = "make an object"
	Standing    Capability = "open a standing session"

	// The rest are not declared: the traits say whether they are there.
	nativeExpiry Capability = "native expiry"
	soonExpiry   Capability = "native expiry within seconds"
	movedExpiry  Capability = "native expiry that can be moved"
	credentials  Capability = "credential"
	sessionEnd   Capability = "end of sessions"
	ownObject    Capability = "object of the grant's own"
	sharedRight  Capability = "shared right"
	marks        Capability = "mark"
)

// has says which of the declared capabilities are there.
func (h *Harness) has() map[Capability]bool {
	return map[Capability]bool{
		WaitPast:    h.WaitPast != nil,
		Interrupt:   h.Interrupt != nil,
		Stall:       h.Stall != nil,
		Blind:       h.Blind != nil,
		MakeForeign: h.MakeForeign != nil,
		MakeObject:  h.MakeObject != nil,
		Standing:    h.Standing != nil,
	}
}

// Validate reports what is missing from the harness, and every capability that is neither there nor declared absent.
func (h *Harness) Validate() error {
	var errs []error
	need := func(ok bool, field string) {
		if !ok {
			errs = append(errs, fmt.Errorf("harness: %s is not set", field))
		}
	}
	need(h.Open != nil, "Open")
	need(h.Login != nil, "Login")
	need(h.Snapshot != nil, "Snapshot")
	need(h.Entitlement.Validate() == nil, "Entitlement")
	need(h.Another.Validate() == nil, "Another")
	need(h.Entitlement != h.Another, "Another, as something else than Entitlement,")
	need(h.Entitlement.Connector == h.Another.Connector, "Another, with the connector of Entitlement,")
	need(!h.Traits.Shared() || h.Give != nil, "Give")
	need(!h.Traits.Shared() || h.Account != "", "Account")
	need(h.Traits.Settle == 0 || h.WaitPast != nil, "WaitPast, without which nothing settles,")
	has := h.has()
	for c, there := range has {
		reason := h.Without[c]
		if there && reason != "" {
			errs = append(errs, fmt.Errorf("harness: it can %s, and Without says that it cannot: %s", c, reason))
		}
		if !there && reason == "" {
			errs = append(errs, fmt.Errorf("harness: it cannot %s; give the field, or the reason in Without", c))
		}
	}
	for c := range h.Without {
		if _, known := has[c]; !known {
			errs = append(errs, fmt.Errorf("harness: Without names the unknown capability %q", c))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// lacks is why a capability is not there, or empty.
func (h *Harness) lacks(c Capability) string {
	switch c {
	case nativeExpiry:
		if !h.Traits.NativeExpiry {
			return "its traits say that the target does not expire access by itself"
		}
	case soonExpiry:
		if floor := h.Traits.ExpiryFloor; floor > shortLife {
			return "its traits say that the target lets nothing expire sooner than after " + floor.String()
		}
	case movedExpiry:
		if h.Traits.ExpiryFixed {
			return "its traits say that an expiry cannot be moved"
		}
	case credentials:
		if h.Traits.NoCredential {
			return "its traits say that none is issued"
		}
	case sessionEnd:
		if !h.Traits.EndsSessions {
			return "its traits say that sessions cannot be ended"
		}
	case ownObject:
		if h.Traits.Shared() {
			return "its traits say that grants share rights"
		}
	case sharedRight:
		if !h.Traits.Shared() {
			return "its traits say that each grant has an object of its own"
		}
	case marks:
		if h.Traits.Provenance == connector.BareRight {
			return "its traits say that rights bear no mark"
		}
	default:
		return h.Without[c]
	}
	return ""
}
