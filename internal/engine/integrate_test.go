package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/auditor"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// integrated is the newest checkpoint, opened with the log's key.
func integrated(t *testing.T, w *World) audit.Checkpoint {
	t.Helper()
	head, err := w.Engine.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if head.Size == 0 {
		return audit.Checkpoint{}
	}
	key, err := w.Engine.LogKey()
	if err != nil {
		t.Fatal(err)
	}
	c, err := audit.OpenCheckpoint(head.Checkpoint, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// verify holds the log in the books against the newest checkpoint there.
func verify(t *testing.T, w *World) auditor.Report {
	t.Helper()
	key, err := w.Engine.LogKey()
	if err != nil {
		t.Fatal(err)
	}
	r, err := auditor.Verify(t.Context(), w.Store, auditor.Options{Tenant: access.DefaultTenant, Keys: []string{key}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLogIsIntegratedWithinASecond(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		for range 3 {
			ask(t, w, Alice, Read, time.Hour)
			time.Sleep(time.Second)
			numbered, _ := logged(t, w)
			if c := integrated(t, w); c.Tree.N != int64(numbered) {
				t.Errorf("after a second %d of %d entries are in the tree", c.Tree.N, numbered)
			}
		}
		if r := verify(t, w); len(r.Problems) > 0 || r.Entries != r.InTree || r.Entries == 0 {
			t.Errorf("%+v", r)
		}
	})
}

// TestIntegrateStopsAtWhatCurfewDidNotWrite appends an entry past the engine: with no MAC, and with a wrong one.
func TestIntegrateStopsAtWhatCurfewDidNotWrite(t *testing.T) {
	for name, mac := range map[string][]byte{"no MAC": nil, "a MAC of something else": make([]byte, 16)} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				ask(t, w, Alice, Read, time.Hour)
				time.Sleep(time.Second)
				before := integrated(t, w)
				forge(t, w.Store, mac)
				number(t, w, "node-2")
				ask(t, w, Alice, Read, time.Hour)
				_, err := w.Engine.Integrate(t.Context())
				if access.KindOf(err) != access.KindInternal || !strings.Contains(access.SafeMessage(err), "not what Curfew wrote") {
					t.Errorf("%v", err)
				}
				forged, _ := logged(t, w)
				if c := integrated(t, w); c.Tree.N < before.Tree.N || c.Tree.N >= int64(forged) {
					t.Errorf("%d entries were in the tree, and now %d of %d", before.Tree.N, c.Tree.N, forged)
				}
			})
		})
	}
}

