package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/syncbuf"
)

// canary is a secret that somebody sent where it does not belong. No answer and no log may repeat it.
const canary = "hunter2-canary"

func TestHostileSubmissions(t *testing.T) {
	s := serve(t)
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf(`"orders-db/orders:p%d"`, i)
	}
	for name, c := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"duration of zero":           {asking(enginetest.Read, "0s"), 422, "at least 1s"},
		"duration below zero":        {asking(enginetest.Read, "-1h"), 422, "at least 1s"},
		"duration below a second":    {asking(enginetest.Read, "1ms"), 422, "at least 1s"},
		"duration of ten years":      {asking(enginetest.Read, "87600h"), 422, "at most 366 days"},
		"duration in words":          {asking(enginetest.Read, "4hours"), 422, "like 30m"},
		"duration as a number":       {`{"entitlements":["orders-db/orders:read"],"duration":7200}`, 422, "body.duration"},
		"duration beyond int64":      {asking(enginetest.Read, "9999999999h"), 422, "like 30m"},
		"no entitlement":             {`{"entitlements":[]}`, 422, "at least one"},
		"entitlements missing":       {`{"reason":"x"}`, 422, "entitlements"},
		"entitlements null":          {`{"entitlements":null}`, 422, "body.entitlements"},
		"10,000 entitlements":        {`{"entitlements":[` + strings.Join(many, ",") + `]}`, 422, "at most 50"},
		"one twice":                  {`{"entitlements":["orders-db/orders:read","orders-db/orders:read"]}`, 422, "twice"},
		"no form of an entitlement":  {asking("orders", "1m"), 422, "CONNECTOR/RESOURCE:PERMISSION"},
		"override in an entitlement": {`{"entitlements":["orders-db/ord\u202eers:read"]}`, 422, "U+202E"},
		"near miss":                  {asking("orders-db/orders:raed", "1m"), 404, `"read"`},
		"near miss of a connector":   {asking("order-db/orders:read", "1m"), 404, `"orders-db"`},
		"reason of 1 MB":             {`{"entitlements":["orders-db/orders:read"],"reason":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "256 KiB"},
		"reason of 5,000 bytes":      {`{"entitlements":["orders-db/orders:read"],"reason":"` + strings.Repeat("a", 5000) + `"}`, 422, "4096"},
		"NUL in a reason":            {`{"entitlements":["orders-db/orders:read"],"reason":"a\u0000b"}`, 422, "NUL"},
		"reason of invalid UTF-8":    {"{\"entitlements\":[\"orders-db/orders:read\"],\"reason\":\"\xff\"}", 400, "UTF-8"},
		"unknown field":              {`{"entitlements":["orders-db/orders:read"],"duraton":"1m"}`, 422, "body.duraton"},
		"start in words":             {`{"entitlements":["orders-db/orders:read"],"start":"tomorrow"}`, 422, "body.start"},
		"start long past":            {`{"entitlements":["orders-db/orders:read"],"start":"2020-01-01T00:00:00Z"}`, 422, "has passed"},
		"start in a far year":        {`{"entitlements":["orders-db/orders:read"],"start":"9999-01-01T00:00:00Z"}`, 422, "90 days"},
		"break-glass is not built":   {`{"entitlements":["orders-db/orders:read"],"break_glass":true}`, 422, "body.break_glass"},
		"one key twice":              {`{"entitlements":["orders-db/orders:read"],"reason":"a","reason":"b"}`, 400, "twice"},
		"one key in two cases":       {`{"entitlements":["orders-db/orders:read"],"reason":"a","Reason":"b"}`, 400, "twice"},
		"one key in another letter":  {`{"entitlements":["orders-db/orders:read"],"reason":"a","rea\u017fon":"b"}`, 400, "twice"},
		"two documents":              {asking(enginetest.Read, "1m") + `{}`, 400, "more than one"},
		"deep":                       {strings.Repeat("[", 100_000), 400, "deeper"},
		"wide":                       {wide(1000), 400, "more than 64 keys"},
		"no JSON":                    {"entitlements=orders-db/orders:read", 400, "not JSON"},
		"half a document":            {`{"entitlements":["orders-db`, 400, "not JSON"},
		"a list":                     {`[]`, 422, "body"},
		"key of the wrong length":    {`{"entitlements":["orders-db/orders:read"],"recipient":"AAAA"}`, 422, "P-256"},
		"key in no base64":           {`{"entitlements":["orders-db/orders:read"],"recipient":"!!"}`, 422, "base64"},
		"too many parameters":        {`{"entitlements":["orders-db/orders:read"],"params":` + wide(33) + `}`, 422, "32 parameters"},
	} {
		t.Run(name, func(t *testing.T) {
			detail := refused(t, s.call(enginetest.Alice, "POST", "/v1/requests", c.body), c.status)
			if !strings.Contains(detail, c.says) {
				t.Errorf("the detail does not say %q: %s", c.says, detail)
			}
		})
	}
	if list := ok[api.RequestList](s, enginetest.Alice, "GET", "/v1/requests", ""); len(list.Items) != 0 {
		t.Errorf("%d of these were kept", len(list.Items))
	}
}

// wide is an object with n keys.
func wide(n int) string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"k%d":"v"`, i)
	}
	return "{" + strings.Join(keys, ",") + "}"
}

func TestHostileTextIsKeptAsItIs(t *testing.T) {
	s := serve(t)
	reason := "<script>alert(1)</script>\x1b]0;owned\x07\u202egnp.exe\r\n"
	body := `{"entitlements":["orders-db/orders:write"],"reason":"<script>alert(1)</script>\u001b]0;owned\u0007\u202egnp.exe\r\n"}`
	r := ok[api.Request](s, enginetest.Alice, "POST", "/v1/requests", body)
	if r.Reason != reason {
		t.Errorf("got %q, want %q", r.Reason, reason)
	}
	a := s.call(enginetest.Bob, "GET", "/v1/requests/"+r.ID, "")
	if strings.ContainsAny(a.body, "\x1b\x07\r") {
		t.Errorf("control characters stand in the JSON: %q", a.body)
	}
}

func TestHostileIDsAreNotFound(t *testing.T) {
	s := serve(t)
	for _, id := range []string{
		"x", "req_", "req_0000000000", "gr_0000000000", "req_%00", "req_a%2Fb", "req_%27%20OR%201=1", "req_%E2%80%AE",
		"REQ_0000000000", "req_" + strings.Repeat("a", 5000), "..%2f..%2fetc%2fpasswd",
	} {
		for _, path := range []string{"/v1/requests/" + id, "/v1/grants/" + id} {
			a := s.call(enginetest.Alice, "GET", path, "")
			if detail := refused(t, a, 404); len(detail) > 200 {
				t.Errorf("%s: a detail of %d bytes", path, len(detail))
			}
		}
		refused(t, s.call(enginetest.Bob, "POST", "/v1/requests/"+id+"/reviews", `{"verdict":"approve"}`), 404)
		refused(t, s.call(enginetest.Carol, "POST", "/v1/grants/"+id+"/revoke", `{"reason":"x"}`), 404)
		refused(t, s.call(enginetest.Alice, "POST", "/v1/grants/"+id+"/return", ""), 404)
	}
}

// What changes something is refused of a page of another site, even with a token.
func TestOtherSitesAreRefused(t *testing.T) {
	s := serve(t)
	for _, header := range [][2]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
		send := func(method, path, body string) answer {
			return s.send(method, path, body, "Authorization", "Bearer alice-token", "Content-Type", "application/json", header[0], header[1])
		}
		refused(t, send("POST", "/v1/requests", asking(enginetest.Read, "1m")), 403)
		if a := send("GET", "/v1/whoami", ""); a.status != 200 {
			t.Errorf("reading, with %s: %d %s", header, a.status, a.body)
		}
	}
	if list := s.send("GET", "/v1/requests", "", "Authorization", "Bearer alice-token"); strings.Contains(list.body, "req_") {
		t.Errorf("something was asked for: %s", list.body)
	}
}

func TestContentTypeIsDemanded(t *testing.T) {
	s := serve(t)
	body := asking(enginetest.Read, "1m")
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json, text/plain", "application/problem+json", "json", ";"} {
		refused(t, s.send("POST", "/v1/requests", body, "Authorization", "Bearer alice-token", "Content-Type", kind), 415)
	}
	for _, kind := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON"} {
		if a := s.send("POST", "/v1/requests", body, "Authorization", "Bearer alice-token", "Content-Type", kind); a.status != 201 {
			t.Errorf("%q: %d %s", kind, a.status, a.body)
		}
	}
	refused(t, s.call(enginetest.Alice, "POST", "/v1/requests", ""), 400)
}

func TestSecretsAreNeverRepeated(t *testing.T) {
	s := serve(t)
	g := active(s)
	long := canary + strings.Repeat("x", 5000)
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/v1/requests", `{"entitlements":["orders-db/orders:read"],"duration":"` + canary + `"}`},
		{"POST", "/v1/requests", `{"entitlements":["orders-db/orders:read"],"password":"` + canary + `"}`},
		{"POST", "/v1/requests", `{"entitlements":["orders-db/orders:read"],"reason":["` + canary + `"]}`},
		{"POST", "/v1/requests", `{"entitlements":["orders-db/orders:read"],"reason":"` + long + `"}`},
		{"POST", "/v1/requests", `{"entitlements":["orders-db/orders:read"],"ticket":"` + long + `"}`},
		{"POST", "/v1/requests", `{"entitlements":["orders-db/orders:read"],"params":{"password":"` + canary + `\u0000"}}`},
		{"POST", "/v1/requests", `{"entitlements":["orders-db/orders:read"],"params":{"password":{"` + canary + `":1}}}`},
		{"POST", "/v1/requests", `{"entitlements":["orders-db/orders:read"],"recipient":"` + canary + `"}`},
		{"POST", "/v1/requests", canary},
		{"POST", "/v1/requests", `{"reason":"` + canary},
		{"POST", "/v1/requests?wait=" + canary, asking(enginetest.Read, "1m")},
		{"POST", "/v1/requests/req_1/reviews", `{"verdict":"` + canary + `"}`},
		{"POST", "/v1/requests/req_1/reviews", `{"verdict":"approve","cap":"` + canary + `"}`},
		{"POST", "/v1/grants/" + g.ID + "/revoke", `{"reason":"` + long + `"}`},
		{"POST", "/v1/grants/" + g.ID + "/credential", `{"recipient":"` + canary + `"}`},
		{"GET", "/v1/requests/" + canary, ""},
		{"GET", "/v1/grants?limit=" + canary, ""},
		{"GET", "/v1/grants?after=" + canary, ""},
		{"GET", "/v1/grants?scope=" + canary, ""},
		{"GET", "/v1/" + canary, ""},
	} {
		a := s.call(enginetest.Alice, c.method, c.path, c.body)
		if a.status < 400 {
			t.Errorf("%s %s was accepted: %d", c.method, c.path, a.status)
		}
		if strings.Contains(a.body, canary) {
			t.Errorf("%s %s: the answer repeats it: %s", c.method, c.path, a.body)
		}
	}
	if strings.Contains(s.log.String(), canary) {
		t.Errorf("the log repeats it: %s", s.log.String())
	}
}

