package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// nest has writing on orders imply rights from now on, and waits until the catalogue has forgotten what it was.
func nest(t *testing.T, w *World, implied access.Implied) {
	t.Helper()
	w.Target.AddResource(access.Resource{
		Name: "orders", Permissions: []string{"read", "write", "drop"}, Labels: map[string]string{"env": "prod"},
		Implies: map[string]access.Implied{"write": implied},
	})
	time.Sleep(2 * time.Minute)
	synctest.Wait()
}

func rights(names ...string) access.Implied { return access.Implied{Rights: names} }

func TestReviewersSeeWhatIsImplied(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		want := access.Implied{Rights: []string{"staff", "vpn"}, Incomplete: "One of them cannot be seen."}
		nest(t, w, want)
		v := ask(t, w, Alice, Write, time.Hour)
		got := see(t, w, Bob, v.Request.ID).Decision.Targets[0].Implies
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if got := ask(t, w, Alice, Read, time.Hour).Decision.Targets[0].Implies; !got.IsZero() {
			t.Errorf("reading implies %v", got)
		}
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		if g := grantOf(t, w, see(t, w, Alice, v.Request.ID)); g.State != access.GrantActive {
			t.Errorf("the grant is %s", g.State)
		}
	})
}

// An approval is of what was shown: of less too, never of more. A denial is always heard.
func TestReviewIsOfWhatWasShown(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		nest(t, w, rights("staff", "vpn"))
		v := ask(t, w, Alice, Write, time.Hour)
		nest(t, w, rights("payroll", "staff", "vpn"))
		_, err := review(t, w, Bob, v.Request.ID, approve)
		wantKind(t, err, access.KindConflict)
		if !strings.Contains(access.SafeMessage(err), Write+" implies more than reviewers were shown") {
			t.Errorf("it says %v", err)
		}
		nest(t, w, rights("staff"))
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Errorf("of less: %v", err)
		}
		denied := ask(t, w, Alice, Write, time.Hour)
		nest(t, w, rights("payroll", "staff"))
		if _, err := review(t, w, Bob, denied.Request.ID, deny); err != nil {
			t.Errorf("deny: %v", err)
		}
	})
}

// What was approved does not begin as something else; what has begun, and what nobody had to review, goes on.
func TestActivationIsOfWhatWasShown(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		nest(t, w, rights("staff"))
		start := time.Now().Add(30 * time.Minute)
		later := askFor(t, w, Write, start)
		now := ask(t, w, Alice, Write, time.Hour)
		for _, v := range []engine.RequestView{later, now} {
			if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
				t.Fatal(err)
			}
		}
		nest(t, w, rights("payroll", "staff"))
		time.Sleep(time.Until(start) + time.Second)
		synctest.Wait()
		g := grantOf(t, w, see(t, w, Alice, later.Request.ID))
		if g.State != access.GrantEnded || g.EndReason != access.EndIneligible {
			t.Errorf("the later grant is %s, %s", g.State, g.EndReason)
		}
		if g := grantOf(t, w, see(t, w, Alice, now.Request.ID)); g.State != access.GrantActive {
			t.Errorf("what was live is %s", g.State)
		}
	})
}

// Nor does any other grant of the request: that one could not begin shows reviewers nothing.
func TestActivationOfSeveralIsOfWhatWasShown(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		nest(t, w, rights("staff"))
		start := time.Now().Add(30 * time.Minute)
		r, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{
			Entitlements: []access.Entitlement{Entitlement(Read), Entitlement(Write)}, Duration: time.Hour, Start: start, Reason: "x",
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := review(t, w, Bob, r.ID, approve); err != nil {
			t.Fatal(err)
		}
		nest(t, w, rights("payroll", "staff"))
		time.Sleep(time.Until(start) + time.Second)
		for range 2 {
			step(t, w)
		}
		if got := states(see(t, w, Alice, r.ID)); got["ended ineligible"] != 2 {
			t.Errorf("the grants are %v", got)
		}
	})
}

// What a reviewer has agreed to becomes nothing else when the requester confirms it later.
func TestConfirmationIsOfWhatWasShown(t *testing.T) {
	confirmed := policy.Policy{
		Name: "confirmed", Effect: policy.EffectAllow, Who: []string{"group:engineering"}, What: []string{Write}, MaxDuration: time.Hour,
		Require: policy.Requirements{MFA: true}, Stages: []policy.Stage{{From: []string{"group:leads"}, Count: 1, Within: 2 * time.Hour}},
	}
	bubble(t, func(t *testing.T, w *World) {
		nest(t, w, rights("staff"))
		v := ask(t, w, Alice, Write, time.Hour)
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		confirm := func() error {
			_, err := w.Engine.Confirm(t.Context(), w.Who(Alice), engine.SecondFactor{
				Confirmation: access.Confirmation{
					Tenant: access.DefaultTenant, Request: v.Request.ID, Principal: v.Request.Principal, Person: v.Request.Person, Passkey: "pk_1", Hash: v.Request.Hash,
					Nonce: make([]byte, 32), CredentialID: []byte{1}, PublicKey: []byte{1}, ClientData: []byte{1}, AuthenticatorData: []byte{1}, Signature: []byte{1},
				},
				Spend: func(store.Tx, func(access.Event) error) error { return nil },
			})
			synctest.Wait()
			return err
		}
		nest(t, w, rights("payroll", "staff"))
		wantKind(t, confirm(), access.KindConflict)
		if grants := see(t, w, Alice, v.Request.ID).Grants; len(grants) > 0 {
			t.Errorf("it came to %+v", grants)
		}
		nest(t, w, rights("staff"))
		if err := confirm(); err != nil {
			t.Fatal(err)
		}
		if g := grantOf(t, w, see(t, w, Alice, v.Request.ID)); g.State != access.GrantActive {
			t.Errorf("the grant is %s", g.State)
		}
	}, WithPolicies(confirmed))
}

// However many entitlements are asked for at once, what they imply is bounded, and says where it was cut.
func TestImpliedOfManyIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		third := rights(strings.Repeat("x", access.MaxImpliedBytes/3))
		permissions, implies := []string{"read", "write", "drop", "a", "b"}, map[string]access.Implied{}
		var asked []access.Entitlement
		for _, p := range permissions {
			implies[p] = third
			asked = append(asked, access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: p})
		}
		w.Target.AddResource(access.Resource{Name: "orders", Permissions: permissions, Implies: implies})
		time.Sleep(2 * time.Minute)
		r, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{Entitlements: asked, Duration: time.Hour, Reason: "x"})
		if err != nil {
			t.Fatal(err)
		}
		for i, target := range see(t, w, Alice, r.ID).Decision.Targets {
			if whole := cmp.Equal(target.Implies, third); whole != (i < 3) || (target.Implies.Incomplete == "") != whole {
				t.Errorf("target %d: %d bytes, %q", i, target.Implies.Size(), target.Implies.Incomplete)
			}
		}
	})
}
