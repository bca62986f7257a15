package faults

import (
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// callers is how many connections are held open to a node that may have 128 descriptors.
const callers = 256

// TestDescriptorsExhausted starts a node, and holds more connections to it open than it has descriptors before it has one
// to the target: what is due is taken back all the same. When the callers have gone it answers again.
func TestDescriptorsExhausted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{target: curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: 18})})
	n := w.addNode(curfewdtest.ProcessOptions{Env: []string{envDescriptors + "=128"}})
	ask := person{w: w, node: n}
	for range 8 {
		if _, err := ask.submit("db/orders:read", "12s"); err != nil {
			t.Fatal(err)
		}
	}
	w.until("the grants are active", func() error { return w.nothingBegins(n) })
	n.process().Kill()
	n.start()
	hangUp := w.callAndStay(n)
	w.until("what is due is taken back", w.nothingAtTarget)
	if _, err := ask.submit("db/orders:read", brief); err == nil {
		t.Error("a caller got through, so the connections are not exhausted")
	}
	hangUp()
	w.until("it answers again", func() error {
		_, err := ask.submit("db/orders:read", brief)
		return err
	})
	w.verdict()
}

// callAndStay keeps connections open, each of which has asked something where it was let in.
func (w *world) callAndStay(n *node) (hangUp func()) {
	w.Helper()
	http.DefaultClient.CloseIdleConnections()
	var all []net.Conn
	hangUp = func() {
		for _, c := range all {
			c.Close()
		}
	}
	w.Cleanup(hangUp)
	for range callers {
		c, err := net.Dial("tcp", n.process().Addr())
		if err != nil {
			w.Fatal(err)
		}
		all = append(all, c)
		if _, err := c.Write([]byte("GET /healthz HTTP/1.1\r\nHost: curfew\r\n\r\n")); err != nil {
			w.Fatal(err)
		}
	}
	return hangUp
}

// nothingBegins reports an error until every grant is active, or further.
func (w *world) nothingBegins(n *node) error {
	grants, err := w.listUnended(n)
	if err != nil {
		return err
	}
	for _, g := range grants {
		if s := access.GrantState(g.State); s == access.GrantScheduled || s == access.GrantActivating {
			return errNotYet
		}
	}
	return nil
}

// nothingAtTarget reports an error until no role of ours is there.
func (w *world) nothingAtTarget() error {
	roles, err := w.target.Roles(w.ctx, "")
	if err == nil && len(roles) > 0 {
		err = fmt.Errorf("%w: there are %d roles", errNotYet, len(roles))
	}
	return err
}
