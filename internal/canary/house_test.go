package canary

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/relaytest"
)

// people are those of curfewdtest.Directory.
func people() []string { return []string{"alice", "bob", "carol", "dave"} }

// house is an installation under watch: everything that it writes, answers and shows becomes a place.
type house struct {
	testing.TB
	*watch
	ctx context.Context
	// folder has the configuration, the store, and below it the secrets, the people's state and the temporary files.
	folder string
	tokens map[string]string
	// programs is the folder of curfew and curfewd; addr is where people reach the server.
	programs, addr string
	// listen is where curfewd listens, and sources are the parts of its configuration from which people come; empty where nobody
	// signs in.
	listen, sources string
	dex             *localpeer.Dex
	passwords       map[string]string
	platform        platform
	// env has the secrets of the configuration that are in the environment of curfewd.
	env []string
	// verifiers are canaries that PostgreSQL is told instead of passwords, and that nobody else is.
	verifiers []string
	// runs counts what was run, for the names of places.
	mu   sync.Mutex
	runs int
}

// houseLimit bounds the life of a house.
const houseLimit = 5 * time.Minute

func newHouse(t testing.TB, programs string) *house {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), houseLimit)
	t.Cleanup(cancel)
	h := &house{TB: t, watch: newWatch(), ctx: ctx, folder: t.TempDir(), tokens: map[string]string{}, programs: programs}
	// The PostgreSQL of the demo, which runs as another user, must be able to pass.
	for dir := h.folder; strings.HasPrefix(dir, os.TempDir()) && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{h.secrets(), h.temporary(), filepath.Join(h.folder, "state")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, who := range people() {
		h.tokens[who] = h.secret(who, "the token of "+who)
	}
	return h
}

func (h *house) program(name string) string { return filepath.Join(h.programs, name) }

func (h *house) secrets() string   { return filepath.Join(h.folder, "secrets") }
func (h *house) temporary() string { return filepath.Join(h.folder, "tmp") }
func (h *house) config() string    { return filepath.Join(h.folder, "curfew.yaml") }

// secret plants a secret behind the reference file:secrets/FILE.
func (h *house) secret(file, name string) string {
	h.Helper()
	value := h.choose(h, name)
	h.write(filepath.Join("secrets", file), value)
	return value
}

func (h *house) write(file, content string) {
	h.Helper()
	if err := os.WriteFile(filepath.Join(h.folder, file), []byte(content), 0o600); err != nil {
		h.Fatal(err)
	}
}

// environment is that of every program: nothing of this process but the way to other programs.
func (h *house) environment(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.temporary(), "TMPDIR=" + h.temporary()}, more...)
}

// record puts what a server answers on connections of ours under watch, and returns where to reach it.
func (h *house) record(name, addr string) (recorded string) {
	h.Helper()
	var mu sync.Mutex
	said := map[int]*bytes.Buffer{}
	relay := relaytest.New(h, addr, func(m relaytest.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		if m.ToServer {
			return true
		}
		if said[m.Conn] == nil {
			said[m.Conn] = &bytes.Buffer{}
		}
		said[m.Conn].Write(m.Bytes)
		return true
	})
	h.look(place{name: name, read: func() ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		var all []byte
		for _, b := range said {
			all = append(append(all, b.Bytes()...), '\n')
		}
		return all, nil
	}})
	return relay.Addr()
}

// outcome is what a program came to.
type outcome struct {
	code           int
	stdout, stderr string
}

// curfew runs the people's program, and puts what it shows under watch.
func (h *house) curfew(who string, args ...string) outcome {
	h.Helper()
	return h.run(h.curfewCommand(who, args...), true)
}

// secretly is curfew, but for what it prints for the eyes of its caller alone.
func (h *house) secretly(who string, args ...string) outcome {
	h.Helper()
	return h.run(h.curfewCommand(who, args...), false)
}

