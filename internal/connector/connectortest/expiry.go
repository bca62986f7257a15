package connectortest

import (
	"time"

	"github.com/curfewhq/curfew/internal/connector"
)

func expiryCases() []Case {
	return []Case{
		{Name: "native expiry is not after the deadline", needs: []Capability{nativeExpiry}, run: expiryNotLater},
		{Name: "the target refuses after the deadline", needs: []Capability{nativeExpiry, soonExpiry, movedExpiry, WaitPast}, run: targetExpires},
		{Name: "extend moves the native expiry", needs: []Capability{nativeExpiry, soonExpiry, movedExpiry, WaitPast}, run: extendMovesExpiry},
		{Name: "a credential that is issued after extend lives longer", needs: []Capability{nativeExpiry}, run: issuedAfterExtend},
		{Name: "a short grant expires as soon as the target can", needs: []Capability{nativeExpiry}, run: expirySoon},
		{Name: "extend keeps credential and session", needs: []Capability{ownObject}, run: extendKeeps},
		{Name: "extend makes no access", needs: []Capability{ownObject}, run: extendMakesNothing},
	}
}

func (l *law) extend(g granted, deadline time.Time) granted {
	l.Helper()
	g.order = l.again(g.order)
	g.order.Deadline = deadline
	if err := l.d.Extend(l.ctx(), g.order, g.plan); err != nil {
		l.Fatalf("Extend: %v", err)
	}
	return g
}

// wantExpiry fails the case unless the expiry read at the target is above, and not above, the bounds.
func (l *law) wantExpiry(g granted, above, atMost time.Time, when string) {
	l.Helper()
	if e := l.observe(g).NativeExpiry; !e.After(above) || e.After(atMost) {
		l.Fatalf("%s: Observe reads the native expiry %v, want it after %v and not after %v", when, e, above, atMost)
	}
}

func expiryNotLater(l *law) {
	o := l.order(l.h.Entitlement)
	// A deadline between two seconds shows a driver that rounds up.
	o.Deadline = o.Start.Truncate(time.Second).Add(life + 123456*time.Microsecond)
	g := l.give(o)
	l.wantExpiry(g, o.Start, o.Deadline, "after Grant")
	l.grant(l.again(o), g.plan)
	l.wantExpiry(g, o.Start, o.Deadline, "after a second Grant")
	later := o.Deadline.Add(life)
	moved := o.Deadline
	if l.h.Traits.ExpiryFixed {
		moved = o.Start
	}
	l.wantExpiry(l.extend(g, later), moved, later, "after Extend")
}

func issuedAfterExtend(l *law) {
	g := l.give(l.order(l.h.Entitlement))
	before := g.order.Deadline
	g = l.extend(g, before.Add(life))
	again := l.grant(l.again(g.order), g.plan)
	l.wantExpiry(again, before, g.order.Deadline, "after Extend and a new credential")
	l.login(again, "with a credential that was issued after Extend")
}

// expirySoon has access end sooner than a target can let it expire, if there is such a bound.
func expirySoon(l *law) {
	o := l.order(l.h.Entitlement)
	o.Deadline = o.Start.Add(max(shortLife, l.h.Traits.ExpiryFloor/2))
	if g := l.give(o); l.h.Traits.ExpiryFloor == 0 {
		l.wantExpiry(g, o.Start, o.Deadline, "after Grant of a short grant")
	}
}

// targetExpires shows with one grant that the log-in works and is cut off when Curfew only waits, and with another that
// the expiry set by Grant itself does the same. The first is shortened by Extend, so that no log-in races the deadline.
func targetExpires(l *law) {
	shortened := l.give(l.order(l.h.Entitlement))
	lasting := l.give(l.order(l.h.Entitlement))
	l.login(shortened, "before the deadline")
	o := l.order(l.h.Entitlement)
	o.Deadline = l.now().Add(shortLife)
	short := l.give(o)
	shortened = l.extend(shortened, o.Deadline)

	l.h.WaitPast(l.TB, o.Deadline)
	l.wantRefused(o.Entitlement, short.credential(), "past the deadline that Grant set")
	l.wantRefused(o.Entitlement, shortened.credential(), "past the deadline that Extend set")
	l.login(lasting, "past another grant's deadline")
	for _, g := range []granted{short, shortened} {
		l.revoke(g)
		l.wantGone(g, "after Revoke past the deadline")
	}
}

func extendMovesExpiry(l *law) {
	near := l.now().Add(shortLife)
	g := l.extend(l.extend(l.give(l.order(l.h.Entitlement)), near), near.Add(life))
	l.h.WaitPast(l.TB, near)
	l.login(g, "past a deadline that Extend has moved")
	l.revoke(g)
	l.wantGone(g, "after Extend and Revoke")
}

func extendKeeps(l *law) {
	g := l.give(l.order(l.h.Entitlement))
	s := l.login(g, "before Extend")
	g = l.extend(g, g.order.Deadline.Add(life))
	l.wantUse(s, "after Extend")
	l.login(g, "with the credential from before Extend")
	l.wantListed(g.order.Mark, 1, "after Extend")
	l.extend(g, g.order.Deadline)
	l.wantUse(s, "after the same Extend again")
}

func extendMakesNothing(l *law) {
	before := l.h.Snapshot(l.TB)
	o := l.order(l.h.Entitlement)
	g := granted{order: o, plan: l.prepare(o)}
	l.takeBackAtEnd(o, g.plan)
	if err := l.d.Extend(l.ctx(), o, g.plan); err == nil {
		l.Error("Extend without a Grant: no error")
	}
	l.wantState(g, connector.Absent, "after Extend without Grant")
	l.wantUnchanged(before, "after Extend without Grant")

	g = l.grant(o, g.plan)
	l.revoke(g)
	if err := l.d.Extend(l.ctx(), l.again(o), g.plan); err == nil {
		l.Error("Extend after Revoke: no error")
	}
	l.wantGone(g, "after Revoke and Extend")
	l.tidy(g)
	l.wantUnchanged(before, "after Revoke and Extend")
}
