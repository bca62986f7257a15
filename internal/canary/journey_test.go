package canary

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// live is the whole life of an installation, of which the configuration is written.
func (h *house) live(targets []target, pg *localpeer.Postgres) {
	h.Helper()
	h.run(h.curfewd("check", "-c", h.config()), true)
	d := h.serve()
	h.lookAtProcess(d)
	for _, t := range targets {
		if t.works {
			h.use(t, pg)
		}
	}
	h.review()
	h.signIn()
	d.await(&d.stderr, 1, `a directory was not taken over[^\n]*I was told \[secret\]`)
	h.fail(d, targets)
	h.callWrongly()
	h.mistype()
	h.takeAway()
	h.reload(d)
	h.run(h.curfewd("backup", "-c", h.config(), "--to", filepath.Join(h.folder, "backup")), true)
	h.inspect()
	h.lose(pg)
	d.stop()
	h.restore()
	h.misconfigure()
}

func (h *house) curfewd(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(h.ctx, h.program("curfewd"), args...)
	cmd.Env = h.environment(h.env...)
	return cmd
}

// lookAtProcess adds what anybody on the machine sees of a program, and demands that it leaves no core dump.
func (h *house) lookAtProcess(d *daemon) {
	h.Helper()
	h.lookAtArguments(d.pid())
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", d.pid()))
	if err != nil || !regexp.MustCompile(`Max core file size +0 `).Match(limits) {
		h.Errorf("curfewd may dump its memory: %v\n%s", err, limits)
	}
}

// lookAtArguments adds the arguments of a process, and of everything that it has started.
func (h *house) lookAtArguments(pid int) {
	h.Helper()
	for _, pid := range append([]int{pid}, descendants(h, pid)...) {
		arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue // it has ended
		}
		name, _, _ := strings.Cut(string(arguments), "\x00")
		h.keep("the arguments of "+filepath.Base(name), arguments)
	}
}

// request asks for something, waits for it, and returns its grant.
func (h *house) request(entitlement, duration string) client.Grant {
	h.Helper()
	out := h.must("alice", "request", entitlement, "--for", duration, "--reason", "order 17", "--wait", "-o", "json")
	var r client.Request
	if err := json.Unmarshal([]byte(out.stdout), &r); err != nil || len(r.Grants) != 1 {
		h.Fatalf("%s: %v\n%s", entitlement, err, out.stdout)
	}
	return r.Grants[0]
}

// use leads a grant of a target through a life in which everything works.
func (h *house) use(t target, pg *localpeer.Postgres) {
	h.Helper()
	// Asked for by exec itself, and given back.
	h.must("alice", "exec", t.entitlement(), "--reason", "order 17", "--for", "5m", "--", "true")
	g := h.request(t.entitlement(), "10m")
	if t.credential {
		c := h.credential("alice", g.ID)
		if t.connector == "db" {
			h.plantVerifier(pg, c)
		}
		h.secretly("alice", "credential", g.ID)
		h.secretly("alice", "credential", g.ID, "--env")
		// Somebody else's, at another machine: sealed to another key.
		h.curfew("bob", "credential", g.ID)
		h.curfew("carol", "credential", g.ID)
	}
	h.must("alice", "exec", g.ID, "--", "sh", "-c", `tr "\000" " " </proc/$$/cmdline; tr "\000" " " </proc/$PPID/cmdline`)
	h.curfew("alice", "exec", g.ID, "--", "false")
	h.must("alice", "extend", g.ID, "--for", "5m")
	h.must("alice", "return", g.ID)
	h.curfew("alice", "credential", g.ID)
}

// plantVerifier plants what PostgreSQL keeps in place of a password: Curfew tells it that, and nobody else.
func (h *house) plantVerifier(pg *localpeer.Postgres, c access.Credential) {
	h.Helper()
	conn, err := pgx.Connect(h.ctx, pg.SuperuserDSN("postgres"))
	if err != nil {
		h.Fatal(err)
	}
	defer conn.Close(h.ctx)
	var kept string
	if err := conn.QueryRow(h.ctx, "SELECT rolpassword FROM pg_authid WHERE rolname = $1", c.Username).Scan(&kept); err != nil {
		h.Fatal(err)
	}
	_, keys, ok := strings.Cut(strings.TrimPrefix(kept, "SCRAM-SHA-256$"), "$")
	if !ok {
		h.Fatalf("PostgreSQL keeps the password in another form: %.20s…", kept)
	}
	const name = "a SCRAM verifier at PostgreSQL"
	for _, key := range strings.Split(keys, ":") {
		raw, err := base64.StdEncoding.DecodeString(key)
		if err != nil {
			h.Fatal(err)
		}
		h.plant(h, name, string(raw))
	}
	h.verifiers = append(h.verifiers, name)
}

