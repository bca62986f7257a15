package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/passkey"
	"github.com/curfewhq/curfew/internal/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"curfew": main})
}

// The scripts are transcripts: what people type, and what they see. Each has a server of its own, with the company of
// package enginetest. Beside testscript's own commands they have:
//
//	as NAME           whose token the commands use from then on
//	exits CODE CMD…   runs a command and checks its exit code
//	shows FILE        compares the last output with a file, after names for IDs (R1, G1, F1, D1) and times
//	ids               sets R1, G1 … to the last six characters of the IDs so far, R1_FULL, G1_FULL … to the whole
//	asked N           waits until there are N requests
//	logs-in FILE      logs in at the target with the credential in a JSON file; ! logs-in must be refused
//	overdue           waits until a grant is past its deadline
//	target down       makes the target unreachable for what takes access away or extends it
//	target implies X… has writing on orders give these rights too
//	foreign MARK      lets the target have something that bears a mark which is not ours, and compares it with the books
//	proposes D NAME…  proposes a version of the configuration with the digest DDD… of 64 digits, which gives these people more
//	mode MODE FILE    checks a file's or a folder's permissions
//	follows TEXT CMD… runs a command that has no end until it prints a line with the text, and interrupts it
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"as": as, "exits": exits, "shows": shows, "ids": ids, "asked": awaitAsked, "overdue": awaitOverdue, "logs-in": logsIn, "target": target,
			"foreign": foreign, "proposes": proposes, "mode": mode, "follows": follows,
		},
		UpdateScripts: os.Getenv("CURFEW_UPDATE_SCRIPTS") != "",
	})
}

type (
	worldKey    struct{}
	versionsKey struct{}
)

func setup(env *testscript.Env) error {
	t, ok := env.T().(testing.TB)
	if !ok {
		return errors.New("testscript hands out no testing.TB any more")
	}
	w := enginetest.New(t, enginetest.WithEventsNumbered())
	w.Run()
	const url = "https://curfew.acme.example"
	passkeys, err := passkey.New(passkey.Config{
		URL: url, Engine: w.Engine, Store: w.Store, Directory: func() passkey.Directory { return w.Directory }, IDs: engine.UUIDs{},
		Tenant: access.DefaultTenant, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	versions := w.Versions()
	env.Values[versionsKey{}] = versions
	server := httptest.NewServer(api.New(api.Config{
		Engine: w.Engine, Authenticator: w.Directory, Sessions: w.Registrar, Persons: w.Registrar, Configuration: versions, Passkeys: passkeys, URL: url, Tenant: access.DefaultTenant,
		Ready: func(context.Context) error { return nil }, Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(server.Close)
	env.Values[worldKey{}] = w
	env.Setenv("CURFEW_URL", server.URL)
	env.Setenv("CURFEW_TOKEN", enginetest.Alice+"-token")
	env.Setenv("CURFEW_STATE", filepath.Join(env.WorkDir, "state"))
	// What no script can hold: a title for the terminal, an override of the reading direction, a line break; 5,000 bytes; and the same time
	// tomorrow.
	env.Setenv("REASON", "\x1b]0;owned\x07\u202egnp.exe\n<b>")
	env.Setenv("SOON", time.Now().Add(24*time.Hour).Format(time.RFC3339))
	env.Setenv("LONG", strings.Repeat("a", 5000))
	// Under the race detector a process sleeps for a second before it exits, and a script is many of them.
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	return nil
}

func world(ts *testscript.TestScript) *enginetest.World {
	return ts.Value(worldKey{}).(*enginetest.World)
}

func want(ts *testscript.TestScript, args []string, n int, usage string) {
	if len(args) != n {
		ts.Fatalf("usage: %s", usage)
	}
}

func as(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, 1, "as NAME")
	ts.Setenv("CURFEW_TOKEN", args[0]+"-token")
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE CMD…")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// named lists the IDs that there are with the names that the scripts have for them, oldest first.
func named(ts *testscript.TestScript) (ids, names []string) {
	w := world(ts)
	page := store.Page{Limit: 1000}
	requests, _, err := w.Engine.Requests(context.Background(), w.Who(enginetest.Carol), engine.All, page)
	ts.Check(err)
	slices.Reverse(requests)
	for i, r := range requests {
		ids, names = append(ids, string(r.Request.ID)), append(names, fmt.Sprintf("R%d", i+1))
	}
	grants, _, err := w.Engine.Grants(context.Background(), w.Who(enginetest.Carol), engine.All, true, page)
	ts.Check(err)
	slices.Reverse(grants)
	findings, _, err := w.Engine.Findings(context.Background(), w.Who(enginetest.Carol), true, page)
	ts.Check(err)
	slices.Reverse(findings)
	for i, f := range findings {
		ids, names = append(ids, string(f.ID)), append(names, fmt.Sprintf("F%d", i+1))
	}
	for i, g := range grants {
		ids, names = append(ids, string(g.ID)), append(names, fmt.Sprintf("G%d", i+1))
	}
	freezes, _, err := w.Engine.Freezes(context.Background(), w.Who(enginetest.Carol), page)
	ts.Check(err)
	slices.Reverse(freezes)
	for i, f := range freezes {
		ids, names = append(ids, string(f.ID)), append(names, fmt.Sprintf("F%d", i+1))
	}
	delegations, _, err := w.Engine.Delegations(context.Background(), w.Who(enginetest.Carol), engine.DelegationsAll, page)
	ts.Check(err)
	slices.Reverse(delegations)
	for i, d := range delegations {
		ids, names = append(ids, string(d.ID)), append(names, fmt.Sprintf("D%d", i+1))
	}
	return ids, names
}

func ids(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, 0, "ids")
	ids, names := named(ts)
	for i, id := range ids {
		ts.Setenv(names[i], access.Short(access.RequestID(id)))
		ts.Setenv(names[i]+"_FULL", id)
	}
}

func proposes(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: proposes D NAME…")
	}
	text := "version " + args[0]
	for _, name := range args[1:] {
		text += "\nwidens " + name
	}
	ts.Value(versionsKey{}).(*enginetest.Versions).Propose(strings.Repeat(args[0], 64)[:64], text)
}

func askedFor(ts *testscript.TestScript) int {
	w := world(ts)
	requests, _, err := w.Engine.Requests(context.Background(), w.Who(enginetest.Carol), engine.All, store.Page{Limit: 1000})
	ts.Check(err)
	return len(requests)
}

// awaitAsked looks again and again: a request that is not there yet has nobody who could be woken.
func awaitAsked(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, 1, "asked N")
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for askedFor(ts) < n {
		runtime.Gosched()
	}
}

func awaitOverdue(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, 0, "overdue")
	for n := 0; n == 0; {
		ts.Check(world(ts).Store.View(context.Background(), func(tx store.Tx) error {
			lane := store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db"}
			counts, err := tx.Grants().Count(lane, tx.Now(), 1)
			n = counts.Overdue
			return err
		}))
		<-time.After(10 * time.Millisecond)
	}
}

var (
	moments   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	distances = regexp.MustCompile(`\bin [0-9dhms]*[0-9][dhms]\b|\b[0-9dhms]*[0-9][dhms] ago\b`)
	keys      = regexp.MustCompile(`"recipient": "[^"]+"`)
)

func shows(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, 1, "shows FILE")
	got := ts.ReadFile("stdout")
	ids, names := named(ts)
	for i, id := range ids {
		got = strings.ReplaceAll(got, id, names[i]+"_FULL")
		// Six characters as well, so that the columns of a table stay where they are.
		got = strings.ReplaceAll(got, access.Short(access.RequestID(id)), fmt.Sprintf("%-6s", names[i]))
	}
	got = moments.ReplaceAllString(got, "MOMENT")
	got = distances.ReplaceAllString(got, "in TIME")
	got = keys.ReplaceAllString(got, `"recipient": "KEY"`)
	if expected := ts.ReadFile(args[0]); squeeze(got) != squeeze(expected) {
		ts.Fatalf("got\n%s\nwant\n%s", got, expected)
	}
}

