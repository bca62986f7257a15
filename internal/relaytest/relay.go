// Package relaytest stands between a client and a server in tests, and cuts or holds what they say to each other.
//
// It owns the connections and the order of what goes over them, and the Disturber that the law of drivers wants. It does not
// own what the bytes mean: that is the Pass of each test.
package relaytest

import (
	"context"
	"net"
	"sync"
	"testing"
)

// chunk is the most that is carried at once; what our protocols say at once is smaller.
const chunk = 64 << 10

// Message is what one side has said at once.
type Message struct {
	// Conn tells connections apart.
	Conn int
	// ToServer: the client has said it.
	ToServer bool
	Bytes    []byte
}

// Pass says whether a message goes on. It may wait first, and is called by several goroutines. A connection whose message
// does not go on is cut.
type Pass func(Message) bool

// Relay carries connections from a loopback address to a server.
type Relay struct {
	listener net.Listener
	server   string
	pass     Pass
	work     sync.WaitGroup

	mu sync.Mutex
	// conns are both sides of each connection that is open.
	conns map[net.Conn]bool
	made  int
}

// New carries until the end of the test. A Pass that still waits then must have been let go: by a cleanup that was registered
// after this call.
func New(t testing.TB, server string, pass Pass) *Relay {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{listener: l, server: server, pass: pass, conns: map[net.Conn]bool{}}
	r.work.Go(r.accept)
	t.Cleanup(func() {
		_ = l.Close()
		r.Cut()
		r.work.Wait()
	})
	return r
}

// Addr is where clients connect to.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Cut breaks every connection that is open.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_ = c.Close()
	}
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", r.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		r.mu.Lock()
		r.made++
		conn := r.made
		r.conns[client], r.conns[server] = true, true
		r.mu.Unlock()
		r.work.Go(func() { r.carry(Message{Conn: conn, ToServer: true}, server, client) })
		r.work.Go(func() { r.carry(Message{Conn: conn}, client, server) })
	}
}

// carry carries one way until either side is gone, and then ends both.
func (r *Relay) carry(m Message, to, from net.Conn) {
	defer func() {
		_, _ = to.Close(), from.Close()
		r.mu.Lock()
		delete(r.conns, to)
		delete(r.conns, from)
		r.mu.Unlock()
	}()
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		m.Bytes = buf[:n]
		if n > 0 && !r.pass(m) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
