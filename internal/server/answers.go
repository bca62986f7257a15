package server

import (
	"net"
	"sync/atomic"
	"time"
)

// answerLimit is how long a caller may leave a piece of an answer untaken.
const answerLimit = 30 * time.Second

// takenWithin bounds how long callers may leave each piece of their answers untaken. Who asks and does not listen would keep a
// connection, which are bounded, without so much as a token. The bound on the whole answer that net/http has would end calls that wait.
func takenWithin(limit time.Duration, l net.Listener) net.Listener { return answering{l, limit} }

// answering is a listener whose callers take what they are sent.
type answering struct {
	net.Listener
	limit time.Duration
}

// Accept implements net.Listener.
func (l answering) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &taken{Conn: c, limit: l.limit}, nil
}

// taken is a connection on which each write has its time, unless who writes has set another.
type taken struct {
	net.Conn
	limit time.Duration
	set   atomic.Bool
}

// Write implements net.Conn.
func (c *taken) Write(b []byte) (int, error) {
	if !c.set.Load() {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

// SetWriteDeadline implements net.Conn.
func (c *taken) SetWriteDeadline(t time.Time) error {
	c.set.Store(!t.IsZero())
	return c.Conn.SetWriteDeadline(t)
}
