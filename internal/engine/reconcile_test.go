package engine_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

func lane() store.Lane { return store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db"} }

// reconcile compares once, and lets what became due happen.
func reconcile(t *testing.T, w *World) engine.Comparison {
	t.Helper()
	c, err := w.Engine.Reconcile(t.Context(), lane())
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return c
}

// findings lists all findings, oldest first.
func findings(t *testing.T, w *World) []access.Finding {
	t.Helper()
	items, _, err := w.Engine.Findings(t.Context(), w.Who(Carol), true, store.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(items)
	return items
}

// wantFinding fails the test unless there is exactly one finding, of this kind and in this state.
func wantFinding(t *testing.T, w *World, kind access.FindingKind, state access.FindingState, when string) access.Finding {
	t.Helper()
	all := findings(t, w)
	if len(all) != 1 || all[0].Kind != kind || all[0].State != state {
		t.Fatalf("%s: the findings are %+v; want one, %s and %s", when, all, kind, state)
	}
	return all[0]
}

// ownAccount is the account at the target that was made for the one live grant, with its mark.
func ownAccount(t *testing.T, w *World) memory.Account {
	t.Helper()
	for _, a := range w.Target.Accounts() {
		if a.Mark != "" {
			return a
		}
	}
	t.Fatal("nothing at the target bears a mark")
	return memory.Account{}
}

func TestReconcileIsSilentWhenAllIsWell(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, 4*time.Hour)
		pass(3 * time.Hour)
		if c := reconcile(t, w); c != (engine.Comparison{Sighted: 1}) {
			t.Errorf("the comparison is %+v", c)
		}
		if g := grantOf(t, w, v); g.State != access.GrantActive || len(findings(t, w)) != 0 {
			t.Errorf("the grant is %s, the findings are %+v", g.State, findings(t, w))
		}
	})
	shared(t, func(t *testing.T, w *World) {
		w.Target.AddMember(memory.Member{Account: Bob, Group: readers})
		v := ask(t, w, Alice, Read, 3*time.Hour)
		returnGrant(t, w, grantOf(t, w, ask(t, w, Alice, Read, time.Hour)).ID)
		pass(6 * time.Hour)
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
		if len(findings(t, w)) != 0 {
			t.Errorf("the findings are %+v", findings(t, w))
		}
		wantMember(t, w, Bob, readers, true, "after six hours")
	})
}

// Access that comes back after its grant has ended is found, removed, and said.
func TestOwnObjectAfterTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		restored := ownAccount(t, w)
		returnGrant(t, w, grantOf(t, w, v).ID)
		if err := w.Target.AddAccount(restored, "a password"); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Minute)
		f := wantFinding(t, w, access.FindingAfterEnd, access.FindingRemoved, "by itself, within minutes")
		if f.Grant != grantOf(t, w, v).ID || f.Mark != restored.Mark || f.ClosedAt.IsZero() {
			t.Errorf("the finding is %+v", f)
		}
		if n := len(w.Target.Accounts()); n != 1 {
			t.Errorf("%d accounts are left", n)
		}
		wantEvents(t, w, access.EventFindingOpened, access.EventFindingRemoved)
	})
}

// wantEvents fails the test unless the audit log ends with events of these kinds.
func wantEvents(t *testing.T, w *World, kinds ...access.EventKind) {
	t.Helper()
	var got []access.EventKind
	err := w.Store.View(t.Context(), func(tx store.Tx) error {
		rows, err := tx.Events().List(access.DefaultTenant, store.EventFilter{}, 0, 1000)
		for _, r := range rows {
			got = append(got, r.Kind)
		}
		return err
	})
	if err != nil || len(got) < len(kinds) || !slices.Equal(got[len(got)-len(kinds):], kinds) {
		t.Errorf("the log ends with %v, %v; want %v", got[max(0, len(got)-8):], err, kinds)
	}
}

// What cannot be removed stays a finding that is overdue until it can.
func TestFindingStaysOpenUntilItIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		restored := ownAccount(t, w)
		returnGrant(t, w, grantOf(t, w, v).ID)
		if err := w.Target.AddAccount(restored, "a password"); err != nil {
			t.Fatal(err)
		}
		_, disarm := w.Target.Inject(memory.Fault{Call: connector.CallRevoke, Moment: memory.BeforeEffect})
		pass(time.Hour)
		if f := wantFinding(t, w, access.FindingAfterEnd, access.FindingOpen, "while it cannot be removed"); !f.Overdue() {
			t.Error("it is not overdue")
		}
		disarm()
		pass(10 * time.Minute)
		if f := wantFinding(t, w, access.FindingAfterEnd, access.FindingRemoved, "when it can"); f.Overdue() {
			t.Error("it is still overdue")
		}
	})
}

