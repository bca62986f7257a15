package mysql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// accountPrefix and 26 characters of a grant's own fit into MySQL's 32.
const accountPrefix = "c_"

var accountPattern = regexp.MustCompile(`^c_[0-9a-z]{26}$`)

// accountName is the name of a grant's account, in lower-case letters and digits that need no quoting anywhere.
func accountName(grant access.GrantID) string { return accountPrefix + connector.GrantSuffix(grant) }

// systemDatabases are the server's own, and Curfew's.
func systemDatabases() []string {
	return []string{"curfew", "information_schema", "mysql", "performance_schema", "sys"}
}

// checkDatabase reports why nobody may be given a database of this name.
func checkDatabase(name string) error {
	if err := checkIdentifier(name, maxIdentifier); err != nil {
		return err
	}
	if slices.Contains(systemDatabases(), strings.ToLower(name)) {
		return fmt.Errorf("the database %q is the server's own, or Curfew's", name)
	}
	return access.ValidateResourceName(name)
}

// checkIdentifier reports why the server could not have something of this name.
func checkIdentifier(name string, most int) error {
	switch {
	case name == "":
		return fmt.Errorf("a name is empty")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r == 0 || r > 0xffff }):
		return fmt.Errorf("the name %q has characters that names cannot have", name)
	case strings.HasSuffix(name, " "):
		return fmt.Errorf("the name %q ends with a space, which the server would not keep", name)
	case utf8.RuneCountInString(name) > most:
		return fmt.Errorf("a name of %d characters is longer than %d", utf8.RuneCountInString(name), most)
	}
	return nil
}
