package relaytest_test

import (
	"bufio"
	"io"
	"net"
	"testing"

	"github.com/curfewhq/curfew/internal/relaytest"
)

// echo answers each line with itself until the end of the test.
func echo(t *testing.T) (addr string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}

// say sends a line and reads the answer.
func say(t *testing.T, conn net.Conn, line string) (string, error) {
	t.Helper()
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return "", err
	}
	return bufio.NewReader(conn).ReadString('\n')
}

func dial(t *testing.T, r *relaytest.Relay) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestPassDecides(t *testing.T) {
	for name, stop := range map[string]func(relaytest.Message) bool{
		"what the client says": func(m relaytest.Message) bool { return m.ToServer && string(m.Bytes) == "stop\n" },
		"the answer":           func(m relaytest.Message) bool { return !m.ToServer && string(m.Bytes) == "stop\n" },
	} {
		t.Run(name, func(t *testing.T) {
			r := relaytest.New(t, echo(t), func(m relaytest.Message) bool { return !stop(m) })
			first, second := dial(t, r), dial(t, r)
			for _, conn := range []net.Conn{first, second} {
				if answer, err := say(t, conn, "hello"); answer != "hello\n" || err != nil {
					t.Fatalf("got %q, %v", answer, err)
				}
			}
			if answer, err := say(t, first, "stop"); err == nil {
				t.Errorf("what does not pass is answered %q", answer)
			}
			if answer, err := say(t, second, "still here"); answer != "still here\n" || err != nil {
				t.Errorf("the other connection: %q, %v", answer, err)
			}
		})
	}
}

func TestConnectionsAreToldApart(t *testing.T) {
	seen := make(chan relaytest.Message, 4)
	r := relaytest.New(t, echo(t), func(m relaytest.Message) bool {
		seen <- m
		return true
	})
	for i := 1; i <= 2; i++ {
		if _, err := say(t, dial(t, r), "hello"); err != nil {
			t.Fatal(err)
		}
		for _, toServer := range []bool{true, false} {
			if m := <-seen; m.Conn != i || m.ToServer != toServer {
				t.Errorf("connection %d, to the server %t; want %d, %t", m.Conn, m.ToServer, i, toServer)
			}
		}
	}
}

func TestCut(t *testing.T) {
	r := relaytest.New(t, echo(t), func(relaytest.Message) bool { return true })
	conn := dial(t, r)
	if _, err := say(t, conn, "hello"); err != nil {
		t.Fatal(err)
	}
	r.Cut()
	if answer, err := say(t, conn, "hello"); err == nil {
		t.Errorf("after the cut comes %q", answer)
	}
	if _, err := say(t, dial(t, r), "hello"); err != nil {
		t.Errorf("a new connection: %v", err)
	}
}