// review leads requests through people's hands.
func (h *house) review() {
	h.Helper()
	ask := func() string {
		out := h.must("alice", "request", "db/orders:write", "--for", "10m", "--reason", "order 17", "-o", "json")
		var r client.Request
		if err := json.Unmarshal([]byte(out.stdout), &r); err != nil {
			h.Fatal(err)
		}
		return r.ID
	}
	h.must("bob", "requests", "--to-review")
	h.must("bob", "approve", ask())
	h.must("bob", "deny", ask(), "--comment", "not today")
	h.must("alice", "withdraw", ask())
	h.curfew("alice", "approve", ask())
	h.must("alice", "list")
	h.must("alice", "whoami")
	h.must("carol", "requests", "--all")
}

// fail asks for what no target gives, and waits until each whose catalogue is known has said why, and the log has what each
// chatty one says.
func (h *house) fail(d *daemon, targets []target) {
	h.Helper()
	failing := map[string]bool{}
	for _, t := range targets {
		if !t.works && h.curfew("alice", "request", t.entitlement(), "--for", "5m", "--reason", "order 17").code == 0 {
			failing[t.entitlement()] = true
		}
	}
	h.until("every activation that fails says why", func() bool {
		var list client.GrantList
		out := h.secretly("carol", "grants", "--all", "-o", "json")
		if err := json.Unmarshal([]byte(out.stdout), &list); err != nil {
			h.Fatal(err)
		}
		said := map[string]bool{}
		for _, g := range list.Items {
			said[g.Entitlement] = said[g.Entitlement] || failing[g.Entitlement] && (g.LastError != "" || g.EndReason == client.GrantEndReason(access.EndFailed))
		}
		for e := range failing {
			if !said[e] {
				return false
			}
		}
		return true
	})
	h.must("carol", "grants", "--all")
	for _, t := range targets {
		if strings.HasPrefix(t.connector, "chatty-") {
			d.await(&d.stderr, 1, t.connector+`[^\n]*I was told (Bearer )?\[secret\]`)
		}
	}
}

