package mongodbatlas

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

const (
	project = "32b6e34b3d91647abb20e7b8"
	cluster = "Cluster0"
)

// clock is the one of Atlas and of everybody who gives orders. It goes as the system's does, and can be put ahead.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) pass(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if left := time.Until(t) - c.ahead; left >= 0 {
		c.ahead += left + time.Millisecond
	}
}

// emulated is Atlas with one project and one cluster, EMULATED: nothing of Atlas runs here. Every request, and every answer of
// its own, is held against Atlas' published description of its API; what the description does not say is after its
// documentation. What a cluster does is the little that tells who may log in.
type emulated struct {
	t        testing.TB
	clock    *clock
	contract routers.Router

	mu    sync.Mutex
	users map[string]user
	// logins are the users that the cluster has taken over, and pending when it takes over the next.
	logins  map[string]user
	pending time.Time
	// delay is how long the cluster takes, and limit how many users a project may have.
	delay time.Duration
	limit int
	// hidden is how many users a list leaves out.
	hidden int
	// tokens are those that are valid; without a role nobody may list users.
	tokens  map[string]bool
	blind   bool
	faults  []fault
	refused []string
}

// fault is how one request fails.
type fault struct {
	method string
	status int
	header http.Header
	// after: what was asked for is done first.
	after bool
}

const (
	clientID = "mdb_sa_id_1234567890abcdef12345678"
	canary   = "mdb_sa_sk_canary"
)

func startEmulated(t testing.TB) (*emulated, *httptest.Server) {
	t.Helper()
	e := &emulated{t: t, clock: &clock{}, contract: contract(t), users: map[string]user{}, logins: map[string]user{}, tokens: map[string]bool{}, limit: 1000}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		for _, r := range e.refused {
			t.Errorf("against Atlas' description: %s", r)
		}
	})
	return e, server
}

