package engine_test

import (
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

// leadsRead lets leads have what engineers have, so that there is a grant of neither administrator.
func leadsRead() Option {
	return WithPolicies(policy.Policy{
		Name: "leads", Effect: policy.EffectAllow, Who: []string{"group:leads", "group:engineering"}, What: []string{Read},
		MaxDuration: time.Hour, Auto: true,
	})
}

// stuck is a grant of Dave's that is past its deadline and cannot be taken back.
func stuck(t *testing.T, w *World) engine.RequestView {
	t.Helper()
	v := ask(t, w, Dave, Read, time.Minute)
	w.Target.Inject(memory.Fault{Call: connector.CallRevoke})
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	return v
}

func TestTwoPersonsAttest(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ctx, v := t.Context(), stuck(t, w)
		id := v.Grants[0].ID
		for who, kind := range map[string]access.Kind{
			Dave: access.KindDenied, Olga: access.KindDenied, Bob: access.KindNotFound, Mallory: access.KindNotFound,
		} {
			_, _, err := w.Engine.Attest(ctx, w.Who(who), id, "scrap")
			wantKind(t, err, kind)
		}
		_, _, err := w.Engine.Attest(ctx, w.Who(Carol), id, "")
		wantKind(t, err, access.KindInvalid)

		g, n, err := w.Engine.Attest(ctx, w.Who(Carol), id, "the server is scrap")
		if err != nil || n != 1 || g.State != access.GrantRevoking {
			t.Fatalf("after one attestation of %d it is %s: %v", n, g.State, err)
		}
		_, _, err = w.Engine.Attest(ctx, w.Who(Carol), id, "I am sure")
		wantKind(t, err, access.KindConflict)
		time.Sleep(time.Hour)
		synctest.Wait()
		if g := grantOf(t, w, v); g.State != access.GrantRevoking || g.Failures < 10 {
			t.Errorf("one attestation stops the taking back: %s after %d failures", g.State, g.Failures)
		}

		g, n, err = w.Engine.Attest(ctx, w.Who(AliceAdmin), id, "I saw it go")
		if err != nil || n != 2 {
			t.Fatalf("%d attestations: %v", n, err)
		}
		wantEnded(t, g, access.EndAttested)
		if !g.VerifiedAt.IsZero() || g.VerifiedBy != "" || !g.DueAt.IsZero() {
			t.Errorf("what was attested counts as verified at %s by %q, due %s", g.VerifiedAt, g.VerifiedBy, g.DueAt)
		}
		var attested []string
		for _, e := range entries(t, w, store.EventFilter{Grant: id}) {
			if e.Kind == access.EventGrantAttested {
				attested = append(attested, e.Actor.Subject+" "+e.Personal["reason"])
			}
		}
		if len(attested) != 2 || attested[0] != "carol the server is scrap" {
			t.Errorf("the entries are %q", attested)
		}
		_, _, err = w.Engine.Attest(ctx, w.Who(Carol), id, "again")
		wantKind(t, err, access.KindConflict)
	}, leadsRead())
}

// Nobody attests to their own grant, under another account either.
func TestNobodyAttestsToTheirOwn(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Minute)
		w.Target.Inject(memory.Fault{Call: connector.CallRevoke})
		time.Sleep(2 * time.Minute)
		_, _, err := w.Engine.Attest(t.Context(), w.Who(AliceAdmin), v.Grants[0].ID, "gone")
		wantKind(t, err, access.KindDenied)
	}, leadsRead())
}

// What can be taken back is not attested: a grant that is active, one that has just begun to be taken back, one that
// ended.
func TestWhatCannotBeAttested(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		attest := func(v engine.RequestView) error {
			_, _, err := w.Engine.Attest(t.Context(), w.Who(Carol), v.Grants[0].ID, "gone")
			return err
		}
		v := ask(t, w, Dave, Read, time.Hour)
		wantKind(t, attest(v), access.KindConflict)
		_, clear := w.Target.Inject(memory.Fault{Call: connector.CallRevoke})
		if _, err := w.Engine.Return(t.Context(), w.Who(Dave), v.Grants[0].ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		wantKind(t, attest(v), access.KindConflict)
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if err := attest(v); err != nil {
			t.Errorf("before its deadline, failing for ten minutes: %v", err)
		}
		clear()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, v), access.EndReturned)
		wantKind(t, attest(v), access.KindConflict)
	}, leadsRead())
}

// Two who attest at the same moment end it: neither overlooks the other.
func TestAttestationsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := stuck(t, w)
		var last atomic.Int32
		for _, who := range []string{Carol, AliceAdmin} {
			go func() {
				_, n, err := w.Engine.Attest(t.Context(), w.Who(who), v.Grants[0].ID, "gone")
				if err != nil {
					t.Error(err)
				}
				if n == access.AttestationsNeeded {
					last.Add(1)
				}
			}()
		}
		synctest.Wait()
		if last.Load() != 1 {
			t.Errorf("%d attestations were the last one", last.Load())
		}
		wantEnded(t, grantOf(t, w, v), access.EndAttested)
	}, leadsRead())
}