// callWrongly sends a secret where none belongs.
func (h *house) callWrongly() {
	h.Helper()
	stray := h.choose(h, "what a caller put where it does not belong")
	escaped, quoted := url.QueryEscape(stray), func() string { b, _ := json.Marshal(stray); return string(b) }()
	with := func(name, value string) http.Header {
		header := h.as("alice")
		header.Set(name, value)
		return header
	}
	for _, c := range []struct {
		method, path string
		header       http.Header
		body         string
	}{
		{"GET", "/v1/whoami", with("Authorization", "Bearer "+stray), ""},
		{"GET", "/v1/whoami", with("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("alice:"+stray))), ""},
		{"GET", "/v1/whoami", with("Authorization", stray), ""},
		{"GET", "/metrics", with("Authorization", "Bearer "+stray), ""},
		{"GET", "/v1/grants?token=" + escaped, http.Header{}, ""},
		{"GET", "/v1/grants?token=" + escaped, h.as("alice"), ""},
		{"GET", "/v1/grants?after=" + escaped, h.as("alice"), ""},
		{"GET", "/v1/events?after=" + escaped, h.as("alice"), ""},
		{"GET", "/v1/requests/" + url.PathEscape(stray), h.as("alice"), ""},
		{"POST", "/v1/grants/" + url.PathEscape(stray) + "/credential", h.as("alice"), `{"recipient":"AAAA"}`},
		{"GET", "/" + url.PathEscape(stray), h.as("alice"), ""},
		{"POST", "/v1/requests", with("Idempotency-Key", stray), `{"entitlements":["db/orders:raed"],"duration":"1m"}`},
		{"POST", "/v1/requests", with("Cookie", "token="+stray), `{"entitlements":["db/orders:read"],"password":` + quoted + `}`},
		{"POST", "/v1/requests", with("Traceparent", stray), `{"entitlements":["db/orders:read"],"duration":` + quoted + `}`},
		{"POST", "/v1/requests", h.as("alice"), `{"entitlements":[` + quoted + `],"duration":"1m"}`},
		{"POST", "/v1/requests", h.as("alice"), `{"entitlements":["db/orders:read"],"recipient":` + quoted + `}`},
		{"POST", "/v1/requests", h.as("alice"), stray},
		{"POST", "/v1/requests", with("Content-Type", stray), stray},
		{"PATCH", "/v1/requests/" + escaped, h.as("alice"), stray},
	} {
		if status, answer := h.call(c.method, c.path, c.header, c.body); status < 400 {
			h.Errorf("%s %.12s was accepted: %d %.200s", c.method, c.path, status, answer)
		}
	}
}

// mistype runs every command of the people's program with mistakes: no arguments, another's token, a server that is away, an
// address that holds a password.
func (h *house) mistype() {
	h.Helper()
	help := h.must("alice", "--help").stdout
	_, commands, _ := strings.Cut(help, "Available Commands:\n")
	commands, _, _ = strings.Cut(commands, "\n\n")
	stray := h.choose(h, "what somebody put into CURFEW_TOKEN and CURFEW_URL")
	environments := [][]string{
		{"CURFEW_URL=http://" + h.addr, "CURFEW_TOKEN=" + stray},
		{"CURFEW_URL=http://127.0.0.1:1", "CURFEW_TOKEN=" + stray},
		{"CURFEW_URL=http://alice:" + url.QueryEscape(stray) + "@" + h.addr, "CURFEW_TOKEN=x"},
		{"CURFEW_URL=" + stray, "CURFEW_TOKEN=x"},
	}
	var all []*exec.Cmd
	for line := range strings.Lines(commands) {
		name := strings.Fields(line)[0]
		if name == "completion" || name == "help" || name == "login" { // which waits for somebody to sign in
			continue
		}
		for _, env := range environments {
			for _, args := range [][]string{{}, {"zzzzzz", "--reason", "x"}, {"db/orders:read", "--for", "1m"}, {"zzzzzz", "--", "true"}} {
				cmd := exec.CommandContext(h.ctx, h.program("curfew"), append([]string{name}, args...)...)
				cmd.Env = h.environment(append(env, "CURFEW_STATE="+h.state("nobody"))...)
				all = append(all, cmd)
			}
		}
	}
	if len(all) < 200 {
		h.Errorf("the help names %d commands only:\n%s", len(all)/16, help)
	}
	var running sync.WaitGroup
	turns := make(chan struct{}, 16) // most of them wait for a server that is not there
	for _, cmd := range all {
		turns <- struct{}{}
		running.Go(func() {
			defer func() { <-turns }()
			h.run(cmd, true)
		})
	}
	running.Wait()
}

// takeAway has access end in each way.
func (h *house) takeAway() {
	h.Helper()
	expiring := h.request("db/orders:read", "2s")
	h.must("carol", "revoke", h.request("db/orders:read", "10m").ID, "--reason", "enough")
	h.request("db/orders:read", "10m")
	h.must("carol", "revoke", "--everything", "--reason", "a drill")
	h.curfew("alice", "request", "db/orders:read", "--for", "5m", "--reason", "order 17")
	out := h.must("carol", "freezes", "-o", "json")
	var list client.FreezeList
	if err := json.Unmarshal([]byte(out.stdout), &list); err != nil || len(list.Items) != 1 {
		h.Fatalf("%v\n%s", err, out.stdout)
	}
	h.must("carol", "unfreeze", list.Items[0].ID, "--reason", "it was a drill")
	h.until("the grant expires", func() bool {
		return strings.Contains(h.secretly("alice", "grants", "--all", "-o", "json").stdout, expiring.ID) && h.ended(expiring.ID)
	})
}

func (h *house) ended(id string) bool {
	var g client.Grant
	_, body := h.call("GET", "/v1/grants/"+id, h.as("alice"), "")
	return json.Unmarshal([]byte(body), &g) == nil && g.State == client.GrantState(access.GrantEnded)
}

// reload has curfewd read configurations that are wrong, with secrets written out, and then its own again.
func (h *house) reload(d *daemon) {
	h.Helper()
	good, err := os.ReadFile(h.config())
	if err != nil {
		h.Fatal(err)
	}
	refused := 0
	for _, bad := range h.malformed(string(good)) {
		h.write("curfew.yaml", bad)
		d.signal(syscall.SIGHUP)
		refused++
		d.await(&d.stderr, refused, `the configuration was not taken over`)
	}
	h.agree(d, string(good))
	h.write("curfew.yaml", string(good))
	d.signal(syscall.SIGHUP)
	d.await(&d.stderr, 1, `the configuration was taken over`)
}

// agree has an administrator agree to a version of the configuration that waits, and cannot be taken over: a secret is none.
func (h *house) agree(d *daemon, good string) {
	h.Helper()
	h.write("secrets/malformed", "postgres://curfew:"+h.choose(h, "a secret that is no address")+"@[::1:not-a-port/orders")
	h.write("curfew.yaml", strings.Replace(good, "dsn: env:CANARY_POSTGRES", "dsn: file:secrets/malformed", 1))
	d.signal(syscall.SIGHUP)
	d.await(&d.stderr, 1, `the configuration waits for an administrator`)
	var status struct {
		Waiting struct{ Digest string }
		Error   string
	}
	look := func() {
		h.must("carol", "config")
		h.must("carol", "config", "diff")
		if err := json.Unmarshal([]byte(h.must("dave", "config", "-o", "json").stdout), &status); err != nil || status.Waiting.Digest == "" {
			h.Fatalf("no version waits: %v", err)
		}
	}
	look()
	h.curfew("carol", "config", "approve", status.Waiting.Digest) // her service may do more by it
	h.curfew("dave", "config", "approve", status.Waiting.Digest)
	if look(); !strings.Contains(status.Error, "no connection string") {
		h.Errorf("why the version is not taken over: %q", status.Error)
	}
}

// malformed are configurations with a secret where a reference belongs, or none, and a mistake beside it.
func (h *house) malformed(good string) []string {
	h.Helper()
	written := h.choose(h, "a secret that is written into the configuration")
	inQuotes := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(written)
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			h.Fatalf("the configuration has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	return []string{
		replace("dsn: env:CANARY_POSTGRES", `dsn: "postgres://curfew:`+inQuotes+`@db.example/orders"`),
		replace("dsn: env:CANARY_POSTGRES", `dsn: "`+inQuotes+`"`+"\n    passwrod: \""+inQuotes+`"`),
		replace(`token: "file:`, `token: "`+inQuotes+`" # `),
		replace("roles: {admin", `"`+inQuotes+`": x`+"\nroles: {admin"),
		replace("store: ", `store: "postgres://books:`+inQuotes+`@db.example/books" # `),
		"{" + written,
	}
}

// misconfigure starts curfewd on configurations that are wrong, and on a store whose address is.
func (h *house) misconfigure() {
	h.Helper()
	good, err := os.ReadFile(h.config())
	if err != nil {
		h.Fatal(err)
	}
	wrong := h.choose(h, "a wrong password of the store")
	h.write("secrets/unreachable", (&url.URL{Scheme: "postgres", User: url.UserPassword("books", wrong), Host: "127.0.0.1:1", Path: "/books"}).String())
	h.write("secrets/chatty-store", (&url.URL{
		Scheme: "postgres", User: url.UserPassword("books", wrong), Host: chattyPostgres(h, wrong), Path: "/books", RawQuery: "sslmode=disable",
	}).String())
	h.write("secrets/no-address", "postgres://books:"+wrong+"@[::1:not-a-port/books")
	all := h.malformed(string(good))
	for _, file := range []string{"unreachable", "chatty-store", "no-address"} {
		all = append(all, regexp.MustCompile(`store: "[^"]*"`).ReplaceAllString(string(good), `store: "file:secrets/`+file+`"`))
	}
	for i, text := range all {
		name := fmt.Sprintf("wrong-%d.yaml", i)
		path := filepath.Join(h.folder, name)
		h.write(name, text)
		for _, args := range [][]string{
			{"check"}, {"serve"}, {"backup", "--to", filepath.Join(h.folder, "another-backup")}, {"restore", "--as-is"}, {"restore", "--from", filepath.Join(h.folder, "backup")},
			{"audit", "verify"}, {"audit", "key"},
		} {
			out := h.run(h.curfewd(append(args, "-c", path)...), true)
			if out.code == 0 && args[0] == "serve" {
				h.Errorf("curfewd serves %s", name)
			}
		}
		if err := os.Remove(path); err != nil {
			h.Fatal(err)
		}
	}
}

// inspect looks at what is there to be watched, and at the files that a store on SQLite has only while it is open.
func (h *house) inspect() {
	h.Helper()
	open, _ := filepath.Glob(filepath.Join(h.folder, "curfew.db*")) // the pattern is constant
	for _, path := range open {
		content, err := os.ReadFile(path)
		if err != nil {
			h.Fatal(err)
		}
		h.keep("the open file "+filepath.Base(path), content)
	}
	h.must("carol", "audit", "-o", "json", "--after", "0")
	h.must("carol", "findings", "--all")
	h.must("carol", "audit", "checkpoint")
	h.must("carol", "audit", "export", filepath.Join(h.folder, "export.jsonl"))
	h.must("carol", "audit", "verify", filepath.Join(h.folder, "export.jsonl"))
	h.must("carol", "evidence", "--from", time.Now().UTC().Format(time.DateOnly), "-o", filepath.Join(h.folder, "evidence"))
	h.must("carol", "evidence", "verify", filepath.Join(h.folder, "evidence"))
	if out := h.run(h.curfewd("audit", "verify", "-c", h.config()), true); out.code != 0 {
		h.Errorf("curfewd audit verify: exit %d\n%s%s", out.code, out.stdout, out.stderr)
	}
	for _, path := range []string{"/metrics", "/readyz", "/healthz", "/v1/events?after=0", "/v1/findings?all=true"} {
		if status, answer := h.call("GET", path, h.as("carol"), ""); status != http.StatusOK {
			h.Errorf("%s answers %d: %.200s", path, status, answer)
		}
	}
}

// lose ends PostgreSQL in the middle of a grant's life, which is a target here and the store in one of the houses, and starts it again.
func (h *house) lose(pg *localpeer.Postgres) {
	h.Helper()
	g := h.request("db/orders:read", "10m")
	h.credential("alice", g.ID)
	if err := pg.Crash(); err != nil {
		h.Fatal(err)
	}
	for _, args := range [][]string{{"list"}, {"grants"}, {"request", "db/orders:read", "--for", "5m", "--reason", "x"}} {
		h.curfew("alice", args...)
	}
	h.secretly("alice", "credential", g.ID)
	h.curfew("carol", "revoke", "--connector", "db", "--reason", "it is away")
	if err := pg.Restart(h.ctx); err != nil {
		h.Fatal(err)
	}
	h.until("curfewd is ready again", func() bool {
		status, _ := h.call("GET", "/readyz", h.as("carol"), "")
		return status == http.StatusOK
	})
	h.curfew("alice", "return", g.ID)
}

// restore makes a store of the backup, and serves from it with tokens that are void.
func (h *house) restore() {
	h.Helper()
	good, err := os.ReadFile(h.config())
	if err != nil {
		h.Fatal(err)
	}
	text := regexp.MustCompile(`store: "[^"]*"`).ReplaceAllString(string(good), `store: "sqlite:restored.db"`)
	text = strings.Replace(text, "key: curfew.key", "key: curfew.key, head: restored.head", 1)
	h.write("restored.yaml", text)
	path := filepath.Join(h.folder, "restored.yaml")
	if out := h.run(h.curfewd("restore", "-c", path, "--from", filepath.Join(h.folder, "backup")), true); out.code != 0 {
		h.Fatalf("restore: exit %d\n%s%s", out.code, out.stdout, out.stderr)
	}
	d := startDaemon(h, h.program("curfewd"), h.environment(h.env...), "serve", "-c", path)
	h.addr = h.record("every answer of the restored curfewd", d.await(&d.stderr, 1, `"msg":"serving","address":"([^"]+)"`))
	h.lookAtBuffer("the log of the restored curfewd", &d.stderr)
	h.curfew("alice", "whoami")
	h.curfew("job", "whoami")
	d.stop()
}
