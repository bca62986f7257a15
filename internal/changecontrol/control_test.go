package changecontrol_test

import (
	"context"
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/changecontrol"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

const widening = "widens " + enginetest.AliceAdmin

func kindOf(t *testing.T, what string, err error, want access.Kind) {
	t.Helper()
	if err == nil || access.KindOf(err) != want {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

// What was planned is not carried out when something else has come into force, or waits, meanwhile.
func TestPlansAreOvertaken(t *testing.T) {
	w := enginetest.New(t)
	v := w.Versions()
	consider := func(digest, text string) changecontrol.Plan {
		t.Helper()
		p, err := v.Consider(t.Context(), changecontrol.Version{Digest: digest, Text: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := consider("one", "one")
	v.Propose("zero", "zero")
	kindOf(t, "the first version after another", v.Carry(t.Context(), first), access.KindConflict)

	narrow, wide := consider("two", "two"), consider("three", widening)
	v.Propose("four", "four")
	for _, p := range []changecontrol.Plan{narrow, wide} {
		kindOf(t, "a plan against another version", v.Carry(t.Context(), p), access.KindConflict)
	}

	v.Propose("five", widening)
	if err := v.Approve(t.Context(), w.Who(enginetest.Carol), "five"); err != nil {
		t.Fatal(err)
	}
	agreed := consider("five", widening)
	if agreed.Way != changecontrol.ByAdministrators {
		t.Fatalf("%+v", agreed)
	}
	if err := v.Reject(t.Context(), w.Who(enginetest.AliceAdmin), "five", "not this"); err != nil {
		t.Fatal(err)
	}
	kindOf(t, "what was rejected", v.Carry(t.Context(), agreed), access.KindConflict)
	if now, err := v.InForce(t.Context()); err != nil || now.Digest != "four" {
		t.Errorf("in force is %s, %v", now.Digest, err)
	}
}

// blind judges nothing, as a node does that cannot read a version.
type blind struct{}

func (blind) Judge(context.Context, changecontrol.Version, changecontrol.Version) (changecontrol.Judgement, error) {
	return changecontrol.Judgement{}, access.Errorf(access.KindMisconfigured, "this version cannot be read")
}

// Who cannot see what a version changes cannot agree to it, and can well have it withdrawn; that one, and no other.
func TestRejectingUnseen(t *testing.T) {
	w := enginetest.New(t)
	v := w.Versions()
	carol := w.Who(enginetest.Carol)
	v.Propose("one", "one")
	kindOf(t, "rejecting when nothing waits", v.Reject(t.Context(), carol, "", "not this"), access.KindConflict)
	v.Propose("two", widening)
	v.Control.Judge = blind{}
	kindOf(t, "approving unseen", v.Approve(t.Context(), carol, "two"), access.KindMisconfigured)
	kindOf(t, "rejecting another", v.Reject(t.Context(), carol, "three", "not this"), access.KindConflict)
	if err := v.Reject(t.Context(), carol, "two", "nobody can read it"); err != nil {
		t.Error(err)
	}
	if s, err := v.Read(t.Context()); err != nil || s.Waiting != nil {
		t.Errorf("%+v, %v", s.Waiting, err)
	}
}

// An approval is of one version: another one that is proposed has none.
func TestApprovalsAreOfOneVersion(t *testing.T) {
	w := enginetest.New(t)
	v := w.Versions()
	v.Propose("one", "one")
	v.Propose("two", widening+"\nwidens "+enginetest.Carol)
	if err := v.Approve(t.Context(), w.Who(enginetest.Carol), "two"); err != nil {
		t.Fatal(err)
	}
	v.Propose("three", widening+"\nwidens "+enginetest.Carol)
	kindOf(t, "an approval of the one before", v.Approve(t.Context(), w.Who(enginetest.AliceAdmin), "two"), access.KindConflict)
	v.Propose("two", widening+"\nwidens "+enginetest.Carol)
	if err := v.Approve(t.Context(), w.Who(enginetest.AliceAdmin), "two"); err != nil {
		t.Fatal(err)
	}
	s, err := v.Status(t.Context(), w.Who(enginetest.Olga))
	if err != nil || len(s.Waiting.Approvals) != 1 {
		t.Errorf("%+v, %v", s.Waiting, err)
	}
}

// Many approvals at once are one for each person, and agents and services have none.
func TestApprovalsAtOnce(t *testing.T) {
	w := enginetest.New(t)
	v := w.Versions()
	v.Propose("one", "one")
	v.Propose("two", widening)
	for _, who := range []string{enginetest.AliceAgent, enginetest.Bob, enginetest.Olga, enginetest.AliceAdmin} {
		kindOf(t, "an approval by "+who, v.Approve(t.Context(), w.Who(who), "two"), access.KindDenied)
	}
	var all sync.WaitGroup
	counted := make(chan error, 20)
	for range cap(counted) {
		all.Go(func() { counted <- v.Approve(t.Context(), w.Who(enginetest.Carol), "two") })
	}
	all.Wait()
	close(counted)
	for err := range counted {
		if err != nil {
			t.Error(err)
		}
	}
	s, err := v.Read(t.Context())
	if n := entered(t, w, access.EventConfigApproved); err != nil || n != 1 || s.Waiting == nil || len(s.Waiting.Approvals) != 1 {
		t.Errorf("%d approvals by one person were entered, %+v, %v", n, s.Waiting, err)
	}
}

// entered counts the entries of a kind.
func entered(t *testing.T, w *enginetest.World, kind access.EventKind) (n int) {
	t.Helper()
	err := w.Store.View(t.Context(), func(tx store.Tx) error {
		numbered, err := tx.Events().List(access.DefaultTenant, store.EventFilter{}, 0, 100)
		if err != nil {
			return err
		}
		others, err := tx.Events().Unsequenced(access.DefaultTenant, 100)
		for _, e := range append(numbered, others...) {
			if e.Kind == kind {
				n++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Two nodes that put the same version in force at one moment enter that once.
func TestAppliedOnce(t *testing.T) {
	w := enginetest.New(t)
	one, other := w.Versions(), w.Versions()
	var all sync.WaitGroup
	for _, v := range []*enginetest.Versions{one, other} {
		p, err := v.Consider(t.Context(), changecontrol.Version{Digest: "one", Text: []byte("one")})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			if err := v.Carry(t.Context(), p); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := entered(t, w, access.EventConfigApplied); n != 1 {
		t.Errorf("it was entered %d times", n)
	}
}
