package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

func freeze(t *testing.T, w *World, o engine.FreezeOrder) access.Freeze {
	t.Helper()
	f, err := w.Engine.Freeze(t.Context(), w.Who(Carol), o, "laptop stolen")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return f
}

func freezes(t *testing.T, w *World) []access.Freeze {
	t.Helper()
	list, _, err := w.Engine.Freezes(t.Context(), w.Who(Carol), store.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Each scope takes back what is live and keeps everything that it covers from beginning, until it is lifted.
func TestFreezeTakesBackAndForbids(t *testing.T) {
	for name, order := range map[string]func(*World) engine.FreezeOrder{
		"principal": func(w *World) engine.FreezeOrder { return engine.FreezeOrder{Principal: w.Who(Alice).ID} },
		"another account of the same person": func(w *World) engine.FreezeOrder {
			return engine.FreezeOrder{Principal: w.Who(AliceAdmin).ID}
		},
		"connector":  func(*World) engine.FreezeOrder { return engine.FreezeOrder{Connector: "orders-db"} },
		"everything": func(*World) engine.FreezeOrder { return engine.FreezeOrder{Everything: true} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				v, pending := ask(t, w, Alice, Read, time.Hour), ask(t, w, Alice, Write, time.Hour)
				f := freeze(t, w, order(w))
				wantEnded(t, grantOf(t, w, v), access.EndRevoked)
				if got := freezes(t, w); len(got) != 1 || got[0].Revoked != 1 || got[0].SweptAt.IsZero() {
					t.Errorf("the freeze stands as %+v", got)
				}
				_, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour())
				wantKind(t, err, access.KindDenied)
				_, err = review(t, w, Bob, pending.Request.ID, approve)
				wantKind(t, err, access.KindDenied)

				if err := w.Engine.Unfreeze(t.Context(), w.Who(Carol), f.ID, "found it"); err != nil {
					t.Fatal(err)
				}
				if g := grantOf(t, w, ask(t, w, Alice, Read, time.Hour)); g.State != access.GrantActive {
					t.Errorf("after the freeze was lifted the grant is %s", g.State)
				}
				if _, err := review(t, w, Bob, pending.Request.ID, approve); err != nil {
					t.Errorf("after the freeze was lifted: %v", err)
				}
			})
		})
	}
}

func TestFreezeCoversNothingElse(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		freeze(t, w, engine.FreezeOrder{Principal: w.Who(Bob).ID})
		if g := grantOf(t, w, v); g.State != access.GrantActive {
			t.Errorf("with another person frozen the grant is %s", g.State)
		}
		// One who is frozen reviews nothing.
		pending := ask(t, w, Alice, Write, time.Hour)
		_, err := review(t, w, Bob, pending.Request.ID, approve)
		wantKind(t, err, access.KindDenied)
		if _, err := review(t, w, Dave, pending.Request.ID, approve); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoMayFreeze(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ctx, everything := t.Context(), engine.FreezeOrder{Everything: true}
		for _, who := range []string{Alice, AliceAgent, Bob, Olga, Mallory} {
			_, err := w.Engine.Freeze(ctx, w.Who(who), everything, "x")
			wantKind(t, err, access.KindDenied)
			wantKind(t, w.Engine.Unfreeze(ctx, w.Who(who), "fz_1", "x"), access.KindDenied)
		}
		for _, o := range []engine.FreezeOrder{
			{}, {Everything: true, Connector: "orders-db"}, {Connector: "orders-db", Principal: w.Who(Bob).ID},
		} {
			_, err := w.Engine.Freeze(ctx, w.Who(Carol), o, "x")
			wantKind(t, err, access.KindInvalid)
		}
		for _, o := range []engine.FreezeOrder{
			{Connector: "orders-bd"}, {Principal: access.PrincipalID{Issuer: "static", Subject: "nobody"}},
		} {
			_, err := w.Engine.Freeze(ctx, w.Who(Carol), o, "x")
			wantKind(t, err, access.KindNotFound)
		}
		_, err := w.Engine.Freeze(ctx, w.Who(Carol), everything, "")
		wantKind(t, err, access.KindInvalid)
		_, _, err = w.Engine.Freezes(ctx, w.Who(Bob), store.Page{Limit: 10})
		wantKind(t, err, access.KindDenied)
		if list := freezes(t, w); len(list) != 0 {
			t.Fatalf("refused orders froze %v", list)
		}

		f := freeze(t, w, engine.FreezeOrder{Principal: w.Who(Alice).ID})
		if again := freeze(t, w, engine.FreezeOrder{Principal: w.Who(AliceAdmin).ID}); again.ID != f.ID {
			t.Errorf("the same person is frozen twice, as %s and %s", f.ID, again.ID)
		}
		// Whoever has the frozen person's accounts does not free them, administrator or not.
		wantKind(t, w.Engine.Unfreeze(ctx, w.Who(AliceAdmin), f.ID, "it was nothing"), access.KindDenied)
		wantKind(t, w.Engine.Unfreeze(ctx, w.Who(Carol), f.ID, ""), access.KindInvalid)
		if err := w.Engine.Unfreeze(ctx, w.Who(Carol), f.ID, "found it"); err != nil {
			t.Error(err)
		}
		wantKind(t, w.Engine.Unfreeze(ctx, w.Who(Carol), f.ID, "again"), access.KindNotFound)
	})
}

