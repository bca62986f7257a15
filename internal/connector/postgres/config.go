package postgres

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

// Objects says what becomes of what a user made and left behind.
type Objects string

// The ways.
const (
	// DropObjects drops it, unless something of somebody else's depends on it.
	DropObjects Objects = "drop"
	// ReassignObjects makes it Config.ObjectsOwner's.
	ReassignObjects Objects = "reassign"
)

const (
	// defaultSCRAMIterations is PostgreSQL's own default. Old JDBC drivers refuse fewer.
	defaultSCRAMIterations = 4096
	maxSCRAMIterations     = 1_000_000
	defaultMaxConnections  = 16
	maxMaxConnections      = 1000
	maxAdminRoles          = 64
	// maxIdentifier is how long a PostgreSQL identifier can be, in bytes (NAMEDATALEN-1).
	maxIdentifier = 63
)

// Config is the configuration of a connector of this type.
type Config struct {
	DSN            secret.Ref            `json:"dsn" jsonschema:"required,description=Where the connection string of Curfew's own account is: env:NAME or file:PATH"`
	ObserverDSN    secret.Ref            `json:"observer_dsn,omitempty" jsonschema:"description=Where the connection string of a read-only account is that reads back what was removed. Default: Curfew's own account reads"`
	Permissions    map[string]Permission `json:"permissions" jsonschema:"required,description=What can be asked for on each database"`
	Databases      []string              `json:"databases,omitempty" jsonschema:"description=The databases that can be asked for. Default: all but templates"`
	Objects        Objects               `json:"objects,omitempty" jsonschema:"enum=drop,enum=reassign,default=drop,description=What becomes of the objects that a user left behind"`
	ObjectsOwner   string                `json:"objects_owner,omitempty" jsonschema:"description=The role that they are reassigned to"`
	Iterations     int                   `json:"scram_iterations,omitempty" jsonschema:"minimum=1,maximum=1000000,default=4096,description=How often a password is hashed"`
	AdminRoles     []string              `json:"admin_roles,omitempty" jsonschema:"maxItems=64,description=The roles that Curfew's account acts as to make log-ins\\, each for a part of them. From PostgreSQL 16 on thousands of live log-ins need them. Default: the account makes them itself"`
	MaxConnections int                   `json:"max_connections,omitempty" jsonschema:"minimum=1,maximum=1000,default=16,description=How many connections Curfew may hold to the server"`
}

// Permission is what one permission stands for.
type Permission struct {
	// Roles are the group roles that a log-in becomes a member of.
	Roles []string `json:"roles" jsonschema:"required,minItems=1,description=The group roles that the log-in becomes a member of"`
}

// Traits are what is true of every connector of this type. LateEffect is false: each order compares the server's clock
// with Order.ActBy as the last thing before its commit. Settle is zero: a log-in that was admitted before the role was
// closed, and is not yet shown as a session, is found by its locks and ended (sql/end.sql).
func traits() connector.Traits {
	return connector.Traits{Provenance: connector.OwnObject, NativeExpiry: true, EndsSessions: true}
}

// Type is the connector type "postgres".
func Type() connector.Type {
	return connector.Type{Name: "postgres", Traits: traits(), New: func() connector.Config {
		return &Config{Objects: DropObjects, Iterations: defaultSCRAMIterations, MaxConnections: defaultMaxConnections}
	}}
}

