package api_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// operation is a route as the OpenAPI document has it.
type operation struct {
	method, path, id string
	scope            access.Scope
}

var needsScope = regexp.MustCompile(`needs the scope "([a-z]+)"`)

// operations are all routes that the document describes.
func operations(t testing.TB) (list []operation) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string
			Description string
		}
	}
	if err := json.Unmarshal(api.Document(), &document); err != nil {
		t.Fatal(err)
	}
	for path, methods := range document.Paths {
		for method, op := range methods {
			o := operation{method: strings.ToUpper(method), path: path, id: op.OperationID}
			if m := needsScope.FindStringSubmatch(op.Description); m != nil {
				o.scope = access.Scope(m[1])
			}
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return list
}

// unconfined are the routes that every token may use, each with its reason.
var unconfined = map[string]string{
	"whoami":      "whoever has a token may know whose it is",
	"end-session": "whoever has a token may end it",
}

// A token that lacks a scope is refused at every route that needs it, whatever else is wrong with the call, and at no other.
func TestScopes(t *testing.T) {
	s := serve(t)
	ops := operations(t)
	if len(ops) < 25 {
		t.Fatalf("%d operations", len(ops))
	}
	for _, op := range ops {
		if _, known := unconfined[op.id]; known != (op.scope == "") {
			t.Errorf("%s needs the scope %q", op.id, op.scope)
		}
	}
	for _, missing := range access.Scopes() {
		scopes := slices.DeleteFunc(access.Scopes(), func(s access.Scope) bool { return s == missing })
		token, _, err := s.Registrar.MakeToken(t.Context(), access.Caller{Principal: s.Who(enginetest.Carol)}, directory.TokenOrder{
			Principal: s.Who(enginetest.Carol).ID, Scopes: scopes, For: time.Hour, Label: "all but " + string(missing),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range ops {
			if op.id == "end-session" || op.id == "end-sessions" && missing != access.ScopeAdmin {
				continue // the token would be gone
			}
			path := regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(op.path, "gr_1")
			a := s.send(op.method, path, "", "Authorization", "Bearer "+token)
			if lacks := strings.Contains(a.body, "it lacks the scope"); lacks != (op.scope == missing) || lacks && a.status != 403 || a.status == 401 {
				t.Errorf("%s without %s: %d %s", op.id, missing, a.status, a.body)
			}
		}
	}
}

// Whoever tries tokens is told to come less often. A good token is let in nevertheless.
func TestStrangersAreLimited(t *testing.T) {
	s := serve(t)
	for i := range 61 {
		a := s.send("GET", "/v1/whoami", "", "Authorization", "Bearer cft_guess")
		if want := map[bool]int{true: 401, false: 429}[i < 60]; a.status != want || (a.header.Get("Retry-After") != "") != (want == 429) {
			t.Fatalf("try %d: %d, Retry-After %q", i, a.status, a.header.Get("Retry-After"))
		}
	}
	ok[api.Principal](s, enginetest.Alice, "GET", "/v1/whoami", "")
	refused(t, s.send("GET", "/v1/whoami", ""), 401)
}

// A proof of another account is somebody's token: who tries tokens there is told to come less often as well.
func TestProofsAreLimited(t *testing.T) {
	s := serve(t)
	for i := range 61 {
		a := s.call(enginetest.Alice, "POST", "/v1/persons/link", `{"token":"guess"}`)
		if want := map[bool]int{true: 422, false: 429}[i < 60]; a.status != want {
			t.Fatalf("try %d: %d %s", i, a.status, a.body)
		}
	}
	refused(t, s.call(enginetest.Bob, "POST", "/v1/persons/link", `{"token":"guess"}`), 422)
	ok[api.Principal](s, enginetest.Alice, "GET", "/v1/whoami", "")
}

// Whoever searches without end is told to come less often; others are not.
func TestSearchesAreLimited(t *testing.T) {
	s := serve(t)
	limited := false
	for range 200 {
		if a := s.call(enginetest.Alice, "GET", "/v1/entitlements", ""); a.status == 429 {
			limited = a.header.Get("Retry-After") != ""
			break
		}
	}
	if !limited {
		t.Error("nobody is told to come less often")
	}
	ok[api.OfferList](s, enginetest.Bob, "GET", "/v1/entitlements", "")
	ok[api.GrantList](s, enginetest.Alice, "GET", "/v1/grants", "")
}

// A session is seen, and ended, by its owner alone.
func TestSessions(t *testing.T) {
	s := serve(t)
	made := ok[api.Token](s, enginetest.Alice, "POST", "/v1/tokens", `{"principal":"`+enginetest.AliceAgent+`","scopes":["read"],"for":"1h","label":"nightly"}`)
	me := read[api.Principal](t, s.send("GET", "/v1/whoami", "", "Authorization", "Bearer "+made.Token))
	if me.Principal != enginetest.AliceAgent || me.Session == nil || me.Session.Label != "nightly" || !slices.Equal(me.Session.Scopes, []string{"read"}) || !me.Session.Current {
		t.Errorf("whoami: %+v, %+v", me, me.Session)
	}
	for who, want := range map[string]int{enginetest.Alice: 1, enginetest.AliceAgent: 1, enginetest.Bob: 0, enginetest.Carol: 0} {
		list := ok[api.SessionList](s, who, "GET", "/v1/sessions", "")
		if len(list.Items) != want {
			t.Errorf("%s sees %+v", who, list.Items)
		}
		for _, one := range list.Items {
			if strings.Contains(one.Label+one.ID, made.Token) || one.Current {
				t.Errorf("%s sees %+v", who, one)
			}
		}
	}
	end := "/v1/sessions/" + made.Session.ID + "/end"
	for _, who := range []string{enginetest.Bob, enginetest.Carol} {
		refused(t, s.call(who, "POST", end, ""), 404)
	}
	refused(t, s.call(enginetest.Alice, "POST", "/v1/sessions/current/end", ""), 409)
	// The token has no scope to end others, and ends itself.
	if a := s.send("POST", "/v1/sessions/current/end", "", "Authorization", "Bearer "+made.Token); a.status != 204 {
		t.Errorf("ending itself: %d %s", a.status, a.body)
	}
	refused(t, s.send("GET", "/v1/whoami", "", "Authorization", "Bearer "+made.Token), 401)
	refused(t, s.call(enginetest.Alice, "POST", end, ""), 404)
	if strings.Contains(s.log.String(), made.Token) {
		t.Error("the log has the token")
	}
	for _, body := range []string{
		`{"scopes":[],"for":"1h","label":"x"}`, `{"scopes":["all"],"for":"1h","label":"x"}`, `{"scopes":["read"],"for":"99999h","label":"x"}`,
		`{"scopes":["read"],"for":"1h","label":""}`, `{"principal":"/","scopes":["read"],"for":"1h","label":"x"}`,
	} {
		refused(t, s.call(enginetest.Alice, "POST", "/v1/tokens", body), 422)
	}
}
