package mongodb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

const (
	defaultAuthDatabase   = "curfew"
	defaultMaxConnections = 16
	maxMaxConnections     = 1000
	// maxRoles bounds the roles of one permission, which are looked at each time that it is given.
	maxRoles = 32
	// maxDatabaseName is how long the name of a database can be, in bytes; nothing bounds a role's, so we do.
	maxDatabaseName = 63
	maxRoleName     = 200
)

// Config is the configuration of a connector of this type.
type Config struct {
	URI            secret.Ref          `json:"uri" jsonschema:"required,description=Where the connection string of Curfew's own account is: env:NAME or file:PATH"`
	ObserverURI    secret.Ref          `json:"observer_uri,omitempty" jsonschema:"description=Where the connection string of a read-only account is that reads back what was removed. Default: Curfew's own account reads"`
	AuthDatabase   string              `json:"auth_database,omitempty" jsonschema:"default=curfew,description=The database in which users are made\\, and as which they log in (authSource)"`
	Resources      map[string]Resource `json:"resources" jsonschema:"required,description=What can be asked for"`
	MaxConnections int                 `json:"max_connections,omitempty" jsonschema:"minimum=1,maximum=1000,default=16,description=How many connections Curfew may hold to each member of the replica set"`
}

// Resource is something that roles open.
type Resource struct {
	Labels      map[string]string     `json:"labels,omitempty" jsonschema:"description=What policies select by"`
	Permissions map[string]Permission `json:"permissions" jsonschema:"required,description=What can be asked for on it"`
}

// Permission is what one permission stands for.
type Permission struct {
	Roles []Role `json:"roles" jsonschema:"required,minItems=1,maxItems=32,description=The roles that the user is given"`
}

// Role is a role of one database, MongoDB's own or one that was made there.
type Role struct {
	Role string `json:"role" bson:"role" jsonschema:"required,description=Its name"`
	DB   string `json:"db" bson:"db" jsonschema:"required,description=Its database"`
}

// String is the role as mongosh writes it.
func (r Role) String() string { return r.Role + "@" + r.DB }

// traits are what is true of every connector of this type. MongoDB neither ends a user by itself nor refuses an order that
// comes too late.
func traits() connector.Traits {
	return connector.Traits{Provenance: connector.OwnObject, EndsSessions: true, LateEffect: true}
}

// Type is the connector type "mongodb".
func Type() connector.Type {
	return connector.Type{Name: "mongodb", Traits: traits(), New: func() connector.Config {
		return &Config{AuthDatabase: defaultAuthDatabase, MaxConnections: defaultMaxConnections}
	}}
}

// Validate checks what needs no network.
func (c *Config) Validate() error {
	if c.URI == "" {
		return connector.NewFieldError("name the connection string of Curfew's account, as in env:ORDERS_MONGODB_URI", "uri")
	}
	if err := checkDatabase(c.AuthDatabase); err != nil {
		return connector.NewFieldError(err.Error(), "auth_database")
	}
	if c.MaxConnections < 1 || c.MaxConnections > maxMaxConnections {
		return connector.NewFieldError(fmt.Sprintf("want 1 to %d", maxMaxConnections), "max_connections")
	}
	return connector.CheckResources(c.Resources, func(r Resource) map[string]Permission { return r.Permissions },
		"orders: {permissions: {read: {roles: [{role: read, db: orders}]}}}", "roles", func(p Permission) *connector.FieldError { return validateRoles(p.Roles).Under("roles") })
}

func validateRoles(roles []Role) *connector.FieldError {
	switch {
	case len(roles) == 0:
		return connector.NewFieldError("name at least one role, as in {role: read, db: orders}")
	case len(roles) > maxRoles:
		return connector.NewFieldError(fmt.Sprintf("name at most %d roles", maxRoles))
	}
	for i, r := range roles {
		if err := checkRole(r); err != nil {
			return connector.NewFieldError(err.Error(), strconv.Itoa(i))
		}
		if slices.Contains(roles[:i], r) {
			return connector.NewFieldError(fmt.Sprintf("the role %s stands here twice", r), strconv.Itoa(i))
		}
	}
	return nil
}

// checkRole refuses what could be no role, and by name what is too strong for access that shall end; what a role of another
// name may do is read at the server.
func checkRole(r Role) error {
	if err := checkDatabase(r.DB); err != nil {
		return err
	}
	if r.Role == "" || len(r.Role) > maxRoleName || !utf8.ValidString(r.Role) || strings.ContainsRune(r.Role, 0) {
		return fmt.Errorf("%q is no name of a role of 1 to %d bytes", r.Role, maxRoleName)
	}
	if slices.Contains(tooStrong(), r.Role) {
		return fmt.Errorf("with the role %s a user could make access that outlives the grant; name a weaker one", r)
	}
	return nil
}

// checkDatabase reports why no database could have this name (MongoDB Limits and Thresholds, naming restrictions).
func checkDatabase(name string) error {
	switch {
	case name == "" || len(name) > maxDatabaseName:
		return fmt.Errorf("%q is no name of a database of 1 to %d bytes", name, maxDatabaseName)
	case !utf8.ValidString(name) || strings.ContainsAny(name, "/\\. \"$*<>:|?\x00"):
		return fmt.Errorf("%q is no name of a database; it has none of the characters /\\. \"$*<>:|?", name)
	}
	return nil
}
