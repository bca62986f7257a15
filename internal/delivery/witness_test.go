package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/delivery/filewitness"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

func witnesses(name string, w delivery.Witness) []delivery.WitnessOptions {
	return []delivery.WitnessOptions{{Name: name, Every: time.Minute, Witness: w}}
}

// TestWitnessIsGivenCheckpoints: one a minute while the log grows, none while it does not, and one at the end.
func TestWitnessIsGivenCheckpoints(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		path := witnessFile(t)
		c := o.config("node-1")
		c.Witnesses = witnesses("nas", filewitness.New(path))
		first := o.busy(t)
		s := serve(c)
		if kept := o.kept(t, path); len(kept) != 1 || kept[0].Tree.N != first {
			t.Fatalf("at the start: %v, not one of %d", kept, first)
		}
		o.busy(t)
		second := o.busy(t)
		time.Sleep(2 * time.Minute) // Alice's grants end meanwhile
		if kept := o.kept(t, path); len(kept) != 3 || kept[1].Tree.N < second {
			t.Errorf("in two minutes: %v", kept)
		}
		time.Sleep(time.Hour)
		quiet := o.kept(t, path)
		if len(quiet) != 3 {
			t.Errorf("in an hour in which nothing happened: %v", quiet)
		}
		last := o.busy(t)
		s.Stop(t.Context())
		kept := o.kept(t, path)
		if len(kept) != 4 || kept[3].Tree.N != last || o.cursor(t, "nas").Position != last {
			t.Errorf("at the end: %v, cursor %+v; want %d", kept, o.cursor(t, "nas"), last)
		}
		if s.Statuses()[0] != (delivery.Status{Name: "nas", Kind: delivery.KindWitness}) {
			t.Errorf("%+v", s.Statuses())
		}
		if o.log.String() != "" {
			t.Errorf("the log says %s", o.log.String())
		}
	})
}

// TestRewrittenLogIsRefused gives a witness what a log would have been had somebody rewritten it, in each way.
func TestRewrittenLogIsRefused(t *testing.T) {
	other := func(c audit.Checkpoint) audit.Checkpoint { c.Tree.Hash[7] ^= 1; return c }
	for name, before := range map[string]func(audit.Checkpoint) audit.Checkpoint{
		"another entry":            func(c audit.Checkpoint) audit.Checkpoint { c.Tree.N--; return other(c) },
		"another entry, same size": other,
		"the end was cut off":      func(c audit.Checkpoint) audit.Checkpoint { c.Tree.N += 3; return c },
		"another log":              func(c audit.Checkpoint) audit.Checkpoint { c.Origin += "x"; return c },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, o *office) {
				o.busy(t)
				path := witnessFile(t)
				newest := o.checkpoint(t)
				had := note(before(newest))
				if err := os.WriteFile(path, had, 0o600); err != nil {
					t.Fatal(err)
				}
				c := o.config("node-1")
				c.Witnesses = witnesses("nas", filewitness.New(path))
				s := serve(c)
				time.Sleep(10 * time.Minute)
				if got := s.Statuses()[0]; !got.Rewritten || !got.Failing {
					t.Errorf("%+v", got)
				}
				if n := o.said("one of the two was rewritten"); n != 1 {
					t.Errorf("said %d times:\n%s", n, o.log.String())
				}
				if got, err := os.ReadFile(path); err != nil || string(got) != string(had) {
					t.Errorf("the file was written to: %q, %v", got, err)
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Minute)
				if got := s.Statuses()[0]; got.Rewritten || got.Failing || len(o.kept(t, path)) != 1 || o.said("is served again") != 1 {
					t.Errorf("with another file: %+v\n%s", got, o.log.String())
				}
				s.Stop(t.Context())
			})
		})
	}
}

// TestRewrittenWhileNoServerRan: the log does not grow, and the witness has had all of it; what it has is looked at all the same.
func TestRewrittenWhileNoServerRan(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		path := witnessFile(t)
		c := o.config("node-1")
		c.Witnesses = witnesses("nas", filewitness.New(path))
		o.busy(t)
		serve(c).Stop(t.Context())
		other := o.checkpoint(t)
		other.Tree.Hash[0] ^= 1
		if err := os.WriteFile(path, note(other), 0o600); err != nil {
			t.Fatal(err)
		}
		s := serve(c)
		if !s.Statuses()[0].Rewritten {
			t.Errorf("%+v", s.Statuses())
		}
		s.Stop(t.Context())
	})
}

// note is a checkpoint with a signature that nobody believes.
func note(c audit.Checkpoint) []byte {
	return fmt.Appendf(nil, "%s\n%d\n%s\n\n— %[1]s AAAAAAAAAAAA\n\n", c.Origin, c.Tree.N, c.Tree.Hash)
}

