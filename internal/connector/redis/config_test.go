package redis

import (
	"errors"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/connector"
)

func TestConfig(t *testing.T) {
	read := func(c *Config) Permission { return c.Resources["orders"].Permissions["read"] }
	with := func(change func(*Permission)) func(*Config) {
		return func(c *Config) {
			p := read(c)
			change(&p)
			c.Resources["orders"].Permissions["read"] = p
		}
	}
	commands := func(rules ...string) func(*Config) { return with(func(p *Permission) { p.Commands = rules }) }
	keys := func(rules ...string) func(*Config) { return with(func(p *Permission) { p.Keys = rules }) }
	const at = "resources.orders.permissions.read."
	for name, c := range map[string]struct {
		change func(*Config)
		field  string
	}{
		"good":                    {func(*Config) {}, ""},
		"loopback in clear text":  {func(c *Config) { c.URL = "redis://127.0.0.1:7000" }, ""},
		"clear text":              {func(c *Config) { c.URL = "redis://cache.example.com" }, "url"},
		"clear text by name":      {func(c *Config) { c.URL = "redis://localhost" }, "url"},
		"a password in the url":   {func(c *Config) { c.URL = "rediss://u:p@h" }, "url"},
		"a database":              {func(c *Config) { c.URL = "rediss://h/1" }, "url"},
		"options":                 {func(c *Config) { c.URL = "rediss://h?db=1" }, "url"},
		"another scheme":          {func(c *Config) { c.URL = "http://127.0.0.1" }, "url"},
		"no server":               {func(c *Config) { c.URL = "" }, "url"},
		"no account":              {func(c *Config) { c.Username = "" }, "username"},
		"a name of two words":     {func(c *Config) { c.Username = "a b" }, "username"},
		"no password":             {func(c *Config) { c.Password = "" }, "password"},
		"observer, no password":   {func(c *Config) { c.ObserverUsername = "o" }, "observer_password"},
		"password of no observer": {func(c *Config) { c.ObserverPassword = "env:O" }, "observer_password"},
		"observer of two words":   {func(c *Config) { c.ObserverUsername, c.ObserverPassword = "a b", "env:O" }, "observer_username"},
		"connections":             {func(c *Config) { c.MaxConnections = 1001 }, "max_connections"},
		"no resources":            {func(c *Config) { c.Resources = nil }, "resources"},
		"no permissions":          {func(c *Config) { c.Resources["x"] = Resource{} }, "resources.x.permissions"},
		"a permission's name":     {func(c *Config) { c.Resources["orders"].Permissions["a b"] = read(c) }, "resources.orders.permissions.a b"},

		"no commands":             {commands(), at + "commands"},
		"nothing but less":        {commands("-@read"), at + "commands"},
		"many commands":           {commands(strings.Split(strings.Repeat("+get ", maxRules)+"+get", " ")...), at + "commands"},
		"everything":              {commands("+@read", "+@all"), at + "commands.1"},
		"everything, in words":    {commands("allcommands"), at + "commands.0"},
		"administration":          {commands("+@admin"), at + "commands.0"},
		"danger":                  {commands("+@dangerous"), at + "commands.0"},
		"danger taken away":       {commands("+@read", "-@dangerous", "-@admin"), ""},
		"danger by name":          {commands("+keys", "+flushdb"), ""},
		"a reserved command":      {commands("+acl|setuser"), at + "commands.0"},
		"a container":             {commands("+client"), at + "commands.0"},
		"a harmless subcommand":   {commands("+client|setname", "+cluster|info"), ""},
		"a reserved subcommand":   {commands("+client|kill"), at + "commands.0"},
		"functions":               {commands("+function|load"), at + "commands.0"},
		"upper case":              {commands("+CONFIG"), at + "commands.0"},
		"no password wanted":      {commands("nopass"), at + "commands.0"},
		"another user's password": {commands(">secret"), at + "commands.0"},
		"a selector":              {commands("(+@all ~*)"), at + "commands.0"},
		"two rules in one":        {commands("+get ~*"), at + "commands.0"},

		"every key":              {keys("~*"), at + "keys.0"},
		"every key, differently": {keys("~orders:*", "%W~?**"), at + "keys.1"},
		"every key, meant":       {with(func(p *Permission) { p.Keys, p.AllKeys = []string{"~*"}, true }), ""},
		"every key to read":      {keys("%R~*"), ""},
		"every key, in words":    {keys("allkeys"), at + "keys.0"},
		"no pattern":             {keys("~"), at + "keys.0"},
		"two patterns in one":    {keys("~a ~*"), at + "keys.0"},
		"a long pattern":         {keys("~" + strings.Repeat("a", maxPattern)), at + "keys.0"},
		"every channel":          {with(func(p *Permission) { p.Channels = []string{"&*"} }), at + "channels.0"},
		"every channel, meant":   {with(func(p *Permission) { p.Channels, p.AllChannels = []string{"&*"}, true }), ""},
		"channels, in words":     {with(func(p *Permission) { p.Channels = []string{"allchannels"} }), at + "channels.0"},
	} {
		t.Run(name, func(t *testing.T) {
			config, _ := Type().New().(*Config)
			config.URL, config.Password = "rediss://cache.example.com", "env:P"
			config.Resources = map[string]Resource{"orders": {Permissions: map[string]Permission{
				"read": {Commands: []string{"+@read"}, Keys: []string{"%R~orders:*"}},
			}}}
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
