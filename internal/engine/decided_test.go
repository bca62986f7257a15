package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
)

// process makes an engine as a process does that has the books to itself, under rules of that digest.
func process(t *testing.T, w *World, digest string) *engine.Engine {
	t.Helper()
	w.Rules.Digest = digest
	e := w.Node()
	if err := e.TrustDecided(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

// decideAll calls Reconsider until the round is over.
func decideAll(t *testing.T, e *engine.Engine) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = e.Reconsider(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// A process under the rules of the one before does not decide again what that one decided; under any others it does.
func TestDecidedOnceUnderTheSameRules(t *testing.T) {
	for name, c := range map[string]struct {
		// earlier is what the process before did after the grant had begun.
		earlier func(t *testing.T, w *World, e *engine.Engine)
		digest  string
		trusted bool
	}{
		"the same rules":   {decided, "one", true},
		"other rules":      {decided, "two", false},
		"unknown rules":    {decided, "", false},
		"never came to it": {func(*testing.T, *World, *engine.Engine) {}, "one", false},
		"could not decide": {func(t *testing.T, w *World, e *engine.Engine) {
			w.LoseDirectory(true)
			decideAll(t, e)
			w.LoseDirectory(false)
		}, "one", false},
		"had begun to decide by others": {func(t *testing.T, w *World, e *engine.Engine) {
			decideAll(t, e)
			rules := w.Rules
			rules.Digest = "two"
			if err := e.Reload(t.Context(), rules); err != nil {
				t.Fatal(err)
			}
		}, "one", false},
		"was overtaken as it came to its end": {func(t *testing.T, w *World, e *engine.Engine) {
			w.BeforeTransaction("rules-decided", func() {
				rules := w.Rules
				rules.Digest = "two"
				if err := e.Reload(t.Context(), rules); err != nil {
					t.Error(err)
				}
			})
			if _, err := e.Reconsider(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, "two", false},
		"had decided by others, and then by these": {func(t *testing.T, w *World, e *engine.Engine) {
			for _, digest := range []string{"two", "one"} {
				rules := w.Rules
				rules.Digest = digest
				if err := e.Reload(t.Context(), rules); err != nil {
					t.Fatal(err)
				}
				decideAll(t, e)
			}
		}, "one", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := New(t)
				before := process(t, w, "one")
				v := ask(t, w, Alice, Read, time.Hour)
				step(t, w)
				c.earlier(t, w, before)
				// What would be found out by deciding.
				w.Leaves(Alice)
				decideAll(t, process(t, w, c.digest))
				if g := grantByID(t, w, v.Grants[0].ID); (g.State == access.GrantActive) != c.trusted {
					t.Errorf("the grant is %s (%s)", g.State, g.EndReason)
				}
			})
		})
	}
}

func decided(t *testing.T, _ *World, e *engine.Engine) { decideAll(t, e) }

// A process that shares its books notes nothing.
func TestSharedBooksAreDecidedAtEachStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(t)
		w.Rules.Digest = "one"
		v := ask(t, w, Alice, Read, time.Hour)
		step(t, w)
		decideAll(t, w.Node())
		w.Leaves(Alice)
		decideAll(t, process(t, w, "one"))
		if g := grantByID(t, w, v.Grants[0].ID); g.EndReason != access.EndIneligible {
			t.Errorf("the grant is %s (%q)", g.State, g.EndReason)
		}
	})
}
