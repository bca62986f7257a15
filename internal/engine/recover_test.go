package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// restored notes in the store that it was restored now.
func restored(t *testing.T, w *World) store.Restore {
	t.Helper()
	r := store.Restore{
		KeyGeneration: 1,
		Tenant:        access.DefaultTenant, At: time.Now(), TakenAt: time.Now().Add(-time.Hour), Kept: store.Place{Position: 3, Event: "ev_kept"},
		Lost: store.Place{Position: 5, Event: "ev_lost"}, VoidTokens: []store.TokenMAC{{1}}, MAC: []byte{1},
	}
	if err := w.Store.Update(t.Context(), "restore", func(tx store.Tx) error { return tx.Restores().Insert(r) }); err != nil {
		t.Fatal(err)
	}
	return r
}

// everyState makes a request in every state that a recovery finds, the last with a grant that was not begun. The target
// is in trouble until heal.
func everyState(t *testing.T, w *World) (active, pending, revoking, scheduled engine.RequestView, heal func()) {
	t.Helper()
	active, pending, revoking = ask(t, w, Alice, Read, time.Hour), ask(t, w, Alice, Write, time.Hour), ask(t, w, Alice, Read, time.Hour)
	_, revive := w.Target.Inject(memory.Fault{Call: connector.CallRevoke, Moment: memory.BeforeEffect, Effect: memory.Fail})
	if _, err := w.Engine.Return(t.Context(), w.Who(Alice), grantOf(t, w, revoking).ID); err != nil {
		t.Fatal(err)
	}
	_, down := w.Target.Inject(memory.Fault{Call: connector.CallPrepare, Moment: memory.BeforeEffect, Effect: memory.Fail})
	heal = func() { revive(); down() }
	return active, pending, revoking, ask(t, w, Alice, Read, time.Hour), heal
}

func TestRecoverTakesBackWhatIsLive(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		active, pending, revoking, scheduled, heal := everyState(t, w)
		g := grantOf(t, w, active)
		heal()
		r := restored(t, w)
		if err := w.Engine.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := see(t, w, Alice, pending.Request.ID).Request; got.State != access.RequestLapsed {
			t.Errorf("the request that waited is %s", got.State)
		}
		if got := grantOf(t, w, see(t, w, Alice, scheduled.Request.ID)); got.State != access.GrantEnded || got.EndReason != access.EndRevoked {
			t.Errorf("the grant that was not begun is %s, %s", got.State, got.EndReason)
		}
		// Its account is gone at once; the grant waits for what may have been ordered after the backup.
		synctest.Wait()
		for _, account := range w.Target.Accounts() {
			if strings.Contains(account.Name, string(g.ID)) {
				t.Errorf("the target still has %s", account.Name)
			}
		}
		if got := grantOf(t, w, see(t, w, Alice, active.Request.ID)); got.State != access.GrantRevoking || got.EndReason != access.EndRevoked {
			t.Errorf("the live grant is %s, %s", got.State, got.EndReason)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for _, v := range []engine.RequestView{active, revoking} {
			if got := grantOf(t, w, see(t, w, Alice, v.Request.ID)); got.State != access.GrantEnded || got.VerifiedAt.IsZero() {
				t.Errorf("a live grant has come to %s, verified at %s", got.State, got.VerifiedAt)
			}
		}
		why := fmt.Sprintf("The store was restored from a backup of %s.", r.TakenAt.UTC().Format(time.RFC3339))
		for _, ev := range entries(t, w, store.EventFilter{Grant: g.ID}) {
			if ev.Kind == access.EventGrantRevoking && ev.Detail["why"] != why {
				t.Errorf("the entry says %v", ev.Detail)
			}
		}
		whole := entries(t, w, store.EventFilter{})
		last := whole[strings.Index(kinds(whole), string(access.EventStoreRestored))/kindWidth]
		if d := last.Detail; d["kept_position"] != "3" || d["lost_position"] != "5" || d["lost_event"] != "ev_lost" || d["void_tokens"] != "1" {
			t.Errorf("the entry of the restore says %v", d)
		}
	})
}

// kindWidth is wider than any kind.
const kindWidth = 32

// kinds are the kinds of events, each in a column of one width.
func kinds(events []access.Event) string {
	var b strings.Builder
	for _, ev := range events {
		fmt.Fprintf(&b, "%-*s", kindWidth, ev.Kind)
	}
	return b.String()
}

// A recovery that is cut short anywhere goes on where it was, and is entered once; what comes after it is left alone.
func TestRecoverGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		for range 3 {
			_, _, _, _, heal := everyState(t, w)
			heal()
		}
		restored(t, w)
		for cut := 0; ; cut++ {
			ctx, stop := context.WithCancel(t.Context())
			n := 0
			eachRecovery(w, func() {
				if n++; n > cut {
					stop()
				}
			})
			err := w.Engine.Recover(ctx)
			stop()
			if err == nil {
				break
			}
		}
		eachRecovery(w, func() { t.Error("a recovery that is settled begins again") })
		after := ask(t, w, Alice, Read, 20*time.Minute)
		if err := w.Engine.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := grantOf(t, w, see(t, w, Alice, after.Request.ID)); got.State != access.GrantActive {
			t.Errorf("a grant from after the restore is %s", got.State)
		}
		if n := strings.Count(kinds(entries(t, w, store.EventFilter{})), string(access.EventStoreRestored)); n != 1 {
			t.Errorf("the restore is entered %d times", n)
		}
	})
}

// eachRecovery calls f before each transaction of a recovery, from now on.
func eachRecovery(w *World, f func()) {
	w.BeforeTransaction("recover", func() {
		eachRecovery(w, f)
		f()
	})
}

// Two nodes that start at once share the work.
func TestTwoNodesRecoverTogether(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		for range 20 {
			ask(t, w, Alice, Read, time.Hour)
		}
		restored(t, w)
		failed := make(chan error)
		for range 2 {
			go func() { failed <- w.Engine.Recover(t.Context()) }()
		}
		for range 2 {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		log := kinds(entries(t, w, store.EventFilter{}))
		if n := strings.Count(log, string(access.EventGrantRevoking)); n != 20 {
			t.Errorf("20 grants went to revoking %d times", n)
		}
		if n := strings.Count(log, string(access.EventStoreRestored)); n != 1 {
			t.Errorf("the restore is entered %d times", n)
		}
	})
}