// A mark of ours for a grant that the books do not have: the store is an older backup. What the target says of it is
// enough to remove it.
func TestOrphanIsRemovedByItsMark(t *testing.T) {
	for _, p := range []connector.Provenance{"", connector.MarkedRight} {
		synctest.Test(t, func(t *testing.T) {
			options := []Option{}
			if p != "" {
				options = append(options, WithGroups(p))
			}
			w := New(t, options...)
			// Another company with the same keys and books of its own is what this one was before it was restored.
			lost := w.Restored()
			lost.Run()
			g := grantOf(t, lost, ask(t, lost, Alice, Read, time.Hour))
			w.Run()
			pass(time.Second)
			f := wantFinding(t, w, access.FindingOrphan, access.FindingRemoved, "after the restore")
			if f.Grant != g.ID {
				t.Errorf("the finding is about %s, want %s", f.Grant, g.ID)
			}
			if len(w.Target.Members()) != 0 || slices.ContainsFunc(w.Target.Accounts(), func(a memory.Account) bool { return a.Mark != "" }) {
				t.Errorf("left at the target:\n%s", w.Target.Snapshot())
			}
		})
	}
}

// Two installations share a target and leave each other alone, and so do forged marks.
func TestForeignMarksAreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, p := range []connector.Provenance{"", connector.MarkedRight} {
		synctest.Test(t, func(t *testing.T) {
			options := []Option{}
			if p != "" {
				options = append(options, WithGroups(p))
			}
			ours := New(t, options...)
			theirs := New(t, append(options, WithTarget(ours.Target))...)
			ours.Run()
			theirs.Run()
			mine, other := ask(t, ours, Alice, Read, 2*time.Hour), ask(t, theirs, Alice, Drop, time.Hour)
			for _, reviewer := range []string{Bob, Dave} {
				if _, err := review(t, theirs, reviewer, other.Request.ID, approve); err != nil {
					t.Fatal(err)
				}
			}
			pass(30 * time.Minute)
			other = see(t, theirs, Alice, other.Request.ID)
			f := wantFinding(t, ours, access.FindingForeign, access.FindingOpen, "on our side")
			if f.Overdue() || f.Grant != "" {
				t.Errorf("the finding is %+v", f)
			}
			wantFinding(t, theirs, access.FindingForeign, access.FindingOpen, "on their side")
			for w, v := range map[*World]engine.RequestView{ours: mine, theirs: other} {
				if g := grantOf(t, w, v); g.State != access.GrantActive {
					t.Errorf("grant %s is %s", g.ID, g.State)
				}
			}
			pass(time.Hour)
			wantFinding(t, ours, access.FindingForeign, access.FindingRemoved, "after the other's grant has ended")
			wantEnded(t, grantOf(t, theirs, other), access.EndExpired)
		})
	}
}

func TestForgedMarkIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		genuine := ownAccount(t, w)
		returnGrant(t, w, grantOf(t, w, v).ID)
		forged := memory.Account{Name: "forged", Mark: genuine.Mark[:len(genuine.Mark)-4] + "AAAA"}
		if err := w.Target.AddAccount(forged, ""); err != nil {
			t.Fatal(err)
		}
		reconcile(t, w)
		wantFinding(t, w, access.FindingForged, access.FindingOpen, "with a wrong MAC")
		pass(time.Hour)
		if !w.Target.RemoveAccount("forged") {
			t.Error("it was removed")
		}
		reconcile(t, w)
		wantFinding(t, w, access.FindingForged, access.FindingRemoved, "after its owner removed it")
	})
}

// Access that somebody removed at the target is not made again: the grant ends.
func TestRemovedAtTarget(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		w.Target.RemoveAccount(ownAccount(t, w).Name)
		pass(10 * time.Minute)
		wantEnded(t, grantOf(t, w, v), access.EndRemovedAtTarget)
		if n := len(w.Target.Accounts()); n != 1 || len(findings(t, w)) != 0 {
			t.Errorf("%d accounts, findings %+v", n, findings(t, w))
		}
	})
	shared(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, time.Hour)
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.Target.RemoveMember(Alice, readers)
		pass(10 * time.Minute)
		wantEnded(t, grantOf(t, w, see(t, w, Alice, v.Request.ID)), access.EndRemovedAtTarget)
		if members := w.Target.Members(); len(members) != 0 {
			t.Errorf("the rest of the grant's rights are there: %v", members)
		}
	})
}

