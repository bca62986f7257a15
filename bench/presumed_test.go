package main

import (
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
)

// What was never made here is there until it is taken back, alone or with others, and then it is gone.
func TestPresumedUntilTakenBack(t *testing.T) {
	clock := access.SystemClock{}
	d := presume("db", memory.NewTarget(memory.Options{Name: "db", Clock: clock}).Driver(clock)).(batchDriver)
	task := func(id access.GrantID) connector.Task {
		account := seededAccount(id)
		return connector.Task{Order: connector.Order{Grant: id}, Plan: seededPlan(account)}
	}
	alone, first, second, kept := task("gr_1"), task("gr_2"), task("gr_3"), task("gr_4")
	expect := func(want connector.AtomState, tasks ...connector.Task) {
		t.Helper()
		for i, o := range d.ObserveBatch(t.Context(), tasks) {
			one, err := d.Observe(t.Context(), tasks[i].Order, tasks[i].Plan)
			if err != nil || o.Err != nil || one.State() != want || o.Presence.State() != want {
				t.Errorf("%s is %s alone and %s among others, want %s: %v, %v", tasks[i].Order.Grant, one.State(), o.Presence.State(), want, err, o.Err)
			}
		}
	}
	expect(connector.Present, alone, first, second, kept)
	if _, err := d.Revoke(t.Context(), alone.Order, alone.Plan); err != nil {
		t.Fatal(err)
	}
	for _, r := range d.RevokeBatch(t.Context(), []connector.Task{first, second}) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	expect(connector.Absent, alone, first, second)
	expect(connector.Present, kept)
}
