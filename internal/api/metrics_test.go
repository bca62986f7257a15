package api_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	. "github.com/curfewhq/curfew/internal/enginetest"
)

// Auditors and administrators read the metrics, and nobody else, wherever the call comes from.
func TestMetricsAreForOverseers(t *testing.T) {
	w := New(t)
	handler := api.New(api.Config{
		Engine: w.Engine, Authenticator: w.Directory, Tenant: access.DefaultTenant, Log: slog.New(slog.DiscardHandler),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "curfew_grants 0\n") }),
	})
	for who, want := range map[string]int{"": 401, "nobody": 401, Alice: 403, Bob: 403, AliceAgent: 403, Carol: 200, Olga: 200} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.RemoteAddr = "127.0.0.1:4711"
		if who != "" {
			r.Header.Set("Authorization", "Bearer "+who+"-token")
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code != want {
			t.Errorf("%q got %d, want %d: %s", who, answer.Code, want, answer.Body)
		}
	}
}

// A route is one of the patterns, never what was typed.
func TestRouteNames(t *testing.T) {
	w := New(t)
	handler := api.New(api.Config{Engine: w.Engine, Authenticator: w.Directory, Tenant: access.DefaultTenant, Log: slog.New(slog.DiscardHandler)})
	for call, want := range map[string]string{
		"GET /v1/requests/req_1":           "GET /v1/requests/{id}",
		"POST /v1/requests/x%2Fy/reviews":  "POST /v1/requests/{id}/reviews",
		"GET /healthz":                     "GET /healthz",
		"GET /v1/nothing":                  "",
		"GET /nothing":                     "",
		"DELETE /v1/requests/req_1":        "",
		"BREW /v1/requests":                "",
		"GET /metrics":                     "",
		"GET /v1/grants/..%2f..%2fmetrics": "GET /v1/grants/{id}",
	} {
		method, path, _ := strings.Cut(call, " ")
		if got := handler.Route(httptest.NewRequest(method, path, nil)); got != want {
			t.Errorf("%s is served by %q, want %q", call, got, want)
		}
	}
}
