package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/server"
)

const configText = `
server: {listen: "127.0.0.1:0", key: %q}
store: file:store.txt
directory:
  static:
    - {id: alice, kind: human, groups: [engineering], token: env:CURFEW_TEST_TOKEN}
roles: {admin: ['group:engineering']}
connectors:
  db:
    type: postgres
    dsn: env:CURFEW_TEST_DSN
    permissions: {read: {roles: [orders_read]}}
policies:
  - {name: read, who: ['group:engineering'], what: ['db/**:read'], max_duration: 1h, approve: auto}
`

// TestNodesShareAStore starts several nodes on one empty PostgreSQL at the same moment, with one key file.
func TestNodesShareAStore(t *testing.T) {
	pg, err := localpeer.StartPostgres(t.Context(), localpeer.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	conn, err := pgx.Connect(t.Context(), pg.SuperuserDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `CREATE ROLE curfew_store LOGIN PASSWORD 'secret'; CREATE SCHEMA curfew AUTHORIZATION curfew_store`); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())

	t.Setenv("CURFEW_TEST_TOKEN", "alice-token")
	t.Setenv("CURFEW_TEST_DSN", pg.SuperuserDSN("postgres"))
	folder := t.TempDir()
	for name, content := range map[string]string{
		"store.txt":   pg.DSN("postgres", "curfew_store", "secret"),
		"curfew.yaml": fmt.Sprintf(configText, filepath.Join(folder, "key")),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var starting sync.WaitGroup
	for range 4 {
		starting.Go(func() { start(t, filepath.Join(folder, "curfew.yaml")) })
	}
	starting.Wait()
}

// start starts a node, asks it whether it is ready, and stops it at the end of the test.
func start(t *testing.T, path string) {
	c, err := config.Load(path, config.Options{Types: all.ConnectorTypes(), ResolveSecrets: true})
	if err != nil {
		t.Error(err)
		return
	}
	s, err := server.Start(t.Context(), c, server.Options{Log: slog.New(slog.DiscardHandler), Clock: access.SystemClock{}})
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	answer, err := http.Get("http://" + s.Addr().String() + "/readyz")
	if err != nil {
		t.Error(err)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("a node answers %s", answer.Status)
	}
}
