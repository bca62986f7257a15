package sqlstore

import (
	"bytes"
	"net"
	"sync"
	"testing"
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

// proxy stands between a store and its server, and breaks connections at the moment that it is set to, once.
type proxy struct {
	listener net.Listener
	server   string
	done     sync.WaitGroup

	mu    sync.Mutex
	at    cut
	conns map[net.Conn]bool
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: server, conns: map[net.Conn]bool{}}
	p.done.Go(p.serve)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.done.Wait()
	})
	return p
}

func (p *proxy) set(at cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = at
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.done.Go(func() { p.relay(client, server) })
	}
}

// relay carries what either side says until one of them is gone.
func (p *proxy) relay(client, server net.Conn) {
	committing := make(chan struct{}, 1)
	var back sync.WaitGroup
	back.Go(func() {
		defer client.Close()
		copyUntil(client, server, func([]byte) bool {
			select {
			case <-committing:
				return true
			default:
				return false
			}
		})
		_ = server.Close()
	})
	copyUntil(server, client, func(message []byte) bool {
		if !bytes.Contains(message, []byte("COMMIT\x00")) {
			return false
		}
		p.mu.Lock()
		at := p.at
		p.at = never
		p.mu.Unlock()
		if at == afterCommit {
			committing <- struct{}{}
		}
		return at == beforeCommit
	})
	_, _ = client.Close(), server.Close()
	back.Wait()
	p.mu.Lock()
	delete(p.conns, client)
	delete(p.conns, server)
	p.mu.Unlock()
}

// copyUntil carries messages until stop says that one must not go on.
func copyUntil(to, from net.Conn, stop func([]byte) bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && stop(buf[:n]) || err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
