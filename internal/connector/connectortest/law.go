package connectortest

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const (
	// actWithin is how long an order of the law may act.
	actWithin = time.Minute
	// life is how long access lasts where its end does not matter.
	life = time.Hour
	// shortLife is how long access lasts where the case waits for its end.
	shortLife = 3 * time.Second
	// callLimit bounds each call, so that a driver that hangs fails its case and not the whole run.
	callLimit = time.Minute
	// comebackTries is how many calls a driver may fail after its target came back, because its connections are stale.
	comebackTries = 5
	// lateTries bounds how often what has arrived late is taken back, with a pause of lateLook in between.
	lateTries = 50
	lateLook  = 20 * time.Millisecond
)

// law is one case under way: its driver, and the steps that cases are told in. Steps fail the case by themselves.
type law struct {
	testing.TB
	h *Harness
	d connector.Driver
}

func newLaw(t testing.TB, h *Harness) *law {
	l := &law{TB: t, h: h}
	l.d = l.open()
	return l
}

// open opens one more driver on the target, closed at the end of the case.
func (l *law) open() connector.Driver {
	l.Helper()
	d := l.h.Open(l.TB)
	l.Cleanup(func() { _ = d.Close() })
	return d
}

// ctx is the context of one call. It outlives the case's own, because Cleanups call drivers too.
func (l *law) ctx() context.Context {
	ctx, cancel := l.limited()
	l.Cleanup(cancel)
	return ctx
}

// limited is ctx for calls that are made side by side, each with a limit of its own.
func (l *law) limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(l.Context()), callLimit)
}

func (l *law) now() time.Time {
	if l.h.Clock == nil {
		return time.Now()
	}
	return l.h.Clock.Now()
}

// order is a new order for alice, shaped as the engine shapes them.
func (l *law) order(e access.Entitlement) connector.Order {
	l.Helper()
	o := NewOrder(l.now(), e)
	o.Account, o.Params = l.h.Account, l.h.Params
	if !l.h.Traits.NoCredential {
		o.Recipient = l.recipient()
	}
	return o
}

// mark has the length and the alphabet of the engine's marks; its MAC proves nothing, and drivers do not look.
func mark(installation, grant string) access.Mark {
	return access.Mark("curfew1:" + installation + ":default:connector:gr_" + grant + ":" + strings.Repeat("0f", 16))
}

// recipient is a requester's public key, as HPKE over P-256 writes it.
func (l *law) recipient() []byte {
	l.Helper()
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		l.Fatal(err)
	}
	return k.PublicKey().Bytes()
}

// again is the order as the engine would give it a second time.
func (l *law) again(o connector.Order) connector.Order {
	o.Attempt++
	o.ActBy = l.now().Add(actWithin)
	return o
}

// bare is the order without all that a revocation must do without: it works from the plan alone.
func bare(o connector.Order) connector.Order {
	return connector.Order{Grant: o.Grant, Attempt: o.Attempt, ActBy: o.ActBy, Mark: o.Mark, Tenant: o.Tenant}
}

// prepare plans, and hands the plan back as the store would.
func (l *law) prepare(o connector.Order) access.Plan {
	l.Helper()
	p, err := l.d.Prepare(l.ctx(), o)
	if err != nil {
		l.Fatalf("Prepare: %v", err)
	}
	return l.stored(p)
}

// stored is the plan after it was written down and read again.
func (l *law) stored(p access.Plan) access.Plan {
	l.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		l.Fatalf("the plan cannot be written down: %v", err)
	}
	var q access.Plan
	if err := json.Unmarshal(b, &q); err != nil {
		l.Fatalf("the plan cannot be read back: %v", err)
	}
	return q
}

// granted is access that a case has made.
type granted struct {
	order   connector.Order
	plan    access.Plan
	outcome connector.Outcome
}

// credential is what was issued; empty where none is.
func (g granted) credential() access.Credential {
	if g.outcome.Credential == nil {
		return access.Credential{}
	}
	return *g.outcome.Credential
}

// give prepares and grants, and takes back at the end of the case what the case leaves.
func (l *law) give(o connector.Order) granted {
	l.Helper()
	p := l.prepare(o)
	l.takeBackAtEnd(o, p)
	return l.grant(o, p)
}

