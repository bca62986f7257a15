package dev

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-ldap/ldap/v3"
)

// memberVisitor is the visitor of a directory. It speaks LDAP itself, because not every machine has ldapsearch.
type memberVisitor struct {
	*tour
	*directory
}

func (*memberVisitor) entitlement() string { return readDirectory }

func (*memberVisitor) where() string { return "an OpenLDAP" }

// login logs in as the engineer, who always can.
func (v *memberVisitor) login() (*ldap.Conn, error) {
	conn, err := ldap.DialURL(v.URL())
	if err != nil {
		return nil, err
	}
	if err := conn.Bind(ldapEngineer, v.password); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// ask reads the order, and shows what came of it.
func (v *memberVisitor) ask(conn *ldap.Conn) (read bool, err error) {
	found, err := conn.Search(ldap.NewSearchRequest(ldapOrder, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"description"}, nil))
	switch {
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights):
		v.show(ldap.LDAPResultCodeMap[err.(*ldap.Error).ResultCode]) //nolint:errorlint // IsErrorAnyOf says what it is
		return false, nil
	case err != nil:
		return false, err
	case len(found.Entries) != 1:
		v.show("nothing is there")
		return false, nil
	}
	v.show("order-17   " + found.Entries[0].GetAttributeValue("description"))
	return true, nil
}

// once logs in, asks once, and wants it to work or to be refused.
func (v *memberVisitor) once(want bool) error {
	v.show("$ ldapsearch -D " + ldapEngineer + " -b " + ldapOrder)
	conn, err := v.login()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	read, err := v.ask(conn)
	if err == nil && read != want {
		err = fmt.Errorf("the order can be read: %t", read)
	}
	return err
}

func (v *memberVisitor) refused(context.Context) error { return v.once(false) }

func (v *memberVisitor) used(context.Context) error { return v.once(true) }

// cutOff asks on one connection until the server refuses.
func (v *memberVisitor) cutOff(ctx context.Context) error {
	v.show("$ ldapsearch …        # stays connected, and asks every three seconds")
	conn, err := v.login()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return v.untilRefused(ctx, func() (bool, error) { return v.ask(conn) })
}

func (v *memberVisitor) refusedAgain(context.Context) error { return v.once(false) }

// unseen looks for the member past Curfew.
func (v *memberVisitor) unseen(context.Context) error {
	v.show("$ ldapsearch -b " + ldapGroup + " member    # as the directory's root")
	members, err := v.members()
	if err != nil {
		return err
	}
	for _, m := range members {
		v.show("member: " + m)
	}
	if !slices.Equal(members, []string{ldapNobody}) {
		return errors.New("the root still sees the engineer")
	}
	return nil
}
