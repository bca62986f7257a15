package engine_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// entries reads the audit log to its end, proving each entry's personal data on the way.
func entries(t *testing.T, w *World, f store.EventFilter) []access.Event {
	t.Helper()
	number(t, w, "reader")
	var rows []store.EventRow
	err := w.Store.View(t.Context(), func(tx store.Tx) (err error) {
		rows, err = tx.Events().List(access.DefaultTenant, f, 0, 1000)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []access.Event
	for _, row := range rows {
		var personal []audit.Personal
		for _, p := range row.Personal {
			personal = append(personal, audit.Personal(p))
		}
		e, err := audit.Open(row.Leaf, personal)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func TestEveryChangeOfStateHasItsEntry(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, time.Minute)
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		open(t, w, Alice, see(t, w, Alice, v.Request.ID).Grants[0].ID, newKey(t))
		time.Sleep(time.Hour)
		synctest.Wait()
		var got []string
		for _, e := range entries(t, w, store.EventFilter{Request: v.Request.ID}) {
			got = append(got, strings.TrimSpace(string(e.Kind)+" "+e.Actor.Subject+" "+e.From+">"+e.To))
		}
		want := `request.submitted alice >pending
request.reviewed bob >
request.approved bob pending>approved
grant.scheduled bob >scheduled
grant.activating  scheduled>activating
grant.active  activating>active
credential.issued  >
credential.fetched alice >
grant.revoking  active>revoking
grant.ended  revoking>ended`
		if strings.Join(got, "\n") != want {
			t.Errorf("the log says:\n%s\nwant:\n%s", strings.Join(got, "\n"), want)
		}
		if reason := entries(t, w, store.EventFilter{Request: v.Request.ID})[0].Personal["reason"]; reason != "order 17" {
			t.Errorf("the reason is %q", reason)
		}
	})
}

// The password that the target issued is looked for in everything that was written down.
func TestTheCredentialIsNowhereInClearText(t *testing.T) {
	var log bytes.Buffer
	bubble(t, func(t *testing.T, w *World) {
		g := grantOf(t, w, ask(t, w, Alice, Read, time.Hour))
		cred := open(t, w, Alice, g.ID, newKey(t))
		if len(cred.Password) < 20 {
			t.Fatalf("a password of %d characters", len(cred.Password))
		}
		for _, row := range entries(t, w, store.EventFilter{}) {
			if strings.Contains(row.Detail["recipient"]+row.Personal["error"], cred.Password) {
				t.Error("the audit log has the password")
			}
		}
		for name, b := range storeFiles(t, w) {
			if bytes.Contains(b, []byte(cred.Password)) {
				t.Errorf("%s has the password", name)
			}
		}
		if strings.Contains(log.String(), cred.Password) {
			t.Error("the log has the password")
		}
	}, WithLog(&log))
	if log.Len() == 0 {
		t.Error("nothing was logged")
	}
}

// A grant that just lives costs nothing but its rows: no goroutine, no timer, no memory.
func TestLivingGrantsCostNothing(t *testing.T) {
	const grants = 200
	bubble(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Hour)
		goroutines, before := runtime.NumGoroutine(), heap()
		for range grants {
			if _, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{
				Entitlements: []access.Entitlement{Entitlement(Read)}, Duration: time.Hour, Reason: "x",
			}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := len(w.Target.Accounts()); n != grants+2 {
			t.Fatalf("%d accounts are at the target, want %d", n, grants+2)
		}
		// Go's own come and go: it runs cleanups in some.
		if now := runtime.NumGoroutine(); now >= goroutines+grants/10 {
			t.Errorf("%d live grants cost %d goroutines", grants, now-goroutines)
		}
		// The target, which is in memory too, is what grows: a grant of the engine's own would show on top.
		if perGrant := (int64(heap()) - int64(before)) / grants; perGrant > 4096 {
			t.Errorf("a live grant costs %d bytes of memory, the target's own included", perGrant)
		}
	})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
