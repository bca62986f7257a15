package redis

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"syscall"
	"testing"

	protocol "github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/syncbuf"
)

// logged is what the library would write to stderr.
type logged struct{ syncbuf.Buffer }

func (l *logged) Printf(_ context.Context, format string, v ...any) {
	_, _ = fmt.Fprintf(l, format+"\n", v...)
}

// asBefore writes to stderr, as the library does when it is told nothing.
type asBefore struct{ *log.Logger }

func (l asBefore) Printf(_ context.Context, format string, v ...any) { l.Logger.Printf(format, v...) }

// A server that cannot be reached is said to be so by the error, which keeps the cause, and by nothing else.
func TestNobodyListens(t *testing.T) {
	said := &logged{}
	protocol.SetLogger(said)
	t.Cleanup(func() { protocol.SetLogger(asBefore{log.New(os.Stderr, "redis: ", log.LstdFlags)}) })
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	c, _ := Type().New().(*Config)
	c.URL, c.Password = "redis://"+free.Addr().String(), connectortest.SecretFile(t, "a password that nobody asks for")
	c.Resources = map[string]Resource{"orders": {Permissions: map[string]Permission{"read": {Commands: []string{"+@read"}, Keys: []string{"%R~orders:*"}}}}}
	d, err := c.Open(connector.Env{Name: "cache", Clock: access.SystemClock{}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err = d.Check(t.Context())
		if access.KindOf(err) != access.KindUnavailable || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the error is %v", err)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if said.String() != "" {
		t.Errorf("the library writes: %s", said.String())
	}
}