// broken is an engine that fails in ways that must not be seen.
type broken struct {
	api.Engine
	fail func() error
}

func (b broken) Entitlements(context.Context, access.Principal, []string, bool) ([]engine.Offer, error) {
	return nil, b.fail()
}

type anybody struct{}

func (anybody) Authenticate(context.Context, string) (access.Caller, error) {
	return access.Caller{}, nil
}

func TestDetailOfFailuresGoesToTheLogAlone(t *testing.T) {
	for name, c := range map[string]struct {
		fail   func() error
		status int
		logged string
	}{
		"an error without a kind": {func() error { return errors.New("pq: " + canary) }, 500, canary},
		"a store that is away":    {func() error { return access.Wrap(access.KindUnavailable, errors.New(canary), "Try again.") }, 503, canary},
		// What it was that panicked could be anything; where it did is enough to find out.
		"a panic": {func() error { panic(canary) }, 500, "hostile_test.go"},
	} {
		t.Run(name, func(t *testing.T) {
			log := &syncbuf.Buffer{}
			handler := api.New(api.Config{
				Engine: broken{fail: c.fail}, Authenticator: anybody{}, Log: slog.New(slog.NewTextHandler(log, nil)),
			})
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/entitlements", nil)
			r.Header.Set("Authorization", "Bearer x")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			a := answer{w.Code, w.Header(), w.Body.String()}
			refused(t, a, c.status)
			p := read[api.Problem](t, a)
			if strings.Contains(a.body, canary) {
				t.Errorf("the answer tells it: %s", a.body)
			}
			if p.Instance == "" || !strings.Contains(log.String(), p.Instance) || !strings.Contains(log.String(), c.logged) {
				t.Errorf("the log does not explain %s: %s", p.Instance, log.String())
			}
			if c.logged != canary && strings.Contains(log.String(), canary) {
				t.Errorf("the log tells what panicked: %s", log.String())
			}
		})
	}
}