// takeBackAtEnd keeps one failed case from spoiling the next.
func (l *law) takeBackAtEnd(o connector.Order, p access.Plan) {
	d := l.d
	l.Cleanup(func() { _, _ = d.Revoke(l.ctx(), l.again(o), p) })
}

// grant grants, and checks what is true of every outcome.
func (l *law) grant(o connector.Order, p access.Plan) granted {
	l.Helper()
	out, err := l.d.Grant(l.ctx(), o, p)
	if err != nil {
		l.Fatalf("Grant: %v", err)
	}
	if err := checkOutcome(l.h.Traits, o, out); err != nil {
		l.Fatal(err)
	}
	return granted{order: o, plan: p, outcome: out}
}

// checkOutcome is what every outcome must be; it can be called from any goroutine.
func checkOutcome(traits connector.Traits, o connector.Order, out connector.Outcome) error {
	switch wanted := len(o.Recipient) > 0; {
	case wanted && out.Credential == nil:
		return errors.New("Grant: there is a recipient, and no credential was issued")
	case !wanted && out.Credential != nil:
		return errors.New("Grant: there is no recipient, and a credential was issued")
	case wanted:
		if err := out.Credential.CheckVariables(); err != nil {
			return fmt.Errorf("Grant: %w", err)
		}
	}
	switch {
	case traits.NativeExpiry && out.NativeExpiry.IsZero():
		return errors.New("Grant: the traits promise native expiry, and the outcome has none")
	case out.NativeExpiry.After(o.Deadline) && (traits.ExpiryFloor == 0 || out.NativeExpiry.After(o.ActBy.Add(traits.ExpiryFloor))):
		return fmt.Errorf("Grant: native expiry %v is after the deadline %v", out.NativeExpiry, o.Deadline)
	}
	return nil
}

// revoke takes back from the plan alone. The access is gone when it returns; housekeeping may be left.
func (l *law) revoke(g granted) connector.Removal {
	l.Helper()
	r, err := l.d.Revoke(l.ctx(), bare(l.again(g.order)), g.plan)
	if err != nil {
		l.Fatalf("Revoke: %v", err)
	}
	return r
}

// tidy disposes of what Revoke left behind, as the engine does.
func (l *law) tidy(g granted) {
	l.Helper()
	var left string
	for range comebackTries {
		var err error
		if left, err = l.d.Tidy(l.ctx(), bare(l.again(g.order)), g.plan); err != nil {
			l.Fatalf("Tidy: %v", err)
		}
		if left == "" {
			return
		}
	}
	l.Fatalf("Tidy, repeated %d times, still leaves something: %s", comebackTries, left)
}

// observe reads the grant back.
func (l *law) observe(g granted) connector.Presence {
	l.Helper()
	p, err := l.d.Observe(l.ctx(), bare(l.again(g.order)), g.plan)
	if err != nil {
		l.Fatalf("Observe: %v", err)
	}
	for _, atom := range g.plan.Atoms {
		if !slices.ContainsFunc(p.Atoms, func(a connector.AtomPresence) bool { return a.Atom == atom }) {
			l.Fatalf("Observe says nothing about %+v, which is in the plan", atom)
		}
	}
	return p
}

// wantState fails the case unless the grant reads back as want.
func (l *law) wantState(g granted, want connector.AtomState, when string) {
	l.Helper()
	if want == connector.Absent && l.h.Traits.Settle > 0 {
		l.h.WaitPast(l.TB, l.now().Add(l.h.Traits.Settle))
	}
	p := l.observe(g)
	if got := p.State(); got != want {
		l.Fatalf("%s: Observe says %s, want %s (%+v)", when, got, want, p)
	}
	if want == connector.Absent && p.ReadBy == "" {
		l.Fatalf("%s: Observe says absent and not who read it, with which positive control", when)
	}
}

// login logs in, which must work, and closes the session at the end of the case.
func (l *law) login(g granted, when string) Session {
	l.Helper()
	s, err := l.tryLogin(g.order.Entitlement, g.credential())
	if err != nil {
		l.Fatalf("%s: the log-in does not work: %v", when, err)
	}
	return s
}

