package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// wire is a connection on which the test speaks Redis's inline form, so that it can leave things half done.
type wire struct {
	net.Conn
	answers *bufio.Reader
}

func (p *peer) wire(t testing.TB, c access.Credential) *wire {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	w := &wire{conn, bufio.NewReader(conn)}
	w.say(t, "AUTH "+c.Username+" "+c.Password, "+OK")
	return w
}

// say sends a command, and reads the line that it must be answered with; empty waits for none.
func (w *wire) say(t testing.TB, command, want string) {
	t.Helper()
	if _, err := fmt.Fprintf(w, "%s\r\n", command); err != nil {
		t.Fatal(err)
	}
	if want == "" {
		return
	}
	if got, err := w.answers.ReadString('\n'); err != nil || strings.TrimSpace(got) != want {
		t.Fatalf("%.20s…: %q, %v", command, got, err)
	}
}

// Whatever a connection does, it ends, and so does what it had begun.
func TestEverySessionEnds(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("all", "sessions")
	plan, c := give(t, d, o)

	transaction, watching := p.wire(t, c), p.wire(t, c)
	transaction.say(t, "MULTI", "+OK")
	transaction.say(t, "SET orders:18 new", "+QUEUED")
	watching.say(t, "WATCH orders:17", "+OK")
	subscribed, patterned := p.wire(t, c), p.wire(t, c)
	subscribed.say(t, "SUBSCRIBE orders.new", "*3")
	patterned.say(t, "PSUBSCRIBE orders.*", "*3")
	waiting := p.wire(t, c)
	waiting.say(t, "BLPOP orders:queue 0", "")
	elsewhere := p.wire(t, c)
	elsewhere.say(t, "SELECT 3", "+OK")
	silent := p.wire(t, c)
	silent.say(t, "CLIENT REPLY OFF", "")
	all := []*wire{transaction, watching, subscribed, patterned, waiting, elsewhere, silent}
	p.awaitBlocked(t)

	r, err := d.Revoke(t.Context(), o, plan)
	if err != nil || r.SessionsEnded != len(all) {
		t.Errorf("%d sessions ended, %v; want %d", r.SessionsEnded, err, len(all))
	}
	wantState(t, d, o, plan, connector.Absent)
	if err := p.admin.LPush(t.Context(), "orders:queue", "x").Err(); err != nil {
		t.Fatal(err)
	}
	for i, w := range all {
		_, _ = fmt.Fprint(w, "EXEC\r\n")
		for { // what was said before the end may still be read
			if _, err := w.answers.ReadString('\n'); err != nil {
				if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
					t.Errorf("connection %d is open", i)
				}
				break
			}
		}
	}
	if n := p.admin.Exists(t.Context(), "orders:18").Val(); n != 0 {
		t.Error("the transaction was carried out")
	}
	if n := p.admin.LLen(t.Context(), "orders:queue").Val(); n != 1 {
		t.Error("the command that waited was carried out")
	}
}

// awaitBlocked waits until the server says that one connection waits.
func (p *peer) awaitBlocked(t testing.TB) {
	t.Helper()
	for p.admin.InfoMap(t.Context(), "clients").Item("Clients", "blocked_clients") != "1" {
		if t.Context().Err() != nil {
			t.Fatal(context.Cause(t.Context()))
		}
	}
}

// What a category brings, and would outlive the grant or reach the machine, is taken out of it.
func TestWhatNoGrantGives(t *testing.T) {
	p := start(t)
	d := p.open(t)
	_, c := give(t, d, order("all", "narrow"))
	for command, allowed := range map[string]bool{
		"GET orders:17": true, "SET orders:19 x": true, "KEYS *": true, "PUBLISH orders.new x": true, "CLIENT ID": true, "EVAL x 0": true,
		"GET other": false, "SET curfew:order:x x": false, "PUBLISH other x": false, "FLUSHALL": false, "FLUSHDB": false, "SWAPDB 0 1": false,
		"FUNCTION LOAD x": false, "FUNCTION FLUSH": false, "CLIENT KILL USER curfew": false, "CLIENT LIST": false, "CLIENT PAUSE 1": false,
		"ACL SETUSER x": false, "ACL LIST": false, "CONFIG GET *": false, "MONITOR": false, "SORT orders:17": false, "DEBUG SLEEP 0": false,
		"MIGRATE h 1 orders:17 0 1": false, "RESTORE orders:17 0 x": false, "REPLICAOF NO ONE": false, "MODULE LIST": false, "SHUTDOWN": false,
	} {
		if said := p.do(t, "ACL DRYRUN "+c.Username+" "+command); (said == "OK") != allowed {
			t.Errorf("%s: %v, want allowed: %t", command, said, allowed)
		}
	}
}

// Nobody can name what the server calls administration.
func TestAdministrationIsReserved(t *testing.T) {
	p := start(t)
	admin, err := p.admin.ACLCatArgs(t.Context(), nil).Result()
	if err != nil || len(admin) == 0 {
		t.Fatal(err)
	}
	commands, _ := p.do(t, "ACL CAT admin").([]any)
	if len(commands) < 50 {
		t.Fatalf("the server has %d commands of administration", len(commands))
	}
	for _, name := range commands {
		if checkCommand("+"+text(name)) == "" {
			t.Errorf("%s can be given", name)
		}
		if container, _, ok := strings.Cut(text(name), "|"); ok && checkCommand("+"+container) == "" {
			t.Errorf("%s can be given as a whole", container)
		}
	}
}
