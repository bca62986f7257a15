package canary

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// demo runs `curfewd dev`, which makes up its own secrets, and looks at all that it has started.
func (h *house) demo() {
	h.Helper()
	data := filepath.Join(h.folder, "demo")
	d := startDaemon(h, h.program("curfewd"), h.environment(), "dev", "-o", "json", "--data", data, "--listen", "127.0.0.1:0")
	h.lookAtBuffer("the demo's errors", &d.stderr)
	var said struct {
		URL    string
		Tokens map[string]string
	}
	if err := json.Unmarshal([]byte(d.await(&d.stdout, 1, `(?s)(\{.*\}\n)`)), &said); err != nil {
		h.Fatal(err)
	}
	for who, token := range said.Tokens {
		h.tokens[who] = h.plant(h, "the demo's token of "+who, token)
	}
	for _, name := range []string{"curfew.password", "curfew_observer.password"} {
		password, err := os.ReadFile(filepath.Join(data, "secrets", name))
		if err != nil {
			h.Fatal(err)
		}
		h.plant(h, "the demo's "+name, string(password))
	}
	h.addr = h.record("every answer of the demo", strings.TrimPrefix(said.URL, "http://"))
	out := h.must("engineer", "request", "orders-db/orders:read", "--for", "5m", "--reason", "order 17", "--wait", "-o", "json")
	var r struct{ Grants []struct{ ID string } }
	if err := json.Unmarshal([]byte(out.stdout), &r); err != nil || len(r.Grants) != 1 {
		h.Fatalf("%v\n%s", err, out.stdout)
	}
	h.credential("engineer", r.Grants[0].ID)
	h.lookAtProcess(d)
	d.signal(syscall.SIGINT)
	<-d.ended
}

// descendants are the processes that a process has started, and those that they have.
func descendants(t testing.TB, pid int) (all []int) {
	t.Helper()
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is constant
	children := map[int][]int{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		var state string
		var parent int
		_, rest, _ := strings.Cut(string(text), ") ") // the name before may hold anything
		if _, err := fmt.Sscan(rest, &state, &parent); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		children[parent] = append(children[parent], child)
	}
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		all = append(all, children[todo[0]]...)
		todo = append(todo, children[todo[0]]...)
	}
	return all
}