// ServeHTTP answers one request.
func (e *emulated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/api/oauth/token" {
		e.token(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := e.contract.FindRoute(r)
	if err != nil {
		e.refuse(r, err)
		e.answer(w, nil, http.StatusNotFound, failure(http.StatusNotFound, "RESOURCE_NOT_FOUND"))
		return
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
		e.refuse(r, err)
		e.answer(w, input, http.StatusBadRequest, failure(http.StatusBadRequest, "VALIDATION_ERROR"))
		return
	}
	e.mu.Lock()
	status, result, header := e.act(r, params, body)
	e.mu.Unlock()
	for k, v := range header {
		w.Header()[k] = v
	}
	e.answer(w, input, status, result)
}

// refuse notes what breaks the description: the test fails for it.
func (e *emulated) refuse(r *http.Request, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = append(e.refused, r.Method+" "+r.URL.Path+": "+err.Error())
}

// answer writes an answer that the description allows.
func (e *emulated) answer(w http.ResponseWriter, input *openapi3filter.RequestValidationInput, status int, result any) {
	var text []byte
	if result != nil {
		text, _ = json.Marshal(result)
	}
	w.Header().Set("Content-Type", mediaType)
	if status >= 400 {
		w.Header().Set("Content-Type", "application/json")
	}
	checked := text
	if list, ok := result.(page); ok && len(list.Results) > checkedUsers {
		list.Results = list.Results[:checkedUsers] // each was checked when it was made
		checked, _ = json.Marshal(list)
	}
	if input != nil && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		err := openapi3filter.ValidateResponse(input.Request.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: input, Status: status, Header: w.Header(), Body: io.NopCloser(bytes.NewReader(checked)), Options: input.Options,
		})
		if err != nil {
			e.refuse(input.Request, err)
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

func failure(status int, code string) map[string]any {
	return map[string]any{"error": status, "errorCode": code, "reason": http.StatusText(status), "detail": "EMULATED"}
}

// token is the service account's log-in (Atlas' documentation, Generate Service Account Token).
func (e *emulated) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if r.Method != http.MethodPost || r.FormValue("grant_type") != "client_credentials" || id != clientID || secret != canary {
		e.answer(w, nil, http.StatusUnauthorized, failure(http.StatusUnauthorized, "UNAUTHORIZED"))
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	token := "token-" + time.Now().Format(time.RFC3339Nano)
	e.tokens[token] = true
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
}

// act carries a request out; e.mu is held.
func (e *emulated) act(r *http.Request, params map[string]string, body []byte) (int, any, http.Header) {
	e.expire()
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !e.tokens[token]:
		return http.StatusUnauthorized, failure(http.StatusUnauthorized, "UNAUTHORIZED"), nil
	case params["groupId"] != project:
		return http.StatusNotFound, failure(http.StatusNotFound, "GROUP_NOT_FOUND"), nil
	case e.blind:
		return http.StatusForbidden, failure(http.StatusForbidden, "USER_UNAUTHORIZED"), nil
	}
	i := slices.IndexFunc(e.faults, func(f fault) bool { return f.method == r.Method })
	if i < 0 {
		status, result := e.carryOut(r, params, body)
		return status, result, nil
	}
	f := e.faults[i]
	e.faults = slices.Delete(e.faults, i, i+1)
	if f.after {
		e.carryOut(r, params, body)
	}
	return f.status, failure(f.status, "UNEXPECTED_ERROR"), f.header
}

// expire deletes whose time is up.
func (e *emulated) expire() {
	now := e.clock.Now()
	for name, u := range e.users {
		if u.DeleteAfter != nil && !now.Before(*u.DeleteAfter) {
			delete(e.users, name)
			e.changed()
		}
	}
	if !now.Before(e.pending) {
		e.logins = map[string]user{}
		for name, u := range e.users {
			e.logins[name] = u
		}
	}
}

// changed has the cluster begin to take over what has changed.
func (e *emulated) changed() { e.pending = e.clock.Now().Add(e.delay) }

func (e *emulated) carryOut(r *http.Request, params map[string]string, body []byte) (int, any) {
	name := params["username"]
	_, there := e.users[name]
	switch {
	case params["clusterName"] != "":
		if params["clusterName"] != cluster {
			return http.StatusNotFound, failure(http.StatusNotFound, "CLUSTER_NOT_FOUND")
		}
		status := "APPLIED"
		if e.clock.Now().Before(e.pending) {
			status = "PENDING"
		}
		return http.StatusOK, map[string]any{"changeStatus": status}
	case r.Method == http.MethodGet:
		return http.StatusOK, e.list()
	case r.Method == http.MethodPost:
		return e.create(body)
	case !there || params["databaseName"] != authDatabase:
		return http.StatusNotFound, failure(http.StatusNotFound, "USERNAME_NOT_FOUND")
	case r.Method == http.MethodDelete:
		delete(e.users, name)
		e.changed()
		return http.StatusNoContent, map[string]any{}
	}
	return e.change(name, body)
}

// page is an answer that lists users.
type page struct {
	Results []user `json:"results"`
	Total   int    `json:"totalCount"`
}

// checkedUsers is how many users of a list are held against the description, which takes its time.
const checkedUsers = 20

func (e *emulated) list() page {
	results := []user{}
	for _, u := range e.users {
		u.Password, u.Project = "", ""
		results = append(results, u)
	}
	return page{results[e.hidden:], len(results)}
}

func (e *emulated) create(body []byte) (int, any) {
	var u user
	if err := json.Unmarshal(body, &u); err != nil || u.Password == "" || u.Database != authDatabase || len(u.Roles) == 0 {
		return http.StatusBadRequest, failure(http.StatusBadRequest, "INVALID_USER")
	}
	if _, there := e.users[u.Username]; there {
		return http.StatusConflict, failure(http.StatusConflict, "USER_ALREADY_EXISTS")
	}
	if len(e.users) >= e.limit {
		return http.StatusBadRequest, failure(http.StatusBadRequest, "MAX_DATABASE_USERS_EXCEEDED")
	}
	return e.keep(u, http.StatusCreated)
}

func (e *emulated) change(name string, body []byte) (int, any) {
	u := e.users[name]
	// What is not named stays as it is, and what is must not be overwritten in place: others still read it.
	u.Roles, u.Labels, u.Scopes = slices.Clone(u.Roles), slices.Clone(u.Labels), slices.Clone(u.Scopes)
	if u.DeleteAfter != nil {
		until := *u.DeleteAfter
		u.DeleteAfter = &until
	}
	if err := json.Unmarshal(body, &u); err != nil || u.Username != name {
		return http.StatusBadRequest, failure(http.StatusBadRequest, "INVALID_USER")
	}
	return e.keep(u, http.StatusOK)
}

// keep checks what the documentation asks of deleteAfterDate.
func (e *emulated) keep(u user, status int) (int, any) {
	if now := e.clock.Now(); u.DeleteAfter != nil && (!u.DeleteAfter.After(now) || u.DeleteAfter.Sub(now) > 7*24*time.Hour) {
		return http.StatusBadRequest, failure(http.StatusBadRequest, "INVALID_DELETE_AFTER_DATE")
	}
	e.users[u.Username] = u
	e.changed()
	e.expire()
	u.Password, u.Project = "", "" // they are for writing only
	return status, u
}
