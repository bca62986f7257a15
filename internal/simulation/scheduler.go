package simulation

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// scheduler hands one baton round: of the run and all its tasks, exactly one goes on at any moment.
type scheduler struct {
	// tasks are those that are not over, in the order of their start.
	tasks []*task
	// baton comes back from the task that was let go on.
	baton chan struct{}
	// started counts tasks, for their names.
	started int
	// panicked is told what a task panicked with.
	panicked func(t *task, value any, stack []byte)
}

// task is something that takes place over time: a node's Step, a person's call, an order on its way to the target.
type task struct {
	name string
	// node is whose death ends it; nil for what takes place at the target.
	node  *node
	sched *scheduler
	turn  chan struct{}
	// ready, when set, says whether what it waits for has come.
	ready        func() bool
	over, killed bool

	// troubles counts the accidents that this task has met with.
	troubles int
	// refused: the store has said no to it.
	refused bool
	// granted is the access that it has made at the target.
	granted []*granted
}

type taskKey struct{}

// taskOf finds the task that a call is part of. Calls that a connector makes for several callers at once have one too,
// but must not be held up, since the callers wait for each other.
func taskOf(ctx context.Context) *task {
	t, _ := ctx.Value(taskKey{}).(*task)
	return t
}

// start makes a task, which begins when it is first let go on.
func (s *scheduler) start(name string, n *node, run func(context.Context)) {
	t := &task{name: name, node: n, sched: s, turn: make(chan struct{})}
	s.started++
	s.tasks = append(s.tasks, t)
	ctx := context.WithValue(context.Background(), taskKey{}, t)
	go func() {
		// Deferred, because a task that is killed leaves through runtime.Goexit.
		defer func() {
			if p := recover(); p != nil {
				s.panicked(t, p, debug.Stack())
			}
			t.over = true
			s.baton <- struct{}{}
		}()
		t.await()
		run(ctx)
	}()
}

// await waits for the baton. A task that was killed goes no further.
func (t *task) await() {
	<-t.turn
	t.stopIfKilled()
}

// stopIfKilled ends a task that was killed. What it has deferred runs all the same, and stops here: the dead end nothing
// that they have begun.
func (t *task) stopIfKilled() {
	if t.killed {
		runtime.Goexit()
	}
}

// hold gives the baton back until ready, and until the scheduler wants it. It is called by the task itself.
func (t *task) hold(ready func() bool) {
	t.ready = ready
	t.sched.baton <- struct{}{}
	t.await()
	t.ready = nil
}

// sleep gives the baton back until a time has come.
func (t *task) sleep(until time.Time) {
	if time.Now().Before(until) {
		t.hold(func() bool { return !time.Now().Before(until) })
	}
}

// resume lets a task go on until it holds or is over.
func (s *scheduler) resume(t *task) {
	t.turn <- struct{}{}
	<-s.baton
	if t.over {
		s.tasks = slices.DeleteFunc(s.tasks, func(o *task) bool { return o == t })
	}
}

// kill ends tasks where they stand.
func (s *scheduler) kill(which func(*task) bool) {
	for _, t := range slices.Clone(s.tasks) {
		if which(t) {
			t.killed = true
			s.resume(t)
		}
	}
}

// runnable lists the tasks that do not wait for anything but their turn.
func (s *scheduler) runnable() []*task {
	var list []*task
	for _, t := range s.tasks {
		if t.ready == nil || t.ready() {
			list = append(list, t)
		}
	}
	return list
}
