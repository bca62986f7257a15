package dev

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/localpeer"
)

//go:embed ldap.yaml
var ldapConfig string

func ldapKind() kind {
	return kind{name: "ldap", present: localpeer.HasOpenLDAP, start: startDirectory}
}

const (
	// readDirectory is what the demo's engineers have for the asking at the directory.
	readDirectory = "directory/orders:read"

	ldapSuffix   = "dc=example,dc=com"
	ldapAccount  = "cn=curfew," + ldapSuffix
	ldapNobody   = "cn=nobody," + ldapSuffix
	ldapGroup    = "cn=orders-read,ou=groups," + ldapSuffix
	ldapEngineer = "uid=engineer,ou=people," + ldapSuffix
	ldapOrder    = "cn=order-17,ou=orders," + ldapSuffix
)

// ldapRules let the members of the group read orders, and give Curfew what docs/connectors/ldap.md says.
func ldapRules() []string {
	return []string{
		"to attrs=userPassword by anonymous auth by * none",
		`to dn.subtree="ou=orders,` + ldapSuffix + `" by group.exact="` + ldapGroup + `" read by * none`,
		`to dn.subtree="ou=groups,` + ldapSuffix + `" attrs=member by dn.exact="` + ldapAccount + `" write by * none`,
		`to * by dn.exact="` + ldapAccount + `" read by users search by * none`,
	}
}

// directory is a private directory of the demo's, in which the engineer has an account.
type directory struct {
	*localpeer.OpenLDAP
	// password is the engineer's.
	password string
}

func startDirectory(ctx context.Context, f *folder, progress io.Writer) (target, error) {
	server, err := localpeer.StartOpenLDAP(ctx, localpeer.OpenLDAPOptions{Suffix: ldapSuffix, Access: ldapRules(), Progress: progress})
	if err != nil {
		return nil, err
	}
	d := &directory{OpenLDAP: server, password: rand.Text()}
	if err := d.setUp(f); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return d, nil
}

// setUp gives the directory what a company has, and Curfew its account there, and writes down how Curfew reaches it.
func (d *directory) setUp(f *folder) error {
	const file = "curfew.ldap-password" //nolint:gosec // G101: the name of a file
	password := rand.Text()
	if err := f.write(file, password); err != nil {
		return err
	}
	root, err := d.Root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, e := range []struct {
		dn         string
		attributes [][]string
	}{
		{ldapSuffix, [][]string{{"objectClass", "domain"}, {"dc", "example"}}},
		{"ou=people," + ldapSuffix, [][]string{{"objectClass", "organizationalUnit"}}},
		{"ou=groups," + ldapSuffix, [][]string{{"objectClass", "organizationalUnit"}}},
		{"ou=orders," + ldapSuffix, [][]string{{"objectClass", "organizationalUnit"}}},
		{ldapAccount, [][]string{{"objectClass", "organizationalRole", "simpleSecurityObject"}, {"userPassword", password}}},
		{ldapEngineer, [][]string{{"objectClass", "inetOrgPerson"}, {"cn", "Demo Engineer"}, {"sn", "Engineer"}, {"userPassword", d.password}}},
		{ldapGroup, [][]string{{"objectClass", "groupOfNames"}, {"member", ldapNobody}}},
		{ldapOrder, [][]string{{"objectClass", "organizationalRole"}, {"description", "customer: Edsger, item: pencil"}}},
	} {
		r := ldap.NewAddRequest(e.dn, nil)
		for _, a := range e.attributes {
			r.Attribute(a[0], a[1:])
		}
		if err := root.Add(r); err != nil {
			return fmt.Errorf("making %s: %w", e.dn, err)
		}
	}
	return f.configure("ldap.yaml", ldapConfig, struct{ URL, PasswordFile string }{d.URL(), filepath.Join(f.secrets(), file)})
}

func (d *directory) offer() string {
	return `With the private OpenLDAP (a membership for the account engineer, no credential):

  curfew request ` + readDirectory + ` --for 2m --reason "look at order 17" --wait
  ldapsearch -x -H ` + d.URL() + ` -D ` + ldapEngineer + ` -w ` + d.password + ` -b ` + ldapOrder + `
`
}

func (d *directory) visitor(t *tour) visitor {
	t.ownLogin = ldapEngineer
	return &memberVisitor{tour: t, directory: d}
}

func (d *directory) stop() error { return d.Stop() }

// members are those of the group, as the directory's root sees them.
func (d *directory) members() ([]string, error) {
	root, err := d.Root()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	found, err := root.Search(ldap.NewSearchRequest(ldapGroup, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"member"}, nil))
	if err != nil || len(found.Entries) != 1 {
		return nil, errors.Join(errors.New("the group is not there"), err)
	}
	return slices.Clone(found.Entries[0].GetAttributeValues("member")), nil
}
