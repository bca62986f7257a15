package server

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestAnswersThatNobodyTakes: nobody keeps a connection by asking and not listening.
func TestAnswersThatNobodyTakes(t *testing.T) {
	given := make(chan error)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				given <- err
				return
			}
		}
	}))
	s.Listener = takenWithin(10*time.Millisecond, s.Listener)
	s.Start()
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-given
}

// TestWritersOwnPatience: who writes and says how long it may take is not overruled, until that is taken back.
func TestWritersOwnPatience(t *testing.T) {
	d := &dated{}
	c := &taken{Conn: d, limit: time.Hour}
	own := time.Now().Add(time.Minute)
	for _, set := range []time.Time{own, {}} {
		if err := c.SetWriteDeadline(set); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(nil); err != nil {
			t.Fatal(err)
		}
		if d.until.Equal(own) != set.Equal(own) {
			t.Errorf("after %s it is %s", set, d.until)
		}
	}
}

// dated is a connection that notes until when it may be written to.
type dated struct {
	net.Conn
	until time.Time
}

func (d *dated) Write(b []byte) (int, error) { return len(b), nil }

func (d *dated) SetWriteDeadline(t time.Time) error {
	d.until = t
	return nil
}
