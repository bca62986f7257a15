package mysql

import (
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

// DefinerObjects says what becomes of permissions whose users could make objects that run with their own rights.
type DefinerObjects string

// The ways.
const (
	// RefuseDefiners offers no permission of that kind.
	RefuseDefiners DefinerObjects = "refuse"
	// KeepDefiners offers them. What users made stays behind, and fails until somebody makes it anew.
	KeepDefiners DefinerObjects = "keep"
)

const (
	defaultAccountHost        = "%"
	defaultUserConnections    = 10
	maxUserConnections        = 10_000
	defaultMaxConnections     = 8
	maxMaxConnections         = 100
	maxTables                 = 64
	maxAccount, maxIdentifier = 32, 64
)

// Config is the configuration of a connector of this type.
type Config struct {
	Address         string                `json:"address" jsonschema:"required,description=The server: HOST:PORT\\, or the path of its socket"`
	User            string                `json:"user" jsonschema:"required,description=Curfew's own account"`
	Password        secret.Ref            `json:"password" jsonschema:"required,description=Where its password is: env:NAME or file:PATH"`
	Observer        *Account              `json:"observer,omitempty" jsonschema:"description=A read-only account that reads back what was removed. Default: Curfew's own account reads"`
	CAFile          string                `json:"ca_file,omitempty" jsonschema:"description=A file with the certificates that the server's is checked against. Default: the system's; on loopback and sockets no TLS"`
	Databases       []string              `json:"databases,omitempty" jsonschema:"description=The databases that can be asked for. Default: all but the server's own"`
	Permissions     map[string]Permission `json:"permissions" jsonschema:"required,description=What can be asked for on each database"`
	AccountHost     string                `json:"account_host,omitempty" jsonschema:"default=%,description=The host part of the accounts: where their users may come from"`
	UserConnections int                   `json:"user_connections,omitempty" jsonschema:"minimum=1,maximum=10000,default=10,description=How many sessions an account may have at once"`
	DefinerObjects  DefinerObjects        `json:"definer_objects,omitempty" jsonschema:"enum=refuse,enum=keep,default=refuse,description=Whether permissions may hold privileges to make views\\, routines\\, triggers and events"`
	MaxConnections  int                   `json:"max_connections,omitempty" jsonschema:"minimum=1,maximum=100,default=8,description=How many connections Curfew may hold to the server"`
}

// Account is an account at the server.
type Account struct {
	User     string     `json:"user" jsonschema:"required,description=Its name"`
	Password secret.Ref `json:"password" jsonschema:"required,description=Where its password is: env:NAME or file:PATH"`
}

// Permission is what one permission stands for: a role, or privileges on the database that is asked for.
type Permission struct {
	Role       string   `json:"role,omitempty" jsonschema:"description=The role that an account gets. It is offered on the databases that the role opens"`
	Privileges []string `json:"privileges,omitempty" jsonschema:"description=What an account may do with the database that is asked for\\, as in SELECT"`
	Tables     []string `json:"tables,omitempty" jsonschema:"maxItems=64,description=The tables that the privileges are for. Default: all"`
	Allow      []string `json:"allow,omitempty" jsonschema:"description=Privileges that the permission may hold beyond the ordinary ones"`
}

// traits are what is true of every connector of this type. LateEffect: a change of accounts commits by itself, so that the
// server compares its clock right before it and not with it.
func traits() connector.Traits {
	return connector.Traits{Provenance: connector.OwnObject, EndsSessions: true, LateEffect: true}
}

// Type is the connector type "mysql".
func Type() connector.Type {
	return connector.Type{Name: "mysql", Traits: traits(), New: func() connector.Config {
		return &Config{
			AccountHost: defaultAccountHost, UserConnections: defaultUserConnections,
			DefinerObjects: RefuseDefiners, MaxConnections: defaultMaxConnections,
		}
	}}
}

// hostPattern is a name or address of a host, with wildcards or a netmask.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9%_.:/-]{1,60}$`)

// Validate checks what needs no network.
func (c *Config) Validate() error {
	if err := c.validateServer(); err != nil {
		return err
	}
	for i, name := range c.Databases {
		if err := checkDatabase(name); err != nil {
			return connector.NewFieldError(err.Error(), "databases", strconv.Itoa(i))
		}
	}
	if !hostPattern.MatchString(c.AccountHost) {
		return connector.NewFieldError("want the host part of an account, as in % or 10.0.%", "account_host")
	}
	if c.DefinerObjects != RefuseDefiners && c.DefinerObjects != KeepDefiners {
		return connector.NewFieldError(fmt.Sprintf("want refuse or keep, not %q", c.DefinerObjects), "definer_objects")
	}
	for _, n := range []struct {
		field      string
		value, max int
	}{{"user_connections", c.UserConnections, maxUserConnections}, {"max_connections", c.MaxConnections, maxMaxConnections}} {
		if n.value < 1 || n.value > n.max {
			return connector.NewFieldError(fmt.Sprintf("want 1 to %d", n.max), n.field)
		}
	}
	return c.validatePermissions()
}

func (c *Config) validateServer() error {
	if host, port, err := net.SplitHostPort(c.Address); !c.socket() && (err != nil || host == "" || port == "") {
		return connector.NewFieldError("want HOST:PORT, or the path of a socket", "address")
	}
	accounts := []struct {
		path []string
		Account
	}{{nil, Account{c.User, c.Password}}}
	if c.Observer != nil {
		accounts = append(accounts, struct {
			path []string
			Account
		}{[]string{"observer"}, *c.Observer})
	}
	for _, a := range accounts {
		if err := checkIdentifier(a.User, maxAccount); err != nil {
			return connector.NewFieldError(err.Error(), append(a.path, "user")...)
		}
		if a.Password == "" {
			return connector.NewFieldError("name the password of the account, as in file:mysql-password", append(a.path, "password")...)
		}
	}
	return nil
}

// socket reports whether the server is reached by a socket of this machine.
func (c *Config) socket() bool { return strings.HasPrefix(c.Address, "/") }

// plain reports whether the way to the server needs no TLS: it does not leave the machine.
func (c *Config) plain() bool {
	host, _, _ := net.SplitHostPort(c.Address)
	ip := net.ParseIP(host)
	return c.CAFile == "" && (c.socket() || ip != nil && ip.IsLoopback())
}

func (c *Config) validatePermissions() error {
	if len(c.Permissions) == 0 {
		return connector.NewFieldError("name at least one permission, as in read: {role: orders_read}", "permissions")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Permissions)) {
		// The connector and the resource are not known here, and not in question.
		e := access.Entitlement{Connector: "mysql", Resource: "database", Permission: name}
		if err := e.Validate(); err != nil {
			return connector.NewFieldError(err.Error(), "permissions", name)
		}
		if err := c.validatePermission(c.Permissions[name]); err != nil {
			err.Path = append([]string{"permissions", name}, err.Path...)
			return err
		}
	}
	return nil
}

