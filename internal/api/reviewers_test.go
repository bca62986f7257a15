package api_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
)

// Who may review besides is told before, and stands with the others in its time.
func TestFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := enginetest.New(t, enginetest.WithPolicies(policy.Policy{
			Name: "reviewed", Effect: policy.EffectAllow, Who: []string{"anyone"}, What: []string{"**"}, MaxDuration: time.Hour,
			Stages: []policy.Stage{{From: []string{"group:leads"}, Count: 1, Within: time.Hour, Fallback: &policy.Fallback{From: []string{"group:platform"}}}},
		}))
		handler := api.New(api.Config{
			Engine: w.Engine, Authenticator: w.Directory, Tenant: access.DefaultTenant, Log: slog.New(slog.DiscardHandler),
			Ready: func(context.Context) error { return nil },
		})
		r, err := w.Engine.Submit(t.Context(), w.Who(enginetest.Alice), engine.Submission{Entitlements: []access.Entitlement{enginetest.Entitlement(enginetest.Write)}})
		if err != nil {
			t.Fatal(err)
		}
		stage := func() api.Stage {
			answer := httptest.NewRecorder()
			call := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/requests/"+string(r.ID), nil)
			call.Header.Set("Authorization", "Bearer alice-token")
			handler.ServeHTTP(answer, call)
			var body api.Request
			if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || len(body.Stages) != 1 {
				t.Fatalf("%v: %s", err, answer.Body)
			}
			return body.Stages[0]
		}
		want := &api.Fallback{From: []string{"group:platform"}, At: r.CreatedAt.Add(time.Hour).UTC()}
		if s := stage(); !cmp.Equal(s.From, []string{"group:leads"}) || !cmp.Equal(s.Fallback, want) {
			t.Errorf("at first the stage is %+v with %+v, want %+v", s, s.Fallback, want)
		}
		time.Sleep(time.Hour)
		if s := stage(); !cmp.Equal(s.From, []string{"group:leads", "group:platform"}) || s.Fallback != nil {
			t.Errorf("in its time the stage is %+v", s)
		}
	})
}
