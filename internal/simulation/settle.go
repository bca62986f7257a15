package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/store"
)

// patience is how many times something may be due before a world must have come to rest. A grant is tried some dozens of
// times when it lives through everything.
const patience = 400

// settle ends all accidents, lets time go on, and holds the world to what must be true when nothing is left to do.
func (w *World) settle() {
	w.calm()
	for range patience {
		w.finishTasks()
		for _, n := range w.nodes {
			w.step(n, store.QueueLive)
			w.step(n, store.QueueNew)
			w.lapse(n)
			w.sequence(n)
			w.integrate(n)
			w.sweep(n)
			w.reconsider(n)
			w.follow(n)
			w.keepKeys(n)
		}
		w.finishTasks()
		if w.broken != nil {
			return
		}
		if w.atRest() {
			pass(time.Second) // what ended at this very moment is left alone by a comparison that begins in it
			w.compare(w.nodes[0])
			w.finishTasks()
			if w.broken == nil && w.compared && w.atRest() {
				w.leftOver()
				w.forgetSomebody()
				w.verifyLog(w.nodes[0])
				return
			}
			pass(callTimeout) // a turn that nobody ended ends by itself
			continue
		}
		wait := w.untilDue(true)
		if w.seen.resealing() {
			wait = max(wait, time.Second) // it ends some time after it began, whatever is due
		}
		pass(wait)
	}
	w.breaks("everything ends", "%d times due, and still: %s", patience, w.unfinished())
}

// calm sets everything right.
func (w *World) calm() {
	w.trace.add("calm", "nothing goes wrong any more")
	w.habits = habits{}
	w.fairWeather()
	w.storeClock.off, w.targetClock.off = 0, 0
	clear(w.people.missing)
	for _, n := range w.nodes {
		n.off = 0
		if n.engine == nil {
			w.boot(n)
		}
	}
}

// finishTasks lets everything that is under way come to its end.
func (w *World) finishTasks() {
	for len(w.sched.tasks) > 0 && w.broken == nil {
		if list := w.sched.runnable(); len(list) > 0 {
			w.sched.resume(list[0])
			w.check()
			continue
		}
		pass(time.Second)
	}
}

// atRest reports whether nobody will ever have anything to do again.
func (w *World) atRest() bool { return w.unfinished() == "" }

// unfinished names something that is not over.
func (w *World) unfinished() string {
	for _, id := range sortedKeys(w.seen.grants) {
		if g := w.seen.grants[id]; g.State != access.GrantEnded || !g.DueAt.IsZero() {
			return fmt.Sprintf("%s is %s, due at %s, after %d failures: %s %s", id, g.State, g.DueAt, g.Failures, g.LastError, g.Housekeeping)
		}
	}
	for _, id := range sortedKeys(w.seen.requests) {
		if r := w.seen.requests[id]; !r.State.Settled() {
			return fmt.Sprintf("%s is %s", id, r.State)
		}
	}
	if slices.ContainsFunc(w.seen.freezes, isUnswept) {
		return "a freeze is not carried out"
	}
	if count(w.seen.profiles, isUndecided) > 0 {
		return "what somebody has is not decided again"
	}
	if w.seen.resealing() {
		return "an old key still seals"
	}
	if now, err := w.look(); err != nil || now.waiting > 0 {
		return fmt.Sprintf("%d entries have no position (%v)", now.waiting, err)
	} else if now.integrated < now.position {
		return fmt.Sprintf("the tree has %d of %d entries", now.integrated, now.position)
	}
	return ""
}

// leftOver holds the target to what must be there when every grant has ended: nothing but what is the owner's; and the
// findings to what was there.
func (w *World) leftOver() {
	now, err := w.look()
	if err != nil {
		w.breaks("the store answers", "%v", err)
		return
	}
	for _, id := range sortedKeys(now.accounts) {
		w.breaks("nothing is left at the target", "the account %s", now.accounts[id].Name)
	}
	for _, r := range sortedRights(now.members) {
		if !w.isOwners(r) {
			w.breaks("nothing is left at the target", "%s, with the mark %q", r, now.members[r])
		}
	}
	w.accounted(&now)
	if w.reached["trouble: hasty answer"] > 0 || w.reached["end: "+string(access.EndAttested)] > 0 {
		return // who answered before they had looked told nobody what there is to tidy; nor did who did not look
	}
	for _, id := range sortedKeys(now.grants) {
		objects := "objects of \"" + memory.OwnAccount + "-" + string(id)
		// An account that is put back while its objects are tidied hides them, and nobody comes back for them.
		if w.strays[id] == nil && strings.Contains(w.target.Snapshot(), objects) {
			w.breaks("nothing is left at the target", "%s", w.target.Snapshot())
		}
	}
}