// squeeze takes off what no eye sees: spaces at the ends of lines.
func squeeze(s string) string {
	parts := strings.Split(s, "\n")
	for i := range parts {
		parts[i] = strings.TrimRight(parts[i], " ")
	}
	return strings.Join(parts, "\n")
}

func logsIn(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, args, 1, "[!] logs-in FILE")
	cred := readCredential(ts, args[0])
	_, err := world(ts).Target.Login(cred.Username, cred.Password)
	if (err != nil) != neg {
		ts.Fatalf("log-in as %s: %v", cred.Username, err)
	}
}

func target(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) > 1 && args[0] == "implies" {
		world(ts).Target.AddResource(access.Resource{
			Name: "orders", Permissions: []string{"read", "write", "drop"}, Labels: map[string]string{"env": "prod"},
			Implies: map[string]access.Implied{"write": {Rights: args[1:], Incomplete: "One of them cannot be seen."}},
		})
		return
	}
	if len(args) != 1 || args[0] != "down" {
		ts.Fatalf("usage: target down, or target implies RIGHT…")
	}
	for _, call := range []connector.Call{connector.CallRevoke, connector.CallExtend} {
		_, revive := world(ts).Target.Inject(memory.Fault{Call: call, Moment: memory.BeforeEffect, Effect: memory.Fail})
		ts.Defer(revive)
	}
}

func foreign(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, 1, "foreign MARK")
	w := world(ts)
	ts.Check(w.Target.AddAccount(memory.Account{Name: "somebody-else", Mark: access.Mark(args[0])}, ""))
	_, err := w.Engine.Reconcile(context.Background(), store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db"})
	ts.Check(err)
}

func mode(ts *testscript.TestScript, _ bool, args []string) {
	want(ts, args, 2, "mode MODE FILE")
	matches, err := filepath.Glob(ts.MkAbs(args[1]))
	ts.Check(err)
	if len(matches) == 0 {
		ts.Fatalf("there is no %s", args[1])
	}
	for _, path := range matches {
		info, err := os.Stat(path)
		ts.Check(err)
		if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("%s has mode %s, want %s", path, got, args[0])
		}
	}
}

func follows(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: follows TEXT CMD…")
	}
	cmd := exec.Command(args[1], args[2:]...)
	for _, name := range []string{"PATH", "HOME", "CURFEW_URL", "CURFEW_TOKEN"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	lines := bufio.NewScanner(out)
	seen := false
	for !seen && lines.Scan() {
		seen = strings.Contains(lines.Text(), args[0])
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	if err := cmd.Wait(); !seen || cmd.ProcessState.ExitCode() != 1 {
		ts.Fatalf("%s was printed: %t; %v after the interrupt", args[0], seen, err)
	}
}

func readCredential(ts *testscript.TestScript, file string) (cred access.Credential) {
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(file)), &cred))
	return cred
}
