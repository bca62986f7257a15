package server_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/server"
	"github.com/curfewhq/curfew/internal/syncbuf"
)

// installation is a configuration in a folder, with a store and a real target, of which the server comes and goes.
type installation struct {
	*testing.T
	pg     *localpeer.Postgres
	folder string
	// lose loses the store.
	lose func()

	server *server.Server
	log    *syncbuf.Buffer
}

const restoreConfig = `
server: {listen: "127.0.0.1:0", key: key}
store: file:store
directory:
  static:
    - {id: alice, kind: human, groups: [engineering], token: "file:alice"}
    - {id: carol, kind: human, groups: [platform], token: "file:carol"}
roles: {admin: ["group:platform"]}
connectors:
  db:
    type: postgres
    dsn: "file:dsn"
    timeout: 2s
    databases: [orders]
    scram_iterations: 1
    permissions: {read: {roles: [orders_read]}, write: {roles: [orders_read]}}
policies:
  - {name: read, who: ["group:engineering"], what: ["db/orders:read"], max_duration: 1h, approve: auto}
  - {name: write, who: ["group:engineering"], what: ["db/orders:write"], max_duration: 1h, approve: [{from: ["group:platform"]}]}
`

// newInstallation makes one whose store is of the kind, with a target of its own on the server.
func newInstallation(t *testing.T, pg *localpeer.Postgres, kind string) *installation {
	t.Helper()
	in := &installation{T: t, pg: pg, folder: t.TempDir(), log: &syncbuf.Buffer{}}
	at := "sqlite:" + filepath.Join(in.folder, "curfew.db")
	in.lose = func() {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(filepath.Join(in.folder, "curfew.db"+suffix))
		}
	}
	if kind == "postgres" {
		in.run("DROP SCHEMA IF EXISTS curfew CASCADE", "DROP ROLE IF EXISTS curfew_store", "CREATE ROLE curfew_store LOGIN PASSWORD 'secret'",
			"CREATE SCHEMA curfew AUTHORIZATION curfew_store")
		at = pg.DSN("postgres", "curfew_store", "secret")
		in.lose = func() { in.run("DROP SCHEMA curfew CASCADE", "CREATE SCHEMA curfew AUTHORIZATION curfew_store") }
	}
	in.write("curfew.yaml", restoreConfig)
	in.write("store", at)
	in.write("dsn", pg.DSN("orders", "curfew", "secret"))
	in.write("alice", "alice-1")
	in.write("carol", "carol-1")
	t.Cleanup(in.stop)
	return in
}

