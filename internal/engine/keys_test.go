package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/auditor"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// rotate makes a new generation, and expects that it is the one.
func rotate(t *testing.T, e *engine.Engine, want int) {
	t.Helper()
	generation, begun, err := e.RotateKeys(t.Context())
	if err != nil || !begun || generation != want {
		t.Fatalf("RotateKeys = %d, %t, %v; want %d", generation, begun, err, want)
	}
}

// keepKeys takes a rotation on, as a runner does, until there is nothing to do at this moment.
func keepKeys(t *testing.T, e *engine.Engine) {
	t.Helper()
	growTree(t, e)
	for more := true; more; {
		var err error
		if more, err = e.KeepKeys(t.Context(), "node"); err != nil {
			t.Fatal(err)
		}
	}
}

// growTree takes what is logged into the tree, and hands the log's key over if that is due.
func growTree(t *testing.T, e *engine.Engine) {
	t.Helper()
	for range 2 { // the entry that hands a key over comes with the first
		if _, err := e.Sequence(t.Context(), "node"); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Integrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func keyStatus(t *testing.T, e *engine.Engine) []engine.KeyStatus {
	t.Helper()
	list, err := e.Keys(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// wantKeys wants generations with what needs each; a minus sign stands before one whose sealing key is destroyed.
func wantKeys(t *testing.T, e *engine.Engine, when string, want ...string) {
	t.Helper()
	var got []string
	for _, s := range keyStatus(t, e) {
		text := fmt.Sprintf("%d: %d plans, %d grants, %d rights", s.Generation, s.Uses.Plans, s.Uses.Grants, s.Uses.Rights)
		if !s.Seals() {
			text = "-" + text
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: the keys are %q, want %q", when, got, want)
	}
}

// wantKeyEvents wants these events about keys, and no others.
func wantKeyEvents(t *testing.T, w *World, want ...access.EventKind) {
	t.Helper()
	var got []access.EventKind
	growTree(t, w.Engine)
	err := w.Store.View(t.Context(), func(tx store.Tx) error {
		got = nil
		rows, err := tx.Events().List(access.DefaultTenant, store.EventFilter{}, 0, 1000)
		for _, r := range rows {
			if strings.HasPrefix(string(r.Kind), "key.") {
				got = append(got, r.Kind)
			}
		}
		return err
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("the log says %v of the keys, %v; want %v", got, err, want)
	}
}

// active has Alice ask for an hour, and the company's first engine give it.
func active(t *testing.T, w *World) access.Grant {
	t.Helper()
	v := submitted(t, w)
	step(t, w)
	g := grantOf(t, w, v)
	if g.State != access.GrantActive {
		t.Fatalf("the grant is %s: %s", g.State, g.LastError)
	}
	return g
}

// TestRotation follows a grant that lives through a rotation, on a node that has not heard of it, to the end of the old
// keys.
func TestRotation(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		other := w.Node()
		g := active(t, w)
		mark := ownAccount(t, w).Mark
		rotate(t, w.Engine, 2)
		if _, begun, err := w.Engine.RotateKeys(t.Context()); begun || err != nil {
			t.Errorf("a second rotation before the first has ended: begun %t, %v", begun, err)
		}
		wantKeys(t, w.Engine, "at first", "1: 1 plans, 1 grants, 0 rights", "2: 0 plans, 0 grants, 0 rights")
		keepKeys(t, w.Engine)
		wantKeys(t, w.Engine, "sealed anew, and not destroyed before everybody has looked", "1: 0 plans, 1 grants, 0 rights", "2: 1 plans, 0 grants, 0 rights")

		// The other node reads the mark, opens the plan, and orders with the same mark.
		if c, err := other.Reconcile(t.Context(), lane()); err != nil || c != (engine.Comparison{Sighted: 1}) {
			t.Errorf("the other node compares: %+v, %v", c, err)
		}
		pass(11 * time.Second)
		keepKeys(t, w.Engine)
		wantKeys(t, w.Engine, "when everybody has", "-1: 0 plans, 1 grants, 0 rights", "2: 1 plans, 0 grants, 0 rights")
		if again := active(t, w); again.MarkGeneration != 2 {
			t.Errorf("what begins now has a mark of generation %d", again.MarkGeneration)
		}
		w.GiveBack(t, other, Alice, g.ID)
		w.Settle(other)
		if now := w.Grant(t, g.ID); now.State != access.GrantEnded || now.VerifiedAt.IsZero() {
			t.Errorf("the grant from before is %s: %s", now.State, now.LastError)
		}
		if slices.ContainsFunc(w.Target.Accounts(), func(a memory.Account) bool { return a.Mark == mark }) {
			t.Error("what it made is still there")
		}
		keepKeys(t, w.Engine)
		list := keyStatus(t, w.Engine)
		if len(list) != 2 || list[0].IdleSince.IsZero() || !list[0].GoneAt.Equal(list[0].IdleSince.Add(24*time.Hour)) {
			t.Fatalf("the keys are %+v", list)
		}
		pass(23 * time.Hour)
		keepKeys(t, w.Engine)
		wantKeys(t, w.Engine, "before a day is over", "-1: 0 plans, 0 grants, 0 rights", "2: 2 plans, 1 grants, 0 rights")
		pass(2 * time.Hour)
		keepKeys(t, w.Engine)
		wantKeys(t, w.Engine, "after that", "2: 2 plans, 1 grants, 0 rights")
		wantKeyEvents(t, w, access.EventKeyRotated, access.EventKeySealingDestroyed, access.EventKeyDestroyed)
	})
}

// What a node makes under new keys is no stranger's to one that has not heard of them.
func TestReconcileLooksForNewKeys(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		other := w.Node()
		rotate(t, w.Engine, 2)
		g := active(t, w)
		if g.MarkGeneration != 2 {
			t.Fatalf("the mark is of generation %d", g.MarkGeneration)
		}
		if c, err := other.Reconcile(t.Context(), lane()); err != nil || c != (engine.Comparison{Sighted: 1}) {
			t.Errorf("the other node compares: %+v, %v; the findings are %+v", c, err, findings(t, w))
		}
	})
}

// What a node has sealed and marked under new keys is taken back by one that has not heard of them.
func TestPlanOfNewerKeysOpens(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		other := w.Node()
		rotate(t, w.Engine, 2)
		g := active(t, w)
		w.GiveBack(t, other, Alice, g.ID)
		w.Settle(other)
		if now := w.Grant(t, g.ID); now.State != access.GrantEnded || now.Failures > 0 {
			t.Errorf("the grant is %s after %d failures: %s", now.State, now.Failures, now.LastError)
		}
	})
}

