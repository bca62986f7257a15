package mongodbatlas

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/relaytest"
)

func config(t testing.TB, url string) *Config {
	t.Helper()
	c, _ := Type().New().(*Config)
	c.ClientID, c.ClientSecret, c.Project, c.Cluster, c.Host, c.URL = clientID, connectortest.SecretFile(t, canary), project, cluster, "cluster0.ab1cd.mongodb.net", url
	c.Resources = map[string]Resource{
		"orders":  {Permissions: map[string]Permission{"read": {Roles: []Role{{"read", "orders"}}}}},
		"billing": {Permissions: map[string]Permission{"read": {Roles: []Role{{"read", "billing"}}}}},
	}
	return c
}

func (e *emulated) open(t testing.TB, url string) *driver {
	t.Helper()
	return connectortest.Open(t, "orders-db", e.clock, config(t, url)).(*driver)
}

// login is somebody who logs in to the cluster anew with each use: an emulated cluster has no connections.
type login struct {
	*emulated
	name, password, db string
}

func (l *login) Use(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire()
	u, there := l.logins[l.name]
	may := slices.ContainsFunc(u.Roles, func(r role) bool { return r.Database == l.db })
	if !there || u.Password != l.password || !may || !slices.Equal(u.Scopes, []scope{{Name: cluster, Type: "CLUSTER"}}) {
		return connectortest.ErrRefused
	}
	return nil
}

func (l *login) Close() {}

func (e *emulated) snapshot(_ testing.TB, without ...access.Mark) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.expire()
	var lines []string
	for _, u := range e.users {
		if !slices.Contains(without, u.mark()) {
			text, _ := json.Marshal(u) //nolint:errchkjson // it is a struct
			lines = append(lines, string(text))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (e *emulated) put(u user) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users[u.Username] = u
	e.changed()
}

func (e *emulated) take(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.users, name)
	e.changed()
}

// set changes the server under its lock.
func (e *emulated) set(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

// TestLawOnEmulatedAtlas holds the driver to the law of all drivers.
func TestLawOnEmulatedAtlas(t *testing.T) {
	e, server := startEmulated(t)
	e.put(user{Username: "bob", Database: authDatabase, Password: "his own", Roles: []role{{"orders", "read"}}, Scopes: []scope{{cluster, "CLUSTER"}}, Labels: []label{{"team", "ours"}}})
	relay := relaytest.NewDisturber(t, strings.TrimPrefix(server.URL, "http://"))
	connectortest.Run(t, &connectortest.Harness{
		Open:        func(t testing.TB) connector.Driver { return e.open(t, "http://"+relay.Addr()) },
		Traits:      traits(),
		Clock:       e.clock,
		Entitlement: access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "read"},
		Another:     access.Entitlement{Connector: "orders-db", Resource: "billing", Permission: "read"},
		Login: func(_ context.Context, of access.Entitlement, c access.Credential) (connectortest.Session, error) {
			l := &login{e, c.Username, c.Password, of.Resource}
			return l, l.Use(t.Context())
		},
		Snapshot: e.snapshot,
		WaitPast: func(_ testing.TB, at time.Time) { e.clock.pass(at) },
		Blind: func(testing.TB) func() {
			e.set(func() { e.blind = true })
			return func() { e.set(func() { e.blind = false }) }
		},
		MakeForeign: func(t testing.TB, mark access.Mark) {
			e.put(user{Username: "curfew_elsewhere", Database: authDatabase, Labels: []label{{"curfew", string(mark)}}, Roles: []role{{"orders", "read"}}, Scopes: []scope{{cluster, "CLUSTER"}}})
			t.Cleanup(func() { e.take("curfew_elsewhere") })
		},
		Standing:  func(testing.TB) connectortest.Session { return &login{e, "bob", "his own", "orders"} },
		Interrupt: relay.Arm(true), Stall: relay.Arm(false), Points: relaytest.Points,
		Without: map[connectortest.Capability]string{connectortest.MakeObject: "what a user makes belongs to the database"},
	})
}