func (o *office) checkpoint(t *testing.T) audit.Checkpoint {
	t.Helper()
	head, err := o.Engine.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := audit.ReadCheckpoint(head.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWitnessThatKeepsNothingIsHeldAgainstTheCursor: a webhook cannot say what it was given; the store can.
func TestWitnessThatForgetsIsHeldAgainstTheCursor(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		size := o.busy(t)
		wrong := o.checkpoint(t)
		wrong.Tree.N = size - 1
		err := o.Store.Update(t.Context(), "test", func(tx store.Tx) error {
			return tx.Cursors().Advance(access.DefaultTenant, "notary", 0, store.Cursor{Position: wrong.Tree.N, Checkpoint: note(wrong), At: tx.Now()})
		})
		if err != nil {
			t.Fatal(err)
		}
		c, n := o.config("node-1"), &notary{}
		c.Witnesses = witnesses("notary", n)
		s := serve(c)
		if calls, _ := n.count(); calls != 0 || !s.Statuses()[0].Rewritten {
			t.Errorf("%d calls, %+v", calls, s.Statuses())
		}
		s.Stop(t.Context())
	})
}

// TestDeadWitnessIsTriedForEver, delays no other, and fills no log.
func TestDeadWitnessIsTriedForEver(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		dead := &notary{fails: func(context.Context) error { return errors.New("no route") }}
		hangs := &notary{fails: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		well := &notary{}
		c := o.config("node-1")
		for name, n := range map[string]*notary{"dead": dead, "hangs": hangs, "well": well} {
			c.Witnesses = append(c.Witnesses, witnesses(name, n)...)
		}
		o.busy(t)
		s := serve(c)
		if _, notes := well.count(); notes != 1 {
			t.Errorf("the one that is well was given %d checkpoints", notes)
		}
		time.Sleep(2 * time.Hour)
		calls, _ := dead.count()
		if calls < 2*60 || calls > 2*2*60+10 {
			t.Errorf("in two hours the dead one was tried %d times", calls)
		}
		if o.said("is not served") != 2 {
			t.Errorf("the log says %s", o.log.String())
		}
		dead.set(nil)
		hangs.set(nil)
		time.Sleep(2 * time.Minute)
		for _, n := range []*notary{dead, hangs} {
			if _, notes := n.count(); notes != 1 {
				t.Errorf("one that came back was given %d checkpoints", notes)
			}
		}
		if o.said("is served again") != 2 {
			t.Errorf("the log says %s", o.log.String())
		}
		s.Stop(t.Context())
	})
}

// TestOneNodeServes a witness, and another takes over when it has died.
func TestOneNodeServes(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		one, two := &notary{}, &notary{}
		c1, c2 := o.config("node-1"), o.config("node-2")
		c1.Witnesses, c2.Witnesses = witnesses("notary", one), witnesses("notary", two)
		o.busy(t)
		first := serve(c1)
		second := serve(c2)
		for range 3 {
			o.busy(t)
			time.Sleep(time.Minute)
		}
		if _, notes := two.count(); notes != 0 {
			t.Errorf("the second node gave its witness %d checkpoints beside the first", notes)
		}
		one.set(func(context.Context) error { return errors.New("the node is dead") })
		o.busy(t)
		first.Stop(canceled(t))
		time.Sleep(5 * time.Minute)
		if _, notes := two.count(); notes == 0 || o.cursor(t, "notary").Position != o.checkpoint(t).Tree.N {
			t.Error("nobody has taken over")
		}
		second.Stop(t.Context())
	})
}

// canceled is a context that has ended, so that a service that stops with it gives nothing back, like one that dies.
func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestNoWitnessIsSaidEachHour(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		s := serve(o.config("node-1"))
		if n := o.said("has no witness"); n != 1 {
			t.Errorf("at the start: said %d times", n)
		}
		time.Sleep(10*time.Hour + time.Minute)
		if n := o.said("has no witness"); n != 11 || o.said("level=WARN") != 11 {
			t.Errorf("after ten hours: said %d times", n)
		}
		s.Stop(t.Context())
		s.Stop(t.Context())
	})
}

// TestLogOfARestoredStore: the store was set back to its beginning, with its keys, and the witness has what was lost.
func TestLogOfARestoredStore(t *testing.T) {
	bubble(t, func(t *testing.T, o *office) {
		path := witnessFile(t)
		for range 3 {
			o.busy(t)
		}
		c := o.config("node-1")
		c.Witnesses = witnesses("nas", filewitness.New(path))
		serve(c).Stop(t.Context())
		restored := &office{World: o.Restored(), log: o.log}
		restored.Obtain(t, restored.Engine, Alice, Read)
		restored.RunNode(restored.Engine)
		time.Sleep(time.Minute) // its store numbers nothing by itself
		c = restored.config("node-1")
		c.Witnesses = witnesses("nas", filewitness.New(path))
		s := serve(c)
		if !s.Statuses()[0].Rewritten {
			t.Errorf("%+v\n%s", s.Statuses(), o.log.String())
		}
		s.Stop(t.Context())
	})
}
