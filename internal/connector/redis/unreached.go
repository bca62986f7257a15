package redis

import (
	"net"
	"time"
)

// unreached stands for a connection that could not be made, and says why when it is used. Told by the dialer itself, the library
// would write that to stderr, through a logger that all of the process shares, and dial again on its own for as long as nobody
// listens.
type unreached struct{ err error }

var _ net.Conn = unreached{}

// Read and Write fail as the dialing did.
func (u unreached) Read([]byte) (int, error)  { return 0, u.err }
func (u unreached) Write([]byte) (int, error) { return 0, u.err }

// The rest has nothing to do and nothing to tell.

func (unreached) Close() error                     { return nil }
func (unreached) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (unreached) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (unreached) SetDeadline(time.Time) error      { return nil }
func (unreached) SetReadDeadline(time.Time) error  { return nil }
func (unreached) SetWriteDeadline(time.Time) error { return nil }