// TestLateNodeIsRefused has a node seal with a key that was destroyed meanwhile: nothing is begun, and it goes on with the
// new key when it has looked.
func TestLateNodeIsRefused(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		other := w.Node()
		rotate(t, w.Engine, 2)
		pass(11 * time.Second)
		keepKeys(t, w.Engine)
		wantKeys(t, w.Engine, "nothing was sealed", "-1: 0 plans, 0 grants, 0 rights", "2: 0 plans, 0 grants, 0 rights")
		v := submitted(t, w)
		w.Settle(other)
		if g := grantOf(t, w, v); g.State != access.GrantScheduled || len(w.Target.Accounts()) > 1 {
			t.Errorf("the grant is %s, and %d accounts are at the target", g.State, len(w.Target.Accounts()))
		}
		keepKeys(t, other)
		pass(time.Minute)
		w.Settle(other)
		if g := grantOf(t, w, v); g.State != access.GrantActive || g.MarkGeneration != 2 {
			t.Errorf("the grant is %s under generation %d: %s", g.State, g.MarkGeneration, g.LastError)
		}
	})
}

// TestRotationGoesOn leaves a rotation in the middle of its batches, with the lease of the node that died. Another goes on
// when that has passed.
func TestRotationGoesOn(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		const plans = 230
		g := active(t, w)
		addPlans(t, w, g, plans-1)
		other := w.Node()
		rotate(t, w.Engine, 2)
		if more, err := w.Engine.KeepKeys(t.Context(), "dies"); err != nil || !more {
			t.Fatalf("the first batch: more %t, %v", more, err)
		}
		if more, err := other.KeepKeys(t.Context(), "other"); err != nil || more {
			t.Errorf("another while that one may be at it: more %t, %v", more, err)
		}
		wantKeys(t, other, "after one batch", "1: 130 plans, 1 grants, 0 rights", "2: 100 plans, 0 grants, 0 rights")
		pass(31 * time.Second)
		for _, want := range []bool{true, false} {
			if more, err := other.KeepKeys(t.Context(), "other"); err != nil || more != want {
				t.Fatalf("the other goes on: more %t, %v; want %t", more, err, want)
			}
		}
		wantKeys(t, other, "in the end", "-1: 0 plans, 1 grants, 0 rights", "2: 230 plans, 0 grants, 0 rights")
	})
}

