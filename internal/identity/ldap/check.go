package ldap

import (
	"fmt"
	"regexp"

	protocol "github.com/go-ldap/ldap/v3"
)

// attributeName is RFC 4512's descr, with options (RFC 4512, section 2.5).
var attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9;-]{0,127}$`)

// CheckAttribute reports why no attribute could have this name.
func CheckAttribute(name string) error {
	if !attributeName.MatchString(name) {
		return fmt.Errorf("want the name of an attribute, as in mail or sAMAccountName")
	}
	return nil
}

// CheckDN reports why no entry could have this name.
func CheckDN(dn string) error {
	if _, err := protocol.ParseDN(dn); err != nil || dn == "" {
		return fmt.Errorf("want the name of an entry (RFC 4514), as in ou=people,dc=example,dc=com")
	}
	return nil
}

// CheckFilter reports what is wrong with a filter.
func CheckFilter(filter string) error {
	_, err := protocol.CompileFilter(filter)
	return err
}