func order(e *emulated) connector.Order {
	o := connectortest.NewOrder(e.clock.Now(), access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "read"})
	o.Recipient = []byte("a key")
	return o
}

func give(t *testing.T, d *driver, o connector.Order) access.Plan {
	t.Helper()
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Grant(t.Context(), o, p); err != nil {
		t.Fatal(err)
	}
	return p
}

func wantState(t *testing.T, d *driver, p access.Plan, want connector.AtomState) {
	t.Helper()
	presence, err := d.Observe(t.Context(), connector.Order{}, p)
	if err != nil || presence.State() != want {
		t.Errorf("Observe: %+v, %v; want %s", presence, err, want)
	}
}

func wantKind(t *testing.T, err error, want access.Kind) {
	t.Helper()
	if err == nil || access.KindOf(err) != want {
		t.Errorf("the error is %v (%s), want one of kind %s", err, access.KindOf(err), want)
	}
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Errorf("the error holds the secret: %v", err)
	}
}

// A cluster takes over a removal later than the project has it. Until then nobody knows.
func TestRemovalIsTakenOverLater(t *testing.T) {
	e, server := startEmulated(t)
	d := e.open(t, server.URL)
	p := give(t, d, order(e))
	e.set(func() { e.delay = time.Minute })
	if _, err := d.Revoke(t.Context(), connector.Order{}, p); err != nil {
		t.Fatal(err)
	}
	wantState(t, d, p, connector.Unknown)
	e.clock.pass(e.clock.Now().Add(time.Minute))
	wantState(t, d, p, connector.Absent)
}

// A list that does not have all users proves of none that it is gone.
func TestListIsCutShort(t *testing.T) {
	e, server := startEmulated(t)
	d := e.open(t, server.URL)
	p := give(t, d, order(e))
	e.set(func() { e.hidden = 1 })
	_, err := d.Observe(t.Context(), connector.Order{}, p)
	wantKind(t, err, access.KindUnavailable)
	e.set(func() { e.hidden = 0 })
	wantState(t, d, p, connector.Present)
}

// TestFaults has Atlas fail in each of its ways, and in the middle of what it was asked for.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault fault
		want  access.Kind
	}{
		"too many calls":      {fault{http.MethodPost, http.StatusTooManyRequests, http.Header{"Retry-After": {"17"}}, false}, access.KindExhausted},
		"broken":              {fault{http.MethodPost, http.StatusInternalServerError, nil, false}, access.KindUnavailable},
		"broken half-way":     {fault{http.MethodPost, http.StatusInternalServerError, nil, true}, access.KindUnavailable},
		"away":                {fault{http.MethodGet, http.StatusServiceUnavailable, nil, false}, access.KindUnavailable},
		"removal half-way":    {fault{http.MethodDelete, http.StatusInternalServerError, nil, true}, access.KindUnavailable},
		"removal, too many":   {fault{http.MethodDelete, http.StatusTooManyRequests, http.Header{"Retry-After": {"17"}}, false}, access.KindExhausted},
		"a role is not there": {fault{http.MethodPost, http.StatusBadRequest, nil, false}, access.KindInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			e, server := startEmulated(t)
			d := e.open(t, server.URL)
			o := order(e)
			p, err := d.Prepare(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			e.set(func() { e.faults = []fault{c.fault} })
			_, granting := d.Grant(t.Context(), o, p)
			_, removing := d.Revoke(t.Context(), o, p)
			if c.fault.method == http.MethodDelete {
				wantKind(t, removing, c.want)
			} else {
				wantKind(t, granting, c.want)
			}
			if c.want == access.KindExhausted && !strings.Contains(fmt.Sprint(granting, removing), "17s") {
				t.Errorf("nobody says when to come again: %v, %v", granting, removing)
			}
			if _, err := d.Revoke(t.Context(), o, p); err != nil {
				t.Error(err)
			}
			wantState(t, d, p, connector.Absent)
			if s := e.snapshot(t); s != "" {
				t.Errorf("left is %s", s)
			}
		})
	}
}