func (c *Config) validatePermission(p Permission) *connector.FieldError {
	switch {
	case (p.Role == "") == (len(p.Privileges) == 0):
		return connector.NewFieldError("name either a role or privileges")
	case p.Role != "" && len(p.Tables) > 0:
		return connector.NewFieldError("go with privileges; what a role is for stands in the role", "tables")
	case len(p.Tables) > maxTables:
		return connector.NewFieldError(fmt.Sprintf("name at most %d tables", maxTables), "tables")
	}
	if p.Role != "" {
		if err := checkIdentifier(p.Role, maxAccount); err != nil {
			return connector.NewFieldError(err.Error(), "role")
		}
	}
	for i, name := range p.Allow {
		if err := checkAllowed(name); err != nil {
			return connector.NewFieldError(err.Error(), "allow", strconv.Itoa(i))
		}
	}
	for i, name := range p.Privileges {
		err := c.checkPrivilege(name, p.Allow)
		if err == nil && !onDatabases(name) {
			err = fmt.Errorf("%s is not for databases", name)
		}
		if err == nil && slices.Contains(p.Privileges[:i], name) {
			err = fmt.Errorf("%s stands here twice", name)
		}
		if err != nil {
			return connector.NewFieldError(err.Error(), "privileges", strconv.Itoa(i))
		}
	}
	for i, name := range p.Tables {
		if err := checkIdentifier(name, maxIdentifier); err != nil {
			return connector.NewFieldError(err.Error(), "tables", strconv.Itoa(i))
		}
	}
	return nil
}