// At the end of a grant its access may be gone because the target has ended it, or a node without the store.
func TestGoneAtTheEndIsNotRemovedAtTarget(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		pass(time.Hour - time.Second)
		w.Target.RemoveAccount(ownAccount(t, w).Name)
		if c := reconcile(t, w); c != (engine.Comparison{}) {
			t.Errorf("the comparison is %+v", c)
		}
		pass(time.Second)
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
	})
}

// A blind reader ends nothing, and neither does one look that sees nothing.
func TestRemovedAtTargetNeedsTwoLooksWithSight(t *testing.T) {
	once := &onceAbsent{}
	shared(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, 2*time.Hour)
		w.Target.SetBlind(true)
		pass(time.Hour)
		if g := grantOf(t, w, v); g.State != access.GrantActive {
			t.Errorf("a blind reader made the grant %s", g.State)
		}
		w.Target.SetBlind(false)
		once.armed = true
		reconcile(t, w)
		if g := grantOf(t, w, v); g.State != access.GrantActive || once.armed {
			t.Errorf("after one look that saw nothing (armed %t) the grant is %s", once.armed, g.State)
		}
	}, WithDriver(func(d connector.Driver) connector.Driver {
		once.Driver, once.armed = d, false
		return once
	}))
}

// onceAbsent says once that nothing is there.
type onceAbsent struct {
	connector.Driver
	armed bool
}

func (d *onceAbsent) Observe(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
	presence, err := d.Driver.Observe(ctx, o, p)
	if d.armed && err == nil {
		d.armed = false
		for i := range presence.Atoms {
			presence.Atoms[i].State = connector.Absent
		}
	}
	return presence, err
}

// A directory's sync puts the member back: it is found and said. Whether it is ours to remove depends on what can be told.
func TestMemberWhoIsPutBack(t *testing.T) {
	t.Parallel()
	shared(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		pass(time.Hour)
		w.Target.AddMember(memory.Member{Account: Alice, Group: readers})
		pass(10 * time.Minute)
		f := wantFinding(t, w, access.FindingAfterEnd, access.FindingOpen, "after the member was put back")
		if !f.Overdue() || f.Grant != grantOf(t, w, v).ID || f.Atom.Account != Alice || f.Atom.Right != readers {
			t.Errorf("the finding is %+v", f)
		}
		wantMember(t, w, Alice, readers, true, "since nobody can tell that it is not the owner's own")
		pass(25 * time.Hour)
		wantFinding(t, w, access.FindingAfterEnd, access.FindingOpen, "a day later")
		w.Target.RemoveMember(Alice, readers)
		pass(10 * time.Minute)
		wantFinding(t, w, access.FindingAfterEnd, access.FindingRemoved, "after it was removed")
	})
	shared(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Hour)
		mark := w.Target.Members()[0].Mark
		pass(time.Hour)
		w.Target.AddMember(memory.Member{Account: Alice, Group: readers, Mark: mark})
		pass(10 * time.Minute)
		wantFinding(t, w, access.FindingAfterEnd, access.FindingRemoved, "after an order of ours took effect late")
		wantMember(t, w, Alice, readers, false, "after an order of ours took effect late")
	}, WithTraits(func(traits *connector.Traits) { traits.LateEffect = true }))
}

// After a day nobody looks any more.
func TestMemberWhoIsGivenTheRightLater(t *testing.T) {
	t.Parallel()
	shared(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Hour)
		pass(26 * time.Hour)
		w.Target.AddMember(memory.Member{Account: Alice, Group: readers})
		pass(time.Hour)
		if len(findings(t, w)) != 0 {
			t.Errorf("the findings are %+v", findings(t, w))
		}
	})
}

// A member who is put back and then granted the right anew stays found, and stays.
func TestFoundAccessIsNotLaunderedByAGrant(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Hour)
		pass(time.Hour)
		w.Target.AddMember(memory.Member{Account: Alice, Group: readers})
		pass(10 * time.Minute)
		ask(t, w, Alice, Read, time.Hour)
		pass(30 * time.Minute)
		wantFinding(t, w, access.FindingAfterEnd, access.FindingOpen, "under a new grant")
		pass(2 * time.Hour)
		wantFinding(t, w, access.FindingAfterEnd, access.FindingOpen, "after the new grant")
	})
}

