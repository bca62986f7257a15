package redis

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

const (
	defaultUsername       = "curfew"
	defaultMaxConnections = 8
	maxMaxConnections     = 1000
)

// Config is the configuration of a connector of this type.
type Config struct {
	URL              string              `json:"url" jsonschema:"required,description=The server: rediss://HOST[:PORT]; redis:// on loopback only"`
	CAFile           string              `json:"ca_file,omitempty" jsonschema:"description=A file with the certificates that the server's is checked against. Default: the system's"`
	Username         string              `json:"username,omitempty" jsonschema:"default=curfew,description=Curfew's own account"`
	Password         secret.Ref          `json:"password" jsonschema:"required,description=Where its password is: env:NAME or file:PATH"`
	ObserverUsername string              `json:"observer_username,omitempty" jsonschema:"description=A read-only account that reads back what was removed. Default: Curfew's own account reads"`
	ObserverPassword secret.Ref          `json:"observer_password,omitempty" jsonschema:"description=Where its password is"`
	Resources        map[string]Resource `json:"resources" jsonschema:"required,description=What can be asked for"`
	MaxConnections   int                 `json:"max_connections,omitempty" jsonschema:"minimum=1,maximum=1000,default=8,description=How many connections each account may hold to the server"`
}

// Resource is a part of what the server holds.
type Resource struct {
	Labels      map[string]string     `json:"labels,omitempty" jsonschema:"description=What policies select by"`
	Permissions map[string]Permission `json:"permissions" jsonschema:"required,description=What can be asked for on it"`
}

// Traits are what is true of every connector of this type. LateEffect is false: the server itself carries an order out only
// while a key lives that expires at Order.ActBy (fence.go). Settle is zero: a user and its connections go in one step.
func traits() connector.Traits {
	return connector.Traits{Provenance: connector.OwnObject, EndsSessions: true}
}

// Type is the connector type "redis".
func Type() connector.Type {
	return connector.Type{Name: "redis", Traits: traits(), New: func() connector.Config {
		return &Config{Username: defaultUsername, MaxConnections: defaultMaxConnections}
	}}
}

// username is what Redis takes for a user's name, and we can read out of its lists.
var username = regexp.MustCompile(`^[!-~]{1,128}$`)

// Validate checks what needs no network.
func (c *Config) Validate() error {
	if err := c.validateURL(); err != nil {
		return err
	}
	if !username.MatchString(c.Username) {
		return connector.NewFieldError("want 1 to 128 printable characters without spaces", "username")
	}
	if c.Password == "" {
		return connector.NewFieldError("name the password of Curfew's account, as in file:redis-password", "password")
	}
	switch {
	case c.ObserverUsername == "" && c.ObserverPassword != "":
		return connector.NewFieldError("goes with observer_username only", "observer_password")
	case c.ObserverUsername != "" && !username.MatchString(c.ObserverUsername):
		return connector.NewFieldError("want 1 to 128 printable characters without spaces", "observer_username")
	case c.ObserverUsername != "" && c.ObserverPassword == "":
		return connector.NewFieldError("name the password of that account, as in file:redis-observer-password", "observer_password")
	}
	if c.MaxConnections < 1 || c.MaxConnections > maxMaxConnections {
		return connector.NewFieldError(fmt.Sprintf("want 1 to %d", maxMaxConnections), "max_connections")
	}
	return c.validateResources()
}

// validateURL refuses to send a password in clear text to another machine.
func (c *Config) validateURL() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return connector.NewFieldError("want rediss://HOST, with :PORT if it is another than 6379, and nothing else", "url")
	}
	switch u.Scheme {
	case "rediss":
	case "redis":
		if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
			return connector.NewFieldError("a password would cross the network in clear text; write rediss://", "url")
		}
	default:
		return connector.NewFieldError("want rediss://HOST", "url")
	}
	return nil
}

func (c *Config) validateResources() error {
	return connector.CheckResources(c.Resources, func(r Resource) map[string]Permission { return r.Permissions },
		`orders: {permissions: {read: {keys: ["%R~orders:*"], commands: ["+@read"]}}}`, "commands", Permission.validate)
}
