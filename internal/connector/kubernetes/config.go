package kubernetes

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Where a pod finds what it needs to reach its own cluster.
const (
	podServer    = "https://kubernetes.default.svc"
	podCAFile    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
	podTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // G101: a path
)

const (
	defaultAccountsNamespace = "curfew-accounts"
	defaultMaxConnections    = 16
	maxMaxConnections        = 256
	maxNamespaces            = 10_000
	// maxName is how long the name of an object can be.
	maxName = 253
)

// Config is the configuration of a connector of type "kubernetes".
type Config struct {
	Server            string                `json:"server,omitempty" jsonschema:"default=https://kubernetes.default.svc,description=The API server: https://HOST:PORT. Plain http:// on loopback only"`
	CAFile            string                `json:"ca_file,omitempty" jsonschema:"description=A file with the certificates that the server's is checked against. Default: those that a pod finds"`
	TokenFile         string                `json:"token_file,omitempty" jsonschema:"description=The file with the token of Curfew's own account; it is read for every request. Default: the one that a pod finds"`
	UsersServer       string                `json:"users_server,omitempty" jsonschema:"description=Where people reach the API server. Default: server"`
	Permissions       map[string]Permission `json:"permissions" jsonschema:"required,description=What can be asked for"`
	Namespaces        []string              `json:"namespaces,omitempty" jsonschema:"description=The namespaces that can be asked for. Default: all but kube-*"`
	AccountsNamespace string                `json:"accounts_namespace,omitempty" jsonschema:"default=curfew-accounts,description=The namespace in which Curfew makes ServiceAccounts. It is for nothing else"`
	MaxConnections    int                   `json:"max_connections,omitempty" jsonschema:"minimum=1,maximum=256,default=16,description=How many connections Curfew may hold to the server"`
}

// Permission is what one permission stands for: one role.
type Permission struct {
	Role            string `json:"role,omitempty" jsonschema:"description=A Role. The permission is there in namespaces that have one of this name"`
	ClusterRole     string `json:"cluster_role,omitempty" jsonschema:"description=A ClusterRole\\, whose rules then hold in the namespace that is asked for"`
	WholeCluster    bool   `json:"whole_cluster,omitempty" jsonschema:"description=Give the ClusterRole in all namespaces and for what is in none. It is asked for on the resource _cluster"`
	AllowEscalation bool   `json:"allow_escalation,omitempty" jsonschema:"description=Give the role although its rules let its holder take more than it gives"`
}

// The life of tokens. What a server remembers of a token that it has checked outlives the account for tokenCache; the rest
// of residual is for its own news of the deletion.
const (
	minTokenLife = 10 * time.Minute
	tokenCache   = 10 * time.Second
	residual     = tokenCache + time.Second
)

// traits are what is true of every connector of this type. LateEffect is false: rights are given by a change to a binding that
// must still be there. Nothing ends a stream that was opened before.
func traits() connector.Traits {
	return connector.Traits{
		Provenance: connector.OwnObject, NativeExpiry: true, ExpiryFixed: true, ExpiryFloor: minTokenLife, Residual: residual,
	}
}

// Type is the connector type "kubernetes".
func Type() connector.Type {
	return connector.Type{Name: "kubernetes", Traits: traits(), New: func() connector.Config {
		return &Config{
			Server: podServer, CAFile: podCAFile, TokenFile: podTokenFile,
			AccountsNamespace: defaultAccountsNamespace, MaxConnections: defaultMaxConnections,
		}
	}}
}

// label is RFC 1123's, as Kubernetes wants it of namespaces.
var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Validate checks what needs no network.
func (c *Config) Validate() error {
	if !label.MatchString(c.AccountsNamespace) {
		return connector.NewFieldError("want the name of a namespace, as in curfew-accounts", "accounts_namespace")
	}
	if c.UsersServer != "" {
		if err := validateServer(c.UsersServer, "users_server"); err != nil {
			return err
		}
	}
	for i, name := range c.Namespaces {
		if name == c.AccountsNamespace {
			return connector.NewFieldError("nobody can ask for the namespace of the accounts", "namespaces", strconv.Itoa(i))
		}
	}
	return c.validateCommon()
}

