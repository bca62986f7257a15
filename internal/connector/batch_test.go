package connector_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// batching is a driver that answers batches with what it is told, and notes how they came.
type batching struct {
	connector.Driver
	sizes  []int
	limits []time.Duration
	short  bool
	fail   error
}

func (b *batching) note(ctx context.Context, tasks []connector.Task) int {
	b.sizes = append(b.sizes, len(tasks))
	end, _ := ctx.Deadline()
	b.limits = append(b.limits, time.Until(end))
	if b.short {
		return len(tasks) - 1
	}
	return len(tasks)
}

func (b *batching) RevokeBatch(ctx context.Context, tasks []connector.Task) []connector.Revocation {
	return slices.Repeat([]connector.Revocation{{Removal: connector.Removal{SessionsEnded: 1}, Err: b.fail}}, b.note(ctx, tasks))
}

func (b *batching) ObserveBatch(ctx context.Context, tasks []connector.Task) []connector.Observation {
	return slices.Repeat([]connector.Observation{{Presence: connector.Presence{ReadBy: "me"}, Err: b.fail}}, b.note(ctx, tasks))
}

func tasksOf(n int) []connector.Task {
	return slices.Repeat([]connector.Task{{Order: newOrder(), Plan: access.Plan{Atoms: []access.Atom{{Target: "t", Right: "r"}}}}}, n)
}

func TestBatchesAreBounded(t *testing.T) {
	d := &batching{Driver: newTarget().Driver(access.SystemClock{})}
	c := newConnector(d)
	tasks := tasksOf(2*connector.MaxBatch + 1)
	tasks[3].Order.ActBy = time.Now().Add(3 * time.Second)
	done := c.RevokeAll(t.Context(), tasks)
	if want := []int{connector.MaxBatch, connector.MaxBatch, 1}; !slices.Equal(d.sizes, want) || len(done) != len(tasks) {
		t.Errorf("%d tasks in batches of %v, want %v", len(done), d.sizes, want)
	}
	if d.limits[0] > 3*time.Second || d.limits[1] < 4*time.Second {
		t.Errorf("the batches have %v, and one order acts for 3 s at most", d.limits)
	}
	for i, r := range c.ObserveAll(t.Context(), tasks) {
		if r.Err != nil || r.Presence.State() != connector.Unknown {
			t.Fatalf("task %d, of whose atom the driver says nothing, is %s (%v)", i, r.Presence.State(), r.Err)
		}
	}
}

func TestBatchErrors(t *testing.T) {
	for name, d := range map[string]*batching{
		"too few answers":      {short: true},
		"an error of no kind":  {fail: errors.New("password=hunter2")},
		"an error with a kind": {fail: access.Errorf(access.KindConflict, "Others were at it.")},
	} {
		d.Driver = newTarget().Driver(access.SystemClock{})
		want := access.KindInternal
		if name == "an error with a kind" {
			want = access.KindConflict
		}
		c := newConnector(d)
		for i, r := range c.RevokeAll(t.Context(), tasksOf(3)) {
			if access.KindOf(r.Err) != want || r.Removal != (connector.Removal{}) {
				t.Errorf("%s: Revoke of task %d: %+v, %v", name, i, r.Removal, r.Err)
			}
		}
		for i, r := range c.ObserveAll(t.Context(), tasksOf(3)) {
			if access.KindOf(r.Err) != want || r.Presence.ReadBy != "" {
				t.Errorf("%s: Observe of task %d: %+v, %v", name, i, r.Presence, r.Err)
			}
		}
	}
}
