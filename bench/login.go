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
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
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
func measureLogins(ctx context.Context, s settings, iterations int, goal string) (_ []figure, err error) {
	t, err := startTarget(ctx, s.workers, iterations)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	server, err := t.start(ctx)
	if err != nil {
		return nil, err
	}
	l := newLogins(t.installation, server.url)
	figures, err := l.compare(ctx, s, t, server, iterations, goal)
	if err != nil {
		return nil, errors.Join(err, server.kill())
	}
	verdict, err := l.gate(ctx, s, t, server)
	if err != nil {
		return nil, err
	}
	full, err := os.Stat(t.storePath())
	if err != nil {
		return nil, err
	}
	return append(figures, verdict, single("disk until active, with its history", "B/grant", float64(full.Size())/float64(len(l.granted)))), nil
}

// compare takes turns with PostgreSQL alone, and then measures one worker alone.
func (l *logins) compare(ctx context.Context, s settings, t *target, server *child, iterations int, goal string) ([]figure, error) {
	databases := t.processes()
	measured := append([]int{server.pid()}, databases...)
	var made atomic.Int64
	stopProfile := func() error { return nil }
	if s.profiles != "" {
		stopProfile = profiled(ctx, server, filepath.Join(s.profiles, fmt.Sprintf("login-%d.pprof", iterations)), 10*time.Second)
	}
	rounds, err := paired(ctx, s,
		func(ctx context.Context, d time.Duration) (sample, error) {
			return load(ctx, s.workers, d, measured, l.one)
		},
		func(ctx context.Context, d time.Duration) (sample, error) {
			return load(ctx, s.workers, d, databases, func(ctx context.Context, _ int) error {
				_, err := t.pool.Exec(ctx, fmt.Sprintf("CREATE ROLE limit_%d LOGIN PASSWORD '%s' VALID UNTIL '2100-01-01' IN ROLE orders_read",
					made.Add(1), fmt.Sprintf(limitVerifier, iterations)))
				return err
			})
		})
	if err = errors.Join(err, stopProfile()); err != nil {
		return nil, err
	}
	before := treeCPU(databases...)
	alone, err := load(ctx, 1, s.block, measured, l.one)
	ofPostgres := sample{ops: alone.ops, cpu: treeCPU(databases...) - before}
	return append(compared(rounds, goal),
		single("p50 alone", "ms", milliseconds(percentile(alone.latencies, 0.5))),
		single("CPU alone", "µs/op", alone.cost()), single("of it PostgreSQL", "µs/op", ofPostgres.cost())), err
}

// logins asks, opens, and tries.
type logins struct {
	installation installation
	anybody      *caller
	// duration is what is asked for.
	duration string

	mu      sync.Mutex
	granted []access.GrantID
	asked   int
}

func newLogins(i installation, url string) *logins {
	return &logins{installation: i, anybody: newCaller(url, ""), duration: "20m"}
}

// triedEach is one in how many credentials is tried: a log-in costs PostgreSQL a process, and is no part of the work.
const triedEach = 32

func (l *logins) one(ctx context.Context, _ int) error {
	l.mu.Lock()
	l.asked++
	n := l.asked
	l.mu.Unlock()
	c, err := l.take(ctx, asker(n))
	if err != nil || n%triedEach != 0 {
		return err
	}
	conn, err := logIn(ctx, c)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// take asks in somebody's name and opens the credential.
func (l *logins) take(ctx context.Context, name string) (access.Credential, error) {
	_, c, err := l.takeGrant(ctx, name)
	return c, err
}

// takeGrant is take, with the grant.
func (l *logins) takeGrant(ctx context.Context, name string) (id access.GrantID, c access.Credential, err error) {
	key, err := secret.NewRecipientKey()
	if err != nil {
		return "", c, err
	}
	ask, err := json.Marshal(map[string]any{
		"entitlements": []string{"db/orders:read"}, "duration": l.duration, "reason": "look at order 17", "recipient": key.Public(),
	})
	if err != nil {
		return "", c, err
	}
	who := l.anybody.as(l.installation.token(name))
	var r answered
	if err := who.call(ctx, http.MethodPost, "/v1/requests?wait=30s", ask, &r); err != nil {
		return "", c, err
	}
	if len(r.Grants) != 1 || r.Grants[0].State != access.GrantActive {
		return "", c, fmt.Errorf("request %s came to %+v", r.ID, r.Grants)
	}
	id = r.Grants[0].ID
	if c, err = open(ctx, who, name, id, key); err != nil {
		return "", c, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.granted = append(l.granted, id)
	return id, c, nil
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

// logIn opens a session with a credential.
func logIn(ctx context.Context, c access.Credential) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(c.URI)
	if err != nil {
		return nil, err
	}
	config.User, config.Password = c.Username, c.Password
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("the credential does not log in: %w", err)
	}
	return conn, nil
}

// gate kills the server in the middle and compares the roles with the books; then it starts it again, lets it bring to an
// end what it had begun, and compares anew.
func (l *logins) gate(ctx context.Context, s settings, t *target, server *child) (figure, error) {
	killed := make(chan error, 1)
	time.AfterFunc(s.block/2, func() { killed <- server.kill() })
	if _, err := load(ctx, s.workers, s.block*10, nil, l.one); err == nil {
		return figure{}, errors.New("the server was killed, and the work went on")
	}
	if err := <-killed; err != nil {
		return figure{}, err
	}
	if err := l.holdAgainstBooks(ctx, t); err != nil {
		return figure{}, fmt.Errorf("after kill -9: %w", err)
	}
	again, err := t.start(ctx)
	if err != nil {
		return figure{}, fmt.Errorf("starting again after kill -9: %w", err)
	}
	_, err = settleDown(ctx, t.installation, again, "curfew_grants", `state="scheduled"`, `state="activating"`)
	if err = errors.Join(err, again.stop()); err != nil {
		return figure{}, err
	}
	if err := l.holdAgainstBooks(ctx, t); err != nil {
		return figure{}, fmt.Errorf("after the start that followed kill -9: %w", err)
	}
	return single("gate: lost or unknown after kill -9", fmt.Sprintf("of %d", len(l.granted)), 0), nil
}

// holdAgainstBooks fails when a grant that was answered for is not active in the books, or its role is not at PostgreSQL,
// or a role is there that the books do not know. No server may run.
func (l *logins) holdAgainstBooks(ctx context.Context, t *target) error {
	grants, err := t.grants(ctx)
	if err != nil {
		return err
	}
	lost := 0
	for _, id := range l.granted {
		if grants[id].State != access.GrantActive {
			lost++
		}
	}
	if lost > 0 {
		return fmt.Errorf("the books lack %d of %d grants", lost, len(l.granted))
	}
	return holdRolesAgainst(ctx, t.pool, grants)
}