// Tokens end, and are taken back.
func TestTokens(t *testing.T) {
	e, server := startEmulated(t)
	d := e.open(t, server.URL)
	p := give(t, d, order(e))
	e.set(func() { clear(e.tokens) })
	wantState(t, d, p, connector.Present)
	c := config(t, server.URL)
	c.ClientID = "mdb_sa_id_of_nobody"
	other, err := c.Open(connector.Env{Name: "orders-db", Clock: e.clock})
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.Check(t.Context())
	wantKind(t, err, access.KindMisconfigured)
}

// What Atlas bounds is refused with a sentence.
func TestLimits(t *testing.T) {
	e, server := startEmulated(t)
	d := e.open(t, server.URL)
	o := order(e)
	o.Deadline = o.Start.Add(8 * 24 * time.Hour)
	_, err := d.Prepare(t.Context(), o)
	wantKind(t, err, access.KindInvalid)
	e.set(func() { e.limit = 1 })
	give(t, d, order(e))
	o = order(e)
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Grant(t.Context(), o, p)
	wantKind(t, err, access.KindExhausted)
}

// A project or a cluster that is not there is no proof that a user is not.
func TestAnotherProject(t *testing.T) {
	e, server := startEmulated(t)
	d := e.open(t, server.URL)
	p := give(t, d, order(e))
	for name, change := range map[string]func(*Config){
		"project": func(c *Config) { c.Project = "aaaaaaaaaaaaaaaaaaaaaaaa" }, "cluster": func(c *Config) { c.Cluster = "Another" },
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, server.URL)
			change(c)
			other, err := c.Open(connector.Env{Name: "orders-db", Clock: e.clock})
			if err != nil {
				t.Fatal(err)
			}
			_, err = other.Check(t.Context())
			wantKind(t, err, access.KindMisconfigured)
			if c.Project == project {
				return
			}
			_, err = other.Observe(t.Context(), connector.Order{}, p)
			wantKind(t, err, access.KindMisconfigured)
		})
	}
}

// A user whose roles or clusters somebody has changed is given those of the plan.
func TestChangedUser(t *testing.T) {
	e, server := startEmulated(t)
	d := e.open(t, server.URL)
	o := order(e)
	p := give(t, d, o)
	v, err := d.plan(p)
	if err != nil {
		t.Fatal(err)
	}
	e.set(func() {
		u := e.users[v.User]
		u.Roles, u.Scopes = []role{{"orders", "readWrite"}}, []scope{{"Another", "CLUSTER"}}
		e.users[v.User] = u
	})
	if _, err := d.Grant(t.Context(), o, p); err != nil {
		t.Fatal(err)
	}
	u, there, err := d.find(t.Context(), v.User)
	if err != nil || !there || !slices.Equal(u.Roles, v.roles()) || !slices.Equal(u.Scopes, v.scopes()) {
		t.Errorf("the user is %+v, %t, %v", u, there, err)
	}
}

// A user who is there by the name of a grant and is not that grant's is not touched, and proves nothing.
func TestSomebodyElsesUser(t *testing.T) {
	e, server := startEmulated(t)
	d := e.open(t, server.URL)
	o := order(e)
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.plan(p)
	if err != nil {
		t.Fatal(err)
	}
	e.put(user{Username: v.User, Database: authDatabase, Password: "somebody's own", Labels: []label{{"curfew", "another mark"}}, Roles: v.roles(), Scopes: v.scopes()})
	before := e.snapshot(t)
	_, err = d.Grant(t.Context(), o, p)
	wantKind(t, err, access.KindConflict)
	wantKind(t, d.Extend(t.Context(), o, p), access.KindConflict)
	_, err = d.Revoke(t.Context(), o, p)
	wantKind(t, err, access.KindConflict)
	wantState(t, d, p, connector.Unknown)
	if e.snapshot(t) != before {
		t.Error("the user has changed")
	}
}