// One who has left the directory still has grants, which the books know by person.
func TestFreezeOfOneWhoLeft(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		alice := w.Who(Alice).ID
		w.Leaves(Alice)
		freeze(t, w, engine.FreezeOrder{Principal: alice})
		g, err := w.Engine.Grant(t.Context(), w.Who(Carol), v.Grants[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		wantEnded(t, g, access.EndRevoked)
	})
}

// A freeze is of the person that an account is of when it begins: not of the one that it was of while the order was on its way, nor of
// the one that an old grant has.
func TestFreezeOfOneWhoWasLinked(t *testing.T) {
	var person access.PersonID
	link := func(t *testing.T, w *World, erin access.Principal) {
		t.Helper()
		var frank access.Profile
		err := w.Engine.Change(t.Context(), "test", func(tx store.Tx, enter func(access.Event) error) (err error) {
			frank, err = w.Registrar.Tell(tx, enter, sso, identity.Account{Subject: "00u-frank", Name: "Frank"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Registrar.Link(t.Context(), w.Who(Carol), frank.ID, erin.ID, "one human"); err != nil {
			t.Fatal(err)
		}
		person = frank.Person
	}
	for name, before := range map[string]func(*testing.T, *World, access.Principal){
		"meanwhile": func(t *testing.T, w *World, erin access.Principal) {
			w.BeforeTransaction("freeze", func() { link(t, w, erin) })
		},
		"and has left": func(t *testing.T, w *World, erin access.Principal) {
			v := see(t, w, Carol, submit(t, w, erin, Read, time.Time{}).ID)
			if _, err := w.Engine.Return(t.Context(), erin, v.Grants[0].ID); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			link(t, w, erin)
			leave(t, w, erin.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			told(t, func(t *testing.T, w *World, erin access.Principal) {
				before(t, w, erin)
				if f := freeze(t, w, engine.FreezeOrder{Principal: erin.ID}); f.Value != string(person) {
					t.Errorf("frozen is %s", f.Value)
				}
			})
		})
	}
}

// An activation that hangs at the target while everything is frozen does not become access.
func TestFreezeDuringActivation(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		reached, clear := w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.BeforeEffect, Effect: memory.Hang})
		r, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour())
		if err != nil {
			t.Fatal(err)
		}
		<-reached
		freeze(t, w, engine.FreezeOrder{Everything: true})
		clear()
		time.Sleep(time.Minute)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, see(t, w, Alice, r.ID)), access.EndRevoked)
		if n := len(w.Target.Accounts()); n != 1 {
			t.Errorf("%d accounts are at the target, want Curfew's own alone", n)
		}
	})
}

