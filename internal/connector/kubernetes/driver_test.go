package kubernetes

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

// granted is access that a test has made.
type granted struct {
	order connector.Order
	plan  access.Plan
	out   connector.Outcome
}

// newOrder is an order of alice's for an hour, with a credential.
func newOrder(t testing.TB, e access.Entitlement) connector.Order {
	t.Helper()
	o := connectortest.NewOrder(time.Now(), e)
	o.Recipient = []byte("somebody")
	return o
}

func grant(t testing.TB, d connector.Driver, o connector.Order) granted {
	t.Helper()
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = d.Revoke(context.WithoutCancel(t.Context()), o, p) })
	out, err := d.Grant(t.Context(), o, p)
	if err != nil {
		t.Fatal(err)
	}
	return granted{o, p, out}
}

func wantKind(t testing.TB, err error, kind access.Kind, says string) {
	t.Helper()
	if err == nil || access.KindOf(err) != kind || !strings.Contains(access.SafeMessage(err), says) {
		t.Errorf("the error is %v, want one of kind %s that says %q", err, kind, says)
	}
}

// whereARoleHolds gives a ClusterRole in one namespace, a Role, and a ClusterRole everywhere.
func whereARoleHolds(t *testing.T, c *cluster) {
	d := c.open(t)
	for _, e := range []access.Entitlement{entitlement("orders", "read"), entitlement("orders", "debug"), entitlement(wholeCluster, "nodes")} {
		g := grant(t, d, newOrder(t, e))
		token := g.out.Credential.Password
		if err := c.reader(e, token).Use(t.Context()); err != nil {
			t.Errorf("%s: %v", e, err)
		}
		if e.Resource != wholeCluster {
			elsewhere := e
			elsewhere.Resource = "archive"
			if c.reader(elsewhere, token).Use(t.Context()) == nil {
				t.Errorf("%s can be used in another namespace", e)
			}
		}
		if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
			t.Errorf("Revoke of %s: %v", e, err)
		}
		if c.reader(e, token).Use(t.Context()) == nil {
			t.Errorf("%s can be used after Revoke", e)
		}
	}
	for _, e := range []access.Entitlement{
		entitlement("archive", "debug"), entitlement("orders", "nodes"), entitlement(wholeCluster, "read"),
		entitlement("kube-system", "read"), entitlement("curfew-accounts", "read"),
	} {
		if _, err := d.Prepare(t.Context(), newOrder(t, e)); err == nil {
			t.Errorf("%s can be asked for", e)
		}
	}
}

