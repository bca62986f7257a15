package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
)

// wire is the driver that a node has: the way to the target. Most calls live and die with their caller, as on a
// connection. Others are on their own once they are sent: the target may carry them out at any time, twice, while the
// caller waits in vain, or long after the caller is dead.
type wire struct {
	connector.Driver
	world *World
}

// order is an effectful call that the target may still carry out, or is carrying out.
type order struct {
	connector.Order
	call connector.Call
}

// granted is access that a task has made, for the promise that who loses the race for a grant undoes what it did.
type granted struct {
	grant access.GrantID
	// lost is set when the grant had been taken further by another, and troubles are those that the task had met with then.
	lost     bool
	troubles int
}

// Prepare implements connector.Driver.
func (d *wire) Prepare(ctx context.Context, o connector.Order) (access.Plan, error) {
	return send(ctx, d.world, connector.CallPrepare, o, func(ctx context.Context) (access.Plan, error) {
		return d.Driver.Prepare(ctx, o)
	})
}

// Grant implements connector.Driver.
func (d *wire) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	out, err := send(ctx, d.world, connector.CallGrant, o, func(ctx context.Context) (connector.Outcome, error) {
		return d.Driver.Grant(ctx, o, p)
	})
	if err == nil {
		t := taskOf(ctx)
		t.granted = append(t.granted, &granted{grant: o.Grant})
	}
	return out, err
}

// Extend implements connector.Driver.
func (d *wire) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	_, err := send(ctx, d.world, connector.CallExtend, o, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, d.Driver.Extend(ctx, o, p)
	})
	return err
}

// Revoke implements connector.Driver.
func (d *wire) Revoke(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
	return send(ctx, d.world, connector.CallRevoke, o, func(ctx context.Context) (connector.Removal, error) {
		return d.Driver.Revoke(ctx, o, p)
	})
}

// Observe implements connector.Driver.
func (d *wire) Observe(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
	return send(ctx, d.world, connector.CallObserve, o, func(ctx context.Context) (connector.Presence, error) {
		return d.Driver.Observe(ctx, o, p)
	})
}

// RevokeBatch implements connector.BatchRevoker: each task meets with accidents of its own.
func (d *wire) RevokeBatch(ctx context.Context, tasks []connector.Task) []connector.Revocation {
	out := make([]connector.Revocation, len(tasks))
	for i, t := range tasks {
		out[i].Removal, out[i].Err = d.Revoke(ctx, t.Order, t.Plan)
	}
	return out
}

// ObserveBatch implements connector.BatchObserver.
func (d *wire) ObserveBatch(ctx context.Context, tasks []connector.Task) []connector.Observation {
	out := make([]connector.Observation, len(tasks))
	for i, t := range tasks {
		out[i].Presence, out[i].Err = d.Observe(ctx, t.Order, t.Plan)
	}
	return out
}

// Tidy implements connector.Driver.
func (d *wire) Tidy(ctx context.Context, o connector.Order, p access.Plan) (string, error) {
	return send(ctx, d.world, connector.CallTidy, o, func(ctx context.Context) (string, error) {
		return d.Driver.Tidy(ctx, o, p)
	})
}

// errHasty is how sendAway says that the caller was answered before the call was carried out.
var errHasty = errors.New("answered before it was carried out")

// send brings a call to the target and its answer back.
func send[T any](
	ctx context.Context, w *World, call connector.Call, o connector.Order, carryOut func(context.Context) (T, error),
) (T, error) {
	t := taskOf(ctx)
	w.moment(t, "calls %s for %s, attempt %d", call, o.Grant, o.Attempt)
	if call == connector.CallPrepare { // the others may carry the mark of whom a shared right was made for
		w.marks[o.Grant] = o.Mark
	}
	var answer, none T
	var err error
	run := func(ctx context.Context) {
		if call == connector.CallRevoke {
			// At its end, because what strays while it is under way may go with its second half.
			defer w.strayRevoked(o)
		}
		answer, err = carryOut(ctx)
	}
	if w.choose.chance(w.habits.detached) {
		// What befalls the caller comes before what the target says, which may say it later.
		switch befell := w.sendAway(ctx, t, call, o, run); {
		case errors.Is(befell, errHasty):
			answer, err = none, nil
		case befell != nil:
			err = befell
		}
	} else {
		arrived := w.arrives(call, o)
		defer arrived()
		run(ctx)
	}
	if err != nil {
		answer = none
		t.troubles++
		w.trace.add(t.name, "is told by %s: %s", call, access.KindOf(err))
	} else {
		w.trace.add(t.name, "is answered %s", call)
	}
	told, failed := answer, err // what the target says after this is heard by nobody
	w.pause(t)
	return told, failed
}

