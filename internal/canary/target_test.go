package canary

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/connector/mysql"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// target is a server to give access to.
type target struct {
	// connector is its name in the configuration, and config its part of that.
	connector, config string
	// resource is what can be asked for there, with the permission read.
	resource string
	// works is false for a server that refuses everything, and credential true where a grant comes with one.
	works, credential bool
}

func (t target) entitlement() string { return t.connector + "/" + t.resource + ":read" }

// postgresTarget is a PostgreSQL that writes down every statement. One of the two references is in the environment.
func (h *house) postgresTarget(pg *localpeer.Postgres) target {
	h.Helper()
	account, observer := h.choose(h, "the password of Curfew's account at PostgreSQL"), h.choose(h, "the password of the observer at PostgreSQL")
	curfewdtest.Exec(h, pg.SuperuserDSN("postgres"), "CREATE DATABASE orders")
	curfewdtest.Exec(h, pg.SuperuserDSN("orders"), `CREATE ROLE orders_read NOLOGIN; CREATE ROLE curfew LOGIN CREATEROLE PASSWORD `+sqlText(account)+
		`; CREATE ROLE curfew_observer LOGIN CONNECTION LIMIT 10 PASSWORD `+sqlText(observer))
	if pg.Version() >= 16 {
		curfewdtest.Exec(h, pg.SuperuserDSN("orders"), "GRANT orders_read TO curfew WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
	}
	// From here on: what stands above would be found, and rightly.
	curfewdtest.Exec(h, pg.SuperuserDSN("postgres"), "ALTER SYSTEM SET log_statement = 'all'")
	curfewdtest.Exec(h, pg.SuperuserDSN("postgres"), "SELECT pg_reload_conf()")
	h.env = append(h.env, "CANARY_POSTGRES="+pg.DSN("postgres", "curfew", account))
	h.write("secrets/observer", pg.DSN("postgres", "curfew_observer", observer))
	return target{connector: "db", resource: "orders", works: true, credential: true, config: `
  db:
    type: postgres
    dsn: env:CANARY_POSTGRES
    observer_dsn: file:secrets/observer
    timeout: 3s
    databases: [orders]
    permissions: {read: {roles: [orders_read]}, write: {roles: [orders_read]}}`}
}

func sqlText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// mariaDBTarget is a MariaDB that writes down every statement.
func (h *house) mariaDBTarget() target {
	h.Helper()
	m, err := localpeer.StartMariaDB(h.ctx, localpeer.MariaDBOptions{})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = m.Stop() })
	data, err := os.ReadFile(filepath.Join("..", "dev", "mariadb.sql"))
	if err != nil {
		h.Fatal(err)
	}
	statements := mysql.MariaDBSetUp()
	for _, name := range []string{"curfew", "curfew_observer"} {
		password := h.secret("maria-"+name, "the password of "+name+" at MariaDB")
		statements += fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s';\n", name, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(password))
	}
	if err := m.Script(h.ctx, statements+string(data)+"SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = 1;"); err != nil {
		h.Fatal(err)
	}
	h.look(place{name: "every statement at MariaDB", read: func() ([]byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		cmd := m.Client(ctx, "root", m.RootConfig("").Passwd, "--batch", "--execute=SELECT argument FROM mysql.general_log")
		return cmd.Output()
	}})
	return target{connector: "maria", resource: "orders", works: true, credential: true, config: fmt.Sprintf(`
  maria:
    type: mysql
    address: %q
    user: curfew
    password: file:secrets/maria-curfew
    observer: {user: curfew_observer, password: file:secrets/maria-curfew_observer}
    timeout: 3s
    databases: [orders]
    permissions: {read: {role: orders_read}}`, m.Addr())}
}

const suffix = "dc=example,dc=com"

// ldapTarget is a directory in which Alice has an account.
func (h *house) ldapTarget() target {
	h.Helper()
	const account = "cn=curfew," + suffix
	server, err := localpeer.StartOpenLDAP(h.ctx, localpeer.OpenLDAPOptions{Suffix: suffix, Access: []string{
		"to attrs=userPassword by anonymous auth by * none",
		`to dn.subtree="ou=groups,` + suffix + `" attrs=member by dn.exact="` + account + `" write by * none`,
		`to * by dn.exact="` + account + `" read by users search by * none`,
	}})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = server.Stop() })
	root, err := server.Root()
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	password := h.secret("ldap", "the password of Curfew's account at OpenLDAP")
	for _, e := range []struct {
		dn         string
		attributes [][]string
	}{
		{suffix, [][]string{{"objectClass", "domain"}, {"dc", "example"}}},
		{account, [][]string{{"objectClass", "organizationalRole", "simpleSecurityObject"}, {"userPassword", password}}},
		{"uid=alice," + suffix, [][]string{{"objectClass", "inetOrgPerson"}, {"cn", "Alice"}, {"sn", "A"}}},
		{"ou=groups," + suffix, [][]string{{"objectClass", "organizationalUnit"}}},
		{"cn=readers,ou=groups," + suffix, [][]string{{"objectClass", "groupOfNames"}, {"member", "cn=nobody," + suffix}}},
	} {
		r := ldap.NewAddRequest(e.dn, nil)
		for _, a := range e.attributes {
			r.Attribute(a[0], a[1:])
		}
		if err := root.Add(r); err != nil {
			h.Fatalf("%s: %v", e.dn, err)
		}
	}
	return target{connector: "people", resource: "readers", works: true, config: ldapConfig("people", server.URL(), "ldap")}
}

func ldapConfig(name, at, file string) string {
	return fmt.Sprintf(`
  %s:
    type: ldap
    url: %q
    bind_dn: cn=curfew,%s
    password: file:secrets/%s
    base: %[3]s
    placeholder: cn=nobody,%[3]s
    account: principal.subject
    timeout: 3s
    resources: {readers: {permissions: {read: {groups: ["cn=readers,ou=groups,%[3]s"]}}}}`, name, at, suffix, file)
}

