package engine_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// nativeExpiry is when the target itself ends the one grant there is.
func nativeExpiry(t *testing.T, w *World) time.Time {
	t.Helper()
	for _, a := range w.Target.Accounts() {
		if a.Mark != "" {
			return a.Expiry
		}
	}
	t.Fatal("there is no account at the target")
	return time.Time{}
}

// extend extends the request's one grant as Alice, and returns it when everybody waits.
func extend(t *testing.T, w *World, v engine.RequestView, by time.Duration) (access.Grant, error) {
	t.Helper()
	_, err := w.Engine.Extend(t.Context(), w.Who(Alice), v.Grants[0].ID, by)
	synctest.Wait()
	return grantOf(t, w, see(t, w, Alice, v.Request.ID)), err
}

func TestExtend(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		begin := time.Now()
		v := ask(t, w, Alice, Read, time.Hour)
		key := newKey(t)
		cred := open(t, w, Alice, v.Grants[0].ID, key)
		session, err := w.Target.Login(cred.Username, cred.Password)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		g, err := extend(t, w, v, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		end := begin.Add(2 * time.Hour)
		if !g.Deadline.Equal(end) || !g.ExtendTo.IsZero() || g.Duration != 2*time.Hour || !g.ActivatedAt.Equal(begin) {
			t.Errorf("it lives %s until %s (to %s), want 2h from the start", g.Duration, g.Deadline, g.ExtendTo)
		}
		if at := nativeExpiry(t, w); !at.Equal(end) {
			t.Errorf("the target ends it at %s, want %s", at, end)
		}
		if again := open(t, w, Alice, g.ID, key); again.Password != cred.Password {
			t.Error("the same key was given another credential")
		}
		time.Sleep(time.Until(end) - time.Microsecond)
		synctest.Wait()
		if err := session.Use("orders", "read"); err != nil {
			t.Errorf("the session did not outlive the old deadline: %v", err)
		}
		if _, err := w.Target.Login(cred.Username, cred.Password); err != nil {
			t.Errorf("the credential changed: %v", err)
		}
		time.Sleep(time.Microsecond)
		synctest.Wait()
		g = grantOf(t, w, v)
		wantEnded(t, g, access.EndExpired)
		if !g.VerifiedAt.Equal(end) || session.Use("orders", "read") == nil {
			t.Errorf("verified at %s, want at the new deadline and with no session left", g.VerifiedAt)
		}
		var kinds []string
		for _, e := range entries(t, w, store.EventFilter{Grant: g.ID}) {
			if strings.HasPrefix(string(e.Kind), "grant.extend") {
				kinds = append(kinds, string(e.Kind)+" "+e.Actor.Subject)
			}
		}
		if strings.Join(kinds, ",") != "grant.extending alice,grant.extended " {
			t.Errorf("the entries are %q", kinds)
		}
	})
}

// No number of extensions goes past the start plus the maximum.
func TestExtensionsNeverPassTheMaximum(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		begin := time.Now()
		v := ask(t, w, Alice, Read, time.Hour)
		for range 3 {
			time.Sleep(40 * time.Minute)
			if _, err := extend(t, w, v, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		for _, by := range []time.Duration{time.Second, time.Hour} {
			_, err := extend(t, w, v, by)
			wantKind(t, err, access.KindDenied)
			if !strings.Contains(access.SafeMessage(err), "4h") {
				t.Errorf("the refusal does not name the maximum: %v", err)
			}
		}
		if g := grantOf(t, w, v); !g.Deadline.Equal(begin.Add(4*time.Hour)) || !g.ExtendTo.IsZero() {
			t.Errorf("the deadline is %s, want 4h after the start", g.Deadline)
		}
	})
}

func TestExtendIsDecidedAnew(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, 10*time.Minute)
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		v = see(t, w, Alice, v.Request.ID)
		g, err := extend(t, w, v, time.Minute)
		wantKind(t, err, access.KindDenied)
		if !strings.Contains(access.SafeMessage(err), "new request") || !g.ExtendTo.IsZero() {
			t.Errorf("what needs a review: %v", err)
		}
		read := ask(t, w, Alice, Read, time.Hour)
		w.Leaves(Alice)
		_, err = w.Engine.Extend(t.Context(), w.Who(Alice), read.Grants[0].ID, time.Minute)
		wantKind(t, err, access.KindDenied)
	})
}

// until caps what an extension gives, and refuses one that would give nothing.
func TestExtendIsCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(90 * time.Minute)
		w := New(t, WithPolicies(policy.Policy{
			Name: "until", Effect: policy.EffectAllow, Who: []string{"group:engineering"}, What: []string{Read},
			MaxDuration: 4 * time.Hour, Auto: true, Until: `timestamp("` + until.UTC().Format(time.RFC3339Nano) + `")`,
		}))
		w.Run()
		v := ask(t, w, Alice, Read, time.Hour)
		g, err := extend(t, w, v, time.Hour)
		if err != nil || !g.Deadline.Equal(until) {
			t.Errorf("extended to %s, want %s: %v", g.Deadline, until, err)
		}
		_, err = extend(t, w, v, time.Hour)
		wantKind(t, err, access.KindDenied)
	})
}

