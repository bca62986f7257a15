package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// serve starts the API of a company, behind something that may lose its answers; nil is nothing.
func serve(t *testing.T, w *enginetest.World, between func(http.Handler) http.Handler) (getenv func(string) string) {
	t.Helper()
	var handler http.Handler = api.New(api.Config{
		Engine: w.Engine, Authenticator: w.Directory, Sessions: w.Registrar, Persons: w.Registrar, Tenant: access.DefaultTenant,
		Ready: func(context.Context) error { return nil }, Log: slog.New(slog.DiscardHandler),
	})
	if between != nil {
		handler = between(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	env := map[string]string{"CURFEW_URL": server.URL, "CURFEW_TOKEN": enginetest.Alice + "-token", "CURFEW_STATE": filepath.Join(t.TempDir(), "state")}
	return func(name string) string { return env[name] }
}

// losing serves, and cuts the connection in place of the answer where lose says so.
func losing(next http.Handler, lose func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lose(r) {
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}

// runExec runs curfew exec with a command that must not be run.
func runExec(ctx context.Context, t *testing.T, getenv func(string) string, entitlement string) (code int, stderr string) {
	t.Helper()
	var stdout, errs bytes.Buffer
	code = run(ctx, []string{"exec", entitlement, "--reason", "order 17", "--", "echo", "it ran"}, strings.NewReader(""), &stdout, &errs, getenv)
	if stdout.Len() > 0 {
		t.Errorf("it printed %q", stdout.String())
	}
	return code, errs.String()
}

// askedOnce is the one request that there is.
func askedOnce(t *testing.T, w *enginetest.World) engine.RequestView {
	t.Helper()
	all, _, err := w.Engine.Requests(t.Context(), w.Who(enginetest.Carol), engine.All, store.Page{Limit: 10})
	if err != nil || len(all) != 1 {
		t.Fatalf("there are %d requests: %v", len(all), err)
	}
	return all[0]
}

func wantNoKeys(t *testing.T, getenv func(string) string) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(getenv("CURFEW_STATE"), "keys", "*")); err != nil || len(left) > 0 {
		t.Errorf("keys are left: %v, %v", left, err)
	}
}

// TestExecWithdrawsWhatItsAnswerWasLostOf has the server take the request, and nobody hear of it.
func TestExecWithdrawsWhatItsAnswerWasLostOf(t *testing.T) {
	w := enginetest.New(t)
	getenv := serve(t, w, func(next http.Handler) http.Handler {
		return losing(next, func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == "/v1/requests" })
	})
	code, stderr := runExec(t.Context(), t, getenv, enginetest.Write)
	if r := askedOnce(t, w); code != 1 || r.Request.State != access.RequestWithdrawn || !strings.Contains(stderr, "is withdrawn") {
		t.Errorf("exit %d, the request is %s: %s", code, r.Request.State, stderr)
	}
	wantNoKeys(t, getenv)
}

// TestExecGivesBackWhatItsAnswerWasLostOf has access begin, and the answers of all who wait for it lost.
func TestExecGivesBackWhatItsAnswerWasLostOf(t *testing.T) {
	w := enginetest.New(t)
	w.Run()
	getenv := serve(t, w, func(next http.Handler) http.Handler {
		return losing(next, func(r *http.Request) bool { return r.URL.Query().Has("wait") })
	})
	code, stderr := runExec(t.Context(), t, getenv, enginetest.Read)
	g := askedOnce(t, w).Grants[0]
	if code != 1 || g.EndReason != access.EndReturned || !strings.Contains(stderr, "is given back") {
		t.Errorf("exit %d, the grant is %s (%s): %s", code, g.State, g.EndReason, stderr)
	}
}

// TestExecGivesBackWhatIsApprovedAsItWithdraws interrupts the wait, and has the request approved just before it is withdrawn.
func TestExecGivesBackWhatIsApprovedAsItWithdraws(t *testing.T) {
	w := enginetest.New(t)
	ctx, interrupt := context.WithCancel(t.Context())
	getenv := serve(t, w, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Query().Has("wait"):
				interrupt()
			case strings.HasSuffix(r.URL.Path, "/withdraw"):
				id := access.RequestID(strings.Split(r.URL.Path, "/")[3])
				if _, err := w.Engine.Review(r.Context(), w.Who(enginetest.Bob), id, engine.Opinion{Verdict: access.Approve}); err != nil {
					t.Error(err)
				}
			}
			next.ServeHTTP(answer, r)
		})
	})
	code, stderr := runExec(ctx, t, getenv, enginetest.Write)
	g := askedOnce(t, w).Grants[0]
	if code != 1 || g.EndReason != access.EndReturned || !strings.Contains(stderr, "is given back") || strings.Contains(stderr, "is withdrawn") {
		t.Errorf("exit %d, the grant is %s (%s): %s", code, g.State, g.EndReason, stderr)
	}
}

// TestExecSaysWhatItCouldNotTakeBack loses the server once the request is there.
func TestExecSaysWhatItCouldNotTakeBack(t *testing.T) {
	w := enginetest.New(t)
	getenv := serve(t, w, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/v1/requests/") {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(answer, r)
		})
	})
	code, stderr := runExec(t.Context(), t, getenv, enginetest.Write)
	if r := askedOnce(t, w); code != 1 || r.Request.State != access.RequestPending || !strings.Contains(stderr, "curfew withdraw") {
		t.Errorf("exit %d, the request is %s: %s", code, r.Request.State, stderr)
	}
}
