package faults

import (
	"net"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// TestPartition cuts one of two nodes off, from the store or from the target, by losing every packet or by answering
// nothing, until the other has brought to its end what was there.
func TestPartition(t *testing.T) {
	t.Parallel()
	server := curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: 15, Settings: map[string]string{"max_connections": "300"}})
	for _, c := range []struct {
		name       string
		wire       func(island) *wire
		cut, mend  func(*wire)
		storeIsCut bool
	}{
		{"store, packets lost", func(i island) *wire { return i.store }, (*wire).drop, (*wire).heal, true},
		{"target, packets lost", func(i island) *wire { return i.target }, (*wire).drop, (*wire).heal, false},
		{"store, half open", func(i island) *wire { return i.store }, (*wire).hold, (*wire).letGo, true},
		{"target, half open", func(i island) *wire { return i.target }, (*wire).hold, (*wire).letGo, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, plan{target: server, store: server.Postgres})
			i := newIsland(t, server.Addr(), server.Addr())
			far := w.addNode(i.options(
				envStore+"="+strings.Replace(w.storeDSN, server.Addr(), i.store.relay.addr(), 1),
				envTarget+"="+strings.Replace(server.AccountDSN(), server.Addr(), i.target.relay.addr(), 1)))
			far.doer = i.node.client(t)
			near := w.addNode(curfewdtest.ProcessOptions{})
			l := w.startLoad()
			l.more(24)
			c.cut(c.wire(i))
			l.more(24)
			if c.storeIsCut {
				w.until("the node that is cut off accepts nothing", func() error {
					if _, err := (person{w: w, node: far}).submit("db/orders:read", brief); err == nil {
						return errNotYet
					}
					return nil
				})
			} else {
				w.until("the node that is cut off notices", func() error { return w.measured(far, `connector="db",kind="timeout"`) })
			}
			w.untilTakenOver(near)
			w.holdAgainstTheBooks()
			c.mend(c.wire(i))
			w.until("the node is back", func() error {
				_, err := person{w: w, node: far}.submit("db/orders:read", brief)
				return err
			})
			l.more(24)
			l.finish()
			w.verdict()
		})
	}
}

func (w *wire) hold()  { w.relay.hold() }
func (w *wire) letGo() { w.relay.letGo() }

// TestDeadLane has one of two targets accept connections and answer nothing: what is due at the other ends all the same,
// and no later for it.
func TestDeadLane(t *testing.T) {
	t.Parallel()
	target := curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: 18})
	loopback, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	between := newRelay(t, loopback, target.Addr())
	const envDead = "CURFEW_FAULTS_DEAD"
	dead := strings.NewReplacer("db:", "dead:", envTarget, envDead).Replace(connectorText)
	w := newWorld(t, plan{target: target, connectors: connectorText + dead})
	n := w.addNode(curfewdtest.ProcessOptions{Env: []string{
		envDead + "=" + strings.Replace(target.AccountDSN(), target.Addr(), between.addr(), 1),
	}})
	ask := person{w: w, node: n}
	const stuck, live = 20, 60
	for range stuck {
		if _, err := ask.submit("dead/orders:read", "3s"); err != nil {
			t.Fatal(err)
		}
	}
	w.until("the grants are active", func() error { return w.nothingBegins(n) })
	between.hold()
	for range live {
		if _, err := ask.submit("db/orders:read", brief); err != nil {
			t.Fatal(err)
		}
	}
	w.until("the living lane is empty", func() error {
		left, err := w.listUnended(n)
		if err != nil {
			return err
		}
		for _, g := range left {
			if strings.HasPrefix(g.Entitlement, "db/") {
				return errNotYet
			}
		}
		return nil
	})
	left, err := w.listUnended(n)
	if err != nil || len(left) == 0 {
		t.Errorf("the dead lane has %d grants left (%v), so it held nobody up", len(left), err)
	}
	between.letGo()
	w.verdict()
}