func TestWhoMayExtendWhat(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ctx := t.Context()
		v := ask(t, w, Alice, Read, time.Hour)
		id := v.Grants[0].ID
		for who, kind := range map[string]access.Kind{Carol: access.KindDenied, Olga: access.KindDenied, Bob: access.KindNotFound, AliceAgent: access.KindNotFound} {
			_, err := w.Engine.Extend(ctx, w.Who(who), id, time.Minute)
			wantKind(t, err, kind)
		}
		for _, by := range []time.Duration{0, -time.Hour, time.Millisecond, 100 * 366 * 24 * time.Hour} {
			_, err := w.Engine.Extend(ctx, w.Who(Alice), id, by)
			wantKind(t, err, access.KindInvalid)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		_, err := w.Engine.Extend(ctx, w.Who(Alice), id, time.Minute)
		wantKind(t, err, access.KindConflict)
	})
}

// While the target refuses, the old deadline stands, and the access there never outlives the later of the two. When the
// old deadline comes it is taken back on time.
func TestExtendThatNeverWorks(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]memory.Fault{
		"nothing happens":        {Call: connector.CallExtend, Moment: memory.BeforeEffect},
		"it happens and is lost": {Call: connector.CallExtend, Moment: memory.AfterEffect},
		"it hangs":               {Call: connector.CallExtend, Moment: memory.BeforeEffect, Effect: memory.Hang},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				w.Target.Inject(fault)
				v := ask(t, w, Alice, Read, time.Hour)
				old := v.Grants[0].Deadline
				promised := old.Add(time.Hour)
				if _, err := extend(t, w, v, time.Hour); err != nil {
					t.Fatal(err)
				}
				_, err := extend(t, w, v, time.Hour)
				wantKind(t, err, access.KindConflict)
				for time.Now().Before(old.Add(-time.Minute)) {
					time.Sleep(time.Minute)
					synctest.Wait()
					g := grantOf(t, w, v)
					if g.State != access.GrantActive || !g.Deadline.Equal(old) || !g.ExtendTo.Equal(promised) || g.DueAt.After(old) {
						t.Fatalf("it is %s until %s, due %s, promised %s", g.State, g.Deadline, g.DueAt, g.ExtendTo)
					}
					if at := nativeExpiry(t, w); at.After(promised) {
						t.Fatalf("the target ends it at %s", at)
					}
				}
				time.Sleep(time.Until(old))
				synctest.Wait()
				if n := len(w.Target.Accounts()); n != 1 {
					t.Errorf("%d accounts are at the target at the old deadline", n)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				g := grantOf(t, w, v)
				wantEnded(t, g, access.EndExpired)
				if !g.ExtendTo.IsZero() || !g.Deadline.Equal(old) {
					t.Errorf("ended with the deadline %s, promised %s", g.Deadline, g.ExtendTo)
				}
			})
		})
	}
}

func TestExtendIsTriedAgain(t *testing.T) {
	for _, moment := range []memory.Moment{memory.BeforeEffect, memory.AfterEffect} {
		bubble(t, func(t *testing.T, w *World) {
			w.Target.Inject(memory.Fault{Call: connector.CallExtend, Moment: moment, Times: 3})
			v := ask(t, w, Alice, Read, time.Hour)
			if _, err := extend(t, w, v, time.Hour); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			g := grantOf(t, w, v)
			if !g.Deadline.Equal(v.Grants[0].Deadline.Add(time.Hour)) || !g.ExtendTo.IsZero() || g.LastError != "" || g.Failures != 0 {
				t.Errorf("after three failures: until %s, promised %s, error %q", g.Deadline, g.ExtendTo, g.LastError)
			}
		})
	}
}

// An extension that hangs at the target is overtaken by a return, and brings nothing back.
func TestReturnDuringExtension(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		reached, clear := w.Target.Inject(memory.Fault{Call: connector.CallExtend, Moment: memory.BeforeEffect, Effect: memory.Hang})
		if _, err := w.Engine.Extend(t.Context(), w.Who(Alice), v.Grants[0].ID, time.Hour); err != nil {
			t.Fatal(err)
		}
		<-reached
		// Meanwhile no credential with the old expiry is issued.
		_, err := w.Engine.Credential(t.Context(), w.Who(Alice), v.Grants[0].ID, newKey(t).Public())
		wantKind(t, err, access.KindConflict)
		if _, err := w.Engine.Return(t.Context(), w.Who(Alice), v.Grants[0].ID); err != nil {
			t.Fatal(err)
		}
		clear()
		time.Sleep(time.Minute)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, v), access.EndReturned)
		if n := len(w.Target.Accounts()); n != 1 {
			t.Errorf("%d accounts are at the target", n)
		}
	})
}

