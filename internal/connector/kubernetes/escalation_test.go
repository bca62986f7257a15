package kubernetes

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

func TestEscalations(t *testing.T) {
	r := func(verbs, group, resources string) rule {
		return rule{Verbs: strings.Fields(verbs), APIGroups: []string{group}, Resources: strings.Fields(resources)}
	}
	for name, c := range map[string]struct {
		rule      rule
		namespace string
		says      string // nothing: it is no escalation
	}{
		"reading":                           {r("get list watch", "", "pods configmaps"), "orders", ""},
		"reading secrets":                   {r("get", "", "secrets"), "orders", "tokens of other accounts"},
		"reading secrets of controllers":    {r("get", "", "secrets"), "kube-system", "tokens of other accounts"},
		"reading all secrets":               {r("list", "", "secrets"), "", "tokens of other accounts"},
		"reading everything everywhere":     {r("get list", "*", "*"), "", "read secrets"},
		"reading everything in a namespace": {r("list watch", "*", "*"), "orders", "read secrets"},
		"writing settings":                  {r("update", "", "configmaps"), "orders", ""},
		"writing settings of controllers":   {r("update", "", "configmaps"), "kube-system", "controllers go by"},
		"writing all settings":              {r("patch", "", "configmaps"), "", "controllers go by"},
		"making volumes":                    {r("create", "", "persistentvolumes"), "", "files of a node"},
		"claiming volumes":                  {r("create", "", "persistentvolumeclaims"), "orders", ""},
		"making secrets":                    {r("create", "", "secrets"), "orders", "never expire"},
		"binding":                           {r("bind", rbacGroup, "clusterroles"), "orders", "any role"},
		"escalating":                        {r("escalate", rbacGroup, "roles"), "orders", "any role"},
		"writing bindings":                  {r("create", rbacGroup, "rolebindings"), "orders", "outlive the grant"},
		"acting as somebody":                {r("impersonate", "", "users"), "", "somebody else"},
		"acting as an account":              {r("impersonate", "", "serviceaccounts"), "orders", "somebody else"},
		"acting with a scope":               {r("impersonate", "authentication.k8s.io", "userextras/scopes"), "", "somebody else"},
		"acting with any scope":             {r("impersonate", "authentication.k8s.io", "*/scopes"), "", "somebody else"},
		"a subresource of something else":   {r("create", "", "widgets/token"), "orders", ""},
		"making tokens":                     {r("create", "", "serviceaccounts/token"), "orders", "tokens of other accounts"},
		"making tokens by a wildcard":       {r("create", "", "*/token"), "orders", "tokens of other accounts"},
		"running pods":                      {r("create", "", "pods"), "orders", "run pods"},
		"changing deployments":              {r("patch", "apps", "deployments"), "orders", "run pods"},
		"scaling deployments":               {r("patch", "apps", "deployments/scale"), "orders", ""},
		"deleting pods":                     {r("delete", "", "pods"), "orders", ""},
		"commands in pods":                  {r("create", "", "pods/exec"), "orders", "run commands"},
		"every verb on one thing":           {r("*", "", "configmaps"), "orders", "every verb"},
		"every resource":                    {r("create", "*", "*"), "orders", "run pods"},
		"another group's resource":          {r("create", "example.com", "pods"), "orders", ""},
	} {
		t.Run(name, func(t *testing.T) {
			how := strings.Join(escalations([]rule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz"}}, c.rule}, c.namespace), "; ")
			if (c.says == "") != (how == "") || !strings.Contains(how, c.says) {
				t.Errorf("it is said of it %q, want %q", how, c.says)
			}
		})
	}
}

// escalatingRolesAreRefused finds a role that was widened after the configuration was written: it can be neither discovered
// nor asked for, and Check says why, unless the configuration allows it.
func escalatingRolesAreRefused(t *testing.T, c *cluster) {
	strict := c.open(t)
	lax := c.open(t, func(config *Config) {
		config.Permissions["restart"] = Permission{ClusterRole: "orders-restart", AllowEscalation: true}
	})
	if _, err := strict.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.must(t, http.MethodPatch, "/apis/"+rbacVersion+"/clusterroles/orders-restart", map[string]any{"rules": []rule{
		{Verbs: []string{"create"}, APIGroups: []string{""}, Resources: []string{"pods"}, ResourceNames: []string{}, NonResourceURLs: []string{}},
	}})
	_, err := strict.Check(t.Context())
	wantKind(t, err, access.KindMisconfigured, "run pods")
	_, err = strict.Prepare(t.Context(), newOrder(t, entitlement("orders", "restart")))
	wantKind(t, err, access.KindMisconfigured, "allow_escalation")
	for r, err := range strict.Discover(t.Context()) {
		if err != nil || slices.Contains(r.Permissions, "restart") || r.Name == "orders" && !slices.Contains(r.Permissions, "read") {
			t.Errorf("on %s can be asked for %q: %v", r.Name, r.Permissions, err)
		}
	}
	if _, err := lax.Check(t.Context()); err != nil {
		t.Errorf("where it is allowed: %v", err)
	}
	if _, err := lax.Prepare(t.Context(), newOrder(t, entitlement("orders", "restart"))); err != nil {
		t.Errorf("where it is allowed: %v", err)
	}
}

// checkNamesWhatIsMissing takes from Curfew's account, or from the cluster, what the configuration needs.
func checkNamesWhatIsMissing(t *testing.T, c *cluster) {
	_, err := c.open(t, func(config *Config) { config.Permissions["gone"] = Permission{ClusterRole: "gone"} }).Check(t.Context())
	wantKind(t, err, access.KindMisconfigured, `ClusterRole "gone"`)
	_, err = c.open(t, func(config *Config) { config.Permissions["gone"] = Permission{Role: "gone"} }).Check(t.Context())
	wantKind(t, err, access.KindMisconfigured, `Role "gone"`)
	_, err = c.open(t, func(config *Config) { config.AccountsNamespace = "elsewhere" }).Check(t.Context())
	wantKind(t, err, access.KindMisconfigured, "may not get serviceaccounts")
	_, err = c.open(t, func(config *Config) { config.TokenFile += "-gone" }).Check(t.Context())
	wantKind(t, err, access.KindMisconfigured, "token_file")
	d := c.open(t)
	back := c.blind(t)
	defer back()
	_, err = d.Check(t.Context())
	wantKind(t, err, access.KindMisconfigured, "may not get rolebindings")
}
