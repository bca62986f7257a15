package simulation

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/store"
)

// turns is how long a run is.
const turns = 200

// Result is what became of a run.
type Result struct {
	Trace []string
	Hash  string
	// Broken is nil when all promises were kept.
	Broken *Broken
	// Choices lead to the same run again.
	Choices []int
	// Reached counts what happened.
	Reached map[string]int
}

// Opener makes an empty store on a clock. It may use the test's cleanup.
type Opener func(t testing.TB, c access.Clock) store.Store

// Run is the run of a seed.
func Run(t *testing.T, setup *Setup, open Opener, seed uint64) Result {
	return run(t, setup, open, drawn(seed))
}

// run lives a world through, in a bubble of its own.
func run(t *testing.T, setup *Setup, open Opener, c *choices) (result Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(setup, c, func(k *clock) store.Store { return open(t, k) })
		w.live()
		w.sched.kill(func(*task) bool { return true })
		result = Result{Trace: w.trace.lines, Hash: w.trace.hash(), Broken: w.broken, Choices: c.made, Reached: w.reached}
	})
	return result
}

// live lets everything go wrong for a while, and then lets everything come to an end.
func (w *World) live() {
	for range turns {
		w.turn()
		w.check()
		if w.broken != nil {
			return
		}
	}
	w.settle()
}

// turn does one thing. What there is to be done decides how likely each is.
func (w *World) turn() {
	w.clearUp()
	n := w.anyNode()
	waiting := flag(len(w.sched.tasks) > 0)
	runnable := flag(len(w.sched.runnable()) > 0)
	pending := count(w.seen.requests, isPending)
	unended := count(w.seen.grants, isUnended)
	live := count(w.seen.grants, func(g access.Grant) bool { return g.State.Live() })
	active := count(w.seen.grants, isActive)
	crowd, issuing := 7, 6
	if w.shared() {
		crowd, issuing = 4, 0 // grants that share rights shall meet, and nobody needs a credential
	}
	standing := count(w.seen.delegations, w.stands)
	due := func(queue store.Queue) int { return flag(count(w.seen.grants, w.isDueIn(queue)) > 0) }
	acts := []struct {
		weight int
		do     func()
	}{
		{40 * runnable, w.goOnInOrder},
		{30 * runnable, w.goOn},
		{1 + 30*due(store.QueueLive), func() { w.step(n, store.QueueLive) }},
		{1 + 30*due(store.QueueNew), func() { w.step(n, store.QueueNew) }},
		{max(0, 20-crowd*(pending+unended)), func() { w.submit(n) }},
		{10 * flag(pending > 0), func() { w.review(n) }},
		{flag(pending > 0), func() { w.withdraw(n) }},
		{flag(live > 0) + 4*flag(active > 0), func() { w.giveBack(n) }},
		{issuing * flag(active > 0), func() { w.fetch(n) }},
		{4 * flag(active > 0), func() { w.extend(n) }},
		{w.habits.freezes, func() { w.freeze(n) }},
		{8 * flag(len(w.seen.freezes) > 0), func() { w.unfreeze(n) }},
		{12 * flag(slices.ContainsFunc(w.seen.freezes, isUnswept)), func() { w.sweep(n) }},
		{flag(count(w.seen.grants, w.isOverdue) > 0), func() { w.attest(n) }},
		{w.habits.rotates, func() { w.rotate(n) }},
		{4 * flag(len(w.seen.keys) > 1), func() { w.keepKeys(n) }},
		{w.habits.reloads, func() { w.reload(n) }},
		{1, func() { w.reconsider(n) }},
		{1, func() { w.lapse(n) }},
		{6, func() { w.sequence(n) }},
		{3, func() { w.integrate(n) }},
		{2, func() { w.compare(n) }},
		{8 + 40*(waiting-runnable), w.wait},
		{w.habits.weather, w.changeWeather},
		{w.habits.crash, func() { w.crash(n) }},
		{w.habits.clocks, func() { w.jump(n) }},
		{w.habits.leaves, w.leave},
		{w.habits.source, func() { w.hear(n) }},
		{25 * flag(count(w.seen.profiles, isUndecided) > 0), func() { w.follow(n) }},
		{w.habits.absence * flag(standing < maxDelegations), func() { w.delegate(n) }},
		{2 * flag(standing > 0), func() { w.undelegate(n) }},
		{w.habits.signs, func() { w.signIn(n) }},
		{w.habits.signs * flag(len(w.held) > 0), func() { w.present(n) }},
		{w.habits.signs * flag(len(w.held) > 0), func() { w.signOut(n) }},
		{w.habits.links * (1 + 4*flag(count(w.seen.grants, w.onTheWordOfGrace) > 0)), func() { w.link(n) }},
		{2 * flag(w.habits.links > 0 && count(w.seen.profiles, isLinked) > 0), func() { w.tellApart(n) }},
		{w.habits.owner, w.tend},
		{w.habits.strays, w.putBack},
		{w.habits.strays * flag(w.shape != connector.BareRight), w.forget},
	}
	weights := make([]int, len(acts))
	for i, a := range acts {
		weights[i] = a.weight
	}
	acts[w.choose.among(weights...)].do()
}

