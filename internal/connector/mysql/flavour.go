package mysql

import (
	"strconv"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// flavour is what differs between the servers that speak the protocol.
type flavour struct {
	name string
	// major and minor are the oldest version that can be used.
	major, minor int
	// hash is what the server keeps in place of a password.
	hash func(password string) string
	// patterns asks whether GRANT takes the name of a database for a pattern.
	patterns string
}

// flavourOf tells the flavour of a server by its version, and refuses one that is too old.
func (d *driver) flavourOf(version string) (flavour, error) {
	f := mySQL()
	if strings.Contains(strings.ToLower(version), "mariadb") {
		f = mariaDB()
	}
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	m, err := strconv.Atoi(major)
	n, err2 := strconv.Atoi(minor)
	if err != nil || err2 != nil || m < f.major || m == f.major && n < f.minor {
		return f, access.Errorf(access.KindMisconfigured, "The connector %s leads to a server of the version %s; it needs MySQL 8.0 or MariaDB 10.6, or newer.", d.name, version)
	}
	return f, nil
}
