package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// logWatch is a log that can be waited for.
type logWatch struct {
	mu    sync.Mutex
	said  strings.Builder
	wrote *sync.Cond
}

func newLogWatch() *logWatch {
	w := &logWatch{}
	w.wrote = sync.NewCond(&w.mu)
	return w
}

func (w *logWatch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.wrote.Broadcast()
	return w.said.Write(p)
}

// await waits until the log has matched n times, and returns the last match.
func (w *logWatch) await(n int, pattern string) string {
	re := regexp.MustCompile(pattern)
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if found := re.FindAllStringSubmatch(w.said.String(), -1); len(found) >= n {
			return found[n-1][len(found[n-1])-1]
		}
		w.wrote.Wait()
	}
}

// house is a curfewd that serves, in this process, with the file that it reads.
type house struct {
	testing.TB
	folder string
	log    *logWatch
	addr   string
	// told counts the signals.
	told int
}

const reloadConfig = `
server: {listen: "127.0.0.1:0"}
store: "sqlite:curfew.db"
directory:
  static:
    - {id: alice, kind: human, groups: [%s], token: "file:alice"}
    - {id: carol, kind: human, groups: [platform, engineering], token: "file:carol"}
roles: {admin: ["group:platform"]}
connectors:
%s
policies:
  - {name: read, who: ["group:engineering"], what: ["*/orders:read"], max_duration: 1h, approve: auto}
`

const reloadConnector = `  %s: {type: postgres, dsn: "file:dsn", databases: [orders], scram_iterations: 1, permissions: {read: {roles: [orders_read]}}}
`

func (h *house) configure(group string, connectors ...string) {
	h.Helper()
	h.write("curfew.yaml", configured(group, connectors...))
}

func configured(group string, connectors ...string) string {
	list := ""
	for _, c := range connectors {
		list += fmt.Sprintf(reloadConnector, c)
	}
	return fmt.Sprintf(reloadConfig, group, list)
}

func (h *house) write(name, content string) {
	h.Helper()
	if err := os.WriteFile(filepath.Join(h.folder, name), []byte(content), 0o600); err != nil {
		h.Fatal(err)
	}
}

// hangUp sends this process the signal, and waits until the configuration is taken over, or refused with that reason.
func (h *house) hangUp(refusal string) {
	h.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		h.Fatal(err)
	}
	h.told++
	got := h.log.await(h.told, `("level":"[A-Z]+","msg":"the configuration was .*)\n`)
	if refused := strings.HasPrefix(got, `"level":"ERROR"`); refused != (refusal != "") || !strings.Contains(got, refusal) {
		h.Errorf("the log says %s, want a refusal with %q", got, refusal)
	}
}

func (h *house) as(who string) *client.ClientWithResponses {
	h.Helper()
	c, err := client.NewClientWithResponses("http://"+h.addr, client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+who+"-token")
		return nil
	}))
	if err != nil {
		h.Fatal(err)
	}
	return c
}

// ask asks for what is automatic behind a connector, and returns its grant when it is active.
func (h *house) ask(connector string) client.Grant {
	h.Helper()
	r, err := h.as("alice").SubmitRequestWithResponse(h.Context(), &client.SubmitRequestParams{Wait: "1m"}, client.RequestBody{
		Entitlements: []string{connector + "/orders:read"}, Duration: "1h",
	})
	if err != nil {
		h.Fatal(err)
	}
	var got client.Request
	if err := json.Unmarshal(r.Body, &got); err != nil || len(got.Grants) != 1 || got.Grants[0].State != client.GrantStateActive {
		h.Fatalf("%v: %s", err, r.Body)
	}
	return got.Grants[0]
}

// grant reads a grant as the administrator sees it.
func (h *house) grant(id string) (g client.Grant) {
	h.Helper()
	r, err := h.as("carol").GetGrantWithResponse(h.Context(), id)
	if err != nil {
		h.Fatal(err)
	}
	if err := json.Unmarshal(r.Body, &g); err != nil {
		h.Fatal(err)
	}
	return g
}

