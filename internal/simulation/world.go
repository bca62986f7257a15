package simulation

import (
	"fmt"
	"io"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/store"
)

// World is one run: everything that there is in it, and what has become of it so far.
type World struct {
	setup  *Setup
	choose *choices
	habits habits
	trace  trace
	sched  scheduler
	ids    *counter
	random io.Reader

	// books is the store itself, which the nodes reach with accidents only; its clock may be set back.
	books      store.Store
	storeClock *clock
	storeDown  bool

	shape       connector.Provenance
	target      *memory.Target
	targetClock *clock
	targetDown  bool
	blind       bool
	locked      bool
	underWay    []*order
	// marks are those that orders have carried, and strays what bears one without a live grant.
	marks  map[access.GrantID]access.Mark
	strays map[access.GrantID]*stray
	owner  owner

	nodes []*node
	// firstKey is the public key of the log at its beginning.
	firstKey string
	people   *people
	accepted []access.RequestID
	// askers are who asked for what was accepted, whatever the books say of it.
	askers map[access.RequestID]access.PrincipalID
	opened []session
	// there are the sessions at the provider, held what came of them here, and ended the sessions here that were and are no more.
	there []*atProvider
	held  []held
	ended map[access.SessionID]bool

	// seen is what the promises were last checked on, with the entries of all states before it in entered; changed says that there may be something new.
	seen    state
	entered map[access.EventID]bool
	changed bool
	broken  *Broken
	// compared: the last comparison has read everything.
	compared bool
	// reached counts what happened, so that a simulation that no longer gets anywhere is noticed.
	reached map[string]int
}

// Broken is a promise that was not kept.
type Broken struct {
	Promise string
	Detail  string
}

// Error is both.
func (b *Broken) Error() string { return b.Promise + ": " + b.Detail }

// newWorld opens for business at noon.
func newWorld(setup *Setup, c *choices, open func(*clock) store.Store) *World {
	w := &World{
		setup: setup, choose: c, ids: &counter{}, random: salts(), storeClock: &clock{}, targetClock: &clock{},
		reached: map[string]int{}, askers: map[access.RequestID]access.PrincipalID{}, entered: map[access.EventID]bool{}, marks: map[access.GrantID]access.Mark{}, strays: map[access.GrantID]*stray{}, owner: newOwner(),
		ended: map[access.SessionID]bool{},
	}
	w.trace.begin = time.Now()
	w.sched = scheduler{baton: make(chan struct{}), panicked: func(t *task, value any, stack []byte) {
		w.breaks("nothing panics", "%s: %v\n%s", t.name, value, stack)
	}}
	w.books = w.keyed(open(w.storeClock))
	w.gather()
	w.shape = drawShape(c)
	w.reached["shape: "+string(w.shape)]++
	w.trace.add("target", "gives rights that are %s", w.shape)
	w.openTarget()
	w.habits = drawHabits(c)
	if w.habits.owner > 0 {
		w.endow()
	}
	w.introduce()
	for i := range w.habits.nodes {
		n := &node{name: fmt.Sprintf("node-%d", i+1), world: w}
		w.nodes = append(w.nodes, n)
		w.boot(n)
	}
	key, err := w.nodes[0].engine.LogKey()
	if err != nil {
		w.breaks("the keys open", "%v", err)
	}
	w.firstKey = key
	return w
}

// moment is a point that a task passes: it is noted, the promises are checked, and the task may be held up.
func (w *World) moment(t *task, format string, args ...any) {
	t.stopIfKilled()
	w.trace.add(t.name, format, args...)
	w.pause(t)
}

// pause checks the promises and may hold the task up. After a broken promise nothing goes on.
func (w *World) pause(t *task) {
	w.check()
	switch {
	case w.broken != nil:
		t.hold(func() bool { return false })
	case w.choose.chance(w.habits.held):
		t.sleep(time.Now().Add(w.choose.span(w.habits.slow, 4*callTimeout)))
		t.hold(nil)
	}
}

// trouble notes an accident that a task has met with, and returns its error.
func (w *World) trouble(t *task, what string, err error) error {
	w.reached["trouble: "+what]++
	w.trace.add(t.name, "! %s", what)
	t.troubles++
	return err
}

// breaks notes the first promise that was not kept.
func (w *World) breaks(promise, format string, args ...any) {
	if w.broken == nil {
		w.broken = &Broken{Promise: promise, Detail: fmt.Sprintf(format, args...)}
		w.trace.add("BROKEN", "%s", w.broken.Error())
	}
}
