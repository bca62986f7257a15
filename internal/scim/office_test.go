package scim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/scim"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/memstore"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

const (
	tenant = access.DefaultTenant
	token  = "a token of thirty-two characters or more"
	base   = "https://curfew.example"
)

// ledger is a store that keeps the entries of its transactions at hand.
type ledger struct {
	store.Store
	mu     sync.Mutex
	events []access.Event
	// names are the transactions that were committed; fail, when it returns an error, is the outcome of the next.
	names []store.TxName
	fail  func(store.TxName) error
}

func (l *ledger) Change(ctx context.Context, name store.TxName, fn func(store.Tx, func(access.Event) error) error) error {
	var entered []access.Event
	err := l.Update(ctx, name, func(tx store.Tx) error {
		entered = nil
		err := fn(tx, func(ev access.Event) error {
			entered = append(entered, ev)
			return nil
		})
		if err == nil && l.fail != nil {
			err = l.fail(name)
		}
		return err
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events, l.names = append(l.events, entered...), append(l.names, name)
	return nil
}

// kinds are those of the entries since it was asked last.
func (l *ledger) kinds() (kinds []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ev := range l.events {
		kinds = append(kinds, string(ev.Kind))
	}
	l.events = nil
	slices.Sort(kinds)
	return kinds
}

// counter mints identifiers in order.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) New(prefix string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return fmt.Sprintf("%s%06d", prefix, c.n)
}

// office is a surface on a store, with a client of the source okta.
type office struct {
	t      testing.TB
	ledger *ledger
	server *scim.Server
	token  string
	// registrar is the real one.
	registrar *kept
}

// kept is the real registrar; told are those of whom it was told, in order.
type kept struct {
	*directory.Registrar
	mu   sync.Mutex
	told []identity.Account
}

func (k *kept) Tell(tx store.Tx, enter func(access.Event) error, source string, a identity.Account) (access.Profile, error) {
	k.mu.Lock()
	k.told = append(k.told, a)
	k.mu.Unlock()
	return k.Registrar.Tell(tx, enter, source, a)
}

func newOffice(t testing.TB, s store.Store, clock access.Clock) *office {
	t.Helper()
	l := &ledger{Store: s}
	ids := &counter{}
	registrar := &kept{Registrar: directory.NewRegistrar(l, ids, tenant, func() *directory.Directory { return nil })}
	var sources []*scim.Source
	for _, c := range []scim.SourceConfig{
		{Name: "okta", Token: token, Attributes: map[string]string{
			"db_user": "userName", "mail": `emails[type eq "work"].value`, "team": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
		}},
		{Name: "entra", Token: strings.ToUpper(token)},
	} {
		src, err := scim.NewSource(tenant, c)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, src)
	}
	server := scim.New(scim.Config{
		Store: l, Books: l, Registrar: registrar, IDs: ids, Clock: clock, Tenant: tenant, URL: base + "/",
		Log: slog.New(slog.DiscardHandler), Sources: func() []*scim.Source { return sources },
	})
	return &office{t: t, ledger: l, server: server, token: token, registrar: registrar}
}

// inMemory is an office on a store in memory.
func inMemory(t testing.TB) *office {
	t.Helper()
	return newOffice(t, memstore.New(access.SystemClock{}), access.SystemClock{})
}

// onFile is an office on an SQLite file.
func onFile(t testing.TB) *office {
	t.Helper()
	s, err := sqlstore.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "books.db"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return newOffice(t, s, access.SystemClock{})
}

