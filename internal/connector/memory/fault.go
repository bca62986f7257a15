package memory

import (
	"context"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Moment is a point in a driver's call.
type Moment int

// The moments. Every call passes the first and the last.
const (
	// BeforeEffect is when the call has reached the target and nothing has happened.
	BeforeEffect Moment = iota
	// AfterEffect is when everything has happened and the answer is on its way.
	AfterEffect
	// Midway is when a Grant has made an account that nobody can log in to, or a Revoke has forbidden log-ins and
	// sessions are still open.
	Midway
	// moments counts them.
	moments
)

// Effect is what a fault does to the call that it strikes.
type Effect int

// The effects.
const (
	// Fail makes the call return Fault.Err.
	Fail Effect = iota
	// Hang makes the call wait until its context ends or the fault is cleared.
	Hang
	// Die takes the target down, from then on for every call, until Revive.
	Die
)

// Fault disturbs calls. It strikes every time until it is cleared, or Times times.
type Fault struct {
	Call   connector.Call
	Moment Moment
	Effect Effect
	// Err is what Fail returns. Nil is an error of access.KindUnavailable.
	Err error
	// Times is how often it strikes; zero means until it is cleared.
	Times int
}

type fault struct {
	Fault
	struck  int
	reached chan struct{}
	cleared chan struct{}
}

// Inject arms a fault. The channel is closed when it first strikes; disarm clears it and lets those go who hang in it.
// Disarm may be called again.
func (t *Target) Inject(f Fault) (reached <-chan struct{}, disarm func()) {
	armed := &fault{Fault: f, reached: make(chan struct{}), cleared: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, armed)
	return armed.reached, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if i := slices.Index(t.faults, armed); i >= 0 {
			t.faults = slices.Delete(t.faults, i, i+1)
			close(armed.cleared)
		}
	}
}

// Revive brings back a target that died. What was there before is there again.
func (t *Target) Revive() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = false
}

// pass lets a call pass a moment, or stops it there.
func (t *Target) pass(ctx context.Context, call connector.Call, m Moment) error {
	if t.hook != nil {
		if err := t.hook(ctx, call, m); err != nil {
			return err
		}
	}
	if err := contextError(ctx); err != nil {
		return err
	}
	f, err := t.strike(call, m)
	if err != nil || f == nil {
		return err
	}
	select {
	case <-ctx.Done():
		return contextError(ctx)
	case <-f.cleared:
		return nil
	}
}

// strike finds the fault that is armed for the moment and does its work, but for Hang: it returns a fault to hang in.
func (t *Target) strike(call connector.Call, m Moment) (*fault, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.down {
		return nil, errDown()
	}
	for _, f := range t.faults {
		if f.Call != call || f.Moment != m || (f.Times > 0 && f.struck == f.Times) {
			continue
		}
		if f.struck++; f.struck == 1 {
			close(f.reached)
		}
		switch {
		case f.Effect == Hang:
			return f, nil
		case f.Effect == Die:
			t.down = true
			return nil, errDown()
		case f.Err != nil:
			return nil, f.Err
		}
		return nil, access.Errorf(access.KindUnavailable, "The target failed; it will be tried again.")
	}
	return nil, nil
}

func errDown() error {
	return access.Errorf(access.KindUnavailable, "The target does not answer; it will be tried again.")
}

// contextError is the context's end as an error with its kind, or nil.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	return access.Wrap(access.KindOf(err), err, "The call to the target was not finished.")
}
