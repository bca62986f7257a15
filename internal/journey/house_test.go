package journey

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/syncbuf"
)

// programLimit bounds how long a program may take to say or to do something, on a machine that has other things to do.
const programLimit = 2 * time.Minute

// house is an installation: the built programs, an identity provider, and a folder of its own.
type house struct {
	testing.TB
	programs, folder string
	// listen is where the server listens, and url where people reach it.
	listen, url string
	// issuer is the identity provider.
	issuer string
	// env has the secrets of the configuration.
	env    []string
	server *process
}

// newHouse builds the programs and starts the provider. The server is started by serve.
func newHouse(t testing.TB) *house {
	t.Helper()
	h := newPrograms(t)
	h.startDex()
	return h
}

// startDex starts dex as the identity provider.
func (h *house) startDex() {
	h.Helper()
	dex, err := localpeer.StartDex(h.Context(), localpeer.DexOptions{
		Clients: []localpeer.DexClient{{ID: "curfew", Secret: "client-secret", Redirects: []string{h.url + "/oauth/callback"}}},
		Users: []localpeer.DexUser{
			{ID: "u-alice", Email: "alice@acme.example", Name: "Alice Adler", Password: "alice's password", Groups: []string{"payments"}},
			{ID: "u-bob", Email: "bob@acme.example", Name: "Bob Brand", Password: "bob's password", Groups: []string{"payments", "leads"}},
		},
		Progress: h.Output(),
	})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = dex.Stop() })
	h.issuer = dex.Issuer()
}

// newPrograms builds the programs, for a house whose identity provider is yet to be started.
func newPrograms(t testing.TB) *house {
	t.Helper()
	listen := freeAddress(t)
	h := &house{
		TB: t, programs: t.TempDir(), folder: t.TempDir(),
		listen: listen, url: "http://" + strings.Replace(listen, "127.0.0.1", "localhost", 1), // of which alone a browser takes passkeys
		env: []string{"OIDC_SECRET=client-secret", "CAROL_TOKEN=carol's token"},
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", h.programs+"/", "./cmd/curfew", "./cmd/curfewd")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return h
}

// freeAddress is an address of this machine that nobody listens on at this moment.
func freeAddress(t testing.TB) string {
	t.Helper()
	address, err := localpeer.FreeAddr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// serve starts the server, with more of the configuration behind what every journey has.
func (h *house) serve(more string) {
	h.Helper()
	h.serveOn(fmt.Sprintf(`
server: {listen: %s, url: %s}
store: sqlite:./curfew.db
directory:
  static:
    - {id: carol, kind: human, groups: [platform], token: env:CAROL_TOKEN}
  oidc:
    issuer: %s
    client_id: curfew
    client_secret: env:OIDC_SECRET
    scopes: [groups, email]
    attributes: {mail: email}
roles: {admin: ['group:platform']}
`, h.listen, h.url, h.issuer) + more)
}

// serveOn starts the server with a configuration.
func (h *house) serveOn(config string) {
	h.Helper()
	path := filepath.Join(h.folder, "curfew.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		h.Fatal(err)
	}
	h.server = h.start(h.command("", "curfewd", "serve", "-c", path))
	h.server.await(`"msg":"(serving)"`)
}

// command is a program of ours with an environment of nothing but what it needs. who has a home of their own.
func (h *house) command(who, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(h.Context(), filepath.Join(h.programs, name), args...)
	cmd.Dir = h.folder
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(h.folder, "home", who)}, h.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = programLimit
	return cmd
}

// curfew runs the people's program, and returns what it prints and its exit code.
func (h *house) curfew(who string, args ...string) (stdout, stderr string, code int) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), programLimit)
	defer cancel()
	cmd := h.command(who, "curfew", args...)
	var out, errs syncbuf.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		h.Fatal(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	_ = cmd.Wait() // the exit code says it
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must is curfew that works, and returns what it prints.
func (h *house) must(who string, args ...string) string {
	h.Helper()
	stdout, stderr, code := h.curfew(who, args...)
	if code != 0 {
		h.Fatalf("curfew %s exits with %d:\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// process is a program that runs on.
type process struct {
	testing.TB
	cmd   *exec.Cmd
	said  syncbuf.Buffer
	ended chan struct{}
}

// start starts a program, which ends with the test.
func (h *house) start(cmd *exec.Cmd) *process {
	h.Helper()
	p := &process{TB: h.TB, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.said, &p.said
	if err := cmd.Start(); err != nil {
		h.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait()
	}()
	h.Cleanup(p.stop)
	return p
}

// stop ends it in peace.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	<-p.ended
}

// await waits until it has said something, and returns the match of the last group.
func (p *process) await(pattern string) string {
	p.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.NewTimer(programLimit)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ended := false; ; {
		if found := re.FindStringSubmatch(p.said.String()); found != nil {
			return found[len(found)-1]
		}
		if ended {
			p.Fatalf("it ended before it said %q:\n%s", pattern, p.said.String())
		}
		select {
		case <-tick.C:
		case <-p.ended:
			ended = true // it may have said it last
		case <-limit.C:
			p.Fatalf("it does not say %q:\n%s", pattern, p.said.String())
		}
	}
}

// exit waits until it has ended, and returns its exit code.
func (p *process) exit() int {
	p.Helper()
	select {
	case <-p.ended:
	case <-time.After(programLimit):
		p.Fatalf("it does not end:\n%s", p.said.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// read is what a program has printed as JSON.
func read[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return v
}