// addPlans gives as many more grants, which have ended, plans like that of the grant.
func addPlans(t *testing.T, w *World, like access.Grant, n int) {
	t.Helper()
	ctx, s := t.Context(), w.Sealer()
	err := w.Store.Update(ctx, "more plans", func(tx store.Tx) error {
		for i := range n {
			g := like
			g.ID, g.State, g.DueAt = access.GrantID(fmt.Sprintf("gr_%06d", i)), access.GrantScheduled, time.Time{}
			g.ActivatedAt, g.Deadline, g.MarkGeneration, g.Version = time.Time{}, time.Time{}, 0, 1
			if err := tx.Grants().Insert(g); err != nil {
				return err
			}
			sealed, err := s.Seal(secret.Place{Table: "plans", Row: string(g.ID), Column: "sealed", Version: 1}, []byte(`{}`))
			if err != nil {
				return err
			}
			if err := tx.Plans().Put(g.Tenant, g.ID, store.Sealed{Generation: s.Generation(), Bytes: sealed}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A plan that was changed in the store is told, keeps the key that has sealed it, and does not keep the others from being
// sealed anew.
func TestDamagedPlanKeepsItsKey(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		g := active(t, w)
		addPlans(t, w, g, 5)
		swap(t, w, "gr_000001", "gr_000002")
		rotate(t, w.Engine, 2)
		pass(time.Minute)
		if more, err := w.Engine.KeepKeys(t.Context(), "node"); more || err == nil {
			t.Errorf("more %t, %v; want an error", more, err)
		}
		wantKeys(t, w.Engine, "after that", "1: 2 plans, 1 grants, 0 rights", "2: 4 plans, 0 grants, 0 rights")
	})
}

// swap exchanges the sealed plans of two grants, as somebody could who can write to the store.
func swap(t *testing.T, w *World, a, b access.GrantID) {
	t.Helper()
	err := w.Store.Update(t.Context(), "swap", func(tx store.Tx) error {
		first, err := tx.Plans().Get(access.DefaultTenant, a)
		if err != nil {
			return err
		}
		second, err := tx.Plans().Get(access.DefaultTenant, b)
		if err != nil {
			return err
		}
		first, second = bytes.Clone(first), bytes.Clone(second)
		return errors.Join(
			tx.Plans().Put(access.DefaultTenant, a, store.Sealed{Generation: 1, Bytes: second}),
			tx.Plans().Put(access.DefaultTenant, b, store.Sealed{Generation: 1, Bytes: first}))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Swapped rows do not open: a plan is bound to its grant.
func TestSwappedPlansAreRefused(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		a, b := active(t, w), active(t, w)
		swap(t, w, a.ID, b.ID)
		w.GiveBack(t, w.Engine, Alice, a.ID)
		w.Settle(w.Engine)
		if now := w.Grant(t, a.ID); now.State != access.GrantRevoking || now.Failures == 0 {
			t.Errorf("with another's plan it is %s after %d failures", now.State, now.Failures)
		}
		if n := len(w.Target.Accounts()); n != 3 {
			t.Errorf("%d accounts are left, and nothing was to be touched", n)
		}
		swap(t, w, a.ID, b.ID)
		pass(time.Minute)
		w.Settle(w.Engine)
		if now := w.Grant(t, a.ID); now.State != access.GrantEnded {
			t.Errorf("with its own plan it is %s: %s", now.State, now.LastError)
		}
	})
}

// A right that several grants hold keeps the mark of the one that it was made for, whatever keys have come since; those
// stay until the last of its holders has ended.
func TestSharedRightKeepsItsMark(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		first := grantOf(t, w, ask(t, w, Alice, Read, time.Hour))
		mark := w.Target.Members()[0].Mark
		rotate(t, w.Engine, 2)
		pass(time.Minute)
		second := grantOf(t, w, ask(t, w, Alice, Read, 3*time.Hour))
		if second.MarkGeneration != 2 {
			t.Fatalf("the second grant is of generation %d", second.MarkGeneration)
		}
		returnGrant(t, w, first.ID)
		if now := w.Target.Members(); len(now) != 1 || now[0].Mark != mark {
			t.Fatalf("the members are %+v", now)
		}
		wantKeys(t, w.Engine, "while the second holds it", "-1: 0 plans, 0 grants, 1 rights", "2: 2 plans, 1 grants, 0 rights")
		pass(4 * time.Hour)
		wantEnded(t, grantOf(t, w, see(t, w, Alice, second.Request)), access.EndExpired)
		if now := w.Target.Members(); len(now) != 0 || len(findings(t, w)) != 0 {
			t.Errorf("the members are %+v, the findings %+v", now, findings(t, w))
		}
		pass(25 * time.Hour)
		wantKeys(t, w.Engine, "a day later", "2: 2 plans, 0 grants, 0 rights")
		third := grantOf(t, w, ask(t, w, Alice, Read, time.Hour))
		if third.State != access.GrantActive {
			t.Errorf("when the maker of the right is forgotten, the next grant is %s: %s", third.State, third.LastError)
		}
		returnGrant(t, w, third.ID)
		if now := w.Target.Members(); len(now) != 0 {
			t.Errorf("the members are %+v", now)
		}
	})
}

// Rewrapping changes who wraps the keys, and nothing that is sealed.
func TestRewrapKeys(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		g := active(t, w)
		rotate(t, w.Engine, 2)
		to := w.NewKeyFile()
		before := keyStatus(t, w.Engine)
		if err := w.Engine.RewrapKeys(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		for i, s := range keyStatus(t, w.Engine) {
			if s.Wrapper != to.Name() || bytes.Equal(s.Sealing, before[i].Sealing) {
				t.Errorf("generation %d is wrapped by %s", s.Generation, s.Wrapper)
			}
		}
		keepKeys(t, w.Engine) // a node that has the keys in hand goes on with them
		w.GiveBack(t, w.Engine, Alice, g.ID)
		w.Settle(w.Engine)
		if now := w.Grant(t, g.ID); now.State != access.GrantEnded {
			t.Errorf("the grant is %s: %s", now.State, now.LastError)
		}
		wantKeyEvents(t, w, access.EventKeyRotated, access.EventKeyRewrapped)
	})
}

// Entries and checkpoints of before and after a rotation are Curfew's on every node, whether or not it has heard of the new
// keys.
func TestLogAcrossRotation(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		other := w.Node()
		grow := func(e *engine.Engine) string {
			t.Helper()
			if _, err := w.Engine.Sequence(t.Context(), "node"); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Integrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			head, err := e.CheckpointOfAll(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			key, err := e.LogKeyOf(t.Context(), head.Checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			return key
		}
		active(t, w)
		before := grow(other)
		rotate(t, w.Engine, 2)
		if key, err := w.Engine.LogKeyOf(t.Context(), nil); err != nil || key != before {
			t.Errorf("a log would begin with the key %s, %v; want that of the first generation", key, err)
		}
		active(t, w)
		grow(other) // hands the log's key over
		after := grow(other)
		if want, err := w.Engine.LogKey(); err != nil || after != want || after == before {
			t.Errorf("the other node signs with %s, and before with %s; want %s, %v", after, before, want, err)
		}
		active(t, w)
		grow(w.Engine)
	})
}

// TestLogBeginsWithTheFirstKey rotates before the tree has anything: who was given the log's key before can verify it all the
// same.
func TestLogBeginsWithTheFirstKey(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		first, err := w.Engine.LogKey()
		if err != nil {
			t.Fatal(err)
		}
		active(t, w)
		rotate(t, w.Engine, 2)
		for range 2 { // the second has the entry that hands the log's key over
			if _, err := w.Engine.Sequence(t.Context(), "node"); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Engine.Integrate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		report, err := auditor.Verify(t.Context(), w.Store, auditor.Options{Tenant: access.DefaultTenant, Origin: w.Engine.LogOrigin(), Keys: []string{first}})
		if err != nil || len(report.Problems) > 0 {
			t.Errorf("with the first key: %v, %v", err, report.Problems)
		}
	})
}

// TestKeysThatCannotBeRead: a node that cannot look for the keys of another's entries and checkpoint does not know whether they
// are Curfew's, and says so; that somebody changed the log it does not say.
func TestKeysThatCannotBeRead(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		active(t, w)
		growTree(t, w.Engine)
		early, late := w.Node(), w.Node()
		rotate(t, w.Engine, 2)
		active(t, w)
		number(t, w, "node")
		w.LoseKeys(true)
		if _, err := early.Integrate(t.Context()); access.KindOf(err) != access.KindUnavailable {
			t.Errorf("entries under keys that it has not seen: %v", err)
		}
		growTree(t, w.Engine)
		if _, err := late.Integrate(t.Context()); access.KindOf(err) != access.KindUnavailable {
			t.Errorf("a checkpoint under a key that it has not seen: %v", err)
		}
		w.LoseKeys(false)
		active(t, w)
		number(t, w, "node")
		for _, e := range []*engine.Engine{early, late} {
			if _, err := e.Integrate(t.Context()); err != nil {
				t.Errorf("when the keys are there again: %v", err)
			}
		}
	})
}
