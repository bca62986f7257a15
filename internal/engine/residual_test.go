package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	. "github.com/curfewhq/curfew/internal/enginetest"
)

// What was issued outlives its removal: the grant is being taken back until that is over, also when its access was gone before
// Curfew came, so that no order of its own could tell.
func TestGrantOutlivesItsRemovalByTheResidual(t *testing.T) {
	const residual = 11 * time.Second
	for name, take := range map[string]func(*testing.T, *World, access.Grant){
		"by Curfew": func(t *testing.T, w *World, g access.Grant) {
			if _, err := w.Engine.Return(t.Context(), w.Who(Alice), g.ID); err != nil {
				t.Fatal(err)
			}
		},
		"by an owner": func(t *testing.T, w *World, _ access.Grant) {
			w.Target.RemoveAccount(made(t, w).Name)
			w.Compare(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				v := ask(t, w, Alice, Read, time.Hour)
				began := time.Now()
				take(t, w, grantOf(t, w, v))
				synctest.Wait()
				sleepUntil(began.Add(residual - time.Second))
				g := grantOf(t, w, v)
				if g.State != access.GrantRevoking || g.ResidualUntil.Before(began.Add(residual)) {
					t.Errorf("before the residual is over the grant is %s, with a residual until %v", g.State, g.ResidualUntil.Sub(began))
				}
				sleepUntil(began.Add(residual + 2*time.Second))
				if g = grantOf(t, w, v); g.State != access.GrantEnded || g.VerifiedAt.Before(g.ResidualUntil) {
					t.Errorf("after the residual the grant is %s, verified at %v", g.State, g.VerifiedAt.Sub(began))
				}
			}, WithTraits(func(traits *connector.Traits) { traits.Residual = residual }))
		})
	}
}

// Where an expiry cannot be moved, the credential that was issued before an extension is not handed out again.
func TestExtensionMakesAnotherCredential(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		key := newKey(t)
		id := grantOf(t, w, v).ID
		before := open(t, w, Alice, id, key)
		if _, err := w.Engine.Extend(t.Context(), w.Who(Alice), id, time.Hour); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if after := open(t, w, Alice, id, key); after.Password == before.Password {
			t.Error("after an extension the old credential is handed out")
		}
	}, WithTraits(func(traits *connector.Traits) { traits.ExpiryFixed = true }))
}
