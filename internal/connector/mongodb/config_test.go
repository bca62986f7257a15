package mongodb

import (
	"errors"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

func good() *Config {
	c, _ := Type().New().(*Config)
	c.URI = "env:X"
	c.Resources = map[string]Resource{"orders": {Permissions: map[string]Permission{"read": {Roles: []Role{{"read", "orders"}}}}}}
	return c
}

func TestConfig(t *testing.T) {
	roles := func(r ...Role) func(*Config) {
		return func(c *Config) { c.Resources["orders"].Permissions["read"] = Permission{Roles: r} }
	}
	const ofRead = "resources.orders.permissions.read.roles"
	for name, c := range map[string]struct {
		change func(*Config)
		field  string
	}{
		"good":                 {func(*Config) {}, ""},
		"a role of theirs":     {roles(Role{"orders reader", "orders"}, Role{"read", "billing"}), ""},
		"no URI":               {func(c *Config) { c.URI = "" }, "uri"},
		"no auth database":     {func(c *Config) { c.AuthDatabase = "" }, "auth_database"},
		"$external":            {func(c *Config) { c.AuthDatabase = "$external" }, "auth_database"},
		"connections":          {func(c *Config) { c.MaxConnections = 1001 }, "max_connections"},
		"no resources":         {func(c *Config) { c.Resources = nil }, "resources"},
		"no permissions":       {func(c *Config) { c.Resources["x"] = Resource{} }, "resources.x.permissions"},
		"no roles":             {roles(), ofRead},
		"many roles":           {roles(make([]Role, 33)...), ofRead},
		"a role twice":         {roles(Role{"read", "orders"}, Role{"read", "orders"}), ofRead + ".1"},
		"no name":              {roles(Role{"", "orders"}), ofRead + ".0"},
		"a long name":          {roles(Role{strings.Repeat("r", 201), "orders"}), ofRead + ".0"},
		"NUL":                  {roles(Role{"a\x00", "orders"}), ofRead + ".0"},
		"no database":          {roles(Role{"read", ""}), ofRead + ".0"},
		"a database of two":    {roles(Role{"read", "a.b"}), ofRead + ".0"},
		"a long database":      {roles(Role{"read", strings.Repeat("d", 64)}), ofRead + ".0"},
		"root":                 {roles(Role{"root", "admin"}), ofRead + ".0"},
		"userAdmin":            {roles(Role{"read", "orders"}, Role{"userAdmin", "orders"}), ofRead + ".1"},
		"userAdminAnyDatabase": {roles(Role{"userAdminAnyDatabase", "admin"}), ofRead + ".0"},
		"dbOwner":              {roles(Role{"dbOwner", "orders"}), ofRead + ".0"},
		"__system":             {roles(Role{"__system", "admin"}), ofRead + ".0"},
		"a permission's name": {
			func(c *Config) {
				c.Resources["orders"].Permissions["a b"] = Permission{Roles: []Role{{"read", "orders"}}}
			}, "resources.orders.permissions.a b",
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := good()
			c.change(config)
			wantField(t, config.Validate(), c.field)
		})
	}
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

// A connection string is read when the connector is opened. It never stands in an error.
func TestConnectionStrings(t *testing.T) {
	for name, c := range map[string]struct {
		uri  string
		good bool
	}{
		"loopback":             {"mongodb://curfew:canary@127.0.0.1:27017/", true},
		"loopback, version 6":  {"mongodb://curfew:canary@[::1]:27017/", true},
		"TLS":                  {"mongodb://curfew:canary@a.example,b.example/?replicaSet=rs0&tls=true", true},
		"clear text":           {"mongodb://curfew:canary@a.example/?replicaSet=rs0", false},
		"one in clear text":    {"mongodb://curfew:canary@127.0.0.1,a.example/?replicaSet=rs0", false},
		"TLS that trusts all":  {"mongodb://curfew:canary@a.example/?tls=true&tlsInsecure=true", false},
		"names from the DNS":   {"mongodb+srv://curfew:canary@a.example/", false},
		"nobody":               {"mongodb://127.0.0.1/?replicaSet=canary", false},
		"a certificate's user": {"mongodb://curfew@127.0.0.1/?authMechanism=MONGODB-X509&authSource=$external&x=canary", false},
		"another protocol":     {"postgres://curfew:canary@127.0.0.1/", false},
		"broken":               {"mongodb://curfew:canary@127.0.0.1:99999/", false},
		"an unknown mechanism": {"mongodb://curfew:canary@127.0.0.1/?authMechanism=canary", false},
	} {
		t.Run(name, func(t *testing.T) {
			config := good()
			config.URI = connectortest.SecretFile(t, c.uri)
			d, err := config.Open(connector.Env{Name: "orders-db", Clock: access.SystemClock{}})
			if c.good {
				wantField(t, err, "")
				if err := d.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			wantField(t, err, "uri")
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error repeats what must be secret: %v", err)
			}
		})
	}
}

// TestOtherMembersNeedTLS: a replica set that is found by a member on loopback has others elsewhere.
func TestOtherMembersNeedTLS(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:27017": true, "192.0.2.7:27017": false} {
		conn, err := loopbackDialer{}.DialContext(t.Context(), "udp", address) // which sends nothing
		if got := err == nil; got != want {
			t.Errorf("%s is reached without TLS: %t (%v)", address, got, err)
		}
		if conn != nil {
			_ = conn.Close()
		}
	}
}