// Fifty extensions at once give one.
func TestExtensionsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		reached, clear := w.Target.Inject(memory.Fault{Call: connector.CallExtend, Moment: memory.BeforeEffect, Effect: memory.Hang})
		var won atomic.Int32
		for range 50 {
			go func() {
				_, err := w.Engine.Extend(t.Context(), w.Who(Alice), v.Grants[0].ID, 10*time.Minute)
				if err == nil {
					won.Add(1)
				} else if !is(err, access.KindConflict) {
					t.Errorf("extend: %v", err)
				}
			}()
		}
		<-reached
		synctest.Wait()
		clear()
		synctest.Wait()
		if g := grantOf(t, w, v); won.Load() != 1 || !g.Deadline.Equal(v.Grants[0].Deadline.Add(10*time.Minute)) {
			t.Errorf("%d extensions won, and the deadline is %s", won.Load(), g.Deadline)
		}
	})
}

// Until it is announced that it ends a grant can be extended, and while the target does not answer it is still taken back on
// time: the lease on an extension ends with the deadline.
func TestExtendAtTheLastMoment(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *World) {
			v := ask(t, w, Alice, Read, time.Hour)
			old := v.Grants[0].Deadline
			if hangs {
				w.Target.Inject(memory.Fault{Call: connector.CallExtend, Moment: memory.BeforeEffect, Effect: memory.Hang})
			}
			sleepUntil(old.Add(-3 * time.Second))
			if _, err := extend(t, w, v, time.Hour); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(old))
			synctest.Wait()
			g, accounts := grantOf(t, w, v), len(w.Target.Accounts())
			if hangs && (g.State != access.GrantRevoking || accounts != 1) {
				t.Errorf("at the old deadline it is %s, with %d accounts at the target", g.State, accounts)
			}
			if !hangs && (g.State != access.GrantActive || accounts != 2) {
				t.Errorf("at the old deadline it is %s, with %d accounts at the target", g.State, accounts)
			}
		})
	}
}

// Between the promise and its keeping nothing else is promised, and no credential with the old expiry is issued.
func TestOnePromiseAtATime(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		v := submitted(t, w)
		step(t, w)
		id := v.Grants[0].ID
		if _, err := w.Engine.Extend(t.Context(), w.Who(Alice), id, time.Hour); err != nil {
			t.Fatal(err)
		}
		_, err := w.Engine.Extend(t.Context(), w.Who(Alice), id, time.Hour)
		wantKind(t, err, access.KindConflict)
		_, err = w.Engine.Credential(t.Context(), w.Who(Alice), id, newKey(t).Public())
		wantKind(t, err, access.KindConflict)
		step(t, w)
		open(t, w, Alice, id, newKey(t))
	})
}

// A freeze that comes between the promise and its keeping takes the grant back, by Step alone.
func TestFreezeStopsAnExtension(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		v := submitted(t, w)
		step(t, w)
		if _, err := w.Engine.Extend(t.Context(), w.Who(Alice), v.Grants[0].ID, time.Hour); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Engine.Freeze(t.Context(), w.Who(Carol), engine.FreezeOrder{Everything: true}, "x"); err != nil {
			t.Fatal(err)
		}
		step(t, w)
		wantEnded(t, grantOf(t, w, v), access.EndRevoked)
	})
}

// The promise was made, and the process died before and after the target was asked: whoever comes next keeps it.
func TestExtensionAfterACrash(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		v := submitted(t, w)
		step(t, w)
		old := grantOf(t, w, v).Deadline
		if _, err := w.Engine.Extend(t.Context(), w.Who(Alice), v.Grants[0].ID, time.Hour); err != nil {
			t.Fatal(err)
		}
		// A node claims it, moves the expiry at the target, and is never heard of again.
		var claimed []access.Grant
		err := w.Store.Update(t.Context(), "claim", func(tx store.Tx) (err error) {
			lane := store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db"}
			claimed, err = TakeDue(tx, lane, "dead", tx.Now().Add(10*time.Second))
			return err
		})
		if err != nil || len(claimed) != 1 {
			t.Fatalf("%d claimed, %v", len(claimed), err)
		}
		step(t, w)
		if g := grantOf(t, w, v); !g.Deadline.Equal(old) {
			t.Error("what another holds was acted on")
		}
		time.Sleep(10 * time.Second)
		step(t, w)
		if g := grantOf(t, w, v); !g.Deadline.Equal(old.Add(time.Hour)) || !nativeExpiry(t, w).Equal(g.Deadline) {
			t.Errorf("until %s, and at the target until %s", g.Deadline, nativeExpiry(t, w))
		}
	})
}
