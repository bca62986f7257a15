package ldap

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/ldapdial"
	"github.com/curfewhq/curfew/internal/secret"
)

const (
	defaultAccountAttribute = "uid"
	defaultMaxConnections   = 4
	maxMaxConnections       = 100
	// maxGroups bounds the groups of one permission: each is read and changed by itself.
	maxGroups = 32
)

// Config is the configuration of a connector of this type.
type Config struct {
	URL              string              `json:"url" jsonschema:"required,description=The server: ldaps://HOST or ldap://HOST with start_tls; ldap:// alone on loopback only"`
	StartTLS         bool                `json:"start_tls,omitempty" jsonschema:"description=Begin TLS on an ldap:// connection before anything else is said"`
	CAFile           string              `json:"ca_file,omitempty" jsonschema:"description=A file with the certificates that the server's is checked against. Default: the system's"`
	BindDN           string              `json:"bind_dn" jsonschema:"required,description=The entry of Curfew's own account"`
	Password         secret.Ref          `json:"password" jsonschema:"required,description=Where its password is: env:NAME or file:PATH"`
	Base             string              `json:"base" jsonschema:"required,description=The entry below which accounts and groups are found"`
	AccountAttribute string              `json:"account_attribute,omitempty" jsonschema:"default=uid,description=The attribute that holds the name of an account; sAMAccountName on Active Directory"`
	Resources        map[string]Resource `json:"resources" jsonschema:"required,description=What can be asked for"`
	Placeholder      string              `json:"placeholder,omitempty" jsonschema:"description=The member that a group keeps which must not be empty (groupOfNames and groupOfUniqueNames). No entry of that name needs to be there"`
	MaxConnections   int                 `json:"max_connections,omitempty" jsonschema:"minimum=1,maximum=100,default=4,description=How many connections Curfew may hold to the server"`
}

// Resource is something that groups open.
type Resource struct {
	Labels      map[string]string     `json:"labels,omitempty" jsonschema:"description=What policies select by"`
	Permissions map[string]Permission `json:"permissions" jsonschema:"required,description=What can be asked for on it"`
}

// Permission is what one permission stands for.
type Permission struct {
	Groups []string `json:"groups" jsonschema:"required,minItems=1,maxItems=32,description=The entries of the groups that the account becomes a member of"`
}

// traits are what is true of every connector of this type. A directory neither ends a membership by itself nor refuses an
// order that comes too late; what reads memberships ends its own sessions, or does not.
func traits() connector.Traits {
	return connector.Traits{Provenance: connector.BareRight, Accounts: true, NoCredential: true, LateEffect: true}
}

// Type is the connector type "ldap".
func Type() connector.Type {
	return connector.Type{Name: "ldap", Traits: traits(), New: func() connector.Config {
		return &Config{AccountAttribute: defaultAccountAttribute, MaxConnections: defaultMaxConnections}
	}}
}

// attributeName is RFC 4512's descr.
var attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)

// Validate checks what needs no network.
func (c *Config) Validate() error {
	if err := c.validateURL(); err != nil {
		return err
	}
	if c.Password == "" {
		return connector.NewFieldError("name the password of Curfew's account, as in file:ldap-password", "password")
	}
	for _, name := range []struct{ field, dn string }{{"bind_dn", c.BindDN}, {"base", c.Base}, {"placeholder", cmp.Or(c.Placeholder, c.BindDN)}} {
		if err := checkDN(name.dn); err != nil {
			return connector.NewFieldError(err.Error(), name.field)
		}
	}
	if !attributeName.MatchString(c.AccountAttribute) {
		return connector.NewFieldError("want the name of an attribute, as in uid or sAMAccountName", "account_attribute")
	}
	if c.MaxConnections < 1 || c.MaxConnections > maxMaxConnections {
		return connector.NewFieldError(fmt.Sprintf("want 1 to %d", maxMaxConnections), "max_connections")
	}
	return c.validateResources()
}

// validateURL refuses to send a password in clear text to another machine.
func (c *Config) validateURL() error {
	switch err := ldapdial.CheckURL(c.URL, c.StartTLS); {
	case errors.Is(err, ldapdial.ErrStartTLS):
		return connector.NewFieldError(err.Error(), "start_tls")
	case err != nil:
		return connector.NewFieldError(err.Error(), "url")
	}
	return nil
}

func (c *Config) validateResources() error {
	return connector.CheckResources(c.Resources, func(r Resource) map[string]Permission { return r.Permissions },
		"payroll: {permissions: {read: {groups: [\"cn=payroll,ou=groups,dc=example,dc=com\"]}}}", "groups", func(p Permission) *connector.FieldError { return validateGroups(p.Groups).Under("groups") })
}

func validateGroups(groups []string) *connector.FieldError {
	switch {
	case len(groups) == 0:
		return connector.NewFieldError("name at least one group")
	case len(groups) > maxGroups:
		return connector.NewFieldError(fmt.Sprintf("name at most %d groups", maxGroups))
	}
	for i, dn := range groups {
		if err := checkDN(dn); err != nil {
			return connector.NewFieldError(err.Error(), strconv.Itoa(i))
		}
		if slices.ContainsFunc(groups[:i], func(other string) bool { return sameDN(dn, other) }) {
			return connector.NewFieldError("this group stands here twice", strconv.Itoa(i))
		}
	}
	return nil
}

// checkDN reports why no entry could have this name.
func checkDN(dn string) error {
	if dn == "" {
		return fmt.Errorf("name an entry, as in cn=payroll,ou=groups,dc=example,dc=com")
	}
	if len(dn) > access.MaxAtomText {
		return fmt.Errorf("a name of %d bytes is longer than %d", len(dn), access.MaxAtomText)
	}
	if _, err := protocol.ParseDN(dn); err != nil {
		return fmt.Errorf("%q is no name of an entry (RFC 4514), as in cn=payroll,ou=groups,dc=example,dc=com", dn)
	}
	return nil
}

// sameDN compares names that were checked.
func sameDN(a, b string) bool {
	x, errX := protocol.ParseDN(a)
	y, errY := protocol.ParseDN(b)
	return errX == nil && errY == nil && x.EqualFold(y)
}
