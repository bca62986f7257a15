package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

func measureGrantOnce(ctx context.Context, s settings) ([]figure, error) {
	return measureLogins(ctx, s, 1, "≥ 25 × OpenBao's 187/s")
}

func measureGrantSlow(ctx context.Context, s settings) ([]figure, error) {
	return measureLogins(ctx, s, 4096, "≥ 90 % of the limit")
}

// limitVerifier is a SCRAM verifier of so many iterations. PostgreSQL checks its form, and runs its iterations to refuse
// an empty password.
const limitVerifier = "SCRAM-SHA-256$%d:c2FsdHNhbHRzYWx0c2FsdA==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

// measureLogins is numbers 1 and 2: from the request over HTTP to the opened credential, of which one in thirty-two is
// tried at PostgreSQL. The limit makes the same role with one statement on an open connection.
func measureLogins(ctx context.Context, s settings, iterations int, target string) (_ []figure, err error) {
	pg, err := localpeer.StartPostgres(ctx, localpeer.PostgresOptions{Fsync: true, Progress: os.Stderr})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pg.Stop()) }()
	i, err := installBefore(ctx, pg, iterations)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.remove()) }()
	pool, err := pgxpool.New(ctx, pg.SuperuserDSN("postgres")+fmt.Sprintf("&pool_max_conns=%d", s.workers))
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	server, err := i.start(ctx)
	if err != nil {
		return nil, err
	}
	logins := newLogins(i, server.url)
	databases := children("postgres")
	measured := append([]int{server.pid()}, databases...)
	rounds, err := paired(ctx, s,
		func(ctx context.Context, d time.Duration) (sample, error) {
			return load(ctx, s.workers, d, measured, logins.one)
		},
		func(ctx context.Context, d time.Duration) (sample, error) {
			var mu sync.Mutex
			n := time.Now().UnixNano()
			return load(ctx, s.workers, d, databases, func(ctx context.Context, _ int) error {
				mu.Lock()
				n++
				name := fmt.Sprintf("limit_%d", n)
				mu.Unlock()
				_, err := pool.Exec(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s' VALID UNTIL '2100-01-01' IN ROLE orders_read",
					name, fmt.Sprintf(limitVerifier, iterations)))
				return err
			})
		})
	if err != nil {
		return nil, errors.Join(err, server.kill())
	}
	before := treeCPU(databases...)
	alone, err := load(ctx, 1, s.block, measured, logins.one)
	if err != nil {
		return nil, errors.Join(err, server.kill())
	}
	ofPostgres := sample{ops: alone.ops, cpu: treeCPU(databases...) - before}
	figures := append(compared(rounds, target),
		single("p50 alone", "ms", milliseconds(percentile(alone.latencies, 0.5))),
		single("CPU alone", "µs/op", alone.cost()), single("of it PostgreSQL", "µs/op", ofPostgres.cost()))
	verdict, err := logins.gate(ctx, s, server, pool)
	if err != nil {
		return nil, err
	}
	full, err := os.Stat(i.storePath())
	if err != nil {
		return nil, err
	}
	return append(figures, verdict, single("disk until active, with its history", "B/grant", float64(full.Size())/float64(len(logins.granted)))), nil
}

