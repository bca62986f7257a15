package kubernetes

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// UserConfig is the configuration of a connector of type "kubernetes-user".
type UserConfig struct {
	Server         string                `json:"server,omitempty" jsonschema:"default=https://kubernetes.default.svc,description=The API server: https://HOST:PORT. Plain http:// on loopback only"`
	CAFile         string                `json:"ca_file,omitempty" jsonschema:"description=A file with the certificates that the server's is checked against. Default: those that a pod finds"`
	TokenFile      string                `json:"token_file,omitempty" jsonschema:"description=The file with the token of Curfew's own account; it is read for every request. Default: the one that a pod finds"`
	Permissions    map[string]Permission `json:"permissions" jsonschema:"required,description=What can be asked for"`
	Namespaces     []string              `json:"namespaces,omitempty" jsonschema:"description=The namespaces that can be asked for. Default: all but kube-*"`
	MaxConnections int                   `json:"max_connections,omitempty" jsonschema:"minimum=1,maximum=256,default=16,description=How many connections Curfew may hold to the server"`
}

// userTraits are what is true of every connector of this type. Each grant has a binding of its own, so grants of one person, and
// what an owner has bound, are in nobody's way. A binding does not expire.
func userTraits() connector.Traits {
	return connector.Traits{Provenance: connector.OwnObject, Accounts: true, NoCredential: true}
}

// UserType is the connector type "kubernetes-user".
func UserType() connector.Type {
	return connector.Type{Name: "kubernetes-user", Traits: userTraits(), New: func() connector.Config {
		return &UserConfig{Server: podServer, CAFile: podCAFile, TokenFile: podTokenFile, MaxConnections: defaultMaxConnections}
	}}
}

// Validate checks what needs no network.
func (c *UserConfig) Validate() error {
	common := c.common()
	return common.validateCommon()
}

// Open makes the driver. It reads the certificates and connects when the first call needs it.
func (c *UserConfig) Open(env connector.Env) (connector.Driver, error) {
	return open(c.common(), env, true)
}

// common is what both types have, as the configuration of the other.
func (c *UserConfig) common() Config {
	return Config{
		Server: c.Server, CAFile: c.CAFile, TokenFile: c.TokenFile, Permissions: c.Permissions, Namespaces: c.Namespaces, MaxConnections: c.MaxConnections,
	}
}

// maxUser bounds the name of a user, in bytes.
const maxUser = access.MaxAtomText

// checkUser refuses names that the cluster keeps for itself, and such as no identity provider vouches for.
func (d *driver) checkUser(name string) (string, error) {
	fail := func(why string) (string, error) {
		return "", access.Errorf(access.KindInvalid, "The user at the connector %s cannot be used: %s. An administrator must correct your entry in the directory.", d.name, why)
	}
	switch {
	case name == "" || len(name) > maxUser || !utf8.ValidString(name):
		return fail(fmt.Sprintf("want 1 to %d bytes of text", maxUser))
	case strings.HasPrefix(name, "system:"):
		return fail("names that begin with system: are the cluster's own")
	case strings.ContainsFunc(name, unicode.IsControl):
		return fail("it holds a control character")
	}
	return name, nil
}
