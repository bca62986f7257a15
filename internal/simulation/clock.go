package simulation

import (
	"context"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// clock is one party's idea of the time: that of the bubble, and how far it is off.
type clock struct{ off time.Duration }

// Now implements access.Clock.
func (c *clock) Now() time.Time { return time.Now().Add(c.off) }

// pass lets time go on while everybody waits, and what time brings about come to its end.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wait lets time pass: a moment, seconds, until something is due, until just before an end, or long. While something is
// going on, it is mostly short.
func (w *World) wait() {
	var d time.Duration
	untilDue, untilEnd, long := 30, 30, 4
	if len(w.sched.tasks) > 0 {
		untilDue, untilEnd, long = 6, 10, 1
	}
	switch w.choose.among(30, 30, untilDue, untilEnd, long, 1) {
	case 0:
		d = time.Duration(1+w.choose.pick(999)) * time.Millisecond
	case 1:
		d = time.Duration(1+w.choose.pick(12)) * time.Second
	case 2:
		d = w.untilDue(false)
	case 3:
		if g, ok := pickOf(w.choose, w.seen.grants, isActive); ok {
			d = g.Deadline.Sub(w.storeClock.Now()) - time.Duration(1+w.choose.pick(int(moment/time.Millisecond)))*time.Millisecond
		}
		d = max(d, time.Millisecond)
	case 4:
		d = time.Duration(1+w.choose.pick(5)) * time.Minute
	default:
		d = time.Duration(1+w.choose.pick(3)) * time.Hour
	}
	pass(d)
}

// untilDue is how long it is until a grant, or a request if they count as well, is due next; at least a millisecond.
func (w *World) untilDue(requestsToo bool) time.Duration {
	wait := time.Duration(0)
	err := w.books.View(context.Background(), func(tx store.Tx) error {
		lapse, err := tx.Requests().NextLapse(access.DefaultTenant)
		if err != nil {
			return err
		}
		due, err := tx.Grants().NextDue(store.Lane{Tenant: access.DefaultTenant, Connector: connectorName})
		if !requestsToo {
			lapse = time.Time{}
		}
		next := []time.Time{due, lapse}
		for _, id := range sortedKeys(w.seen.grants) {
			if g := w.seen.grants[id]; isAnnounced(g, tx.Now()) {
				next = append(next, g.Deadline)
			}
		}
		for _, t := range next {
			if d := t.Sub(tx.Now()); d > 0 && (wait == 0 || d < wait) {
				wait = d
			}
		}
		return err
	})
	if err != nil {
		w.breaks("the store answers", "%v", err)
	}
	return max(time.Millisecond, wait)
}