// awaitEnd waits for the log to say that the grant has ended, and checks why.
func (h *house) awaitEnd(id string, reason client.GrantEndReason) {
	h.Helper()
	h.log.await(1, `"grant.ended".*`+id)
	if g := h.grant(id); g.State != client.GrantStateEnded || g.EndReason != reason || g.VerifiedAt.IsZero() {
		h.Errorf("grant %s is %s (%s)", id, g.State, g.EndReason)
	}
}

// serveOrders starts a PostgreSQL with a table to read, and a curfewd for it.
func serveOrders(t *testing.T) *house {
	t.Helper()
	pg, err := localpeer.StartPostgres(t.Context(), localpeer.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	const password = "reload-test-account"
	admin, err := pgx.Connect(t.Context(), pg.SuperuserDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(context.Background()) }()
	statements := []string{"CREATE DATABASE orders", "CREATE ROLE orders_read NOLOGIN", "CREATE ROLE curfew LOGIN CREATEROLE PASSWORD '" + password + "'"}
	if pg.Version() >= 16 {
		statements = append(statements, "GRANT orders_read TO curfew WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
	}
	for _, s := range statements {
		if _, err := admin.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	h := &house{TB: t, folder: t.TempDir(), log: newLogWatch()}
	h.write("dsn", pg.DSN("postgres", "curfew", password))
	h.write("alice", "alice-token")
	h.write("carol", "carol-token")
	h.configure("engineering", "db")
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		if code := run(ctx, []string{"serve", "-c", filepath.Join(h.folder, "curfew.yaml")}, os.Stdout, h.log); code != 0 {
			t.Errorf("curfewd ended with %d:\n%s", code, h.log.said.String())
		}
	})
	t.Cleanup(func() { cancel(); served.Wait() })
	h.addr = h.log.await(1, `"msg":"serving","address":"([^"]+)"`)
	return h
}

// TestHangUp changes the configuration of a curfewd that serves, and tells it so with the signal.
func TestHangUp(t *testing.T) {
	h := serveOrders(t)
	g := h.ask("db")

	// What cannot be taken over leaves everything as it is, and is loud.
	h.write("curfew.yaml", "polices: []\n")
	h.hangUp("polices")
	h.configure("engineering", "db2")
	h.hangUp("the connector db is not in the configuration any more")
	h.write("curfew.yaml", strings.Replace(configured("engineering", "db"), "127.0.0.1:0", "127.0.0.1:1", 1))
	h.hangUp("restart curfewd")
	if now := h.grant(g.ID); now.State != client.GrantStateActive {
		t.Errorf("after refused configurations the grant is %s", now.State)
	}

	// A connector more, at work at once.
	h.configure("engineering", "db", "db2")
	h.hangUp("")
	second := h.ask("db2")
	if _, err := h.as("alice").ReturnGrantWithResponse(t.Context(), second.ID); err != nil {
		t.Fatal(err)
	}
	h.awaitEnd(second.ID, client.GrantEndReasonReturned)
	for h.grant(second.ID).Housekeeping != "" { // what is left to tidy holds its connector too
		runtime.Gosched()
	}

	// Alice leaves the group, and the second connector goes.
	h.configure("sales", "db")
	h.hangUp("")
	h.awaitEnd(g.ID, client.GrantEndReasonIneligible)

	// Alice leaves.
	h.configure("engineering", "db")
	h.hangUp("")
	g = h.ask("db")
	h.write("curfew.yaml", strings.Replace(configured("engineering", "db"), "id: alice,", "id: eve,", 1))
	h.write("alice", "eve-token")
	h.hangUp("")
	h.awaitEnd(g.ID, client.GrantEndReasonIneligible)
	if r, err := h.as("alice").WhoamiWithResponse(t.Context()); err != nil || r.StatusCode() != http.StatusUnauthorized {
		t.Errorf("the token of one who left: %v, %v", r, err)
	}
	if r, err := h.as("eve").WhoamiWithResponse(t.Context()); err != nil || r.StatusCode() != http.StatusOK {
		t.Errorf("a token that was read anew: %v, %v", r, err)
	}
}
