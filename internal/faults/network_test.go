package faults

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew/internal/curfewdtest"
)

// namespace is a network of this test's own, kept by an open file: nobody sees it, and it ends with this process.
type namespace struct{ file *os.File }

// newNamespace makes one with its own loopback.
func newNamespace(t *testing.T) namespace {
	t.Helper()
	made := make(chan error)
	var ns namespace
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine, and nobody else gets it
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			ns.file, err = os.Open("/proc/thread-self/ns/net")
		}
		made <- err
	}()
	if err := <-made; err != nil {
		t.Fatalf("these tests make networks of their own, for which they need CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() { ns.file.Close() })
	ns.ip(t, "link", "set", "lo", "up")
	return ns
}

// within calls f on a thread in the namespace. Sockets that f opens and processes that it starts stay there.
func (ns namespace) within(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Setns(int(ns.file.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// path names the namespace to ip.
func (ns namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.file.Fd()) }

// ip runs iproute2 in the namespace.
func (ns namespace) ip(t *testing.T, arguments ...string) {
	t.Helper()
	ip := need(t, "ip", "iproute2")
	err := ns.within(func() error {
		out, err := exec.CommandContext(t.Context(), ip, arguments...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %q: %w: %s", arguments, err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (ns namespace) listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	var l net.Listener
	if err := ns.within(func() (err error) { l, err = net.Listen("tcp4", addr); return err }); err != nil {
		t.Fatal(err)
	}
	return l
}

// client makes calls from within the namespace.
func (ns namespace) client(t *testing.T) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		err = ns.within(func() (err error) {
			c, err = (&net.Dialer{}).DialContext(ctx, network, addr)
			return err
		})
		return c, err
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// island is a node's namespace, from which a wire leads to the store and another to the target. Each wire ends at a relay
// in a second namespace; the relay carries on to the server, on this machine's loopback.
type island struct {
	node, shore   namespace
	store, target *wire
}

// wire is one way out of an island.
type wire struct {
	t     *testing.T
	shore namespace
	// device is its end on the shore.
	device string
	relay  *relay
}

func newIsland(t *testing.T, store, target string) island {
	t.Helper()
	i := island{node: newNamespace(t), shore: newNamespace(t)}
	i.store = i.lay(t, "store", "10.213.1", store)
	i.target = i.lay(t, "target", "10.213.2", target)
	return i
}

func (i island) lay(t *testing.T, name, network, to string) *wire {
	t.Helper()
	shore, node := name, name+"-node"
	i.shore.ip(t, "link", "add", shore, "type", "veth", "peer", "name", node, "netns", i.node.path())
	i.shore.ip(t, "addr", "add", network+".1/30", "dev", shore)
	i.node.ip(t, "addr", "add", network+".2/30", "dev", node)
	i.shore.ip(t, "link", "set", shore, "up")
	i.node.ip(t, "link", "set", node, "up")
	return &wire{t: t, shore: i.shore, device: shore, relay: newRelay(t, i.shore.listen(t, network+".1:0"), to)}
}

// drop loses every packet from now on; heal loses no more. Neither side is told.
func (w *wire) drop() { w.shore.ip(w.t, "link", "set", w.device, "down") }
func (w *wire) heal() { w.shore.ip(w.t, "link", "set", w.device, "up") }

// options start a node on the island.
func (i island) options(env ...string) curfewdtest.ProcessOptions {
	return curfewdtest.ProcessOptions{Env: env, Run: func(cmd *exec.Cmd) error { return i.node.within(cmd.Start) }}
}
