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

// worldLimit bounds one world's time.
const worldLimit = 4 * time.Minute

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
	// doer makes calls where the nodes are; nil is this machine.
	doer client.HttpRequestDoer
}

// plan is what a world is made of. Empty addresses are those of the servers.
type plan struct {
	target curfewdtest.Target
	// store is the PostgreSQL of the books; nil is a file in the folder data, or in that of the configuration.
	store *localpeer.Postgres
	data  string
	// server and connectors replace those of the configuration.
	server, connectors string
	// dsn and storeDSN replace the addresses by which a node reaches target and store.
	dsn, storeDSN string
	doer          client.HttpRequestDoer
}

// Short timeouts make short leases: what a dead node has claimed comes up again after twice the timeout.
const connectorText = `
  db:
    type: postgres
    dsn: "file:%[1]s/dsn"
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

// newWorld writes the configuration. No node runs yet.
func newWorld(t *testing.T, p plan) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), worldLimit)
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx, target: p.target, told: newTold(), doer: p.doer}
	folder := t.TempDir()
	if p.data == "" {
		p.data = folder
	}
	if p.server == "" {
		p.server = `{listen: "127.0.0.1:0", key: key}`
	}
	if p.connectors == "" {
		p.connectors = connectorText
	}
	if p.dsn == "" {
		p.dsn = p.target.AccountDSN()
	}
	file := filepath.Join(p.data, "curfew.db")
	address, dsn := "sqlite:"+file, ""
	w.books = func(ctx context.Context) (store.Store, error) {
		return sqlstore.OpenSQLite(ctx, file, sqlstore.Options{})
	}
	if p.store != nil {
		dsn = newStore(t, p.store)
		w.storeDSN = dsn
		w.books = func(ctx context.Context) (store.Store, error) {
			return sqlstore.OpenPostgres(ctx, w.storeDSN, sqlstore.Options{})
		}
		address = "file:%[1]s/store"
	}
	if p.storeDSN != "" {
		dsn = strings.Replace(dsn, p.store.Addr(), p.storeDSN, 1)
	}
	text := fmt.Sprintf("server: "+p.server+"\nstore: \""+address+"\"\n"+curfewdtest.Directory+"connectors:\n"+p.connectors+policyText, folder)
	w.company = curfewdtest.NewCompany(t, folder, map[string]string{"curfew.yaml": text, "dsn": p.dsn, "store": dsn})
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

	mu        sync.Mutex
	processes []*curfewdtest.Process
}

// addNode starts a node.
func (w *world) addNode(o curfewdtest.ProcessOptions) *node {
	w.Helper()
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
	return n.w.company.As(n.w.T, who, n.process().Addr(), n.w.doer)
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