// validateCommon checks what both types have.
func (c *Config) validateCommon() error {
	if err := validateServer(c.Server, "server"); err != nil {
		return err
	}
	if c.TokenFile == "" {
		return connector.NewFieldError("name the file with the token of Curfew's account", "token_file")
	}
	if len(c.Namespaces) > maxNamespaces {
		return connector.NewFieldError(fmt.Sprintf("name at most %d namespaces", maxNamespaces), "namespaces")
	}
	for i, name := range c.Namespaces {
		if !label.MatchString(name) {
			return connector.NewFieldError(fmt.Sprintf("%q is no name of a namespace", name), "namespaces", strconv.Itoa(i))
		}
		if slices.Contains(c.Namespaces[:i], name) {
			return connector.NewFieldError("this namespace stands here twice", "namespaces", strconv.Itoa(i))
		}
	}
	if c.MaxConnections < 1 || c.MaxConnections > maxMaxConnections {
		return connector.NewFieldError(fmt.Sprintf("want 1 to %d", maxMaxConnections), "max_connections")
	}
	return c.validatePermissions()
}

// validateServer refuses to send a token in clear text to another machine.
func validateServer(text, field string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return connector.NewFieldError("want https://HOST:PORT", field)
	}
	switch ip := net.ParseIP(u.Hostname()); u.Scheme {
	case "https":
	case "http":
		if ip == nil || !ip.IsLoopback() {
			return connector.NewFieldError("a token would cross the network in clear text; write https://", field)
		}
	default:
		return connector.NewFieldError("want https://HOST:PORT", field)
	}
	return nil
}

func (c *Config) validatePermissions() error {
	if len(c.Permissions) == 0 {
		return connector.NewFieldError("name at least one permission with its role, as in view: {cluster_role: view}", "permissions")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Permissions)) {
		// The connector and the resource are not known here, and not in question.
		e := access.Entitlement{Connector: "kubernetes", Resource: "namespace", Permission: name}
		if err := e.Validate(); err != nil {
			return connector.NewFieldError(err.Error(), "permissions", name)
		}
		if err := c.Permissions[name].validate(); err != nil {
			err.Path = append([]string{"permissions", name}, err.Path...)
			return err
		}
	}
	return nil
}

func (p Permission) validate() *connector.FieldError {
	switch {
	case (p.Role == "") == (p.ClusterRole == ""):
		return connector.NewFieldError("name one of role and cluster_role")
	case p.WholeCluster && p.Role != "":
		return connector.NewFieldError("goes with cluster_role; a Role holds in one namespace", "whole_cluster")
	case p.Role != "":
		return validateRoleName(p.Role, "role")
	}
	return validateRoleName(p.ClusterRole, "cluster_role")
}

// validateRoleName refuses names that no role has. cluster-admin is no role to lend, whatever else is allowed.
func validateRoleName(name, field string) *connector.FieldError {
	switch {
	case len(name) > maxName || name == "." || name == ".." || strings.ContainsAny(name, "/%") || !printable(name):
		return connector.NewFieldError(fmt.Sprintf("%q is no name of a role", name), field)
	case name == "cluster-admin" && field == "cluster_role":
		return connector.NewFieldError("cluster-admin can undo everything that Curfew does, and is not lent; make a role with what is needed", field)
	}
	return nil
}

// printable reports whether a name is ASCII without spaces and control characters.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// ref is the role that a permission stands for.
func (p Permission) ref() roleRef {
	if p.Role != "" {
		return roleRef{APIGroup: rbacGroup, Kind: kindRole, Name: p.Role}
	}
	return roleRef{APIGroup: rbacGroup, Kind: kindClusterRole, Name: p.ClusterRole}
}
