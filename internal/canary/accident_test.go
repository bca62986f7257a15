package canary

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/server"
	"github.com/curfewhq/curfew/internal/store"
)

// accidents are things that go wrong inside curfewd with a secret at hand, once each. What is in them is what the log says all the same.
func accidents() []leakage {
	return []leakage{
		{"a handler panics", func(o *server.Options, token, _ string) error {
			o.WrapStore = func(s store.Store) store.Store { return &panickingStore{Store: s, inView: token} }
			return nil
		}, []string{`"a call panicked"`, `"route":"GET /v1/grants"`, "a value of type string"}},
		{"a transaction panics", func(o *server.Options, token, _ string) error {
			o.WrapStore = func(s store.Store) store.Store { return &panickingStore{Store: s, inUpdate: token} }
			return nil
		}, []string{"panicked: a value of type string"}},
		{"a driver panics", func(o *server.Options, _, dsn string) error {
			o.WrapDriver = onFirstGrant(func() error { panic("no log-in with " + dsn) })
			return nil
		}, []string{"panic: a value of type string"}},
		{"a driver tells its connection string", func(o *server.Options, _, dsn string) error {
			o.WrapDriver = onFirstGrant(func() error { return errors.New("no log-in with " + dsn) })
			return nil
		}, []string{"no log-in with [secret]"}},
		{"a driver tells it to users", func(o *server.Options, _, dsn string) error {
			o.WrapDriver = onFirstGrant(func() error { return access.Errorf(access.KindUnavailable, "There is no log-in with %s.", dsn) })
			return nil
		}, []string{"There is no log-in with [secret]"}},
	}
}

// panickingStore panics with a secret, once, when somebody who calls the API reads or writes.
type panickingStore struct {
	store.Store
	inView, inUpdate string
	once             sync.Once
}

// called reports whether it is a caller of the API who waits.
func called(ctx context.Context) bool { return ctx.Value(http.ServerContextKey) != nil }

func (s *panickingStore) View(ctx context.Context, fn func(store.Tx) error) error {
	if s.inView != "" && called(ctx) {
		s.once.Do(func() { panic(s.inView) })
	}
	return s.Store.View(ctx, fn)
}

func (s *panickingStore) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, name, func(tx store.Tx) error {
		if s.inUpdate != "" && called(ctx) {
			s.once.Do(func() { panic(s.inUpdate) })
		}
		return fn(tx)
	})
}

// onFirstGrant wraps drivers whose first Grant has something happen instead.
func onFirstGrant(happens func() error) func(access.ConnectorName, connector.Driver) connector.Driver {
	return func(_ access.ConnectorName, d connector.Driver) connector.Driver {
		return &unluckyDriver{Driver: d, happens: happens}
	}
}

type unluckyDriver struct {
	connector.Driver
	once    sync.Once
	happens func() error
}

func (d *unluckyDriver) Grant(ctx context.Context, o connector.Order, p access.Plan) (out connector.Outcome, err error) {
	d.once.Do(func() { err = d.happens() })
	if err != nil {
		return connector.Outcome{}, err
	}
	return d.Driver.Grant(ctx, o, p)
}

// TestAccidentsTellNothing has each accident happen in an installation, and finds no secret anywhere; the log tells of
// the accident.
func TestAccidentsTellNothing(t *testing.T) {
	pg := startTarget(t)
	for _, a := range accidents() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			log, r := leaky(t, pg, a.name)
			for _, f := range r.found {
				t.Error(f)
			}
			for _, text := range a.in {
				if !strings.Contains(log, text) {
					t.Errorf("the log does not say %q:\n%s", text, log)
				}
			}
		})
	}
}
