package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	. "github.com/curfewhq/curfew/internal/enginetest"
)

// Who may not see something cannot tell it from what is not there, whatever they try to do with it.
func TestWhatIsNotSeenIsNotThere(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		type things struct {
			request    access.RequestID
			grant      access.GrantID
			delegation access.DelegationID
		}
		v := ask(t, w, Alice, Write, time.Hour)
		there := things{request: v.Request.ID, delegation: delegates(t, w, Bob, Dave).ID}
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		there.grant = grantOf(t, w, see(t, w, Carol, v.Request.ID)).ID
		nowhere := things{"req_0", "gr_0", "dl_0"}
		mallory := w.Who(Mallory)
		for name, try := range map[string]func(things) error{
			"reads the request": func(x things) error { _, err := w.Engine.Request(t.Context(), mallory, x.request); return err },
			"withdraws it":      func(x things) error { _, err := w.Engine.Withdraw(t.Context(), mallory, x.request); return err },
			"reviews it":        func(x things) error { _, err := w.Engine.Review(t.Context(), mallory, x.request, approve); return err },
			"reads the grant":   func(x things) error { _, err := w.Engine.Grant(t.Context(), mallory, x.grant); return err },
			"gives it back":     func(x things) error { _, err := w.Engine.Return(t.Context(), mallory, x.grant); return err },
			"extends it": func(x things) error {
				_, err := w.Engine.Extend(t.Context(), mallory, x.grant, time.Minute)
				return err
			},
			"takes it back": func(x things) error { _, err := w.Engine.Revoke(t.Context(), mallory, x.grant, "x"); return err },
			"wants to log in": func(x things) error {
				_, err := w.Engine.Credential(t.Context(), mallory, x.grant, newKey(t).Public())
				return err
			},
			"ends a delegation": func(x things) error { _, err := w.Engine.EndDelegation(t.Context(), mallory, x.delegation); return err },
		} {
			told := func(x things) string {
				err := try(x)
				wantKind(t, err, access.KindNotFound)
				return strings.NewReplacer(string(x.request), "ID", string(x.grant), "ID", string(x.delegation), "ID").Replace(access.SafeMessage(err))
			}
			if there, not := told(there), told(nowhere); there != not {
				t.Errorf("who %s is told %q where it is there, and %q where it is not", name, there, not)
			}
		}
	})
}
