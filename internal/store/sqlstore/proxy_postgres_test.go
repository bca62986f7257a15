package sqlstore

import (
	"bytes"
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/relaytest"
)

// cut says when a proxy breaks a connection.
type cut int

const (
	never cut = iota
	// beforeCommit is when the word COMMIT comes from the client; it does not reach the server.
	beforeCommit
	// afterCommit is when the server's answer to it comes; it does not reach the client.
	afterCommit
)

// proxy stands between a store and its server, and breaks a connection at the moment that it is set to, once.
type proxy struct {
	*relaytest.Relay

	mu sync.Mutex
	at cut
	// committing is the connection whose next answer does not arrive.
	committing int
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	p := &proxy{}
	p.Relay = relaytest.New(t, server, p.pass)
	return p
}

func (p *proxy) set(at cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = at
}

func (p *proxy) pass(m relaytest.Message) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !m.ToServer {
		return m.Conn != p.committing
	}
	if !bytes.Contains(m.Bytes, []byte("COMMIT\x00")) {
		return true
	}
	at := p.at
	p.at = never
	if at == afterCommit {
		p.committing = m.Conn
	}
	return at != beforeCommit
}
