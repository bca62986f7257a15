package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
)

func TestCredentialIsForItsPrincipalAlone(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		g := grantOf(t, w, ask(t, w, Alice, Read, time.Hour))
		key := newKey(t)
		for who, kind := range map[string]access.Kind{
			Carol: access.KindDenied, Olga: access.KindDenied, AliceAdmin: access.KindDenied,
			AliceAgent: access.KindNotFound, Bob: access.KindNotFound, Mallory: access.KindNotFound,
		} {
			if _, err := w.Engine.Credential(t.Context(), w.Who(who), g.ID, key.Public()); !is(err, kind) {
				t.Errorf("%s: %v, want %s", who, err, kind)
			}
		}
		_, err := w.Engine.Credential(t.Context(), w.Who(Alice), g.ID, []byte("no key"))
		wantKind(t, err, access.KindInvalid)
		_, err = w.Engine.Credential(t.Context(), w.Who(Alice), "gr_unknown", key.Public())
		wantKind(t, err, access.KindNotFound)
	})
}

func TestSameKeyFetchesAgainAndAnotherKeyIssuesAnew(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		first, second := newKey(t), newKey(t)
		r, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{
			Entitlements: []access.Entitlement{Entitlement(Read)}, Duration: time.Hour, Reason: "x", Recipient: first.Public(),
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		g := grantOf(t, w, see(t, w, Alice, r.ID))
		a := open(t, w, Alice, g.ID, first)
		b := open(t, w, Alice, g.ID, first)
		if a.Password != b.Password {
			t.Error("the same key was given another credential")
		}
		c := open(t, w, Alice, g.ID, second)
		if c.Password == a.Password {
			t.Error("another key was given the same credential")
		}
		if _, err := w.Target.Login(a.Username, a.Password); err == nil {
			t.Error("the old credential still works")
		}
		if _, err := w.Target.Login(c.Username, c.Password); err != nil {
			t.Errorf("the new credential does not work: %v", err)
		}
		if after := grantOf(t, w, see(t, w, Alice, r.ID)); !after.Deadline.Equal(g.Deadline) || after.State != access.GrantActive {
			t.Errorf("issuing anew made the grant %s until %s", after.State, after.Deadline)
		}
	})
}

func TestNoCredentialBeforeOrAfter(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		key := newKey(t)
		g := grantOf(t, w, ask(t, w, Alice, Read, time.Minute))
		open(t, w, Alice, g.ID, key)
		time.Sleep(time.Minute)
		// At the very instant of the deadline, before anybody acted on it.
		_, err := w.Engine.Credential(t.Context(), w.Who(Alice), g.ID, key.Public())
		wantKind(t, err, access.KindConflict)
		synctest.Wait()
		_, err = w.Engine.Credential(t.Context(), w.Who(Alice), g.ID, key.Public())
		wantKind(t, err, access.KindConflict)
	})
}

// A new credential is no way to get back what somebody has removed at the target.
func TestNoCredentialForWhatWasRemovedAtTheTarget(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		id := grantOf(t, w, v).ID
		open(t, w, Alice, id, newKey(t))
		w.Target.SetBlind(true)
		_, err := w.Engine.Credential(t.Context(), w.Who(Alice), id, newKey(t).Public())
		wantKind(t, err, access.KindUnavailable)
		w.Target.SetBlind(false)
		pass(30 * time.Second) // in which an order, had there been one, could have arrived
		w.Target.RemoveAccount(ownAccount(t, w).Name)
		_, err = w.Engine.Credential(t.Context(), w.Who(Alice), id, newKey(t).Public())
		wantKind(t, err, access.KindConflict)
		if n := len(w.Target.Accounts()); n != 1 {
			t.Errorf("the target has %d accounts, want Curfew's own alone", n)
		}
		pass(10 * time.Minute)
		wantEnded(t, grantOf(t, w, v), access.EndRemovedAtTarget)
	})
}
