package mysql

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/connector"
)

func good() *Config {
	c, _ := Type().New().(*Config)
	c.Address, c.User, c.Password = "db.example.com:3306", "curfew", "env:X"
	c.Permissions = map[string]Permission{"read": {Role: "orders_read"}}
	return c
}

func TestConfig(t *testing.T) {
	permission := func(p Permission) func(*Config) {
		return func(c *Config) { c.Permissions["read"] = p }
	}
	for name, c := range map[string]struct {
		change func(*Config)
		field  string
	}{
		"good":                 {func(*Config) {}, ""},
		"a socket":             {func(c *Config) { c.Address = "/run/mysqld/mysqld.sock" }, ""},
		"no address":           {func(c *Config) { c.Address = "" }, "address"},
		"no port":              {func(c *Config) { c.Address = "db.example.com" }, "address"},
		"no host":              {func(c *Config) { c.Address = ":3306" }, "address"},
		"no user":              {func(c *Config) { c.User = "" }, "user"},
		"no password":          {func(c *Config) { c.Password = "" }, "password"},
		"observer":             {func(c *Config) { c.Observer = &Account{"o", "env:Y"} }, ""},
		"observer, no one":     {func(c *Config) { c.Observer = &Account{"", "env:Y"} }, "observer.user"},
		"observer, no word":    {func(c *Config) { c.Observer = &Account{"o", ""} }, "observer.password"},
		"Curfew's own schema":  {func(c *Config) { c.Databases = []string{"orders", "Curfew"} }, "databases.1"},
		"the server's own":     {func(c *Config) { c.Databases = []string{"mysql"} }, "databases.0"},
		"account host":         {func(c *Config) { c.AccountHost = "10.0.%" }, ""},
		"a quote in it":        {func(c *Config) { c.AccountHost = "`" }, "account_host"},
		"no account host":      {func(c *Config) { c.AccountHost = "" }, "account_host"},
		"definer objects":      {func(c *Config) { c.DefinerObjects = "drop" }, "definer_objects"},
		"no sessions":          {func(c *Config) { c.UserConnections = 0 }, "user_connections"},
		"many connections":     {func(c *Config) { c.MaxConnections = 101 }, "max_connections"},
		"no permissions":       {func(c *Config) { c.Permissions = nil }, "permissions"},
		"a permission's name":  {func(c *Config) { c.Permissions["a b"] = Permission{Role: "x"} }, "permissions.a b"},
		"nothing":              {permission(Permission{}), "permissions.read"},
		"both":                 {permission(Permission{Role: "r", Privileges: []string{"SELECT"}}), "permissions.read"},
		"a role with tables":   {permission(Permission{Role: "r", Tables: []string{"t"}}), "permissions.read.tables"},
		"a space at the end":   {permission(Permission{Role: "r "}), "permissions.read.role"},
		"a role's name":        {permission(Permission{Role: strings.Repeat("r", 33)}), "permissions.read.role"},
		"privileges":           {permission(Permission{Privileges: []string{"SELECT", "SHOW VIEW"}, Tables: []string{"a`b"}}), ""},
		"small letters":        {permission(Permission{Privileges: []string{"select"}}), "permissions.read.privileges.0"},
		"twice":                {permission(Permission{Privileges: []string{"SELECT", "SELECT"}}), "permissions.read.privileges.1"},
		"handing on":           {permission(Permission{Privileges: []string{"GRANT OPTION"}}), "permissions.read.privileges.0"},
		"a statement":          {permission(Permission{Privileges: []string{"SELECT ON *.* TO x; --"}}), "permissions.read.privileges.0"},
		"a trigger":            {permission(Permission{Privileges: []string{"TRIGGER"}}), "permissions.read.privileges.0"},
		"a trigger, allowed":   {permission(Permission{Privileges: []string{"TRIGGER"}, Allow: []string{"TRIGGER"}}), ""},
		"global, on databases": {permission(Permission{Privileges: []string{"FILE"}, Allow: []string{"FILE"}}), "permissions.read.privileges.0"},
		"allow what lasts":     {permission(Permission{Role: "r", Allow: []string{"SUPER"}}), "permissions.read.allow.0"},
		"allow replaying":      {permission(Permission{Role: "r", Allow: []string{"BINLOG REPLAY"}}), "permissions.read.allow.0"},
		"allow no privilege":   {permission(Permission{Role: "r", Allow: []string{"FILE;"}}), "permissions.read.allow.0"},
		"a table's name":       {permission(Permission{Privileges: []string{"SELECT"}, Tables: []string{"t\x00"}}), "permissions.read.tables.0"},
		"many tables": {
			permission(Permission{Privileges: []string{"SELECT"}, Tables: slices.Repeat([]string{"t"}, 65)}), "permissions.read.tables",
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := good()
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

// TestPlain: only a way that stays on the machine goes without.
func TestPlain(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:3306": true, "[::1]:3306": true, "/run/mysqld/mysqld.sock": true, "localhost:3306": false, "10.0.0.1:3306": false, "db.example.com:3306": false,
	} {
		c := good()
		c.Address = address
		if got := c.plain(); got != want {
			t.Errorf("%s goes without TLS: %t, want %t", address, got, want)
		}
		c.CAFile = "ca.pem"
		if c.plain() {
			t.Errorf("%s goes without TLS though there are certificates to check", address)
		}
	}
}
