package postgres

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

func TestConfigValidate(t *testing.T) {
	good := func() *Config {
		c, _ := Type().New().(*Config)
		c.DSN = "env:DSN"
		c.Permissions = map[string]Permission{"read": {Roles: []string{"orders_read"}}}
		return c
	}
	if err := good().Validate(); err != nil {
		t.Fatalf("the good configuration: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		path   string
	}{
		"no dsn":                      {func(c *Config) { c.DSN = "" }, "dsn"},
		"no permission":               {func(c *Config) { c.Permissions = nil }, "permissions"},
		"a permission without roles":  {func(c *Config) { c.Permissions["read"] = Permission{} }, "permissions.read.roles"},
		"an odd permission":           {func(c *Config) { c.Permissions["re ad"] = Permission{Roles: []string{"a"}} }, "permissions.re ad"},
		"an empty role":               {func(c *Config) { c.Permissions["read"] = Permission{Roles: []string{"a", ""}} }, "permissions.read.roles.1"},
		"a role twice":                {func(c *Config) { c.Permissions["read"] = Permission{Roles: []string{"a", "a"}} }, "permissions.read.roles.1"},
		"a role of 64 bytes":          {func(c *Config) { c.Permissions["read"] = Permission{Roles: []string{strings.Repeat("a", 64)}} }, "permissions.read.roles.0"},
		"a role with NUL":             {func(c *Config) { c.Permissions["read"] = Permission{Roles: []string{"a\x00"}} }, "permissions.read.roles.0"},
		"an empty database":           {func(c *Config) { c.Databases = []string{"a", ""} }, "databases.1"},
		"an unprintable database":     {func(c *Config) { c.Databases = []string{"a\u202eb"} }, "databases.0"},
		"unknown objects":             {func(c *Config) { c.Objects = "keep" }, "objects"},
		"an owner with drop":          {func(c *Config) { c.ObjectsOwner = "x" }, "objects_owner"},
		"reassign without owner":      {func(c *Config) { c.Objects = ReassignObjects }, "objects_owner"},
		"an owner that is a group":    {func(c *Config) { c.Objects, c.ObjectsOwner = ReassignObjects, "orders_read" }, "objects_owner"},
		"no iterations":               {func(c *Config) { c.Iterations = 0 }, "scram_iterations"},
		"too many iterations":         {func(c *Config) { c.Iterations = 1_000_001 }, "scram_iterations"},
		"no connections":              {func(c *Config) { c.MaxConnections = 0 }, "max_connections"},
		"more connections than seems": {func(c *Config) { c.MaxConnections = 1001 }, "max_connections"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good()
			c.change(config)
			var field *connector.FieldError
			if err := config.Validate(); !errors.As(err, &field) || strings.Join(field.Path, ".") != c.path {
				t.Errorf("the error is %v, want one at %s", err, c.path)
			}
		})
	}
}

// TestOpenNeverShowsTheConnectionString: a parser's error quotes its text.
func TestOpenNeverShowsTheConnectionString(t *testing.T) {
	for _, dsn := range []string{"postgres://curfew:hunter2@host:notaport/db", "password=hunter2 nonsense", "host=x port=hunter2"} {
		t.Setenv("CURFEW_TEST_DSN", dsn)
		c := &Config{DSN: secret.Ref("env:CURFEW_TEST_DSN"), MaxConnections: 1}
		_, err := c.Open(connector.Env{Name: "orders-db", Clock: access.SystemClock{}})
		var field *connector.FieldError
		if !errors.As(err, &field) || !slices.Equal(field.Path, []string{"dsn"}) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// TestOpenDoesNotConnect: a server that is not there is told by the first call.
func TestOpenDoesNotConnect(t *testing.T) {
	t.Setenv("CURFEW_TEST_DSN", "postgres://curfew:hunter2@127.0.0.1:1/postgres")
	c, _ := Type().New().(*Config)
	c.DSN = secret.Ref("env:CURFEW_TEST_DSN")
	d, err := c.Open(connector.Env{Name: "orders-db", Clock: access.SystemClock{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	_, err = d.Check(t.Context())
	wantKind(t, err, access.KindUnavailable, "orders-db")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows the password: %v", err)
	}
}
