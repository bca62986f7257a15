package scim

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/scim/resource"
	"github.com/curfewhq/curfew/internal/store"
)

// SourceConfig is what is configured of a source.
type SourceConfig struct {
	// Name is the issuer of its principals, and the source of its groups.
	Name string
	// Token is what it authenticates with: MinToken bytes or more.
	Token string
	// Attributes are paths of a user, by the attributes that they become, as in db_user: userName.
	Attributes map[string]string
}

// Source is a place that provisions people. It is immutable.
type Source struct {
	store.Source
	token      [sha256.Size]byte
	attributes map[string]resource.Path
}

// NewSource makes a source of a tenant. It refuses a token that could be guessed, and attributes that no path leads to.
func NewSource(tenant access.TenantID, c SourceConfig) (*Source, error) {
	if len(c.Token) < MinToken {
		return nil, access.Errorf(access.KindMisconfigured, "the token of the source %s has fewer than %d bytes: take a random one, as of openssl rand -hex 32", c.Name, MinToken)
	}
	s := &Source{Source: store.Source{Tenant: tenant, Name: c.Name}, token: sha256.Sum256([]byte(c.Token)), attributes: map[string]resource.Path{}}
	users := resource.NewUser()
	for name, text := range c.Attributes {
		path, err := users.ParsePath(text)
		if err != nil {
			return nil, access.Errorf(access.KindMisconfigured, "the attribute %s of the source %s: %v", name, c.Name, err)
		}
		s.attributes[name] = path
	}
	return s, nil
}

// principal is whom a user of the source is.
func (s *Source) principal(user string) access.PrincipalID {
	return access.PrincipalID{Issuer: s.Name, Subject: user}
}

// active reports whether somebody may use Curfew. What is not said to be so is not.
func active(doc resource.Document) bool { return doc["active"] == true }

// account is what the directory is told of a user. An attribute that is too long is left out: half of it would be another's.
func (s *Source) account(tx store.Tx, v store.ProvisionedResource, doc resource.Document) (identity.Account, error) {
	in, err := tx.Memberships().GroupsOf(s.Source, v.ID)
	if err != nil {
		return identity.Account{}, err
	}
	manager, err := s.manager(tx, doc)
	if err != nil {
		return identity.Account{}, err
	}
	a := identity.Account{Subject: v.ID, Name: nameOf(doc), Attributes: map[string]string{}, Manager: manager}
	for _, g := range in[v.ID] {
		a.Groups = append(a.Groups, g.Name)
	}
	for name, path := range s.attributes {
		if text := path.Text(doc); text != "" && len(text) <= identity.MaxText {
			a.Attributes[name] = text
		}
	}
	return a, nil
}

// checkAccount refuses a user with an attribute that account would leave out.
func (s *Source) checkAccount(doc resource.Document) error {
	for name, path := range s.attributes {
		if len(path.Text(doc)) > identity.MaxText {
			return &failure{
				status: http.StatusBadRequest, scimType: string(resource.InvalidValue),
				detail: fmt.Sprintf("What becomes the attribute %s has more than %d bytes.", name, identity.MaxText),
			}
		}
	}
	return nil
}

// nameOf is the name for people to read, as far as one is given that can be shown.
func nameOf(doc resource.Document) string {
	name := doc.Sub("name")
	for _, s := range []string{
		doc.Text("displayName"), name.Text("formatted"), strings.TrimSpace(name.Text("givenName") + " " + name.Text("familyName")), doc.Text("userName"),
	} {
		if s != "" && len(s) <= identity.MaxText && identity.Showable(s) {
			return s
		}
	}
	return ""
}

// manager is the id of the user whom somebody reports to; empty when no user is named. RFC 7643 names managers by id; what
// Okta has is the manager's user name, most often, so that is taken as well.
func (s *Source) manager(tx store.Tx, doc resource.Document) (string, error) {
	named := doc.Sub(resource.EnterpriseSchema).Sub("manager").Text("value")
	if named == "" {
		return "", nil
	}
	for _, f := range []store.ProvisionedFilter{{ID: named}, {Key: resource.Fold(named)}} {
		found, err := tx.Provisioned().List(s.Source, store.ProvisionedUser, f, store.Stretch{Limit: 1})
		if err != nil || len(found) > 0 {
			return first(found), err
		}
	}
	return "", nil
}

func first(list []store.ProvisionedResource) string {
	if len(list) == 0 {
		return ""
	}
	return list[0].ID
}