func isPending(r access.Request) bool { return r.State == access.RequestPending }
func isUnended(g access.Grant) bool   { return g.State != access.GrantEnded }
func isActive(g access.Grant) bool    { return g.State == access.GrantActive }
func isUnswept(f access.Freeze) bool  { return f.SweptAt.IsZero() }

// isAnnounced tells the grants that are written as revoking ahead of their deadline.
func isAnnounced(g access.Grant, now time.Time) bool {
	return g.State == access.GrantRevoking && g.EndReason == access.EndExpired && now.Before(g.Deadline)
}

// isOverdue tells the grants that administrators may attest to.
func (w *World) isOverdue(g access.Grant) bool {
	return g.State == access.GrantRevoking && g.Overdue(w.storeClock.Now())
}

// flag is a weight of one for what is true.
func flag(is bool) int {
	if is {
		return 1
	}
	return 0
}

// moment is about how long before the deadline a grant may be written as revoking.
const moment = 2 * time.Second

// isDueIn tells which grants a Step would claim or announce now, or take back at their deadline.
func (w *World) isDueIn(queue store.Queue) func(access.Grant) bool {
	return func(g access.Grant) bool {
		due, now := w.nextOf(g), w.storeClock.Now()
		if isActive(g) {
			due = due.Add(-moment)
		}
		isNew := g.State == access.GrantScheduled
		return !due.IsZero() && !due.After(now) && isNew == (queue == store.QueueNew)
	}
}

// nextOf is when something is to be done about a grant. Who has announced one works on it before its lease ends.
func (w *World) nextOf(g access.Grant) time.Time {
	if isAnnounced(g, w.storeClock.Now()) {
		return g.Deadline
	}
	return g.DueAt
}

func count[K comparable, V any](m map[K]V, is func(V) bool) (n int) {
	for _, v := range m {
		if is(v) {
			n++
		}
	}
	return n
}

// anyNode picks a node, a living one if there is any.
func (w *World) anyNode() *node {
	alive := slices.DeleteFunc(slices.Clone(w.nodes), func(n *node) bool { return n.engine == nil })
	switch {
	case len(alive) == 1:
		return alive[0]
	case len(alive) > 1:
		return one(w.choose, alive)
	}
	w.boot(w.nodes[0])
	return w.nodes[0]
}

// goOnInOrder lets the task go on that has waited for the longest.
func (w *World) goOnInOrder() { w.sched.resume(w.sched.runnable()[0]) }

// goOn lets any task go on.
func (w *World) goOn() { w.sched.resume(one(w.choose, w.sched.runnable())) }

func sortedKeys[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
