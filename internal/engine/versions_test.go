package engine_test

import (
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// wantVersions wants the texts of the version in force and of the one that waits.
func wantVersions(t *testing.T, v *Versions, inForce, waiting string) {
	t.Helper()
	now, err := v.InForce(t.Context())
	if err != nil || string(now.Text) != inForce {
		t.Errorf("in force is %q, %v; want %q", now.Text, err, inForce)
	}
	next, err := v.Waiting(t.Context())
	if err != nil || string(next.Text) != waiting {
		t.Errorf("what waits is %q, %v; want %q", next.Text, err, waiting)
	}
}

// A rotation seals the versions of the configuration anew, and destroys the old sealing key only then.
func TestRotationSealsVersionsAnew(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		v := w.Versions()
		v.Propose("one", "one")
		v.Propose("two", "two\nwidens "+AliceAdmin)
		rotate(t, w.Engine, 2)
		older := func() (n int) {
			t.Helper()
			err := w.Store.View(t.Context(), func(tx store.Tx) error {
				list, err := tx.Configurations().SealedBefore("default", 2)
				n = len(list)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := older(); n != 2 {
			t.Errorf("%d texts are sealed under the old key before anything was done", n)
		}
		pass(11 * time.Second)
		keepKeys(t, w.Engine)
		if n := older(); n != 0 {
			t.Errorf("%d texts are still sealed under the old key", n)
		}
		if list := keyStatus(t, w.Engine); list[0].Seals() {
			t.Error("the old sealing key is still there")
		}
		wantVersions(t, v, "one", "two\nwidens "+AliceAdmin)
	})
}

// The approval of somebody who is forgotten goes.
func TestForgottenApprover(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		v := w.Versions()
		v.Propose("one", "one")
		v.Propose("two", "two\nwidens "+AliceAdmin+"\nwidens "+Carol)
		if err := v.Approve(t.Context(), w.Who(Carol), "two"); err != nil {
			t.Fatal(err)
		}
		e, err := w.Engine.Forget(t.Context(), w.Who(AliceAdmin), engine.ForgetOrder{Person: Carol}, "asked for it")
		if err != nil {
			t.Fatal(err)
		}
		for e.DoneAt.IsZero() {
			growTree(t, w.Engine)
			if _, err := w.Engine.Erase(t.Context()); err != nil {
				t.Fatal(err)
			}
			if e, err = w.Engine.Erasure(t.Context(), w.Who(AliceAdmin), e.ID); err != nil {
				t.Fatal(err)
			}
		}
		if e.Counts["approvals"] != 1 {
			t.Errorf("the erasure counts %v", e.Counts)
		}
		s, err := v.Read(t.Context())
		if err != nil || s.Waiting == nil || len(s.Waiting.Approvals) != 0 {
			t.Errorf("the version that waits: %+v, %v", s.Waiting, err)
		}
	})
}
