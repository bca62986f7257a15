package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/syncbuf"
)

// server is the API over a company of its own.
type server struct {
	*enginetest.World
	t       testing.TB
	handler http.Handler
	url     string
	log     *syncbuf.Buffer
	ready   error
	// versions are those of the configuration; there is none.
	versions *enginetest.Versions
}

func serve(t testing.TB, options ...enginetest.Option) *server {
	t.Helper()
	s := &server{World: enginetest.New(t, options...), t: t, log: &syncbuf.Buffer{}}
	s.Run()
	s.versions = s.Versions()
	s.listen(nil)
	return s
}

// listen serves with these passkeys; nil has none.
func (s *server) listen(passkeys api.Passkeys) {
	s.t.Helper()
	s.handler = api.New(api.Config{
		Engine: s.Engine, Authenticator: s.Directory, Sessions: s.Registrar, Persons: s.Registrar, Passkeys: passkeys, Configuration: s.versions, Tenant: access.DefaultTenant,
		Ready: func(context.Context) error { return s.ready }, Log: slog.New(slog.NewTextHandler(s.log, nil)),
	})
	listener := httptest.NewServer(s.handler)
	s.t.Cleanup(listener.Close)
	s.url = listener.URL
}

// answer is what a call came to.
type answer struct {
	status int
	header http.Header
	body   string
}

// call sends a body as JSON in the name of a person; an empty name sends no token.
func (s *server) call(who, method, path, body string) answer {
	s.t.Helper()
	var headers []string
	if who != "" {
		headers = append(headers, "Authorization", "Bearer "+who+"-token")
	}
	if body != "" {
		headers = append(headers, "Content-Type", "application/json")
	}
	return s.send(method, path, body, headers...)
}

func (s *server) send(method, path, body string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{got.StatusCode, got.Header, string(text)}
}

// ok sends a call that must succeed, and reads its answer.
func ok[T any](s *server, who, method, path, body string) T {
	s.t.Helper()
	a := s.call(who, method, path, body)
	if a.status < 200 || a.status > 299 {
		s.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return read[T](s.t, a)
}

func read[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in %q", err, a.body)
	}
	return v
}

// refused checks that an answer is a problem with this status, and returns its detail.
func refused(t testing.TB, a answer, status int) string {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("got %d %s %s, want a problem with %d", a.status, a.header.Get("Content-Type"), a.body, status)
	}
	p := read[api.Problem](t, a)
	if p.Status != status || p.Title != http.StatusText(status) || p.Detail == "" {
		t.Fatalf("the problem is incomplete: %+v", p)
	}
	return p.Detail
}

func TestHealth(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := s.call("", "GET", path, ""); a.status != 200 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	s.ready = errors.New("the disk under /secret/path is full")
	a := s.call("", "GET", "/readyz", "")
	if refused(t, a, 503); strings.Contains(a.body, "secret") {
		t.Errorf("the answer tells the detail: %s", a.body)
	}
	if !strings.Contains(s.log.String(), "/secret/path is full") {
		t.Errorf("the log lacks the detail: %s", s.log.String())
	}
	if a := s.call("", "GET", "/healthz", ""); a.status != 200 {
		t.Errorf("not ready is not unhealthy: %d", a.status)
	}
}

func TestDocumentIsServed(t *testing.T) {
	s := serve(t)
	a := s.call("", "GET", "/openapi.json", "")
	if a.status != 200 || a.body != string(api.Document()) {
		t.Errorf("/openapi.json: %d, %d bytes", a.status, len(a.body))
	}
	if a := s.call("", "GET", "/openapi.yaml", ""); a.status != 200 || !strings.Contains(a.body, "openapi: 3.1.0") {
		t.Errorf("/openapi.yaml: %d", a.status)
	}
	if strings.Contains(a.body, "ErrorModel") {
		t.Error("the document describes huma's errors, which nobody sees")
	}
	if got := refused(t, s.call("", "GET", "/docs", ""), 404); !strings.Contains(got, "openapi.json") {
		t.Errorf("/docs: %s", got)
	}
}

func TestOnlyABearerTokenInTheHeaderCounts(t *testing.T) {
	s := serve(t)
	for name, headers := range map[string][]string{
		"none":          nil,
		"unknown":       {"Authorization", "Bearer nobody-token"},
		"another way":   {"Authorization", "Basic alice-token"},
		"no scheme":     {"Authorization", "alice-token"},
		"empty":         {"Authorization", "Bearer "},
		"two":           {"Authorization", "Bearer alice-token", "Authorization", "Bearer alice-token"},
		"huge":          {"Authorization", "Bearer " + strings.Repeat("a", 5000)},
		"cookie":        {"Cookie", "token=alice-token"},
		"another token": {"X-Api-Key", "alice-token"},
	} {
		a := s.send("GET", "/v1/whoami?access_token=alice-token", "", headers...)
		refused(t, a, 401)
		if a.header.Get("WWW-Authenticate") != `Bearer realm="curfew"` {
			t.Errorf("%s: WWW-Authenticate is %q", name, a.header.Get("WWW-Authenticate"))
		}
		if strings.Contains(a.body, "-token") {
			t.Errorf("%s: the answer repeats the token: %s", name, a.body)
		}
	}
	if a := s.send("GET", "/v1/whoami", "", "Authorization", "bearer alice-token"); a.status != 200 {
		t.Errorf("the scheme has no case (RFC 9110): %d", a.status)
	}
}

func TestWhoami(t *testing.T) {
	s := serve(t)
	me := ok[api.Principal](s, enginetest.AliceAgent, "GET", "/v1/whoami", "")
	if me.Principal != "alice-agent" || me.Kind != "agent" || me.ActsFor != "alice" || me.Person != "alice" {
		t.Errorf("%+v", me)
	}
	if strings.Join(me.Groups, " ") != "engineering leads" {
		t.Errorf("groups: %q", me.Groups)
	}
}

func TestUnknownAddressesAndMethods(t *testing.T) {
	s := serve(t)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/v1/", 404, ""},
		{"GET", "/v1/nothing", 404, ""},
		{"GET", "/v2/requests", 404, ""},
		{"POST", "/healthz", 405, "GET, HEAD"},
		{"DELETE", "/v1/requests", 405, "GET, HEAD, POST"},
		{"OPTIONS", "/v1/requests", 405, "GET, HEAD, POST"},
		{"PUT", "/v1/grants/gr_1", 405, "GET, HEAD"},
		{"BREW", "/v1/whoami", 405, "GET, HEAD"},
	} {
		a := s.call(enginetest.Alice, c.method, c.path, "")
		detail := refused(t, a, c.status)
		if got := a.header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow is %q, want %q", c.method, c.path, got, c.allow)
		}
		if strings.Contains(detail, "BREW") {
			t.Errorf("the detail repeats the method: %s", detail)
		}
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s: another origin is let in", c.method, c.path)
		}
	}
	if a := s.call(enginetest.Alice, "HEAD", "/v1/whoami", ""); a.status != 200 || a.body != "" {
		t.Errorf("HEAD: %d %q", a.status, a.body)
	}
	a := s.call(enginetest.Alice, "GET", "/v1/whoami", "")
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Type": "application/json",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
