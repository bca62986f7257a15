package engine_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/secret"
)

// bubble runs a test with a running engine in time of its own, which goes on whenever everybody waits.
func bubble(t *testing.T, test func(t *testing.T, w *World), options ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := New(t, options...)
		w.Run()
		test(t, w)
	})
}

// ask submits and waits until nothing is left to wait for but reviews.
func ask(t *testing.T, w *World, who, entitlement string, d time.Duration) engine.RequestView {
	t.Helper()
	r, err := w.Engine.Submit(t.Context(), w.Who(who), engine.Submission{
		Entitlements: []access.Entitlement{Entitlement(entitlement)}, Duration: d, Reason: "order 17",
	})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return see(t, w, who, r.ID)
}

func see(t *testing.T, w *World, who string, id access.RequestID) engine.RequestView {
	t.Helper()
	v, err := w.Engine.Request(t.Context(), w.Who(who), id)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// grantOf reads the request's one grant.
func grantOf(t *testing.T, w *World, v engine.RequestView) access.Grant {
	t.Helper()
	if len(v.Grants) != 1 {
		t.Fatalf("request %s (%s) has %d grants, want 1: %s", v.Request.ID, v.Request.State, len(v.Grants), v.Decision.Why)
	}
	g, err := w.Engine.Grant(t.Context(), w.Who(Carol), v.Grants[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// open fetches the credential with a key and opens it.
func open(t *testing.T, w *World, who string, id access.GrantID, key *secret.RecipientKey) access.Credential {
	t.Helper()
	sealed, err := w.Engine.Credential(t.Context(), w.Who(who), id, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := key.Open(secret.Binding{Tenant: access.DefaultTenant, Grant: id, Principal: w.Who(who).ID, Attempt: sealed.Attempt}, sealed.Ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	var c access.Credential
	if err := json.Unmarshal(plain, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey(t *testing.T) *secret.RecipientKey {
	t.Helper()
	key, err := secret.NewRecipientKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func wantEnded(t *testing.T, g access.Grant, reason access.EndReason) {
	t.Helper()
	if g.State != access.GrantEnded || g.EndReason != reason {
		t.Errorf("grant is %s (%s), want ended (%s); last error: %s", g.State, g.EndReason, reason, g.LastError)
	}
}

func wantKind(t *testing.T, err error, kind access.Kind) {
	t.Helper()
	if err == nil || access.KindOf(err) != kind {
		t.Errorf("got the error %v, want one of kind %s", err, kind)
	}
}

func TestLifeOfAnAutomaticGrant(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		begin := time.Now()
		v := ask(t, w, Alice, Read, 2*time.Minute)
		g := grantOf(t, w, v)
		if g.State != access.GrantActive || !g.Deadline.Equal(begin.Add(2*time.Minute)) {
			t.Fatalf("grant is %s until %s, want active until 2m after the start", g.State, g.Deadline)
		}
		cred := open(t, w, Alice, g.ID, newKey(t))
		session, err := w.Target.Login(cred.Username, cred.Password)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(g.Deadline) - time.Microsecond)
		synctest.Wait()
		if err := session.Use("orders", "read"); err != nil {
			t.Errorf("just before the deadline: %v", err)
		}
		time.Sleep(time.Microsecond)
		synctest.Wait()
		if err := session.Use("orders", "read"); err == nil {
			t.Error("the session outlived the deadline")
		}
		if _, err := w.Target.Login(cred.Username, cred.Password); err == nil {
			t.Error("a log-in after the deadline succeeded")
		}
		g = grantOf(t, w, v)
		wantEnded(t, g, access.EndExpired)
		if !g.VerifiedAt.Equal(g.Deadline) || g.VerifiedBy == "" || g.SessionsEnded != 1 {
			t.Errorf("verified at %s by %q with %d sessions ended; want at the deadline, by somebody, 1", g.VerifiedAt, g.VerifiedBy, g.SessionsEnded)
		}
	})
}

func TestShortestGrant(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Second)
		time.Sleep(time.Second)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
	})
}

func TestReturnAndRevoke(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ctx := t.Context()
		g := grantOf(t, w, ask(t, w, Alice, Read, time.Hour))
		_, err := w.Engine.Return(ctx, w.Who(Mallory), g.ID)
		wantKind(t, err, access.KindNotFound)
		_, err = w.Engine.Return(ctx, w.Who(Carol), g.ID)
		wantKind(t, err, access.KindDenied)
		_, err = w.Engine.Revoke(ctx, w.Who(Olga), g.ID, "curious")
		wantKind(t, err, access.KindDenied)
		_, err = w.Engine.Revoke(ctx, w.Who(Carol), g.ID, "")
		wantKind(t, err, access.KindInvalid)
		if _, err := w.Engine.Return(ctx, w.Who(Alice), g.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		got, err := w.Engine.Return(ctx, w.Who(Alice), g.ID)
		if err != nil {
			t.Errorf("returning twice: %v", err)
		}
		wantEnded(t, got, access.EndReturned)

		h := grantOf(t, w, ask(t, w, Alice, Read, time.Hour))
		if _, err := w.Engine.Revoke(ctx, w.Who(Carol), h.ID, "laptop stolen"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h, _ = w.Engine.Grant(ctx, w.Who(Alice), h.ID)
		wantEnded(t, h, access.EndRevoked)
		if n := len(w.Target.Accounts()); n != 1 {
			t.Errorf("%d accounts are left at the target, want Curfew's own alone", n)
		}
	})
}

func TestActivationIsTriedAgainAndItsDeadlineStands(t *testing.T) {
	for _, moment := range []memory.Moment{memory.BeforeEffect, memory.Midway, memory.AfterEffect} {
		bubble(t, func(t *testing.T, w *World) {
			begin := time.Now()
			w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: moment, Times: 3})
			v := ask(t, w, Alice, Read, time.Hour)
			if g := grantOf(t, w, v); g.State != access.GrantActivating || g.LastError == "" {
				t.Errorf("after a failure the grant is %s with the error %q", g.State, g.LastError)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			g := grantOf(t, w, v)
			if g.State != access.GrantActive || g.Attempt != 4 || !g.Deadline.Equal(begin.Add(time.Hour)) {
				t.Errorf("grant is %s after %d attempts until %s", g.State, g.Attempt, g.Deadline)
			}
		})
	}
}

func TestActivationThatNeverWorksIsTakenBack(t *testing.T) {
	for name, fault := range map[string]memory.Fault{
		"nothing happens":           {Call: connector.CallGrant, Moment: memory.BeforeEffect},
		"it happens and is lost":    {Call: connector.CallGrant, Moment: memory.AfterEffect},
		"it can never work":         {Call: connector.CallGrant, Moment: memory.Midway, Err: access.Errorf(access.KindInvalid, "no")},
		"the target cannot be read": {Call: connector.CallPrepare, Moment: memory.BeforeEffect},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				w.Target.Inject(fault)
				v := ask(t, w, Alice, Read, time.Hour)
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				g := grantOf(t, w, v)
				wantEnded(t, g, access.EndFailed)
				if g.ActivatedAt.IsZero() != g.VerifiedAt.IsZero() {
					t.Errorf("activated %s, verified %s: what may have touched the target is read back, and only that", g.ActivatedAt, g.VerifiedAt)
				}
				if n := len(w.Target.Accounts()); n != 1 {
					t.Errorf("%d accounts are left at the target", n)
				}
			})
		})
	}
}

func TestRevocationNeverGivesUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *World) {
		_, clear := w.Target.Inject(memory.Fault{Call: connector.CallRevoke})
		v := ask(t, w, Alice, Read, time.Minute)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		g := grantOf(t, w, v)
		if g.State != access.GrantRevoking || !g.Overdue(time.Now()) || g.Failures < 300 {
			t.Errorf("after six hours the grant is %s with %d failures", g.State, g.Failures)
		}
		clear()
		time.Sleep(time.Minute)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
	})
}

func TestBlindIsNotGone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Minute)
		w.Target.SetBlind(true)
		time.Sleep(time.Hour)
		synctest.Wait()
		if g := grantOf(t, w, v); g.State != access.GrantRevoking || !g.VerifiedAt.IsZero() {
			t.Errorf("a reader without sight made the grant %s, verified %s", g.State, g.VerifiedAt)
		}
		w.Target.SetBlind(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
	})
}

// A return while the activation hangs at the target wins; the activation undoes itself, and the grant ends only when
// the order can no longer take effect.
func TestReturnDuringActivation(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		reached, clear := w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.BeforeEffect, Effect: memory.Hang})
		r, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{
			Entitlements: []access.Entitlement{Entitlement(Read)}, Duration: time.Hour, Reason: "x",
		})
		if err != nil {
			t.Fatal(err)
		}
		<-reached
		g := grantOf(t, w, see(t, w, Alice, r.ID))
		if _, err := w.Engine.Return(t.Context(), w.Who(Alice), g.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if g = grantOf(t, w, see(t, w, Alice, r.ID)); g.State != access.GrantRevoking {
			t.Errorf("while an order may still arrive the grant is %s, want revoking", g.State)
		}
		clear()
		synctest.Wait()
		if n := len(w.Target.Accounts()); n != 1 {
			t.Errorf("the late activation left %d accounts", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, see(t, w, Alice, r.ID)), access.EndReturned)
	})
}

func TestHousekeepingDelaysNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Minute)
		g := grantOf(t, w, v)
		cred := open(t, w, Alice, g.ID, newKey(t))
		session, err := w.Target.Login(cred.Username, cred.Password)
		if err != nil {
			t.Fatal(err)
		}
		if err := session.MakeObject("my_table"); err != nil {
			t.Fatal(err)
		}
		w.Target.LockObjects(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		g = grantOf(t, w, v)
		wantEnded(t, g, access.EndExpired)
		if g.Housekeeping == "" {
			t.Fatal("nothing is left to tidy, although the object is locked")
		}
		time.Sleep(24 * time.Hour)
		w.Target.LockObjects(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		if g = grantOf(t, w, v); g.Housekeeping != "" || !g.DueAt.IsZero() {
			t.Errorf("left to tidy: %q, due %s", g.Housekeeping, g.DueAt)
		}
	})
}

func TestWaitRequest(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		v, err := w.Engine.WaitRequest(ctx, w.Who(Alice), v.Request.ID)
		if err != nil || v.Request.State != access.RequestPending {
			t.Fatalf("waiting in vain: %s, %v", v.Request.State, err)
		}
		go func() {
			time.Sleep(time.Second)
			if _, err := w.Engine.Review(t.Context(), w.Who(Bob), v.Request.ID, engine.Opinion{Verdict: access.Approve}); err != nil {
				t.Error(err)
			}
		}()
		v, err = w.Engine.WaitRequest(t.Context(), w.Who(Alice), v.Request.ID)
		if err != nil || len(v.Grants) != 1 || v.Grants[0].State != access.GrantActive {
			t.Fatalf("after the review: %+v, %v", v, err)
		}
	})
}

func TestNothingUnknownIsAsked(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		for text, want := range map[string]string{
			"orders-bd/orders:read": `"orders-db"`, "orders-db/order:read": `"orders"`, "orders-db/orders:reed": `"read"`,
		} {
			_, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{Entitlements: []access.Entitlement{Entitlement(text)}, Reason: "x"})
			wantKind(t, err, access.KindNotFound)
			if !strings.Contains(access.SafeMessage(err), want) {
				t.Errorf("%s: %q does not name %s", text, access.SafeMessage(err), want)
			}
		}
	})
}
