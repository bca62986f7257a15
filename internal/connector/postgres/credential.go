package postgres

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/curfewhq/curfew/internal/access"
)

// credential is what a user needs to reach the database on the way that Curfew reaches the server.
func credential(c *pgx.ConnConfig, database, user, password string) access.Credential {
	hosts, ports := addresses(c)
	query := url.Values{}
	env := map[string]string{
		"PGHOST": strings.Join(hosts, ","), "PGPORT": strings.Join(ports, ","),
		"PGDATABASE": database, "PGUSER": user, "PGPASSWORD": password,
	}
	if mode := sslMode(c); mode != "" {
		query.Set("sslmode", mode)
		env["PGSSLMODE"] = mode
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Path: "/" + database}
	if strings.HasPrefix(hosts[0], "/") { // the folder of a Unix socket
		query.Set("host", env["PGHOST"])
		query.Set("port", env["PGPORT"])
	} else {
		joined := make([]string, len(hosts))
		for i := range hosts {
			joined[i] = net.JoinHostPort(hosts[i], ports[i])
		}
		u.Host = strings.Join(joined, ",")
	}
	u.RawQuery = query.Encode()
	return access.Credential{Username: user, Password: password, URI: u.String(), Env: env}
}

// addresses are the distinct servers of the connection string, in its order. A server stands there once more for each way
// to encrypt.
func addresses(c *pgx.ConnConfig) (hosts, ports []string) {
	var seen []string
	add := func(host string, port uint16) {
		p := strconv.Itoa(int(port))
		if key := net.JoinHostPort(host, p); !slices.Contains(seen, key) {
			seen, hosts, ports = append(seen, key), append(hosts, host), append(ports, p)
		}
	}
	add(c.Host, c.Port)
	for _, f := range c.Fallbacks {
		add(f.Host, f.Port)
	}
	return hosts, ports
}

// sslMode is how a user's client must protect the way when Curfew's own must; otherwise the client chooses. Certificates
// to verify with are not ours to hand out: whoever verifies has them.
func sslMode(c *pgx.ConnConfig) string {
	plain := c.TLSConfig == nil || slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.TLSConfig == nil })
	switch {
	case plain:
		return ""
	case !c.TLSConfig.InsecureSkipVerify:
		return "verify-full"
	case c.TLSConfig.VerifyPeerCertificate != nil:
		return "verify-ca"
	}
	return "require"
}
