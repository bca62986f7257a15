package kubernetes

import (
	"errors"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/connector"
)

func TestValidate(t *testing.T) {
	good := func() *Config {
		c, _ := Type().New().(*Config)
		c.Permissions = map[string]Permission{"view": {ClusterRole: "view"}}
		return c
	}
	permission := func(p Permission) func(*Config) { return func(c *Config) { c.Permissions["view"] = p } }
	for name, c := range map[string]struct {
		change func(*Config)
		field  string // none: it is accepted
	}{
		"in a pod":                      {func(*Config) {}, ""},
		"elsewhere":                     {func(c *Config) { c.Server = "https://10.0.0.1:6443" }, ""},
		"on loopback without TLS":       {func(c *Config) { c.Server = "http://127.0.0.1:8001" }, ""},
		"without TLS":                   {func(c *Config) { c.Server = "http://10.0.0.1:8001" }, "server"},
		"a name that may be loopback":   {func(c *Config) { c.Server = "http://localhost:8001" }, "server"},
		"another protocol":              {func(c *Config) { c.Server = "ftp://example.com" }, "server"},
		"a password in the address":     {func(c *Config) { c.Server = "https://a:b@example.com" }, "server"},
		"people without TLS":            {func(c *Config) { c.UsersServer = "http://example.com" }, "users_server"},
		"no token":                      {func(c *Config) { c.TokenFile = "" }, "token_file"},
		"no namespace for accounts":     {func(c *Config) { c.AccountsNamespace = "" }, "accounts_namespace"},
		"accounts in a path":            {func(c *Config) { c.AccountsNamespace = "a/b" }, "accounts_namespace"},
		"the accounts can be asked for": {func(c *Config) { c.Namespaces = []string{defaultAccountsNamespace} }, "namespaces.0"},
		"no namespace":                  {func(c *Config) { c.Namespaces = []string{"orders", "Orders"} }, "namespaces.1"},
		"a long namespace":              {func(c *Config) { c.Namespaces = []string{strings.Repeat("a", 64)} }, "namespaces.0"},
		"a namespace twice":             {func(c *Config) { c.Namespaces = []string{"orders", "orders"} }, "namespaces.1"},
		"many namespaces":               {func(c *Config) { c.Namespaces = make([]string, maxNamespaces+1) }, "namespaces"},
		"no connections":                {func(c *Config) { c.MaxConnections = 0 }, "max_connections"},
		"many connections":              {func(c *Config) { c.MaxConnections = maxMaxConnections + 1 }, "max_connections"},
		"no permissions":                {func(c *Config) { c.Permissions = nil }, "permissions"},
		"a permission nobody can name":  {func(c *Config) { c.Permissions["a:b"] = Permission{ClusterRole: "view"} }, "permissions.a:b"},
		"no role":                       {permission(Permission{}), "permissions.view"},
		"two roles":                     {permission(Permission{Role: "a", ClusterRole: "b"}), "permissions.view"},
		"a Role everywhere":             {permission(Permission{Role: "a", WholeCluster: true}), "permissions.view.whole_cluster"},
		"a ClusterRole everywhere":      {permission(Permission{ClusterRole: "a", WholeCluster: true}), ""},
		"a role with colons":            {permission(Permission{ClusterRole: "system:aggregate-to-view"}), ""},
		"a role in a path":              {permission(Permission{ClusterRole: "a/b"}), "permissions.view.cluster_role"},
		"a role above":                  {permission(Permission{Role: ".."}), "permissions.view.role"},
		"a long role":                   {permission(Permission{Role: strings.Repeat("a", maxName+1)}), "permissions.view.role"},
		"a role with a newline":         {permission(Permission{Role: "a\nb"}), "permissions.view.role"},
		"the administrators' role":      {permission(Permission{ClusterRole: "cluster-admin", AllowEscalation: true}), "permissions.view.cluster_role"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good()
			c.change(config)
			wantField(t, config.Validate(), c.field)
		})
	}
}

// TestValidateUsers: what both types have is checked for both.
func TestValidateUsers(t *testing.T) {
	c, _ := UserType().New().(*UserConfig)
	wantField(t, c.Validate(), "permissions")
	c.Permissions = map[string]Permission{"view": {ClusterRole: "view"}}
	wantField(t, c.Validate(), "")
	c.Server = "http://example.com"
	wantField(t, c.Validate(), "server")
}

func wantField(t *testing.T, err error, want string) {
	t.Helper()
	var field *connector.FieldError
	errors.As(err, &field)
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && (field == nil || strings.Join(field.Path, ".") != want):
		t.Errorf("the error is %v, want one of the field %s", err, want)
	}
}
