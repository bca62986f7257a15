package faults

import (
	"context"
	"net"
	"sync"
	"testing"
)

// relay carries connections from a listener to a server. While it is held they are accepted and nothing is carried, so
// that whoever is connected waits, and does not know for what; what was under way arrives when it is let go.
type relay struct {
	listener net.Listener
	to       string
	work     sync.WaitGroup

	mu sync.Mutex
	// open is closed while nothing holds.
	open  chan struct{}
	conns []net.Conn
}

// newRelay carries until the end of the test.
func newRelay(t *testing.T, l net.Listener, to string) *relay {
	t.Helper()
	r := &relay{listener: l, to: to, open: make(chan struct{})}
	close(r.open)
	r.work.Go(r.accept)
	t.Cleanup(func() {
		l.Close()
		r.letGo()
		r.mu.Lock()
		for _, c := range r.conns {
			c.Close()
		}
		r.mu.Unlock()
		r.work.Wait()
	})
	return r
}

// addr is where it listens.
func (r *relay) addr() string { return r.listener.Addr().String() }

// hold stops carrying.
func (r *relay) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = make(chan struct{})
}

// letGo goes on, wherever it was. It may be called when nothing holds.
func (r *relay) letGo() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.open:
	default:
		close(r.open)
	}
}

// gate is closed when something may be carried.
func (r *relay) gate() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}

func (r *relay) accept() {
	for {
		in, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.keep(in)
		r.work.Go(func() { r.carry(in) })
	}
}

func (r *relay) keep(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
}

func (r *relay) carry(in net.Conn) {
	defer in.Close()
	<-r.gate()
	out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", r.to)
	if err != nil {
		return
	}
	r.keep(out)
	defer out.Close()
	r.work.Go(func() { r.copy(out, in) })
	r.copy(in, out)
}

// copy ends with either side, and ends the other then.
func (r *relay) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	piece := make([]byte, 16<<10)
	for {
		n, err := from.Read(piece)
		<-r.gate()
		if n > 0 {
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