// The freeze is committed, and the process dies before anything is taken back: whatever is claimed then ends, a
// credential is refused, and the next one who sweeps finishes.
func TestFreezeAloneHolds(t *testing.T) {
	t.Parallel()
	alone(t, func(t *testing.T, w *World) {
		ctx := t.Context()
		const live = 250
		var active []engine.RequestView
		for range live {
			active = append(active, submitted(t, w))
		}
		for range live/16 + 1 {
			step(t, w)
		}
		w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.AfterEffect, Times: 1})
		activating := submitted(t, w)
		step(t, w)
		scheduled := submitted(t, w)
		if _, err := w.Engine.Freeze(ctx, w.Who(Carol), engine.FreezeOrder{Everything: true}, "x"); err != nil {
			t.Fatal(err)
		}
		_, err := w.Engine.Credential(ctx, w.Who(Alice), active[0].Grants[0].ID, newKey(t).Public())
		wantKind(t, err, access.KindDenied)
		step(t, w)
		wantEnded(t, grantOf(t, w, see(t, w, Alice, scheduled.Request.ID)), access.EndRevoked)
		time.Sleep(time.Minute)
		step(t, w)
		wantEnded(t, grantOf(t, w, see(t, w, Alice, activating.Request.ID)), access.EndRevoked)
		sweepAll(t, w, live, active)
	})
}

// sweepAll sweeps until nothing is left, in steps that are bounded.
func sweepAll(t *testing.T, w *World, live int, active []engine.RequestView) {
	t.Helper()
	sweeps := 0
	for more := true; more; sweeps++ {
		var err error
		if more, err = w.Engine.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if sweeps != 3 {
		t.Errorf("%d sweeps for %d grants, want bounded ones", sweeps, live)
	}
	for _, v := range active {
		if g := grantOf(t, w, see(t, w, Alice, v.Request.ID)); g.State != access.GrantRevoking || g.EndReason != access.EndRevoked {
			t.Fatalf("a grant is %s (%s) after the sweep", g.State, g.EndReason)
		}
	}
	if f := freezes(t, w); f[0].Revoked != live || f[0].SweptAt.IsZero() {
		t.Errorf("the freeze stands as %+v", f[0])
	}
}

// The freeze is committed while an activation looks at the target: nothing is made.
func TestFreezeBetweenClaimAndCommit(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		reached, clear := w.Target.Inject(memory.Fault{Call: connector.CallPrepare, Moment: memory.AfterEffect, Effect: memory.Hang})
		v := submitted(t, w)
		go func() {
			<-reached
			if _, err := w.Engine.Freeze(t.Context(), w.Who(Carol), engine.FreezeOrder{Everything: true}, "x"); err != nil {
				t.Error(err)
			}
			clear()
		}()
		step(t, w)
		g := grantOf(t, w, see(t, w, Alice, v.Request.ID))
		wantEnded(t, g, access.EndRevoked)
		if !g.ActivatedAt.IsZero() {
			t.Error("the grant was activated under a freeze")
		}
	})
}

func TestFreezeHasItsEntries(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		f := freeze(t, w, engine.FreezeOrder{Principal: w.Who(Alice).ID})
		if err := w.Engine.Unfreeze(t.Context(), w.Who(Carol), f.ID, "found it"); err != nil {
			t.Fatal(err)
		}
		var got []access.EventKind
		for _, e := range entries(t, w, store.EventFilter{}) {
			switch e.Kind {
			case access.EventFreezeBegun, access.EventFreezeLifted:
				if e.Personal["reason"] == "" || e.Personal["person"] != Alice || e.Actor != w.Who(Carol).ID || e.Detail["scope"] != "person" {
					t.Errorf("%s says %+v", e.Kind, e)
				}
			case access.EventGrantRevoking:
				if e.Grant != v.Grants[0].ID || e.Detail["freeze"] != string(f.ID) || e.Actor != w.Who(Carol).ID {
					t.Errorf("%s says %+v", e.Kind, e)
				}
			default:
				continue
			}
			got = append(got, e.Kind)
		}
		if len(got) != 3 || got[0] != access.EventFreezeBegun || got[1] != access.EventGrantRevoking {
			t.Errorf("the entries are %v", got)
		}
	})
}
