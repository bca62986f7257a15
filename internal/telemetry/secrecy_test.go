package telemetry_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/secret"
)

// TestNothingTells leads a grant through its life with a reason that is a canary, and looks for it, for the person, and
// for the password of the credential in everything that leaves the process.
func TestNothingTells(t *testing.T) {
	const canary = "canary-3f9a"
	bubble(t, func(t *testing.T, w *watched) {
		r := w.ask(t, Alice, Read, canary, time.Minute)
		v, err := w.Engine.Request(t.Context(), w.Who(Alice), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		password := fetch(t, w, v.Grants[0].ID)
		time.Sleep(time.Hour)
		synctest.Wait()
		metrics := w.scrape(t)
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		spans, err := json.Marshal(w.spans.GetSpans())
		if err != nil {
			t.Fatal(err)
		}
		for where, text := range map[string]string{"metrics": metrics, "traces": string(spans), "log": w.log.String()} {
			for what, word := range map[string]string{"reason": canary, "password": password, "token": "alice-token"} {
				if strings.Contains(text, word) {
					t.Errorf("the %s hold the %s", where, what)
				}
			}
			if where != "log" && strings.Contains(text, Alice) {
				t.Errorf("the %s name a person", where)
			}
		}
		if strings.Contains(metrics, "orders:read") {
			t.Error("the metrics name an entitlement")
		}
	})
}

// fetch opens the credential of a grant of Alice's and returns its password.
func fetch(t *testing.T, w *watched, id access.GrantID) string {
	t.Helper()
	key, err := secret.NewRecipientKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := w.Engine.Credential(t.Context(), w.Who(Alice), id, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := key.Open(secret.Binding{
		Tenant: access.DefaultTenant, Grant: id, Principal: w.Who(Alice).ID, Attempt: sealed.Attempt,
	}, sealed.Ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	var c access.Credential
	if err := json.Unmarshal(plain, &c); err != nil {
		t.Fatal(err)
	}
	if c.Password == "" {
		t.Fatal("the credential has no password, so nothing could be found")
	}
	return c.Password
}