// onPostgres is an office on a PostgreSQL of its own.
func onPostgres(t testing.TB) *office {
	t.Helper()
	pg, err := localpeer.StartPostgres(t.Context(), localpeer.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Stop() })
	conn, err := pgx.Connect(t.Context(), pg.SuperuserDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), `CREATE ROLE curfew_store LOGIN PASSWORD 'secret'; CREATE SCHEMA curfew AUTHORIZATION curfew_store`)
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.OpenPostgres(t.Context(), pg.DSN("postgres", "curfew_store", "secret"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return newOffice(t, s, access.SystemClock{})
}

// onEach runs a test on every store.
func onEach(t *testing.T, test func(*testing.T, *office)) {
	for name, open := range map[string]func(testing.TB) *office{"memory": inMemory, "sqlite": onFile, "postgres": onPostgres} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// reply is an answer of the surface.
type reply struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

// call calls the surface. The address follows its prefix.
func (o *office) call(method, address string, body any, headers ...string) reply {
	o.t.Helper()
	var content []byte
	switch body := body.(type) {
	case nil:
	case string:
		content = []byte(body)
	default:
		var err error
		if content, err = json.Marshal(body); err != nil {
			o.t.Fatal(err)
		}
	}
	r := httptest.NewRequest(method, scim.Prefix+address, bytes.NewReader(content))
	r.Header.Set("Authorization", "Bearer "+o.token)
	r.Header.Set("Content-Type", "application/scim+json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	o.server.ServeHTTP(w, r)
	got := reply{status: w.Code, header: w.Header(), text: w.Body.String()}
	if got.text != "" {
		if err := json.Unmarshal(w.Body.Bytes(), &got.body); err != nil {
			o.t.Fatalf("%s %s answers %q: %v", method, address, got.text, err)
		}
	}
	return got
}

// must is call for what has this status.
func (o *office) must(status int, method, address string, body any, headers ...string) reply {
	o.t.Helper()
	got := o.call(method, address, body, headers...)
	if got.status != status {
		o.t.Fatalf("%s %s answers %d, want %d: %s", method, address, got.status, status, got.text)
	}
	return got
}

// id is the identifier of what was answered.
func (r reply) id() string {
	id, _ := r.body["id"].(string)
	return id
}

// at follows names and places into the answer.
func (r reply) at(path ...any) any {
	var v any = r.body
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := v.(map[string]any)
			v = object[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

// user makes a user and returns the id.
func (o *office) user(name string) string {
	o.t.Helper()
	return o.must(http.StatusCreated, "POST", "/Users", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": name}).id()
}

// group makes a group of members and returns its id.
func (o *office) group(name string, members ...string) string {
	o.t.Helper()
	list := []map[string]any{}
	for _, id := range members {
		list = append(list, map[string]any{"value": id})
	}
	return o.must(http.StatusCreated, "POST", "/Groups", map[string]any{"displayName": name, "members": list}).id()
}

// profile is what the directory knows of a user.
func (o *office) profile(id string) (p access.Profile) {
	o.t.Helper()
	err := o.ledger.View(context.Background(), func(tx store.Tx) (err error) {
		p, err = tx.Profiles().Get(tenant, access.PrincipalID{Issuer: "okta", Subject: id})
		return err
	})
	if err != nil {
		o.t.Fatalf("the profile of %s: %v", id, err)
	}
	return p
}

// wantGroups fails the test unless the directory has the user in these groups.
func (o *office) wantGroups(id string, want ...string) {
	o.t.Helper()
	for i := range want {
		want[i] = "okta/" + want[i]
	}
	if got := o.profile(id).Groups; !slices.Equal(got, want) {
		o.t.Errorf("%s is in %v, want %v", id, got, want)
	}
}

// patch is the body of a patch.
func patch(operations ...string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + strings.Join(operations, ",") + `]}`
}

// wantError fails the test unless the answer is an error of RFC 7644, section 3.12.
func (o *office) wantError(r reply, status int, scimType string) {
	o.t.Helper()
	kind, _ := r.body["scimType"].(string)
	if r.status != status || kind != scimType || r.body["detail"] == "" || r.body["status"] != fmt.Sprint(status) || r.header.Get("Content-Type") != "application/scim+json" {
		o.t.Errorf("the answer is %d %s, want %d %q", r.status, r.text, status, scimType)
	}
}

// stopped is a clock that somebody sets.
type stopped struct {
	mu  sync.Mutex
	now time.Time
}

func (c *stopped) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stopped) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
