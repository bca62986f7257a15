package postgres

import (
	"net"
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

// proxyPoints is how many points of a call the proxy can disturb it at. Each message that goes either way is one: 0 is
// before the first request reaches the server, 1 is before its answer comes back, and so on.
const proxyPoints = 6

// proxy stands between the driver and the server, and cuts or holds the traffic at the point that it is armed for.
type proxy struct {
	listener net.Listener
	server   string
	done     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	armed *disturbance
}

// disturbance is armed until it is reached, then in force until back.
type disturbance struct {
	cut     bool
	left    int
	reached chan struct{}
	back    chan struct{}
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
		p.closeAll()
		p.done.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

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
		p.done.Go(func() { p.pipe(server, client) })
		p.done.Go(func() { p.pipe(client, server) })
	}
}

func (p *proxy) pipe(to, from net.Conn) {
	defer func() {
		_, _ = to.Close(), from.Close()
		p.mu.Lock()
		delete(p.conns, to)
		delete(p.conns, from)
		p.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !p.pass() {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass counts a message against what is armed. It reports whether the message may go on, after holding it if need be.
func (p *proxy) pass() bool {
	p.mu.Lock()
	d := p.armed
	if d == nil {
		p.mu.Unlock()
		return true
	}
	if d.left == 0 {
		select {
		case <-d.reached:
		default:
			close(d.reached)
		}
	} else {
		d.left--
		p.mu.Unlock()
		return true
	}
	p.mu.Unlock()
	if d.cut {
		p.closeAll()
		return false
	}
	<-d.back
	return true
}

func (p *proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.armed; d != nil && !d.cut {
		d.release()
		p.armed = nil
	}
	for c := range p.conns {
		_ = c.Close()
	}
}

func (d *disturbance) release() {
	select {
	case <-d.back:
	default:
		close(d.back)
	}
}

// arm makes a capability of the harness: cut, or else hold.
func (p *proxy) arm(cut bool) func(testing.TB, connector.Call, int) connectortest.Disturbance {
	return func(_ testing.TB, _ connector.Call, point int) connectortest.Disturbance {
		d := &disturbance{cut: cut, left: point, reached: make(chan struct{}), back: make(chan struct{})}
		p.mu.Lock()
		p.armed = d
		p.mu.Unlock()
		return connectortest.Disturbance{Reached: d.reached, Back: func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			d.release()
			if p.armed == d {
				p.armed = nil
			}
		}}
	}
}
