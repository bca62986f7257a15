package mysql

import (
	"fmt"
	"regexp"
	"slices"
)

// ordinary are privileges that end with the account, and leave nothing that runs with its rights.
func ordinary() []string {
	return []string{
		"SELECT", "INSERT", "UPDATE", "DELETE", "DELETE HISTORY", "EXECUTE", "SHOW VIEW", "LOCK TABLES", "CREATE TEMPORARY TABLES",
		"CREATE", "ALTER", "DROP", "INDEX", "REFERENCES",
	}
}

// definers are privileges to make what runs with the rights of its maker.
func definers() []string {
	return []string{"CREATE VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "TRIGGER", "EVENT"}
}

// lasting are privileges with which a user could make access that outlives the grant, or hinder its end. Nothing allows them.
func lasting() []string {
	return []string{
		"ALL", "ALL PRIVILEGES", "GRANT OPTION", "PROXY", "SUPER", "CREATE USER", "CREATE ROLE", "DROP ROLE", "SET USER", "SET_USER_ID",
		"SET_ANY_DEFINER", "ROLE_ADMIN", "SYSTEM_USER", "CONNECTION ADMIN", "CONNECTION_ADMIN", "READ_ONLY ADMIN", "READ ONLY ADMIN",
		// What a server applies as another's changes, it applies to its accounts too.
		"BINLOG ADMIN", "BINLOG_ADMIN", "BINLOG REPLAY", "REPLICATION SLAVE ADMIN", "REPLICATION_SLAVE_ADMIN", "REPLICATION_APPLIER",
		"GROUP_REPLICATION_ADMIN", "CLONE_ADMIN", "APPLICATION_PASSWORD_ADMIN", "PASSWORDLESS_USER_ADMIN", "ALLOW_NONEXISTENT_DEFINER",
	}
}

var privilegeName = regexp.MustCompile(`^[A-Z][A-Z_ ]{0,60}$`)

// checkPrivilege reports why no permission may hold the privilege.
func (c *Config) checkPrivilege(name string, allowed []string) error {
	switch {
	case slices.Contains(lasting(), name):
		return fmt.Errorf("with %s a user could make access that outlives the grant", name)
	case slices.Contains(ordinary(), name), slices.Contains(allowed, name):
		return nil
	case slices.Contains(definers(), name):
		if c.DefinerObjects == KeepDefiners {
			return nil
		}
		return fmt.Errorf("with %s a user makes what is left behind and fails; write definer_objects: keep if it shall be", name)
	}
	return fmt.Errorf("%s is no ordinary privilege; name it under allow if it is meant", name)
}

// checkAllowed reports why the privilege cannot be allowed.
func checkAllowed(name string) error {
	if !privilegeName.MatchString(name) {
		return fmt.Errorf("want the name of a privilege in capitals, as in PROCESS")
	}
	if slices.Contains(lasting(), name) {
		return fmt.Errorf("with %s a user could make access that outlives the grant", name)
	}
	return nil
}

// onDatabases reports whether the privilege can be given on one database.
func onDatabases(name string) bool {
	return slices.Contains(ordinary(), name) || slices.Contains(definers(), name)
}