func forge(t *testing.T, s store.Store, mac []byte) {
	t.Helper()
	err := s.Update(t.Context(), "somebody", func(tx store.Tx) error {
		return tx.Events().Append(store.EventRow{
			Tenant: access.DefaultTenant, ID: "ev_forged", Kind: access.EventGrantActive, Leaf: []byte("{}"), MAC: mac,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCheckpointOfAnotherKey puts a checkpoint into the books that this installation has not signed.
func TestCheckpointOfAnotherKey(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Hour)
		time.Sleep(time.Second)
		size := integrated(t, w).Tree.N
		err := w.Store.Update(t.Context(), "somebody", func(tx store.Tx) error {
			head := store.LogHead{Size: size + 1, Checkpoint: []byte("curfew/i/default\n1\nAAAA\n\n— curfew AAAA\n"), At: tx.Now()}
			return tx.Log().Advance(access.DefaultTenant, size, head, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Engine.Integrate(t.Context()); access.KindOf(err) != access.KindInternal {
			t.Errorf("the tree goes on from somebody's checkpoint: %v", err)
		}
		if _, err := w.Engine.Checkpoint(t.Context()); access.KindOf(err) != access.KindInternal {
			t.Errorf("somebody's checkpoint is given out: %v", err)
		}
		if r := verify(t, w); len(r.Problems) == 0 {
			t.Error("and the verification finds nothing")
		}
	})
}

func TestProofs(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Hour)
		time.Sleep(time.Second)
		early := integrated(t, w)
		ask(t, w, Alice, Write, time.Hour)
		time.Sleep(time.Second)
		late := integrated(t, w)
		olga := w.Who(Olga)
		consistency, of, err := w.Engine.ProveConsistency(t.Context(), olga, early.Tree.N, 0)
		if err != nil || of != late.Tree.N {
			t.Fatal(of, err)
		}
		if err := audit.CheckConsistency(consistency, late.Tree, early.Tree); err != nil {
			t.Error(err)
		}
		for _, tree := range []audit.Checkpoint{early, late} {
			p, err := w.Engine.ProveInclusion(t.Context(), olga, 1, tree.Tree.N)
			if err != nil {
				t.Fatal(err)
			}
			if err := audit.CheckInclusion(p.Proof, tree.Tree, 1, p.Leaf); err != nil {
				t.Error(err)
			}
		}
		refused := func(what string, want access.Kind, err error) {
			t.Helper()
			if access.KindOf(err) != want {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, err = w.Engine.ProveInclusion(t.Context(), w.Who(Alice), 1, 0)
		refused("by one who does not see the whole log", access.KindDenied, err)
		_, err = w.Engine.ProveInclusion(t.Context(), olga, late.Tree.N+1, 0)
		refused("of what is not there", access.KindNotFound, err)
		_, err = w.Engine.ProveInclusion(t.Context(), olga, 1, late.Tree.N+1)
		refused("in a log that is not there", access.KindInvalid, err)
		_, _, err = w.Engine.ProveConsistency(t.Context(), olga, 0, 0)
		refused("with the empty log", access.KindInvalid, err)
		_, _, err = w.Engine.ProveConsistency(t.Context(), w.Who(Alice), 1, 0)
		refused("with one who does not see the whole log", access.KindDenied, err)
	})
}

// TestTwoNodesIntegrate races for the head: nobody fails, and the tree is the log's.
func TestTwoNodesIntegrate(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Hour)
		done := make(chan error, 8)
		for range cap(done) {
			go func() {
				_, err := w.Engine.Integrate(context.WithoutCancel(t.Context()))
				done <- err
			}()
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if r := verify(t, w); len(r.Problems) > 0 {
			t.Errorf("%+v", r)
		}
	})
}

// TestLogKeyIsHandedOver rotates the keys: who has the first public key alone verifies what the next one has signed.
func TestLogKeyIsHandedOver(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Hour)
		time.Sleep(time.Second)
		first, err := w.Engine.LogKey()
		if err != nil {
			t.Fatal(err)
		}
		rotate(t, w.Engine, 2)
		ask(t, w, Alice, Write, time.Hour)
		time.Sleep(5 * time.Second)
		second, err := w.Engine.LogKey()
		if err != nil || second == first {
			t.Fatalf("after a rotation the key is %s, %v", second, err)
		}
		head, err := w.Engine.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := audit.OpenCheckpoint(head.Checkpoint, second); err != nil {
			t.Errorf("the newest checkpoint is not signed by the new key: %v", err)
		}
		for _, key := range []string{first, second} {
			r, err := auditor.Verify(t.Context(), w.Store, auditor.Options{Tenant: access.DefaultTenant, Keys: []string{key}})
			if err != nil || len(r.Problems) > 0 {
				t.Errorf("with the key %s: %+v, %v", key, r, err)
			}
			exported, err := audit.VerifyExport(bytes.NewReader(export(t, w, engine.ExportQuery{})), []string{key}, nil, nil)
			if err != nil || len(exported.Problems) > 0 {
				t.Errorf("an export with the key %s: %+v, %v", key, exported, err)
			}
		}
		if n := countEvents(t, w, access.EventLogKeyChanged); n != 1 {
			t.Errorf("%d entries hand the key over", n)
		}
	})
}