// redisTarget is a Redis with the accounts of docs/connectors/redis.md.
func (h *house) redisTarget() target {
	h.Helper()
	server, err := localpeer.StartRedis(h.ctx, localpeer.RedisOptions{})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = server.Stop() })
	admin, err := server.Admin()
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "connectors", "redis.md"))
	if err != nil {
		h.Fatal(err)
	}
	setUp := regexp.MustCompile("(?s)<!-- run: set-up -->\n```\n(.*?)```").FindSubmatch(page)
	if setUp == nil {
		h.Fatal("the page of Redis shows no set-up")
	}
	passwords := map[string]string{
		">choose-a-password":       h.secret("redis", "the password of Curfew's account at Redis"),
		">choose-another-password": h.secret("redis-observer", "the password of the observer at Redis"),
	}
	for line := range strings.Lines(string(setUp[1])) {
		var words []any
		for _, word := range strings.Fields(line) {
			if password := passwords[word]; password != "" {
				word = ">" + password
			}
			words = append(words, word)
		}
		if err := admin.Do(h.ctx, words...).Err(); err != nil {
			h.Fatal(err)
		}
	}
	return target{connector: "cache", resource: "orders", works: true, credential: true, config: redisConfig("cache", server.URL(), "redis") +
		"\n    observer_username: curfew_observer\n    observer_password: file:secrets/redis-observer"}
}

func redisConfig(name, at, file string) string {
	return fmt.Sprintf(`
  %s:
    type: redis
    url: %q
    password: file:secrets/%s
    timeout: 3s
    resources: {orders: {permissions: {read: {commands: ["+@read"], keys: ["%%R~orders:*"]}}}}`, name, at, file)
}

// kubernetesTarget is a cluster with what the demo's has.
func (h *house) kubernetesTarget() target {
	h.Helper()
	server, err := localpeer.StartKubernetes(h.ctx, localpeer.KubernetesOptions{})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = server.Stop() })
	text, err := os.ReadFile(filepath.Join("..", "dev", "kubernetes_objects.yaml"))
	if err != nil {
		h.Fatal(err)
	}
	if err := server.Create(h.ctx, text); err != nil {
		h.Fatal(err)
	}
	token, err := server.IssueToken(h.ctx, "default", "curfew", 2*time.Hour)
	if err != nil {
		h.Fatal(err)
	}
	h.write("secrets/kubernetes", h.plant(h, "the token of Curfew's account at Kubernetes", token))
	return target{connector: "cluster", resource: "orders", works: true, credential: true, config: kubernetesConfig("cluster", server.URL(), filepath.Join(h.secrets(), "kubernetes")) +
		"\n    ca_file: " + server.CAFile()}
}

func kubernetesConfig(name, at, file string) string {
	return fmt.Sprintf(`
  %s:
    type: kubernetes
    server: %q
    token_file: %q
    timeout: 3s
    permissions: {read: {cluster_role: orders-read}}`, name, at, file)
}

// mongoDBTarget is a FerretDB, which lacks what the connector needs of MongoDB: every call fails, with the connection string
// at hand.
func (h *house) mongoDBTarget() target {
	h.Helper()
	server, err := localpeer.StartFerretDB(h.ctx, localpeer.FerretDBOptions{})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = server.Stop() })
	uri := server.RootURI(server.Addr())
	u, err := url.Parse(uri)
	if err != nil {
		h.Fatal(err)
	}
	password, _ := u.User.Password()
	h.plant(h, "the password of Curfew's account at FerretDB", password)
	h.env = append(h.env, "CANARY_MONGODB="+uri)
	return target{connector: "documents", resource: "orders", config: `
  documents:
    type: mongodb
    uri: env:CANARY_MONGODB
    timeout: 3s
    resources: {orders: {permissions: {read: {roles: [{role: read, db: orders}]}}}}`}
}

// chattyTargets are servers that repeat in their errors what they were told.
func (h *house) chattyTargets() []target {
	h.Helper()
	named := func(server string) string { return h.secret("chatty-"+server, "what a chatty "+server+" was told") }
	postgres := h.choose(h, "what a chatty postgres was told")
	h.env = append(h.env, "CANARY_CHATTY="+(&url.URL{
		Scheme: "postgres", User: url.UserPassword("curfew", postgres), Host: chattyPostgres(h, postgres), Path: "/orders", RawQuery: "sslmode=disable",
	}).String())
	return []target{
		{connector: "chatty-people", resource: "readers", config: ldapConfig("chatty-people", "ldap://"+chattyLDAP(h, named("ldap")), "chatty-ldap")},
		{connector: "chatty-cache", resource: "orders", config: redisConfig("chatty-cache", "redis://"+chattyRedis(h, named("redis")), "chatty-redis")},
		{connector: "chatty-cluster", resource: "orders", config: func() string {
			named("kubernetes")
			return kubernetesConfig("chatty-cluster", chattyKubernetes(h), filepath.Join(h.secrets(), "chatty-kubernetes"))
		}()},
		{connector: "chatty-maria", resource: "orders", config: fmt.Sprintf(`
  chatty-maria:
    type: mysql
    address: %q
    user: curfew
    password: file:secrets/chatty-mysql
    timeout: 3s
    permissions: {read: {role: orders_read}}`, chattyMySQL(h, named("mysql")))},
		{connector: "chatty-db", resource: "orders", config: `
  chatty-db:
    type: postgres
    dsn: env:CANARY_CHATTY
    timeout: 3s
    permissions: {read: {roles: [orders_read]}}`},
	}
}