// tryLogin logs in and uses the entitlement once.
func (l *law) tryLogin(e access.Entitlement, c access.Credential) (Session, error) {
	ctx := l.ctx()
	s, err := l.h.Login(ctx, e, c)
	if err != nil {
		return nil, err
	}
	l.Cleanup(s.Close)
	return s, s.Use(ctx)
}

// wantRefused fails the case unless the target itself refuses the credential.
func (l *law) wantRefused(e access.Entitlement, c access.Credential, when string) {
	l.Helper()
	switch _, err := l.tryLogin(e, c); {
	case err == nil:
		l.Fatalf("%s: the log-in still works", when)
	case !errors.Is(err, ErrRefused):
		l.Fatalf("%s: the log-in failed, but not because the target refused it: %v", when, err)
	}
}

// wantGone fails the case unless the access is not there: read back, not listed, log-in refused.
func (l *law) wantGone(g granted, when string) {
	l.Helper()
	l.wantState(g, connector.Absent, when)
	if g.outcome.Credential != nil || l.h.Traits.NoCredential {
		l.wantRefused(g.order.Entitlement, g.credential(), when)
	}
}

// wantGoneBeside is wantGone while another grant of the same entitlement lives. A log-in that somebody has anyway works on then.
func (l *law) wantGoneBeside(g granted, when string) {
	l.Helper()
	if l.h.Traits.NoCredential {
		l.wantState(g, connector.Absent, when)
		return
	}
	l.wantGone(g, when)
}

// wantUse fails the case unless the session still works.
func (l *law) wantUse(s Session, when string) {
	l.Helper()
	if err := s.Use(l.ctx()); err != nil {
		l.Fatalf("%s: the session does not work: %v", when, err)
	}
}

// wantEnded fails the case unless the session has been ended.
func (l *law) wantEnded(s Session, when string) {
	l.Helper()
	if s.Use(l.ctx()) == nil {
		l.Fatalf("%s: the session still works", when)
	}
}

// wantUnchanged fails the case unless the target, but for what bears the marks, looks as before.
func (l *law) wantUnchanged(before, when string, without ...access.Mark) {
	l.Helper()
	after := l.h.Snapshot(l.TB, without...)
	if before != after {
		l.Fatalf("%s: the target has changed:\n%s", when, difference(before, after))
	}
}

// difference shows the lines that only one of two snapshots has.
func difference(before, after string) string {
	count := map[string]int{}
	for line := range strings.Lines(before) {
		count[line]--
	}
	for line := range strings.Lines(after) {
		count[line]++
	}
	var b strings.Builder
	show := func(text, sign string, times int) {
		for line := range strings.Lines(text) {
			if count[line]*times > 0 {
				b.WriteString(sign + strings.TrimRight(line, "\n") + "\n")
				count[line] -= times
			}
		}
	}
	show(before, "- ", -1)
	show(after, "+ ", 1)
	return b.String()
}

// list collects the findings that bear the mark.
func (l *law) list(m access.Mark) []access.Sighting {
	l.Helper()
	var found []access.Sighting
	for f, err := range l.d.List(l.ctx()) {
		if err != nil {
			l.Fatalf("List: %v", err)
		}
		if f.Mark == m {
			found = append(found, f)
		}
	}
	return found
}

// wantListed fails the case unless List yields the mark, intact, exactly n times; never where rights bear no mark.
func (l *law) wantListed(m access.Mark, n int, when string) {
	l.Helper()
	if l.h.lacks(marks) != "" {
		n = 0
	}
	if got := len(l.list(m)); got != n {
		l.Fatalf("%s: List yields the mark %d times, want %d", when, got, n)
	}
}

// wantKind fails the case unless err is of one of the kinds.
func (l *law) wantKind(err error, when string, kinds ...access.Kind) {
	l.Helper()
	if err == nil {
		l.Fatalf("%s: no error, want one of kind %v", when, kinds)
	}
	var e *access.Error
	if !errors.As(err, &e) {
		l.Fatalf("%s: the error is no *access.Error: %v", when, err)
	}
	for _, k := range kinds {
		if e.Kind == k {
			return
		}
	}
	l.Fatalf("%s: the error is of kind %q, want one of %v: %v", when, e.Kind, kinds, err)
}
