package ldap

import (
	"errors"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/connector"
)

func good() *Config {
	c, _ := Type().New().(*Config)
	c.URL, c.BindDN, c.Password, c.Base = "ldaps://ldap.example.com", "cn=curfew,dc=example,dc=com", "env:X", "dc=example,dc=com"
	c.Resources = map[string]Resource{"payroll": {Permissions: map[string]Permission{"read": {Groups: []string{"cn=a,dc=example,dc=com"}}}}}
	return c
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		field  string
	}{
		"good":                    {func(*Config) {}, ""},
		"StartTLS":                {func(c *Config) { c.URL, c.StartTLS = "ldap://ldap.example.com:1389", true }, ""},
		"loopback":                {func(c *Config) { c.URL = "ldap://127.0.0.1:1389" }, ""},
		"loopback, version 6":     {func(c *Config) { c.URL = "ldap://[::1]:1389" }, ""},
		"no URL":                  {func(c *Config) { c.URL = "" }, "url"},
		"clear text":              {func(c *Config) { c.URL = "ldap://ldap.example.com" }, "url"},
		"clear text to localhost": {func(c *Config) { c.URL = "ldap://localhost" }, "url"},
		"another protocol":        {func(c *Config) { c.URL = "https://ldap.example.com" }, "url"},
		"a password in it":        {func(c *Config) { c.URL = "ldaps://a:b@ldap.example.com" }, "url"},
		"TLS twice":               {func(c *Config) { c.StartTLS = true }, "start_tls"},
		"no account":              {func(c *Config) { c.BindDN = "" }, "bind_dn"},
		"no password":             {func(c *Config) { c.Password = "" }, "password"},
		"no base":                 {func(c *Config) { c.Base = "example" }, "base"},
		"placeholder":             {func(c *Config) { c.Placeholder = "nobody" }, "placeholder"},
		"filter as attribute":     {func(c *Config) { c.AccountAttribute = "uid=*)(cn" }, "account_attribute"},
		"connections":             {func(c *Config) { c.MaxConnections = 101 }, "max_connections"},
		"no resources":            {func(c *Config) { c.Resources = nil }, "resources"},
		"no permissions":          {func(c *Config) { c.Resources["x"] = Resource{} }, "resources.x.permissions"},
		"a permission's name": {
			func(c *Config) { c.Resources["payroll"].Permissions["a b"] = Permission{Groups: []string{"cn=a"}} },
			"resources.payroll.permissions.a b",
		},
		"no groups": {
			func(c *Config) { c.Resources["payroll"].Permissions["read"] = Permission{} }, "resources.payroll.permissions.read.groups",
		},
		"no group": {
			func(c *Config) {
				c.Resources["payroll"].Permissions["read"] = Permission{Groups: []string{"cn=a", "admins"}}
			},
			"resources.payroll.permissions.read.groups.1",
		},
		"a group twice": {
			func(c *Config) {
				c.Resources["payroll"].Permissions["read"] = Permission{Groups: []string{"cn=a,dc=b", "CN=A, dc=B"}}
			},
			"resources.payroll.permissions.read.groups.1",
		},
		"many groups": {
			func(c *Config) {
				c.Resources["payroll"].Permissions["read"] = Permission{Groups: strings.Split(strings.Repeat("cn=a|", 33)+"cn=a", "|")}
			},
			"resources.payroll.permissions.read.groups",
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