func TestAcceptFinding(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		restored := ownAccount(t, w)
		returnGrant(t, w, grantOf(t, w, v).ID)
		_, disarm := w.Target.Inject(memory.Fault{Call: connector.CallRevoke, Moment: memory.BeforeEffect})
		if err := w.Target.AddAccount(restored, ""); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		reconcile(t, w)
		f := wantFinding(t, w, access.FindingAfterEnd, access.FindingOpen, "at first")
		accept := func(who, reason string) error {
			_, err := w.Engine.AcceptFinding(t.Context(), w.Who(who), f.ID, reason)
			return err
		}
		wantKind(t, accept(Alice, "mine"), access.KindNotFound)
		wantKind(t, accept(Olga, "mine"), access.KindDenied)
		wantKind(t, accept(Carol, ""), access.KindInvalid)
		wantKind(t, accept(Carol, strings.Repeat("x", access.MaxReason+1)), access.KindInvalid)
		if err := accept(Carol, "a drill"); err != nil {
			t.Fatal(err)
		}
		wantKind(t, accept(Carol, "again"), access.KindConflict)
		disarm()
		pass(time.Hour)
		if got := wantFinding(t, w, access.FindingAfterEnd, access.FindingAccepted, "an hour later"); got.ClosedBy != w.Who(Carol).ID || got.Reason != "a drill" {
			t.Errorf("accepted by %s because %q", got.ClosedBy, got.Reason)
		}
		if n := len(w.Target.Accounts()); n != 2 {
			t.Errorf("%d accounts; what was accepted was removed", n)
		}
		_, _, err := w.Engine.Findings(t.Context(), w.Who(Alice), false, store.Page{Limit: 1})
		wantKind(t, err, access.KindDenied)
		open, _, err := w.Engine.Findings(t.Context(), w.Who(Olga), false, store.Page{Limit: 1})
		if err != nil || len(open) != 0 {
			t.Errorf("open: %+v, %v", open, err)
		}
	})
}

// What a hostile target says is kept harmless and bounded.
func TestHostileMarks(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		synctest.Wait()
		for i, m := range []access.Mark{"curfew1", "curfew1:::::", access.Mark(strings.Repeat("é", 5000)), "a\x00b\xff", "curfew1:test:default:orders-db:gr_1:"} {
			if err := w.Target.AddAccount(memory.Account{Name: string(rune('a' + i)), Mark: m}, ""); err != nil {
				t.Fatal(err)
			}
		}
		if c := reconcile(t, w); c.Opened != 5 {
			t.Errorf("the comparison is %+v", c)
		}
		if c := reconcile(t, w); c.Opened != 0 || c.Gone != 0 {
			t.Errorf("the second comparison is %+v", c)
		}
		for _, f := range findings(t, w) {
			if len(f.Mark) > 1024 || strings.ContainsRune(string(f.Mark), 0) {
				t.Errorf("the finding has the mark %.40q of %d bytes", f.Mark, len(f.Mark))
			}
		}
	})
}

// A target that cannot be listed changes nothing of what is known.
func TestUnreadableTargetClosesNothing(t *testing.T) {
	failing := &failingList{}
	bubble(t, func(t *testing.T, w *World) {
		if err := w.Target.AddAccount(memory.Account{Name: "foreign", Mark: "curfew1:elsewhere:default:c:gr_1:mac"}, ""); err != nil {
			t.Fatal(err)
		}
		reconcile(t, w)
		failing.armed = true
		_, err := w.Engine.Reconcile(t.Context(), lane())
		wantKind(t, err, access.KindUnavailable)
		wantFinding(t, w, access.FindingForeign, access.FindingOpen, "after a list that broke off")
	}, WithDriver(func(d connector.Driver) connector.Driver {
		failing.Driver = d
		return failing
	}))
}

// failingList breaks off before the first item.
type failingList struct {
	connector.Driver
	armed bool
}

func (d *failingList) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	if !d.armed {
		return d.Driver.List(ctx)
	}
	return func(yield func(access.Sighting, error) bool) {
		yield(access.Sighting{}, access.Errorf(access.KindUnavailable, "broken off"))
	}
}
