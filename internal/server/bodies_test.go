package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestBodiesThatNeverCome: nobody keeps a connection by a body that does not arrive, be it read or not.
func TestBodiesThatNeverCome(t *testing.T) {
	for name, serve := range map[string]http.HandlerFunc{
		"nobody reads it":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"somebody reads it": func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) },
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(bodiesWithin(10*time.Millisecond, serve))
			defer s.Close()
			c, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\na"); err != nil {
				t.Fatal(err)
			}
			// It ends, and what it says until then does not matter.
			_, _ = io.Copy(io.Discard, bufio.NewReader(c))
		})
	}
}

// deadlines notes the last one.
type deadlines struct {
	*httptest.ResponseRecorder
	last time.Time
}

// SetReadDeadline is what http.ResponseController looks for.
func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.last = t
	return nil
}

// TestCallsThatWait: a body that has arrived bounds nothing any more, so that calls which wait are not cut short.
func TestCallsThatWait(t *testing.T) {
	for name, c := range map[string]struct {
		body  io.Reader
		read  bool
		bound bool
	}{
		"without a body": {http.NoBody, false, false}, "with one": {strings.NewReader("x"), true, false}, "with one that nobody reads": {strings.NewReader("x"), false, true},
	} {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		bodiesWithin(time.Minute, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if c.read {
				_, _ = io.ReadAll(r.Body)
			}
		})).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", c.body))
		if w.last.IsZero() == c.bound {
			t.Errorf("%s: the deadline is %s", name, w.last)
		}
	}
}