// children are the processes of a name that this one started.
func children(name string) (pids []int) {
	for _, p := range processes() {
		if p.parent == os.Getpid() && p.name == name {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// installBefore makes an installation before a PostgreSQL, with the account of docs/connectors/postgres.md.
func installBefore(ctx context.Context, pg *localpeer.Postgres, iterations int) (installation, error) {
	const password = "bench-account"
	admin, err := pgx.Connect(ctx, pg.SuperuserDSN("postgres"))
	if err != nil {
		return installation{}, err
	}
	defer admin.Close(ctx)
	statements := []string{
		"CREATE DATABASE orders", "CREATE ROLE orders_read NOLOGIN", "CREATE ROLE orders_write NOLOGIN",
		"CREATE ROLE curfew LOGIN CREATEROLE PASSWORD '" + password + "'",
	}
	if pg.Version() >= 16 {
		statements = append(statements, "GRANT orders_read, orders_write TO curfew WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
	}
	for _, statement := range statements {
		if _, err := admin.Exec(ctx, statement); err != nil {
			return installation{}, err
		}
	}
	i, err := install(fmt.Sprintf(`{type: postgres, dsn: "file:dsn", databases: [orders], scram_iterations: %d,
    concurrency: 16, permissions: {read: {roles: [orders_read]}, write: {roles: [orders_write]}}}`, iterations))
	if err != nil {
		return i, err
	}
	config, err := os.ReadFile(i.config())
	if err != nil {
		return i, err
	}
	return i, errors.Join(
		i.write("dsn", pg.DSN("postgres", "curfew", password)),
		i.write("curfew.yaml", replaceDSN(string(config), filepath.Join(i.folder, "dsn"))))
}

// logins asks, opens, and tries.
type logins struct {
	installation installation
	anybody      *caller

	mu      sync.Mutex
	granted []access.GrantID
	asked   int
}

func newLogins(i installation, url string) *logins {
	return &logins{installation: i, anybody: newCaller(url, "")}
}

// triedEach is one in how many credentials is tried: a log-in costs PostgreSQL a process, and is no part of the work.
const triedEach = 32

func (l *logins) one(ctx context.Context, _ int) error {
	key, err := secret.NewRecipientKey()
	if err != nil {
		return err
	}
	ask, err := json.Marshal(map[string]any{
		"entitlements": []string{"db/orders:read"}, "duration": "20m", "reason": "look at order 17", "recipient": key.Public(),
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.asked++
	name, try := asker(l.asked), l.asked%triedEach == 0
	l.mu.Unlock()
	who := l.anybody.as(l.installation.token(name))
	var r answered
	if err := who.call(ctx, http.MethodPost, "/v1/requests?wait=30s", ask, &r); err != nil {
		return err
	}
	if len(r.Grants) != 1 || r.Grants[0].State != access.GrantActive {
		return fmt.Errorf("request %s came to %+v", r.ID, r.Grants)
	}
	c, err := open(ctx, who, name, r.Grants[0].ID, key)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.granted = append(l.granted, r.Grants[0].ID)
	l.mu.Unlock()
	if try {
		return tryLogin(ctx, c)
	}
	return nil
}

// open fetches a credential in somebody's name and opens it.
func open(ctx context.Context, who *caller, name string, id access.GrantID, key *secret.RecipientKey) (c access.Credential, err error) {
	body, err := json.Marshal(map[string]any{"recipient": key.Public()})
	if err != nil {
		return c, err
	}
	var sealed struct {
		Attempt    int    `json:"attempt"`
		Ciphertext []byte `json:"ciphertext"`
	}
	if err := who.call(ctx, http.MethodPost, "/v1/grants/"+string(id)+"/credential", body, &sealed); err != nil {
		return c, err
	}
	plain, err := key.Open(secret.Binding{
		Tenant: access.DefaultTenant, Grant: id, Attempt: sealed.Attempt,
		Principal: access.PrincipalID{Issuer: access.StaticIssuer, Subject: name},
	}, sealed.Ciphertext)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(plain, &c)
}

func tryLogin(ctx context.Context, c access.Credential) error {
	config, err := pgx.ParseConfig(c.URI)
	if err != nil {
		return err
	}
	config.User, config.Password = c.Username, c.Password
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("the credential does not log in: %w", err)
	}
	return conn.Close(ctx)
}

// gate kills the server in the middle, starts it again, and compares the roles that can log in with the books.
func (l *logins) gate(ctx context.Context, s settings, server *child, pool *pgxpool.Pool) (figure, error) {
	killed := make(chan error, 1)
	time.AfterFunc(s.block/2, func() { killed <- server.kill() })
	if _, err := load(ctx, s.workers, s.block*10, nil, l.one); err == nil {
		return figure{}, errors.New("the server was killed, and the work went on")
	}
	if err := <-killed; err != nil {
		return figure{}, err
	}
	grants := map[access.GrantID]access.Grant{}
	err := l.installation.books(ctx, func(books *sqlstore.SQLite) error {
		return eachGrant(ctx, books, func(g access.Grant) { grants[g.ID] = g })
	})
	if err != nil {
		return figure{}, err
	}
	lost := 0
	for _, id := range l.granted {
		if grants[id].State != access.GrantActive {
			lost++
		}
	}
	strays, err := strayRoles(ctx, pool, grants)
	if err == nil && lost+strays > 0 {
		err = fmt.Errorf("after kill -9 the books lack %d of %d grants, and %d roles are in nobody's books", lost, len(l.granted), strays)
	}
	return single("gate: lost or unknown after kill -9", fmt.Sprintf("of %d", len(l.granted)), float64(lost+strays)), err
}
