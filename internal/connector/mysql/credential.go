package mysql

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"

	protocol "github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew/internal/access"
)

// credential is what a user needs to reach the database on the way that Curfew reaches the server.
func (d *driver) credential(database, user, password string) access.Credential {
	u := url.URL{Scheme: "mysql", User: url.UserPassword(user, password), Path: "/" + database}
	env := map[string]string{"MYSQL_PWD": password, "MYSQL_USER": user, "MYSQL_DATABASE": database}
	if d.config.socket() {
		u.RawQuery = url.Values{"socket": {d.config.Address}}.Encode()
		env["MYSQL_UNIX_PORT"] = d.config.Address
	} else {
		u.Host = d.config.Address
		env["MYSQL_HOST"], env["MYSQL_TCP_PORT"], _ = net.SplitHostPort(d.config.Address) // Validate did
	}
	return access.Credential{Username: user, Password: password, URI: u.String(), Env: env}
}

// untrusted reports whether the way to the server could not be protected.
func untrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok || errors.Is(err, protocol.ErrNoTLS)
}
