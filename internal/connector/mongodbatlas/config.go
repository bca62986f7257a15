package mongodbatlas

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

const (
	defaultURL = "https://cloud.mongodb.com"
	// maxRoles bounds the roles of one permission, and maxName their parts.
	maxRoles = 32
	maxName  = 200
	// settle is how long Atlas may take until the status of a cluster shows that a change is to come.
	settle = 10 * time.Second
)

// Config is the configuration of a connector of this type.
type Config struct {
	ClientID     string              `json:"client_id" jsonschema:"required,description=The ID of Curfew's service account"`
	ClientSecret secret.Ref          `json:"client_secret" jsonschema:"required,description=Where its secret is: env:NAME or file:PATH"`
	Project      string              `json:"project" jsonschema:"required,description=The ID of the project (group): 24 hexadecimal digits"`
	Cluster      string              `json:"cluster" jsonschema:"required,description=The name of the cluster that users may log in to"`
	Host         string              `json:"host" jsonschema:"required,description=The host of its connection string\\, as in cluster0.ab1cd.mongodb.net"`
	Resources    map[string]Resource `json:"resources" jsonschema:"required,description=What can be asked for"`
	URL          string              `json:"url,omitempty" jsonschema:"default=https://cloud.mongodb.com,description=Where Atlas' Administration API is"`
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

// Role is one of Atlas' own roles, or a custom one of the project, on a database.
type Role struct {
	Role string `json:"role" jsonschema:"required,description=Its name"`
	DB   string `json:"db" jsonschema:"required,description=The database that it is for"`
}

// traits are what is true of every connector of this type. Atlas deletes a user at its deleteAfterDate; it has no call that ends a
// connection, and refuses no order for being late. Residual: until the status of a cluster shows that a removal is to come, it says
// that all is applied.
func traits() connector.Traits {
	return connector.Traits{Provenance: connector.OwnObject, NativeExpiry: true, Settle: settle, Residual: settle, LateEffect: true}
}

// Type is the connector type "mongodb-atlas".
func Type() connector.Type {
	return connector.Type{Name: "mongodb-atlas", Traits: traits(), New: func() connector.Config { return &Config{URL: defaultURL} }}
}

var (
	projectID   = regexp.MustCompile(`^[a-f0-9]{24}$`)
	clusterName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}$`)
	hostName    = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
)

// Validate checks what needs no network.
func (c *Config) Validate() error {
	switch {
	case c.ClientID == "" || len(c.ClientID) > maxName:
		return connector.NewFieldError("name Curfew's service account by its client ID, as in mdb_sa_id_…", "client_id")
	case c.ClientSecret == "":
		return connector.NewFieldError("name the secret of Curfew's service account, as in env:ATLAS_SECRET", "client_secret")
	case !projectID.MatchString(c.Project):
		return connector.NewFieldError("want the ID of a project, 24 hexadecimal digits", "project")
	case !clusterName.MatchString(c.Cluster):
		return connector.NewFieldError("want the name of a cluster, as in Cluster0", "cluster")
	case !hostName.MatchString(c.Host):
		return connector.NewFieldError("want the host of the cluster's connection string, as in cluster0.ab1cd.mongodb.net", "host")
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return connector.NewFieldError("want https://HOST", "url")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && (u.Scheme != "http" || ip == nil || !ip.IsLoopback()) {
		return connector.NewFieldError("a secret would cross the network in clear text; want https://", "url")
	}
	return c.validateResources()
}

func (c *Config) validateResources() error {
	return connector.CheckResources(c.Resources, func(r Resource) map[string]Permission { return r.Permissions },
		"orders: {permissions: {read: {roles: [{role: read, db: orders}]}}}", "roles", func(p Permission) *connector.FieldError { return validateRoles(p.Roles).Under("roles") })
}

func validateRoles(roles []Role) *connector.FieldError {
	if len(roles) == 0 || len(roles) > maxRoles {
		return connector.NewFieldError(fmt.Sprintf("name 1 to %d roles, as in {role: read, db: orders}", maxRoles))
	}
	for i, r := range roles {
		switch {
		case r.Role == "" || len(r.Role) > maxName || r.DB == "" || len(r.DB) > maxName:
			return connector.NewFieldError(fmt.Sprintf("want a role and a database, of 1 to %d bytes", maxName), strconv.Itoa(i))
		case r.Role == "atlasAdmin":
			return connector.NewFieldError("an atlasAdmin can keep the server from ending what others do; name a weaker role", strconv.Itoa(i))
		case slices.Contains(roles[:i], r):
			return connector.NewFieldError("this role stands here twice", strconv.Itoa(i))
		}
	}
	return nil
}