// must is curfew that works.
func (h *house) must(who string, args ...string) outcome {
	h.Helper()
	out := h.curfew(who, args...)
	if out.code != 0 {
		h.Fatalf("curfew %s as %s: exit %d\n%s%s", strings.Join(args, " "), who, out.code, out.stdout, out.stderr)
	}
	return out
}

func (h *house) curfewCommand(who string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(h.ctx, h.program("curfew"), args...)
	cmd.Env = h.environment("CURFEW_STATE=" + h.state(who))
	if token, ok := h.tokens[who]; ok { // others sign in
		cmd.Env = append(cmd.Env, "CURFEW_URL="+h.url(), "CURFEW_TOKEN="+token)
	}
	return cmd
}

func (h *house) state(who string) string { return filepath.Join(h.folder, "state", who) }

// run runs a program to its end. What it shows is kept, its output unless that is for its caller alone, and so are its arguments.
func (h *house) run(cmd *exec.Cmd, shown bool) outcome {
	h.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		h.Fatalf("%s: %v", cmd.Path, err)
	}
	h.mu.Lock()
	h.runs++
	name := fmt.Sprintf("run %d, %s %s", h.runs, filepath.Base(cmd.Path), cmp.Or(strings.Join(cmd.Args[1:min(len(cmd.Args), 3)], " "), "alone"))
	h.mu.Unlock()
	if shown {
		h.keep(name+": its output", stdout.Bytes())
	}
	h.keep(name+": its errors", stderr.Bytes())
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// call makes a request past every client of ours, and puts the answer under watch, its header included.
func (h *house) call(method, path string, header http.Header, body string) (status int, answer string) {
	h.Helper()
	r, err := http.NewRequestWithContext(h.ctx, method, "http://"+h.addr+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	r.Header = header
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		h.Fatal(err)
	}
	return response.StatusCode, string(b)
}

// as is the header of somebody's call.
func (h *house) as(who string) http.Header {
	return http.Header{"Authorization": {"Bearer " + h.tokens[who]}, "Content-Type": {"application/json"}}
}

// until asks again and again until the answer is yes.
func (h *house) until(what string, yes func() bool) {
	h.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-h.ctx.Done():
			h.Fatalf("%s: not in time", what)
		}
	}
}

// credential reads the credential that a grant's principal is shown, and plants what is secret in it.
func (h *house) credential(who, grant string) (c access.Credential) {
	h.Helper()
	out := h.secretly(who, "credential", grant, "-o", "json")
	if err := json.Unmarshal([]byte(out.stdout), &c); err != nil || c.Password == "" {
		h.Fatalf("the credential of %s: exit %d, %v\n%s", grant, out.code, err, out.stderr)
	}
	h.plant(h, "a credential's password for "+grant, c.Password)
	return c
}

// plantKeys plants the private keys to which somebody's credentials are sealed.
func (h *house) plantKeys(who string) {
	h.Helper()
	files, _ := filepath.Glob(filepath.Join(h.state(who), "keys", "*.json")) // the pattern is constant
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			h.Fatal(err)
		}
		var held struct{ Key []byte }
		if err := json.Unmarshal(text, &held); err != nil {
			h.Fatal(err)
		}
		h.plant(h, "the private key of "+who, string(held.Key))
	}
}

// lookAtFiles adds every file below the folder, but those that are the secrets' own: the files behind references, the
// key file, the people's keyrings.
func (h *house) lookAtFiles() {
	h.Helper()
	own := []string{h.secrets(), filepath.Join(h.folder, "state"), filepath.Join(h.folder, "curfew.key"), filepath.Join(h.folder, "demo", "secrets")}
	err := filepath.WalkDir(h.folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains(own, path) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		name, err := filepath.Rel(h.folder, path)
		if err == nil {
			h.look(place{name: "the file " + name, read: func() ([]byte, error) { return os.ReadFile(path) }})
		}
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
}
