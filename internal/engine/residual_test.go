package engine_test

import (
	"context"
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

// What was issued, and still works when its time should be over, keeps the grant from ending until it was seen to be refused. The
// books say until when it may have worked.
func TestGrantEndsWhenWhatWasIssuedIsRefused(t *testing.T) {
	const residual, works = 11 * time.Second, 20 * time.Second
	var target *remembering
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		began := time.Now()
		target.refuses = began.Add(works)
		if _, err := w.Engine.Return(t.Context(), w.Who(Alice), grantOf(t, w, v).ID); err != nil {
			t.Fatal(err)
		}
		sleepUntil(began.Add(works - time.Second/2))
		if g := grantOf(t, w, v); g.State != access.GrantRevoking || g.Failures != 0 || !g.ResidualUntil.After(began.Add(works-2*time.Second)) {
			t.Errorf("while what was issued works the grant is %s after %d failures, with a residual until %v", g.State, g.Failures, g.ResidualUntil.Sub(began))
		}
		sleepUntil(began.Add(works + 2*time.Second))
		g := grantOf(t, w, v)
		if g.State != access.GrantEnded || g.VerifiedAt.Before(target.refuses) || g.ResidualUntil.Before(target.refuses) || g.VerifiedAt.Before(g.ResidualUntil) {
			t.Errorf("after it is refused the grant is %s, verified at %v, with a residual until %v", g.State, g.VerifiedAt.Sub(began), g.ResidualUntil.Sub(began))
		}
	}, WithTraits(func(traits *connector.Traits) { traits.Residual = residual }), WithDriver(func(d connector.Driver) connector.Driver {
		target = &remembering{Driver: d}
		return target
	}))
}

// remembering is a target that takes what was issued until it refuses it.
type remembering struct {
	connector.Driver
	refuses time.Time
}

func (d *remembering) Observe(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
	presence, err := d.Driver.Observe(ctx, o, p)
	presence.Issued = connector.Absent
	if time.Now().Before(d.refuses) {
		presence.Issued = connector.Present
	}
	return presence, err
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
