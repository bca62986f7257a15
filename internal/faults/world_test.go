package faults

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// worldLimit bounds one world's time, on a machine that has other things to do.
const worldLimit = 8 * time.Minute

// world is one installation: nodes on one store, a target, people who keep asking, and what they were told.
type world struct {
	*testing.T
	ctx     context.Context
	company *curfewdtest.Company
	target  curfewdtest.Target
	// storeDSN is the address of the books on PostgreSQL.
	storeDSN string
	// books opens the store beside the nodes, or after them.
	books func(context.Context) (store.Store, error)
	nodes []*node
	told  *told
}

// plan is what a world is made of. Empty addresses are those of the servers.
type plan struct {
	target curfewdtest.Target
	// store is the PostgreSQL of the books; nil is a file in the folder data, or in that of the configuration.
	store *localpeer.Postgres
	data  string
	// connectors replaces those of the configuration.
	connectors string
}

// Short timeouts make short leases: what a dead node has claimed comes up again after twice the timeout.
const connectorText = `
  db:
    type: postgres
    dsn: "env:CURFEW_FAULTS_TARGET"
    timeout: 2s
    databases: [orders]
    scram_iterations: 1
    permissions:
      read: {roles: [orders_read]}
      write: {roles: [orders_write]}
`

const policyText = `
policies:
  - {name: read, who: ["group:engineering"], what: ["*/orders:read"], max_duration: 1h, approve: auto}
  - {name: write, who: ["group:engineering"], what: ["*/orders:write"], max_duration: 1h, approve: [{from: ["group:leads"], within: 10s}]}
`

// The addresses of store and target are in the environment of each node, since not every node reaches them on the same
// way.
const (
	envStore  = "CURFEW_FAULTS_STORE"
	envTarget = "CURFEW_FAULTS_TARGET"
)

// newWorld writes the configuration. No node runs yet.
func newWorld(t *testing.T, p plan) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), worldLimit)
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx, target: p.target, told: newTold()}
	folder := t.TempDir()
	if p.data == "" {
		p.data = folder
	}
	if p.connectors == "" {
		p.connectors = connectorText
	}
	file := filepath.Join(p.data, "curfew.db")
	address := "sqlite:" + file
	w.books = func(ctx context.Context) (store.Store, error) {
		return sqlstore.OpenSQLite(ctx, file, sqlstore.Options{})
	}
	if p.store != nil {
		w.storeDSN = newStore(t, p.store)
		w.books = func(ctx context.Context) (store.Store, error) {
			return sqlstore.OpenPostgres(ctx, w.storeDSN, sqlstore.Options{})
		}
		address = "env:" + envStore
	}
	text := fmt.Sprintf("server: {listen: \"127.0.0.1:0\", key: key}\nstore: \""+address+"\"\n"+curfewdtest.Directory+"connectors:\n"+p.connectors+policyText, folder)
	w.company = curfewdtest.NewCompany(t, folder, map[string]string{"curfew.yaml": text})
	return w
}

// newStore makes a database for one store, as docs/store.md has it, and returns its address.
func newStore(t *testing.T, pg *localpeer.Postgres) string {
	t.Helper()
	name := "books_" + strings.ToLower(rand.Text())
	curfewdtest.Exec(t, pg.SuperuserDSN("postgres"), "CREATE ROLE "+name+" LOGIN PASSWORD 'books'")
	curfewdtest.Exec(t, pg.SuperuserDSN("postgres"), "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8'")
	curfewdtest.Exec(t, pg.SuperuserDSN(name), "CREATE SCHEMA curfew AUTHORIZATION "+name)
	return pg.DSN(name, name, "books")
}

// node is a place where curfewd runs, one process after the other.
type node struct {
	w       *world
	options curfewdtest.ProcessOptions
	// doer makes calls where the node is; nil is here.
	doer client.HttpRequestDoer

	mu        sync.Mutex
	processes []*curfewdtest.Process
}

// addNode starts a node.
func (w *world) addNode(o curfewdtest.ProcessOptions) *node {
	w.Helper()
	o.Env = append([]string{envStore + "=" + w.storeDSN, envTarget + "=" + w.target.AccountDSN()}, o.Env...)
	n := &node{w: w, options: o}
	n.start()
	w.nodes = append(w.nodes, n)
	return n
}

// start starts curfewd in the place of the one that has ended.
func (n *node) start() {
	n.w.Helper()
	p := curfewdtest.Start(n.w.T, n.w.company.Config(), n.options)
	if p.Addr() == "" {
		n.w.Fatalf("curfewd does not start:\n%s", p.Log())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.processes = append(n.processes, p)
}

// process is the newest.
func (n *node) process() *curfewdtest.Process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.processes[len(n.processes)-1]
}

// as is a node as somebody sees it.
func (n *node) as(who string) *client.ClientWithResponses {
	return n.w.company.As(n.w.T, who, n.process().Addr(), n.doer)
}

// stopNodes ends all nodes in peace.
func (w *world) stopNodes() {
	for _, n := range w.nodes {
		n.process().Stop()
	}
}

// errNotYet means that it is too early.
var errNotYet = errors.New("not yet")

// until asks again and again until the answer is no error.
func (w *world) until(what string, ask func() error) {
	w.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			for i, n := range w.nodes {
				w.Logf("node %d:\n%s", i, tail(n.process().Log()))
			}
			w.Fatalf("%s: %v; %s", what, err, w.told)
		}
	}
}

// tail is the end of a text, short enough for a report.
func tail(text string) string {
	const most = 8000
	return text[max(0, len(text)-most):]
}
