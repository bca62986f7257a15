package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	. "github.com/curfewhq/curfew/internal/enginetest"
)

// withoutTree takes the tree and all that guards entries away, so that the log could begin anew.
func withoutTree(statements ...string) []string {
	return append([]string{
		`DROP TRIGGER events_unchanged`, `DROP TRIGGER events_kept`, `DELETE FROM log_tiles`, `DELETE FROM log_heads`,
	}, statements...)
}

// TestARewrittenLogIsNotSigned has somebody rewrite the log in the store, and take the tree away, so that Curfew would sign
// another one over what they made. It never does: neither the node that has seen the log, nor one that has not.
func TestARewrittenLogIsNotSigned(t *testing.T) {
	const changed = `UPDATE events SET leaf = CAST(replace(CAST(leaf AS TEXT), '"kind":"', '"kind":"x') AS BLOB)`
	shorter := []string{
		`DELETE FROM event_personal WHERE event_id = (SELECT id FROM events WHERE position = 3)`, `DELETE FROM events WHERE position = 3`,
		`UPDATE events SET position = position + 1000 WHERE position > 3`, `UPDATE events SET position = position - 1001 WHERE position > 1000`,
	}
	for name, c := range map[string]struct {
		statements []string
		// unseen: a node that has not seen the log before finds it too.
		unseen bool
	}{
		"entries without a MAC":       {withoutTree(changed+` WHERE position = 3`, `UPDATE events SET mac = NULL`), true},
		"an entry taken out":          {withoutTree(shorter...), false},
		"two entries changing places": {withoutTree(`UPDATE events SET position = 1000 WHERE position = 3`, `UPDATE events SET position = 3 WHERE position = 4`, `UPDATE events SET position = 4 WHERE position = 1000`), false},
		"nothing but the tree":        {withoutTree(), false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				ask(t, w, Alice, Read, time.Hour)
				time.Sleep(time.Second)
				before := integrated(t, w)
				beside(t, w, strings.Join(c.statements, ";"))
				_, err := w.Engine.Integrate(t.Context())
				if !errors.Is(err, audit.ErrRewritten) || access.KindOf(err) != access.KindInternal || !strings.Contains(access.SafeMessage(err), "audit log") {
					t.Errorf("the node that has seen the log: %v", err)
				}
				if _, err := w.Engine.Checkpoint(t.Context()); !errors.Is(err, audit.ErrRewritten) {
					t.Errorf("a checkpoint of it is given out: %v", err)
				}
				if !c.unseen {
					return
				}
				if _, err := w.Node().Integrate(t.Context()); err == nil {
					t.Error("a node that has not seen it begins a new tree")
				}
				if head, err := w.Node().Checkpoint(t.Context()); err != nil || head.Size != 0 {
					t.Errorf("the tree had %d entries, and there is one of %d: %v", before.Tree.N, head.Size, err)
				}
			})
		})
	}
}

// TestAnOlderHeadIsNotGoneOnFrom puts an earlier checkpoint back, which Curfew has signed, and cuts the log off there.
func TestAnOlderHeadIsNotGoneOnFrom(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Hour)
		time.Sleep(time.Second)
		beside(t, w, `CREATE TABLE kept AS SELECT * FROM log_heads`)
		ask(t, w, Alice, Write, time.Hour)
		time.Sleep(time.Second)
		integrated(t, w)
		beside(t, w, `DROP TRIGGER events_kept;
			UPDATE log_heads SET size = (SELECT size FROM kept), checkpoint = (SELECT checkpoint FROM kept);
			DELETE FROM event_personal WHERE event_id IN (SELECT id FROM events WHERE position > (SELECT size FROM kept));
			DELETE FROM events WHERE position > (SELECT size FROM kept)`)
		ask(t, w, Alice, Write, time.Hour)
		if _, err := w.Engine.Integrate(t.Context()); !errors.Is(err, audit.ErrRewritten) {
			t.Errorf("the tree goes on from an older head: %v", err)
		}
	})
}