// target makes the database, the group role and Curfew's account that all installations share.
func target(t *testing.T, version int) *localpeer.Postgres {
	t.Helper()
	pg, err := localpeer.StartPostgres(t.Context(), localpeer.PostgresOptions{Version: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	in := &installation{T: t, pg: pg}
	in.run("CREATE DATABASE orders", "CREATE ROLE orders_read NOLOGIN", "CREATE ROLE curfew LOGIN CREATEROLE PASSWORD 'secret'")
	if version >= 16 {
		in.run("GRANT orders_read TO curfew WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
	}
	return pg
}

func (in *installation) run(texts ...string) {
	in.Helper()
	conn := in.connect()
	for _, text := range texts {
		if _, err := conn.Exec(context.Background(), text); err != nil {
			in.Fatalf("%s: %v", text, err)
		}
	}
	_ = conn.Close(context.Background())
}

func (in *installation) connect() *pgx.Conn {
	in.Helper()
	conn, err := pgx.Connect(context.Background(), in.pg.SuperuserDSN("postgres"))
	if err != nil {
		in.Fatal(err)
	}
	return conn
}

// beside changes a store in a file past the server, which is stopped.
func (in *installation) beside(text string) {
	in.Helper()
	db, err := sql.Open("sqlite", filepath.Join(in.folder, "curfew.db"))
	if err != nil {
		in.Fatal(err)
	}
	if _, err := db.ExecContext(in.Context(), text); err != nil {
		in.Fatal(err)
	}
	if err := db.Close(); err != nil {
		in.Fatal(err)
	}
}

func (in *installation) write(name, content string) {
	in.Helper()
	if err := os.WriteFile(filepath.Join(in.folder, name), []byte(content), 0o600); err != nil {
		in.Fatal(err)
	}
}

func (in *installation) config() *config.Config { return in.configAt("curfew.yaml") }

func (in *installation) configAt(name string) *config.Config {
	in.Helper()
	c, err := config.Load(filepath.Join(in.folder, name), config.Options{Types: all.ConnectorTypes(), ResolveSecrets: true})
	if err != nil {
		in.Fatal(err)
	}
	return c
}

// starts starts a server, or returns why there is none.
func (in *installation) starts() (err error) {
	in.Helper()
	in.server, err = server.Start(in.Context(), in.config(), server.Options{Log: slog.New(slog.NewTextHandler(in.log, nil)), Clock: access.SystemClock{}})
	return err
}

func (in *installation) start() {
	in.Helper()
	if err := in.starts(); err != nil {
		in.Fatal(err)
	}
}

func (in *installation) stop() {
	in.Helper()
	if in.server == nil {
		return
	}
	if err := in.server.Stop(context.Background()); err != nil {
		in.Error(err)
	}
	in.server = nil
}

func (in *installation) backup(name string) string {
	in.Helper()
	to := filepath.Join(in.folder, name)
	if err := server.Backup(in.Context(), in.config(), to, io.Discard); err != nil {
		in.Fatal(err)
	}
	return to
}

// call answers status and body of a call with a token.
func (in *installation) call(token, method, path, body string) (int, string) {
	in.Helper()
	r, err := http.NewRequestWithContext(in.Context(), method, "http://"+in.server.Addr().String()+path, strings.NewReader(body))
	if err != nil {
		in.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		in.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		in.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// ask asks as alice, and waits until what is automatic is there.
func (in *installation) ask(token, permission string) (r api.Request) {
	in.Helper()
	wait := ""
	if permission == "read" {
		wait = "?wait=30s"
	}
	status, body := in.call(token, "POST", "/v1/requests"+wait, fmt.Sprintf(`{"entitlements":["db/orders:%s"],"duration":"30m","reason":"order 17"}`, permission))
	if err := json.Unmarshal([]byte(body), &r); err != nil || status != 201 {
		in.Fatalf("%d %s", status, body)
	}
	if permission == "read" && r.Grants[0].State != "active" {
		in.Fatalf("the grant is %s: %s", r.Grants[0].State, body)
	}
	return r
}

// roles counts the log-ins of a request's grants at the target, by the mark that each bears.
func (in *installation) roles(r api.Request) (n int) {
	in.Helper()
	conn := in.connect()
	defer func() { _ = conn.Close(context.Background()) }()
	err := conn.QueryRow(in.Context(), `SELECT count(*) FROM pg_roles WHERE shobj_description(oid, 'pg_authid') LIKE '%' || $1 || '%'`, r.Grants[0].ID).Scan(&n)
	if err != nil {
		in.Fatal(err)
	}
	return n
}

// until asks until it is so, at a pace that leaves the machine to who is waited for.
func (in *installation) until(what string, so func() bool) {
	in.Helper()
	for !so() {
		select {
		case <-in.Context().Done():
			in.Fatalf("%s: not before the end of the test", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// TestRestore loses the store under what is live, and restores it from a backup that was taken beside the server.
func TestRestore(t *testing.T) {
	for _, version := range []int{15, 18} {
		pg := target(t, version)
		for _, kind := range []string{"sqlite", "postgres"} {
			t.Run(fmt.Sprintf("%s, target %d", kind, version), func(t *testing.T) { testRestore(t, newInstallation(t, pg, kind)) })
		}
	}
}

func testRestore(t *testing.T, in *installation) {
	in.start()
	live, pending := in.ask("alice-1", "read"), in.ask("alice-1", "write")
	backup := in.backup("backup")
	later := in.ask("alice-1", "read")
	in.stop()
	if in.roles(live) != 1 || in.roles(later) != 1 {
		t.Fatal("what was granted is not at the target")
	}
	in.lose()
	var said strings.Builder
	if err := server.Restore(t.Context(), in.config(), backup, &said); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "2 bearer tokens are void") {
		t.Errorf("the restore says:\n%s", said.String())
	}

	in.write("carol", "carol-2")
	in.start()
	// What is true before the first answer needs no waiting.
	if status, body := in.call("alice-1", "GET", "/v1/whoami", ""); status != 401 || !strings.Contains(body, "void since the store was restored") {
		t.Errorf("a token from before: %d %s", status, body)
	}
	if status, body := in.call("carol-2", "GET", "/v1/requests/"+pending.ID, ""); status != 200 || !strings.Contains(body, `"lapsed"`) {
		t.Errorf("the request that waited: %d %s", status, body)
	}
	if _, body := in.call("carol-2", "GET", "/metrics", ""); !strings.Contains(body, "curfew_tokens_void 1\n") || strings.Contains(body, "curfew_store_restored_timestamp_seconds 0\n") {
		t.Errorf("the metrics do not show the restore:\n%s", body)
	}
	if text := in.log.String(); !strings.Contains(text, "the store was restored from a backup") || !strings.Contains(text, "tokens=1") {
		t.Errorf("the log does not tell of it:\n%s", text)
	}
	in.until("what was live is taken back", func() bool {
		if in.roles(live) == 0 {
			return true
		}
		if _, body := in.call("carol-2", "GET", "/v1/grants/"+live.Grants[0].ID, ""); !strings.Contains(body, `"revoking"`) {
			t.Fatalf("the role is there, and the grant is not being taken back: %s", body)
		}
		return false
	})
	// What was made after the backup is not in the books, and found at the target by its mark.
	if status, _ := in.call("carol-2", "GET", "/v1/requests/"+later.ID, ""); status != 404 {
		t.Errorf("a request from after the backup: %d", status)
	}
	in.until("what was made after the backup is taken back", func() bool {
		if in.roles(later) == 0 {
			return true
		}
		if status, body := in.call("carol-2", "GET", "/readyz", ""); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		return false
	})
	if _, body := in.call("carol-2", "GET", "/v1/findings?all=true", ""); !strings.Contains(body, later.Grants[0].ID) {
		t.Errorf("what was found there is not among the findings: %s", body)
	}
	// A token that is changed is good as soon as the configuration is read again; the void one stays void.
	in.write("alice", "alice-2")
	if _, err := in.server.Propose(t.Context(), in.config()); err != nil {
		t.Fatal(err)
	}
	if _, body := in.call("carol-2", "GET", "/metrics", ""); !strings.Contains(body, "curfew_tokens_void 0\n") {
		t.Errorf("after the change:\n%s", body)
	}
	in.ask("alice-2", "read")
	in.stop()
	in.start() // and settles nothing twice
	var events api.EventList
	if _, body := in.call("carol-2", "GET", "/v1/events?limit=1000", ""); json.Unmarshal([]byte(body), &events) != nil {
		t.Fatal(body)
	}
	restored := 0
	for _, ev := range events.Items {
		if ev.Kind == "store.restored" {
			restored++
		}
	}
	if restored != 1 {
		t.Errorf("the log tells of %d restores", restored)
	}
}

// What cannot be restored is refused, and the place where it should go stays as it is.
func TestRestoreRefused(t *testing.T) {
	in := newInstallation(t, target(t, 15), "sqlite")
	in.start()
	in.ask("alice-1", "read")
	backup := in.backup("backup")
	in.stop()
	restore := func() error { return server.Restore(t.Context(), in.config(), backup, io.Discard) }
	if err := restore(); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("over what is there: %v", err)
	}
	in.lose()
	key, err := os.ReadFile(filepath.Join(in.folder, "key"))
	if err != nil {
		t.Fatal(err)
	}
	in.write("key", "curfew key-encryption key v1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
	if err := restore(); err == nil || !strings.Contains(err.Error(), "do not belong together") {
		t.Errorf("with another key file: %v", err)
	}
	if err := os.Remove(filepath.Join(in.folder, "key")); err != nil {
		t.Fatal(err)
	}
	if err := restore(); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("without a key file: %v", err)
	}
	if _, err := os.Stat(filepath.Join(in.folder, "curfew.db")); err == nil {
		t.Error("a restore that was refused has made a store")
	}
	in.write("key", string(key))
	if err := restore(); err != nil {
		t.Error(err)
	}
}

// Who can write to the store alone cannot make up a restore.
func TestMadeUpRestoreIsRefused(t *testing.T) {
	pg := target(t, 15)
	in := newInstallation(t, pg, "postgres")
	in.start()
	in.stop()
	in.run(`INSERT INTO curfew.restores (tenant, at, kept_position, kept_event, lost_position, lost_event, mac) VALUES ('default', ` +
		fmt.Sprint(time.Now().UnixMicro()) + `, 0, '', 0, '', decode(repeat('00', 16), 'hex'))`)
	if err := in.starts(); err == nil || !strings.Contains(err.Error(), "somebody has changed the store") {
		t.Errorf("got %v", err)
	}
}