// sendAway lets the target carry the call out by itself, and waits for it as long as the caller may. Its error is what
// befalls the caller meanwhile.
func (w *World) sendAway(
	caller context.Context, t *task, call connector.Call, o connector.Order, carryOut func(context.Context),
) error {
	copies, left := 1, 0
	if w.choose.chance(w.habits.duplicated) {
		w.reached["duplicate"]++
		copies = 2
	}
	for range copies {
		left++
		arrived := w.arrives(call, o)
		delivery := time.Now().Add(w.choose.span(w.habits.slow, 3*callTimeout))
		w.sched.start(fmt.Sprintf("target: %s %s/%d", call, o.Grant, o.Attempt), nil, func(ctx context.Context) {
			taskOf(ctx).sleep(delivery)
			if caller.Err() != nil {
				w.reached["trouble: late order"]++
			}
			carryOut(ctx)
			arrived()
			left--
		})
	}
	switch w.choose.among(80, w.habits.silent, w.habits.silent, w.habits.hasty) {
	case 1:
		t.hold(func() bool { return caller.Err() != nil })
	case 2:
		return w.trouble(t, "connection breaks", access.Errorf(access.KindUnavailable, "The connection to the target broke."))
	case 3:
		// A target that says yes and does it later: reading back is there to notice.
		if call == connector.CallRevoke {
			for _, r := range w.rightsOf(w.seen.grants[o.Grant]) {
				w.owner.overtaken[r] = w.owner.overtaken[r] || w.owner.missing[r]
			}
			return w.trouble(t, "hasty answer", errHasty)
		}
	}
	t.hold(func() bool { return left == 0 || caller.Err() != nil })
	if err := caller.Err(); err != nil {
		return w.trouble(t, "no answer in time", err)
	}
	return nil
}

// arrives keeps an order among those under way until the function that it returns is called.
func (w *World) arrives(call connector.Call, o connector.Order) (over func()) {
	x := &order{Order: o, call: call}
	w.underWay = append(w.underWay, x)
	return func() {
		w.underWay = slices.DeleteFunc(w.underWay, func(other *order) bool { return other == x })
	}
}

// atTarget is what the target asks at every moment of every call.
func (w *World) atTarget(ctx context.Context, call connector.Call, m memory.Moment) error {
	t := taskOf(ctx)
	if t == nil {
		return nil // the run itself looks
	}
	away := t.node == nil
	if w.targetDown && !away {
		return w.trouble(t, "target does not answer", access.Errorf(access.KindUnavailable, "The target does not answer."))
	}
	if call == connector.CallCheck || call == connector.CallDiscover {
		return nil
	}
	if m != memory.BeforeEffect {
		w.changed = true
	}
	w.moment(t, "%s: %s", call, momentNames[m])
	if w.choose.chance(w.habits.targetFails) {
		kind := []access.Kind{access.KindUnavailable, access.KindExhausted, access.KindConflict, access.KindInvalid}[w.choose.among(6, 1, 1, w.habits.invalid)]
		return w.trouble(t, "target fails "+momentNames[m], access.Errorf(kind, "The target failed."))
	}
	return nil
}

var momentNames = map[memory.Moment]string{
	memory.BeforeEffect: "before the effect", memory.Midway: "half-way", memory.AfterEffect: "after the effect",
}

// mayStillAct reports whether the target would still carry out an order to grant this, at its most backward clock.
func (w *World) mayStillAct(g access.GrantID) bool {
	return slices.ContainsFunc(w.underWay, func(o *order) bool {
		return o.Grant == g && o.call == connector.CallGrant && time.Now().Add(-maxSkew).Before(o.ActBy)
	})
}