// Validate checks what needs no network.
func (c *Config) Validate() error {
	if c.DSN == "" {
		return connector.NewFieldError("name the connection string of Curfew's account, as in env:ORDERS_DSN", "dsn")
	}
	if err := c.validatePermissions(); err != nil {
		return err
	}
	for i, name := range c.Databases {
		if err := checkIdentifier(name); err != nil {
			return connector.NewFieldError(err.Error(), "databases", strconv.Itoa(i))
		}
		if err := access.ValidateResourceName(name); err != nil {
			return connector.NewFieldError(err.Error(), "databases", strconv.Itoa(i))
		}
	}
	if err := c.validateObjects(); err != nil {
		return err
	}
	if err := c.validateAdminRoles(); err != nil {
		return err
	}
	if c.Iterations < 1 || c.Iterations > maxSCRAMIterations {
		return connector.NewFieldError(fmt.Sprintf("want 1 to %d", maxSCRAMIterations), "scram_iterations")
	}
	if c.MaxConnections < 1 || c.MaxConnections > maxMaxConnections {
		return connector.NewFieldError(fmt.Sprintf("want 1 to %d", maxMaxConnections), "max_connections")
	}
	return nil
}

func (c *Config) validatePermissions() error {
	if len(c.Permissions) == 0 {
		return connector.NewFieldError("name at least one permission with its group roles, as in read: {roles: [orders_read]}", "permissions")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Permissions)) {
		// The connector and the resource are not known here, and not in question.
		e := access.Entitlement{Connector: "postgres", Resource: "database", Permission: name}
		if err := e.Validate(); err != nil {
			return connector.NewFieldError(err.Error(), "permissions", name)
		}
		roles := c.Permissions[name].Roles
		if len(roles) == 0 {
			return connector.NewFieldError("name at least one group role", "permissions", name, "roles")
		}
		for i, role := range roles {
			if err := checkIdentifier(role); err != nil {
				return connector.NewFieldError(err.Error(), "permissions", name, "roles", strconv.Itoa(i))
			}
			if slices.Contains(roles[:i], role) {
				return connector.NewFieldError(fmt.Sprintf("the role %q stands here twice", role), "permissions", name, "roles", strconv.Itoa(i))
			}
		}
	}
	return nil
}

func (c *Config) validateObjects() error {
	switch c.Objects {
	case DropObjects:
		if c.ObjectsOwner != "" {
			return connector.NewFieldError("goes with objects: reassign only", "objects_owner")
		}
	case ReassignObjects:
		if err := checkIdentifier(c.ObjectsOwner); err != nil {
			return connector.NewFieldError("name the role that objects are reassigned to: "+err.Error(), "objects_owner")
		}
		for _, name := range slices.Sorted(maps.Keys(c.Permissions)) {
			if slices.Contains(c.Permissions[name].Roles, c.ObjectsOwner) {
				return connector.NewFieldError(fmt.Sprintf("the role is one of the permission %q too; what a user leaves behind must not run with a group's rights", name), "objects_owner")
			}
		}
	default:
		return connector.NewFieldError(fmt.Sprintf("want drop or reassign, not %q", c.Objects), "objects")
	}
	return nil
}

func (c *Config) validateAdminRoles() error {
	if n := len(c.AdminRoles); n > maxAdminRoles {
		return connector.NewFieldError(fmt.Sprintf("%d roles are more than %d; each takes a connection of its own", n, maxAdminRoles), "admin_roles")
	}
	for i, role := range c.AdminRoles {
		if err := checkIdentifier(role); err != nil {
			return connector.NewFieldError(err.Error(), "admin_roles", strconv.Itoa(i))
		}
		if slices.Contains(c.AdminRoles[:i], role) {
			return connector.NewFieldError(fmt.Sprintf("the role %q stands here twice", role), "admin_roles", strconv.Itoa(i))
		}
	}
	return nil
}

// groups are all group roles of all permissions, sorted.
func (c *Config) groups() []string {
	var all []string
	for _, p := range c.Permissions {
		all = append(all, p.Roles...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// checkIdentifier reports why PostgreSQL could not have an object of this name.
func checkIdentifier(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a name is empty")
	case len(name) > maxIdentifier:
		return fmt.Errorf("a name of %d bytes is longer than PostgreSQL's %d", len(name), maxIdentifier)
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return fmt.Errorf("the name %q is no text", name)
	}
	return nil
}
