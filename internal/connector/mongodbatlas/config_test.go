package mongodbatlas

import (
	"errors"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/connector"
)

func TestConfig(t *testing.T) {
	roles := func(r ...Role) func(*Config) {
		return func(c *Config) { c.Resources["orders"].Permissions["read"] = Permission{Roles: r} }
	}
	const ofRead = "resources.orders.permissions.read.roles"
	for name, c := range map[string]struct {
		change func(*Config)
		field  string
	}{
		"good":               {func(*Config) {}, ""},
		"Atlas itself":       {func(c *Config) { c.URL = defaultURL }, ""},
		"nobody":             {func(c *Config) { c.ClientID = "" }, "client_id"},
		"no secret":          {func(c *Config) { c.ClientSecret = "" }, "client_secret"},
		"a project's name":   {func(c *Config) { c.Project = "orders" }, "project"},
		"a path as project":  {func(c *Config) { c.Project = "../../../../../../../a1b2" }, "project"},
		"no cluster":         {func(c *Config) { c.Cluster = "" }, "cluster"},
		"a path as cluster":  {func(c *Config) { c.Cluster = "../x" }, "cluster"},
		"no host":            {func(c *Config) { c.Host = "" }, "host"},
		"a host with a path": {func(c *Config) { c.Host = "a.example/x" }, "host"},
		"clear text":         {func(c *Config) { c.URL = "http://cloud.mongodb.com" }, "url"},
		"a URL with a path":  {func(c *Config) { c.URL = "https://a.example/x" }, "url"},
		"no resources":       {func(c *Config) { c.Resources = nil }, "resources"},
		"no permissions":     {func(c *Config) { c.Resources["x"] = Resource{} }, "resources.x.permissions"},
		"no roles":           {roles(), ofRead},
		"many roles":         {roles(make([]Role, 33)...), ofRead},
		"no database":        {roles(Role{"read", ""}), ofRead + ".0"},
		"atlasAdmin":         {roles(Role{"read", "orders"}, Role{"atlasAdmin", "admin"}), ofRead + ".1"},
		"a role twice":       {roles(Role{"read", "orders"}, Role{"read", "orders"}), ofRead + ".1"},
	} {
		t.Run(name, func(t *testing.T) {
			config := config(t, "http://127.0.0.1:1")
			c.change(config)
			err := config.Validate()
			var field *connector.FieldError
			errors.As(err, &field)
			switch {
			case c.field == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.field != "" && (field == nil || strings.Join(field.Path, ".") != c.field):
				t.Errorf("the error is %v, want one of the field %s", err, c.field)
			}
		})
	}
}