// kubeconfigOpens uses what kubectl is given: the address, the certificate and the token are in it, and the namespace.
func kubeconfigOpens(t *testing.T, c *cluster) {
	g := grant(t, c.open(t, func(config *Config) { config.UsersServer = "https://kubernetes.example.com" }), newOrder(t, entitlement("orders", "read")))
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
				CA     []byte `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct{ Token string } `json:"user"`
		} `json:"users"`
		Contexts []struct {
			Context struct{ Namespace string } `json:"context"`
		} `json:"contexts"`
	}
	if err := json.Unmarshal([]byte(g.out.Credential.Files["KUBECONFIG"]), &config); err != nil {
		t.Fatal(err)
	}
	cluster := config.Clusters[0].Cluster
	if cluster.Server != "https://kubernetes.example.com" || !strings.Contains(string(cluster.CA), "BEGIN CERTIFICATE") ||
		config.Users[0].User.Token != g.out.Credential.Password || config.Contexts[0].Context.Namespace != "orders" {
		t.Errorf("the configuration is %s", strings.ReplaceAll(g.out.Credential.Files["KUBECONFIG"], g.out.Credential.Password, "…"))
	}
}

// tokensExpire reads the expiry that the server signed, for lives on both sides of what servers do something special for.
func tokensExpire(t *testing.T, c *cluster) {
	d := c.open(t)
	for life, latest := range map[time.Duration]time.Duration{
		time.Minute: minTokenLife, minTokenLife + time.Second: minTokenLife + time.Second, prolonged: prolonged, prolonged + 500*time.Millisecond: prolonged + time.Second,
		24 * time.Hour: 24 * time.Hour,
	} {
		o := newOrder(t, entitlement("orders", "read"))
		o.Deadline = o.Start.Add(life)
		g := grant(t, d, o)
		expires, err := tokenExpiry(g.out.Credential.Password)
		if err != nil || !expires.Equal(g.out.NativeExpiry) || expires.Sub(o.Start) > latest+time.Second || expires.Sub(o.Start) < min(life, latest)-5*time.Second {
			t.Errorf("the token of a grant of %v expires after %v, and Grant says %v: %v", life, expires.Sub(o.Start), g.out.NativeExpiry.Sub(o.Start), err)
		}
		if life >= minTokenLife && expires.After(o.Deadline) {
			t.Errorf("the token of a grant of %v outlives it", life)
		}
	}
}

// anotherCluster finds itself at another cluster, whose namespace kube-system is another: nothing is made there, and nothing
// believed.
func anotherCluster(t *testing.T, c *cluster) {
	d := c.open(t)
	g := grant(t, d, newOrder(t, entitlement("orders", "read")))
	before := c.snapshot(t)
	v, err := decodePlan(g.plan)
	if err != nil {
		t.Fatal(err)
	}
	v.Cluster, v.Binding = "00000000-0000-0000-0000-000000000000", v.Binding+"x"
	elsewhere, err := v.encode()
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Grant(t.Context(), g.order, elsewhere)
	wantKind(t, err, access.KindMisconfigured, "another cluster")
	_, err = d.Observe(t.Context(), g.order, elsewhere)
	wantKind(t, err, access.KindMisconfigured, "another cluster")
	if after := c.snapshot(t); after != before {
		t.Error("something was changed at another cluster")
	}
}

// ownersObjectIsLeftAlone finds somebody else's binding in the place of a grant's own, and one that lost its mark.
func ownersObjectIsLeftAlone(t *testing.T, c *cluster) {
	d := c.open(t)
	const at = "/apis/" + rbacVersion + "/namespaces/orders/rolebindings"
	o := newOrder(t, entitlement("orders", "read"))
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c.must(t, http.MethodPost, at, binding{
		object: object{Metadata: metadata{Name: baseName(o)}}, RoleRef: roleRef{rbacGroup, kindClusterRole, "orders-read"}, Subjects: []subject{},
	})
	before := c.snapshot(t)
	_, err = d.Grant(t.Context(), o, p)
	wantKind(t, err, access.KindConflict, "is not this grant's")
	_, err = d.Revoke(t.Context(), o, p)
	wantKind(t, err, access.KindConflict, "does not bear its grant's mark")
	if presence, err := d.Observe(t.Context(), o, p); err != nil || presence.State() != connector.Unknown {
		t.Errorf("Observe says %s of somebody else's binding: %v", presence.State(), err)
	}
	k, _ := d.(*driver)
	if err := k.api.delete(t.Context(), path(at, baseName(o)), "00000000-0000-0000-0000-000000000000"); !answered(err, http.StatusConflict) {
		t.Errorf("a binding of another UID is deleted: %v", err)
	}
	if after := c.snapshot(t); after != before {
		t.Error("somebody else's binding was changed")
	}
}

// lateOrderGivesNothing has an order arrive whose binding was deleted, or deleted and made anew, after it was read.
func lateOrderGivesNothing(t *testing.T, c *cluster) {
	d, _ := c.open(t).(*driver)
	o := newOrder(t, entitlement("orders", "read"))
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	v, err := decodePlan(p)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := d.makeBinding(t.Context(), o, v)
	if err != nil {
		t.Fatal(err)
	}
	late := subject{Kind: kindServiceAccount, Name: "late", Namespace: v.Accounts}
	if _, err := d.Revoke(t.Context(), o, p); err != nil {
		t.Fatal(err)
	}
	if err := d.give(t.Context(), v, b, late, o.Deadline); !answered(err, http.StatusNotFound) {
		t.Errorf("a binding that is gone can be given: %v", err)
	}
	again, _, err := d.makeBinding(t.Context(), o, v)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.give(t.Context(), v, b, late, o.Deadline); access.KindOf(err) != access.KindConflict {
		t.Errorf("a binding that was made anew can be given: %v", err)
	}
	if err := d.give(t.Context(), v, again, late, o.Deadline); err != nil {
		t.Errorf("the binding itself cannot be given: %v", err)
	}
	if _, err := d.Revoke(t.Context(), o, p); err != nil {
		t.Fatal(err)
	}
}

// reissueRemovesTheAccountBefore leaves one account for each grant.
func reissueRemovesTheAccountBefore(t *testing.T, c *cluster) {
	d, _ := c.open(t).(*driver)
	g := grant(t, d, newOrder(t, entitlement("orders", "read")))
	g.order.Attempt++
	out, err := d.Grant(t.Context(), g.order, g.plan)
	if err != nil {
		t.Fatal(err)
	}
	v, err := decodePlan(g.plan)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for a, err := range d.accounts(t.Context(), v) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, a.subject().user())
	}
	if len(names) != 1 || names[0] != out.Credential.Username {
		t.Errorf("the accounts are %q, and the credential is %q", names, out.Credential.Username)
	}
}

// labelAloneIsNoMark leaves an account alone that has the label of a grant and no mark.
func labelAloneIsNoMark(t *testing.T, c *cluster) {
	d := c.open(t)
	g := grant(t, d, newOrder(t, entitlement("orders", "read")))
	owners := serviceAccount{object: object{Metadata: metadata{Name: "owners", Labels: map[string]string{labelGrant: string(g.order.Grant), labelManagedBy: managedBy}}}}
	c.must(t, http.MethodPost, accountsPath(defaultAccountsNamespace), owners)
	if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil {
		t.Fatal(err)
	}
	if presence, err := d.Observe(t.Context(), g.order, g.plan); err != nil || presence.State() != connector.Absent {
		t.Errorf("Observe says %s: %v", presence.State(), err)
	}
	if status, _ := c.try(t, http.MethodGet, path(accountsPath(defaultAccountsNamespace), "owners"), nil); status != http.StatusOK {
		t.Errorf("the owners' account is answered with %d", status)
	}
	for found, err := range d.List(t.Context()) {
		t.Errorf("List yields %+v, %v", found, err)
	}
}

// someNamespacesOnly gives Curfew's account its rights in one namespace, as the page says: that suffices for what is configured.
func someNamespacesOnly(t *testing.T, c *cluster) {
	c.blind(t)
	c.must(t, http.MethodPost, bindingsPath("orders"), binding{
		object: object{Metadata: metadata{Name: "curfew-bindings"}}, RoleRef: roleRef{rbacGroup, kindClusterRole, "curfew-bindings"},
		Subjects: []subject{{Kind: kindServiceAccount, Name: "curfew", Namespace: "default"}},
	})
	c.awaitUser(t, curfewUser, rbacGroup+"/rolebindings", true)
	d := c.open(t, func(config *Config) { config.Namespaces = []string{"orders"} })
	if _, err := d.Check(t.Context()); err != nil {
		t.Error(err)
	}
	g := grant(t, d, newOrder(t, entitlement("orders", "read")))
	found := 0
	for s, err := range d.List(t.Context()) {
		if err != nil || s.Mark != g.order.Mark {
			t.Errorf("List yields %+v, %v", s, err)
		}
		found++
	}
	if _, err := d.Revoke(t.Context(), g.order, g.plan); err != nil || found != 1 {
		t.Errorf("List yields %d, and Revoke %v", found, err)
	}
	_, err := c.open(t).Check(t.Context())
	wantKind(t, err, access.KindMisconfigured, "may not get rolebindings")
	if _, err := d.Prepare(t.Context(), newOrder(t, entitlement("archive", "read"))); err == nil {
		t.Error("another namespace can be asked for")
	}
}