// TestTheLogVerifiesWhenAKeyIsGone: what a destroyed generation has authenticated and signed is in the tree since, and a
// witness has its checkpoints still.
func TestTheLogVerifiesWhenAKeyIsGone(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		work := func(wait time.Duration) {
			pass(wait)
			keepKeys(t, w.Engine)
			number(t, w, "node")
			if _, err := w.Engine.Integrate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		submitted(t, w)
		work(0)
		before, first := newest(t, w)
		rotate(t, w.Engine, 2)
		for _, wait := range []time.Duration{0, 11 * time.Second, 0, 25 * time.Hour, 0} {
			work(wait)
		}
		if left := w.Sealer().Generations(); len(left) != 1 {
			t.Fatalf("the generations are %v", left)
		}
		_, second := newest(t, w)
		for name, keys := range map[string][]string{"the new key": {second}, "the first key": {first}} {
			r, err := auditor.Verify(t.Context(), w.Store, auditor.Options{
				Tenant: access.DefaultTenant, Keys: keys, Checkpoints: []audit.Kept{{Name: "kept", Text: before}},
				Authentic: func(id access.EventID, leaf, mac []byte) bool { return engine.IsEntryMAC(w.Sealer(), mac, id, leaf) },
			})
			if err != nil || len(r.Problems) > 0 || len(r.Checkpoints) != 2 || r.Checkpoints[1].Signed != "yes" {
				t.Errorf("with %s: %+v, %v", name, r, err)
			}
		}
	})
}

// TestALogThatStoppedKeepsItsKeys: somebody changes an entry, the keys are rotated, and it takes days until the entry is put
// back. What waits behind it is authenticated by the old key, which has signed the head too.
func TestALogThatStoppedKeepsItsKeys(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		submitted(t, w)
		growTree(t, w.Engine)
		submitted(t, w)
		number(t, w, "node")
		stopped := integrated(t, w).Tree.N + 1
		beside(t, w, `DROP TRIGGER events_unchanged`)
		beside(t, w, fmt.Sprintf(`UPDATE events SET mac = CAST(x'00' || mac AS BLOB) WHERE position = %d`, stopped))
		rotate(t, w.Engine, 2)
		for _, wait := range []time.Duration{0, 11 * time.Second, 0, 25 * time.Hour, 25 * time.Hour} {
			pass(wait)
			if _, err := w.Engine.Integrate(t.Context()); err == nil {
				t.Fatal("the log goes on behind an entry that was changed")
			}
			if _, err := w.Engine.KeepKeys(t.Context(), "node"); err != nil {
				t.Fatal(err)
			}
		}
		beside(t, w, fmt.Sprintf(`UPDATE events SET mac = CAST(substr(mac, 2) AS BLOB) WHERE position = %d`, stopped))
		keepKeys(t, w.Engine)
		if n := countEvents(t, w, access.EventLogKeyChanged); n != 1 {
			t.Errorf("%d entries hand the key over", n)
		}
		if r := verify(t, w); len(r.Problems) > 0 || r.Entries != r.InTree+int64(r.Unnumbered) || r.InTree < stopped {
			t.Errorf("%+v", r)
		}
		keepKeys(t, w.Engine)
		pass(25 * time.Hour)
		keepKeys(t, w.Engine) // which destroys the key
		keepKeys(t, w.Engine) // which forgets it
		if left := w.Sealer().Generations(); len(left) != 1 {
			t.Errorf("the generations are %v", left)
		}
	})
}

// newest is the newest checkpoint, and the key that has signed it.
func newest(t *testing.T, w *World) (signed []byte, key string) {
	t.Helper()
	head, err := w.Engine.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if key, err = w.Engine.LogKeyOf(t.Context(), head.Checkpoint); err != nil {
		t.Fatal(err)
	}
	return head.Checkpoint, key
}

func countEvents(t *testing.T, w *World, kind access.EventKind) int {
	t.Helper()
	page, err := w.Engine.Events(t.Context(), w.Who(Olga), engine.LogQuery{Limit: 1000, Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Items)
}