func FuzzRequestBody(f *testing.F) {
	for _, seed := range []string{
		asking(enginetest.Read, "1m"), asking("bundle:incident", "1h"), `{}`, `[]`, `null`, `"`, "\xff", `{"a":{"a":1,"A":2}}`,
		`{"entitlements":["a/b:c"],"params":{"k":"v"},"recipient":"AAAA","reason":"\ud800","ticket":"\u0000"}`, `1e999`,
	} {
		f.Add([]byte(seed))
	}
	handler := api.New(api.Config{
		Engine: accepting{}, Authenticator: anybody{}, Tenant: access.DefaultTenant, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/requests", strings.NewReader(string(body)))
		r.Header.Set("Authorization", "Bearer x")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if !utf8.Valid(w.Body.Bytes()) {
			t.Errorf("the answer is not UTF-8: %q", w.Body.Bytes())
		}
		switch w.Code {
		case http.StatusCreated, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		default:
			t.Errorf("%d %s", w.Code, w.Body.String())
		}
	})
}

// accepting is an engine that takes every submission that reaches it.
type accepting struct{ api.Engine }

func (accepting) Submit(_ context.Context, _ access.Principal, s engine.Submission) (access.Request, error) {
	return access.Request{Entitlements: s.Entitlements, Duration: s.Duration, Reason: s.Reason}, nil
}

func (accepting) Request(context.Context, access.Principal, access.RequestID) (engine.RequestView, error) {
	return engine.RequestView{}, errors.New("nothing is kept")
}
